"""Elsewhere: environments of rules, the catalogue's shim, a module of another workflow, the cache of results, images."""

import ast
import os
import re
import subprocess
import sys
from functools import cache
from importlib.metadata import packages_distributions

import pandas as pd
import pytest
import yaml
from snakemake.cli import get_argument_parser
from test_house import JOBS, ROOT
from workflow_copy import Workflow

from clustermass import provenance
from clustermass.contracts import read_metadata

SHIM = ROOT / "workflow/Snakefile"
TINY = ROOT / "configs/tiny.yaml"
FIGURE = "results/simulated/lin2022/fig02.csv"  # made of nothing
BLANKS = "results/simulated/frames/blank_fields.parquet"  # random, and made of nothing
BOX = "results/simulated/universe/box{}/z0.05/found.parquet"
SMALL = {
    "universe": {"boxes": 2},
    "nbody": {"box_mpc_h": 60.0, "particles_per_side": 32, "redshifts": [0.117, 0.05], "threads": 1},
    "lightcone": {"ra_deg": [150.0, 160.0], "dec_deg": [0.0, 10.0]},
}


def snakemake(folder, *arguments, fails=False, **environment):
    """Run Snakemake in a folder and return what it says."""
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", "--cores", "1", *arguments],
        cwd=folder,
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert (done.returncode != 0) == fails, done.stdout
    return done.stdout


def total(output):
    """Return how many jobs Snakemake says that it would do."""
    return int(re.search(r"^total +(\d+)$", output, re.MULTILINE)[1])


@cache
def imported(path):
    """Return what a file imports when it is read; what it may import later, or for types alone, is left out."""
    found = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.update([node.module, *(f"{node.module}.{alias.name}" for alias in node.names)])
    return found


def foreign(script):
    """Return the packages that a script and the library behind it import when they are read."""
    seen, waiting, packages = set(), [provenance.SCRIPTS / script], set()
    while waiting:
        path = waiting.pop()
        if path not in seen:
            seen.add(path)
            for name in imported(path):
                waiting += provenance._files_of(name)
                packages.add(name.split(".")[0])
    return packages - sys.stdlib_module_names - {"clustermass"}


def environments():
    """Return the names of the distributions of each environment."""
    files = {file.stem: yaml.safe_load(file.read_text()) for file in (ROOT / "envs").glob("*.yaml")}
    return {
        name: {re.sub(r"[._]", "-", pin.split("==")[0].lower()) for pin in stanza["dependencies"][-1]["pip"]}
        for name, stanza in files.items()
    }


def test_environments_hold_what_their_rules_import():
    held, names = environments(), packages_distributions()
    assert set(held) == {"cpu", "torch"}
    assert "torch" not in held["cpu"]
    for rule, (_file, body) in JOBS.items():
        script = re.search(r'code_version\("(.+?)"\)', body)[1]
        environment = re.search(r"envs/(\w+)\.yaml", body)[1]
        for package in foreign(script):
            known = {re.sub(r"[._]", "-", name.lower()) for name in names[package]}
            assert known & held[environment], f"{rule}: {script} imports {package}: not in envs/{environment}.yaml"


def test_environments_hold_all_that_the_lock_says_they_need(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "envs"))
    import lock

    for kind in ("cpu", "torch"):
        assert lock.environment(kind) == (ROOT / f"envs/{kind}.yaml").read_text(), "run `make lock`"


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory):
    """Run the shim from an empty folder; return the folder and what Snakemake says."""
    folder = tmp_path_factory.mktemp("elsewhere")
    return folder, snakemake(folder, "--snakefile", str(SHIM), "--configfile", str(TINY), "--", FIGURE, BLANKS)


def test_shim_runs_from_another_folder(elsewhere):
    folder, said = elsewhere
    assert "profiles/default" in said
    assert (folder / "figures/simulated/lin2022/fig02.pdf").stat().st_size > 1000
    assert not (folder / "config.yaml").exists()
    assert total(snakemake(folder, "--dry-run", "--snakefile", str(SHIM), "--configfile", str(TINY))) > 180


