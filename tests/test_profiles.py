"""Profiles name rules that are there, and share out what is scarce."""

import os
import re
import subprocess
import sys

import pytest
from snakemake.profiles import ProfileConfigFileParser
from test_house import JOBS
from workflow_copy import ROOT, Workflow

TRAINS = re.compile(r"\b(train|train_\w+)\(")


def read(name):
    """Return a profile as Snakemake reads it."""
    with open(ROOT / f"profiles/{name}/config.yaml") as stream:
        return ProfileConfigFileParser().parse(stream)


def pairs(lines, separator="="):
    return dict(line.split(separator, 1) for line in lines)


def test_slurm_groups_are_of_rules_that_are_there():
    groups = pairs(read("slurm")["groups"])
    assert set(groups) <= set(JOBS)
    assert set(pairs(read("slurm")["group-components"])) <= set(groups.values())
    pages = {name for name, (file, _) in JOBS.items() if file.stem.startswith("paper_")}
    assert pages <= set(groups), f"figures and tables without a group: {sorted(pages - set(groups))}"
    on_gpu = {name for name, (_, body) in JOBS.items() if "gpu=" in body}
    assert on_gpu
    assert not on_gpu & set(groups)


def test_trainings_are_warned_and_never_sent_twice():
    warned = {line.split(":")[0] for line in read("slurm")["set-resources"]}
    assert all(line.endswith("slurm_extra='--signal=TERM@300'") for line in read("slurm")["set-resources"])
    assert warned == {name for name, (_, body) in JOBS.items() if "retries: 0" in body}
    scripts = {n: re.search(r'"\.\./(workflow_scripts/.+?)"', body)[1] for n, (_, body) in JOBS.items()}
    train = {name for name, script in scripts.items() if TRAINS.search((ROOT / script).read_text())}
    assert train <= warned, f"trainings that are sent twice: {sorted(train - warned)}"
    assert int(read("slurm")["retries"]) == 1


def test_a_warning_comes_long_before_the_end_of_a_training():
    for name, (_, body) in JOBS.items():
        if "retries: 0" in body and (minutes := re.search(r"runtime=(\d+),", body)):
            assert int(minutes[1]) >= 30, name


@pytest.mark.slow
def test_no_group_waits_for_itself(tmp_path):
    """Jobs of a group are put together at will: none may lead to another through a job that is not of the group."""
    drawn = Workflow(tmp_path / "workflow").snakemake("--rulegraph", "dot", "--configfile", "configs/tiny.yaml").stdout
    names = dict(re.findall(r'^\s*(\d+)\[label = "(\w+)', drawn, re.MULTILINE))
    after = {}
    for before, later in re.findall(r"(\d+) -> (\d+)", drawn):
        after.setdefault(names[before], set()).add(names[later])
    groups = pairs(read("slurm")["groups"])
    assert len(set(groups) & set(names.values())) > 60
    for rule, group in groups.items():
        waiting = {later for later in after.get(rule, ()) if groups.get(later) != group}
        reached = set()
        while waiting:
            found = waiting.pop()
            reached.add(found)
            waiting |= after.get(found, set()) - reached
        returned = {name for name in reached if groups.get(name) == group}
        assert not returned, f"{rule} leads to {sorted(returned)} of its own group {group} through others"


SNAKEFILE = """
import sys
rule all:
    input: expand("{i}.txt", i=range(5))
rule work:
    output: "{i}.txt"
    log: "{i}.log"
    resources: gpu=1
    script: "work.py"
"""
SCRIPT = """
import os, sys, time
sys.path.insert(0, "workflow_scripts")
from clustermass import runtime
with runtime.logged(snakemake):
    begun = time.time()
    time.sleep(1)
    with open(snakemake.output[0], "w") as file:
        print(begun, time.time(), os.environ["CUDA_VISIBLE_DEVICES"], file=file)
"""


@pytest.mark.slow
def test_a_workstation_gives_every_job_a_gpu_of_its_own(tmp_path):
    driver = tmp_path / "bin/nvidia-smi"
    driver.parent.mkdir()
    driver.write_text("#!/bin/sh\nprintf 'GPU-1\\nGPU-2\\n'\n")
    driver.chmod(0o755)
    (tmp_path / "Snakefile").write_text(SNAKEFILE)
    (tmp_path / "work.py").write_text(SCRIPT)
    for part in ("profiles", "workflow_scripts"):
        (tmp_path / part).symlink_to(ROOT / part)
    environment = {
        name: value for name, value in os.environ.items() if name not in ("CUDA_VISIBLE_DEVICES", "SLURM_JOB_ID")
    }
    environment |= {"PATH": f"{driver.parent}:{os.environ['PATH']}", "TMPDIR": str(tmp_path)}
    command = [sys.executable, "-m", "snakemake", "--workflow-profile", "profiles/gpu", "--cores", "5"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    jobs = [(tmp_path / f"{i}.txt").read_text().split() for i in range(5)]
    at_once = [(a, b) for a in jobs for b in jobs if a is not b and float(a[0]) <= float(b[0]) < float(a[1])]
    assert at_once
    assert all(a[2] != b[2] for a, b in at_once)
    assert not any("waiting" in (tmp_path / f"{i}.log").read_text() for i in range(5))


def test_no_job_asks_for_more_cores_than_a_small_node_has(tmp_path):
    """With ten folds: a job that no node can take waits for ever, and says nothing."""
    listed = Workflow(tmp_path / "workflow").snakemake("--dry-run", "--cores", "64").stdout
    assert max(map(int, re.findall(r"^    threads: (\d+)$", listed, re.MULTILINE))) <= 8
