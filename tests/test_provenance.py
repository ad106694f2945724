"""code_version changes with what is computed, and with nothing else."""

import subprocess

import pytest

from clustermass import provenance


@pytest.fixture
def scripts(tmp_path, monkeypatch):
    """A small library with a script, in place of the real one."""
    library = tmp_path / "clustermass"
    (library / "deep").mkdir(parents=True)
    files = {
        "stage/work.py": '"""Doc."""\nfrom clustermass import a\nprint(a.f(1))\n',
        "clustermass/__init__.py": "",
        "clustermass/a.py": "from clustermass.deep import b\n\ndef f(x):\n    return b.g(x)\n",
        "clustermass/deep/__init__.py": '"""Deep."""\n',
        "clustermass/deep/b.py": "ONE = 1\n\n\ndef g(x):\n    return x + 1\n",
        "clustermass/other.py": "y = 1\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(provenance, "SCRIPTS", tmp_path)
    return tmp_path


def version(scripts):
    for function in (provenance._parsed, provenance._files_of):
        function.cache_clear()
    return provenance.code_version("stage/work.py")


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("stage/work.py", '"""Another."""\nfrom clustermass import a\n\n\n# why\nprint(a.f(1))\n'),
        ("clustermass/deep/b.py", 'ONE = 1\ndef g(x):\n    """Add one."""\n    return (x + 1)  # one\n'),
        ("clustermass/other.py", "y = 2\n"),
        ("clustermass/deep/b.py", 'ONE = 1\n"""What one is."""\n\n\ndef g(x):\n    return x + 1\n'),
        ("clustermass/a.py", "from clustermass.deep import b\ndef f(x): return b.g(x)\n"),
    ],
)
def test_comments_docstrings_layout_and_strangers_do_not_count(scripts, file, text):
    before = version(scripts)
    (scripts / file).write_text(text)
    assert version(scripts) == before


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("stage/work.py", "f(1)", "f(2)"),
        ("clustermass/a.py", "b.g(x)", "b.g(x) + 0"),
        ("clustermass/deep/b.py", "x + 1", "x + 2"),
        ("clustermass/deep/__init__.py", '"""Deep."""', "import math"),
    ],
)
def test_code_counts_wherever_it_is_imported_from(scripts, file, old, new):
    before = version(scripts)
    path = scripts / file
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    assert version(scripts) != before


def test_descriptions_of_settings_do_not_count(scripts):
    (scripts / "clustermass/other.py").write_text('x = Field(1, description="one")\n')
    (scripts / "clustermass/a.py").write_text("from clustermass import other\n")
    before = version(scripts)
    (scripts / "clustermass/other.py").write_text('x = Field(1, description="two")\n')
    assert version(scripts) == before
    (scripts / "clustermass/other.py").write_text('x = Field(2, description="two")\n')
    assert version(scripts) != before


def test_a_config_section_reaches_only_scripts_that_read_it():
    reached = {path.stem for path in provenance._closure(provenance.SCRIPTS / "crossmatch/match.py")}
    assert {"crossmatch", "base", "contracts"} <= reached
    assert not {"model", "figures", "simulated"} & reached


class Items(dict):
    def __iter__(self):
        return iter(self.values())


class Job:
    rule, scriptdir = "stage_work", "/a/folder/stage"
    wildcards = Items(source="simulated")
    params = Items(seed=1)


def test_record_holds_settings_and_checksums_and_no_time(tmp_path):
    (tmp_path / "in.txt").write_text("abc")
    job = Job()
    job.input = [str(tmp_path / "in.txt")]
    record = provenance.record(job)
    known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # SHA-256 of 'abc', FIPS 180-2 B.1
    assert record["inputs"] == {str(tmp_path / "in.txt"): known}
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/in.txt").write_text("abc")
    job.input = [str(tmp_path / "folder")]
    assert provenance.record(job)["inputs"] == {str(tmp_path / "folder/in.txt"): known}
    job.input = [str(tmp_path / "in.txt")]
    assert record["rule"] == "stage_work"
    assert record["settings"] == {"seed": 1}
    assert record["software"]["numpy"]
    assert record == provenance.record(job)


def test_commit_is_that_of_git_or_unknown(tmp_path, monkeypatch):
    monkeypatch.setattr(provenance, "SCRIPTS", tmp_path)
    assert provenance.commit() == "unknown"
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    subprocess.run(["git", *identity, "commit", "-q", "--allow-empty", "-m", "x"], cwd=tmp_path, check=True)
    full = subprocess.run(["git", "rev-parse", "HEAD"], cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert full.startswith(provenance.commit())
    assert len(provenance.commit()) >= 12