def test_number_of_jobs_stands_before_the_first_job(elsewhere):
    said = elsewhere[1]
    number = re.search(r"^total +2$", said, re.MULTILINE)
    assert 0 < said.index("Job stats:") < number.start() < said.index("rule frames_blanks")


def test_catalogue_of_workflows_finds_what_it_wants():
    assert "workflow" in (ROOT / "README.md").read_text().lower()
    assert (ROOT / "config/README.md").read_text()
    overlay = yaml.safe_load((ROOT / "config/config.yaml").read_text()) or {}
    assert set(overlay) <= set(yaml.safe_load((ROOT / "config.yaml").read_text()))
    usage = yaml.safe_load((ROOT / ".snakemake-workflow-catalog.yml").read_text())["usage"]
    assert usage["software-stack-deployment"] == {"conda": True}
    assert usage["report"] is True


def test_images_hold_the_lock_and_all_that_runs():
    """Static: what the recipes say; neither is built here."""
    docker, apptainer = (ROOT / "Dockerfile").read_text(), (ROOT / "clustermass.def").read_text()
    needed = {
        "requirements.lock",
        "Snakefile",
        "config.yaml",
        "rules",
        "envs",
        "configs",
        "profiles",
        "workflow_scripts",
    }
    for recipe in (docker, apptainer):
        lines = re.findall(r"^(?:COPY|   ) ([\w. ]+) /opt/clustermass", recipe, re.MULTILINE)
        assert {name for line in lines for name in line.split()} == needed
        assert "pip install" in recipe
        assert "--requirement /opt/clustermass/requirements.lock" in recipe
        assert "python:3.12-slim" in recipe
        assert "latest" not in recipe
    ignored = (ROOT / ".dockerignore").read_text().split()
    assert ignored[0] == "*"
    assert {name.removeprefix("!") for name in ignored if name.startswith("!")} == needed
    assert re.search(r"^USER (?!root)", docker, re.MULTILINE)
    assert docker.index("USER ") < docker.index('ENTRYPOINT ["snakemake", "--snakefile", "/opt/clustermass/Snakefile"]')
    assert 'exec snakemake --snakefile /opt/clustermass/Snakefile "$@"' in apptainer
    assert "NVIDIA_DRIVER_CAPABILITIES=compute" in docker
    assert "--nv" in apptainer


def test_profile_of_object_stores_has_options_that_snakemake_knows():
    profile = yaml.safe_load((ROOT / "profiles/s3/config.yaml").read_text())
    own = {name for name in profile if name.startswith("storage-s3-")}  # of the plugin
    options = {name.lstrip("-") for action in get_argument_parser()._actions for name in action.option_strings}
    assert own
    assert set(profile) - own <= options
    assert profile["default-storage-provider"] == "s3"
    assert profile["default-storage-prefix"].startswith("s3://")
    assert "input-output" not in profile["shared-fs-usage"]


MODULE = """
import yaml

module weighing:
    snakefile: {snakefile}
    config: {config}
    prefix: "weighed"

use rule * from weighing as {name}

rule mine:
    default_target: True
    input:
        rules.{all}.input,
"""


def test_another_workflow_imports_this_one(tmp_path, elsewhere):
    config = yaml.safe_load(TINY.read_text())
    text = MODULE.format(snakefile=repr(str(SHIM)), config=config, name="cm_*", all="cm_all")
    (tmp_path / "Snakefile").write_text(text)
    assert total(snakemake(tmp_path, "--dry-run")) > 180
    snakemake(tmp_path, f"weighed/{BLANKS}")
    assert not (tmp_path / "results").exists()
    one, other = elsewhere[0] / BLANKS, tmp_path / "weighed" / BLANKS
    pd.testing.assert_frame_equal(pd.read_parquet(one), pd.read_parquet(other))  # random, whatever the rule is called
    assert read_metadata(one)["provenance"] == read_metadata(other)["provenance"]


