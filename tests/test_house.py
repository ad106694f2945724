"""The rules of the house: names match, rules are complete, every function is tested, nothing foreign is named."""

import ast
import re
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
LIBRARY = ROOT / "workflow_scripts/clustermass"
TRACKED = [
    ROOT / name
    for name in subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split(
        "\n"
    )
    if name and (ROOT / name).is_file()
]


def rule_blocks():
    """Return the text of every rule, by name, with its file."""
    blocks = {}
    for file in [ROOT / "Snakefile", *sorted((ROOT / "rules").glob("*.smk"))]:
        for name, body in re.findall(r"^rule (\w+):\n(.*?)(?=^\S|\Z)", file.read_text(), re.DOTALL | re.MULTILINE):
            blocks[name] = (file, body)
    return blocks


RULES = rule_blocks()
JOBS = {name: block for name, block in RULES.items() if "script:" in block[1]}


def test_rules_were_found():
    assert {"all", "lin2022", "data_halos", "crossmatch_match", "lin2022_fig01"} <= set(RULES)


@pytest.mark.parametrize("name", RULES)
def test_rule_has_a_docstring(name):
    assert re.match(r'    """[A-Z].*\."""\n', RULES[name][1]), f"rule {name}: say in one sentence what it makes"


@pytest.mark.parametrize("name", JOBS)
def test_rule_is_complete(name):
    file, body = JOBS[name]
    for part in ("log:", "benchmark:", "threads:", "mem_mb=", "runtime=", "conda:", "code=code_version("):
        assert part in body, f"rule {name} has no {part}"
    script = re.search(r'script:\n\s+"\.\./workflow_scripts/(.+?)"', body)[1]
    assert (ROOT / "workflow_scripts" / script).is_file()
    assert re.search(r'code_version\("(.+?)"\)', body)[1] == script, f"rule {name}: code_version of another script"
    stage = file.stem.removeprefix("paper_")
    assert name.startswith(f"{stage}_"), f"rule {name} stands in {file.name}"
    assert script.startswith(f"{stage}/")
    environment = re.search(r'conda:\n\s+"\.\./(envs/\w+\.yaml)"', body)[1]
    assert (ROOT / environment).is_file()


@pytest.mark.parametrize("name", [n for n in JOBS if JOBS[n][0].stem.startswith("paper_")])
def test_artefact_has_a_predictable_address(name):
    _file, body = JOBS[name]
    paper, artefact = name.split("_", 1)
    script = re.search(r'"\.\./workflow_scripts/(.+?)"', body)[1]
    assert re.fullmatch(rf"{paper}/{artefact}(_\w+)?\.py", script)
    assert f"results/{{source}}/{paper}/{artefact}." in body
    docstring = (ROOT / "workflow_scripts" / script).read_text().split('"""')[1]
    year = re.sub(r"\D", "", paper)
    assert year in docstring
    assert year in body.split('"""')[1]
    assert name in docstring, f"{script} does not name its rule {name}"
    caption = re.search(r'caption="(.+?)"', body)
    assert caption, f"rule {name} has no caption for the report"
    assert (ROOT / "rules" / caption[1]).is_file()


@pytest.mark.parametrize("file", sorted((ROOT / "rules").glob("*.smk")), ids=lambda f: f.name)
def test_captions_that_rules_name_are_there(file):
    for caption in re.findall(r'caption="(.+?)"', file.read_text()):
        assert (ROOT / "rules" / caption).is_file(), caption


@pytest.mark.parametrize("name", [name for name in JOBS if re.search(r'"figures/', JOBS[name][1])])
def test_figures_stand_in_the_report(name):
    body = RULES[name][1]
    for part in ("report(", 'caption="', '"artefact": ', '"data": '):
        assert part in body or "_shown(" in body, f"rule {name}: {part} is missing"


def test_snakefile_is_short():
    assert len((ROOT / "Snakefile").read_text().splitlines()) < 60


@pytest.mark.parametrize("file", [f for f in TRACKED if f.suffix in (".py", ".smk")], ids=lambda f: f.name)
def test_files_are_not_too_long(file):
    assert len(file.read_text().splitlines()) <= 500


def test_the_library_does_not_import_snakemake():
    for file in LIBRARY.rglob("*.py"):
        assert not re.search(r"^\s*(from|import) snakemake", file.read_text(), re.MULTILINE), file


def names_in(tree):
    """Return every name that a piece of code mentions."""
    nodes = ast.walk(tree)
    return {getattr(node, "id", None) or getattr(node, "attr", None) for node in nodes} - {None}


def library_functions():
    """Return the code of every function of the library by name, classes with their methods counting as one."""
    found = {}
    for file in sorted(LIBRARY.rglob("*.py")):
        for node in ast.parse(file.read_text()).body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                found[node.name] = found.get(node.name, set()) | names_in(node)  # one name in several modules
            elif isinstance(node, ast.Assign | ast.AnnAssign):  # tables of functions
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                found |= {n: found.get(n, set()) | names_in(node) for target in targets for n in names_in(target)}
    return found


def reached_by_tests():
    """Return the names that tests mention, and those that these mention in turn."""
    library = library_functions()
    tests = [f for f in (ROOT / "tests").glob("test_*.py") if f.name != "test_house.py"]
    waiting = set().union(*(names_in(ast.parse(file.read_text())) for file in tests))
    reached = set()
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached.add(name)
            waiting |= library.get(name, set())
    return reached


def test_every_library_function_is_called_by_a_test():
    untested = {name for name in library_functions() if name.islower() and name != "__all__"} - reached_by_tests()
    assert not untested, f"no test reaches {', '.join(sorted(untested))}"


def test_conda_environments_hold_the_versions_of_the_lock():
    lock = dict(
        line.split(" ;")[0].lower().split("==")
        for line in (ROOT / "requirements.lock").read_text().splitlines()
        if "==" in line
    )
    for file in (ROOT / "envs").glob("*.yaml"):
        pins = yaml.safe_load(file.read_text())["dependencies"][-1]["pip"]
        assert pins
        for pin in pins:
            name, version = pin.split(" ;")[0].lower().split("==")
            assert lock[name] == version, f"{file.name}: {pin}; run `make lock`"
    assert (lock["torch"], lock["torchvision"]) == ("2.14.1", "0.29.1")
    assert all(
        re.fullmatch(r"[\w.+-]+==[\w.+-]+( ;.*)?|#.*|", line)
        for line in (ROOT / "requirements.lock").read_text().splitlines()
    )


@pytest.mark.parametrize("file", TRACKED, ids=lambda f: f.relative_to(ROOT).as_posix())
def test_no_file_names_this_machine_or_holds_data(file):
    assert file.suffix not in {
        ".fits",
        ".bz2",
        ".pth",
        ".pt",
        ".npz",
        ".npy",
        ".pkl",
        ".pickle",
        ".h5",
        ".hdf5",
        ".parquet",
    }
    text = file.read_text(errors="ignore")
    home = str(Path.home())
    assert f"{ROOT}/" not in text
    assert home == "/" or f"{home}/" not in text
    assert not re.search(r"--(extra-)?index-url|find-links", text) or file.name == Path(__file__).name