@pytest.mark.slow
def test_a_module_from_a_hosting_provider_brings_its_library(tmp_path):
    """Git is told that the provider is a folder here."""
    served = tmp_path / "served/any/clustermass.git"
    work = Workflow(tmp_path / "copy").folder
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
    for command in (["init", "-q", "-b", "main"], ["add", "."], [*identity, "commit", "-q", "-m", "x"], ["tag", "v1"]):
        subprocess.run(["git", *command], cwd=work, check=True)
    subprocess.run(["git", "clone", "-q", "--bare", str(work), str(served)], check=True)
    (tmp_path / "gitconfig").write_text(f'[url "file://{tmp_path}/served/"]\n\tinsteadOf = https://github.com/\n')
    mine = tmp_path / "mine"
    mine.mkdir()
    snakefile = 'github("any/clustermass", path="workflow/Snakefile", tag="v1")'
    text = MODULE.format(snakefile=snakefile, config={}, name="*", all="all")
    (mine / "Snakefile").write_text(text)
    settings = {"GIT_CONFIG_GLOBAL": str(tmp_path / "gitconfig"), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    snakemake(mine, f"weighed/{FIGURE}", **settings)
    assert (mine / "weighed/figures/simulated/lin2022/fig02.pdf").stat().st_size > 1000
    assert list((tmp_path / "cache").rglob("clustermass-*/workflow_scripts/clustermass/published.yaml"))


@pytest.fixture(scope="module")
def cached(tmp_path_factory):
    """Return a function that runs the smallest boxes in a folder of a name, with a cache of results, and the cache."""
    root = tmp_path_factory.mktemp("cached")
    (root / "cache").mkdir()
    (root / "small.yaml").write_text(yaml.safe_dump(SMALL))

    def run(name, *targets, **options):
        (root / name).mkdir(exist_ok=True)
        arguments = ("--cache", "--snakefile", str(SHIM), "--configfile", str(root / "small.yaml"), "--", *targets)
        return snakemake(root / name, *arguments, SNAKEMAKE_OUTPUT_CACHE=str(root / "cache"), **options)

    return run, root


@pytest.mark.slow
def test_a_second_folder_takes_the_universe_from_the_cache(cached):
    run, root = cached
    boxes = [BOX.format(1), BOX.format(2)]
    run("first", *boxes)
    made = [read_metadata(root / "first" / box)["provenance"] for box in boxes]
    assert made[0]["wildcards"] != made[1]["wildcards"]  # jobs of one rule are told apart
    said = run("second", *boxes)
    assert said.count("from cache") == 2 * 3 * 2  # files of two boxes at two redshifts
    assert not any(log.stat().st_size for log in (root / "second/logs").rglob("*.log"))  # nothing ran
    for box in boxes:
        assert (root / "second" / box).resolve() == (root / "first" / box).resolve()


@pytest.mark.slow
def test_a_damaged_entry_of_the_cache_is_refused_where_it_is_read(cached):
    run, root = cached
    run("first", BOX.format(1))
    entry = (root / "first" / BOX.format(1)).resolve()
    whole = entry.read_bytes()
    entry.write_bytes(whole[: len(whole) // 3] + bytes([whole[len(whole) // 3] ^ 1]) + whole[len(whole) // 3 + 1 :])
    halos = "results/simulated/universe/box1/z0.05/halos.parquet"
    assert "CRC" in run("third", halos, fails=True)
    assert not (root / "third" / halos).exists()
    entry.unlink()
    assert "although it existed before" in run("third", halos, fails=True)  # a link to nothing stops Snakemake itself
    (root / "third" / BOX.format(1)).unlink()
    run("third", halos)
    assert (root / "third" / halos).exists()
    assert entry.read_bytes() == whole
