"""Through profiles/slurm on a real cluster of one node: all artefacts, and what becomes of jobs that go wrong."""

import importlib.util
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from slurm_cluster import Cluster, install, wait_for
from workflow_copy import ROOT, Workflow, check_products

pytestmark = pytest.mark.slurm
OPTIONS = ["--profile", "profiles/slurm", "--slurm-init-seconds-before-status-checks", "2", "--latency-wait", "10"]


@pytest.fixture(scope="module")
def cluster():
    if importlib.util.find_spec("snakemake_executor_plugin_slurm") is None:
        pytest.skip("snakemake-executor-plugin-slurm is not installed")
    if problem := install():
        pytest.skip(problem)
    with Cluster(cpus=8) as cluster:
        yield cluster


class Probe:
    """Jobs of slurm_probe.smk, in a folder of their own."""

    def __init__(self, cluster, folder):
        self.cluster, self.folder, self.process = cluster, folder, None
        shutil.copytree(ROOT / "profiles", folder / "profiles")

    def start(self, *arguments):
        """Start Snakemake; what it says goes to `said`."""
        library = f"library={ROOT / 'tests'}"
        command = [
            sys.executable,
            "-m",
            "snakemake",
            "--snakefile",
            ROOT / "tests/slurm_probe.smk",
            *OPTIONS,
            "--keep-going",
        ]
        with open(self.folder / "said", "w") as said:
            self.process = subprocess.Popen(
                [*command, "--config", library, "--", *arguments],
                cwd=self.folder,
                env=self.cluster.environment,
                stdout=said,
                stderr=said,
            )

    def run(self, *arguments):
        """Run Snakemake and return its exit status and what it said."""
        self.start(*arguments)
        return self.finished()

    def finished(self):
        """Wait for Snakemake and return its exit status and what it said."""
        status = self.process.wait(400)
        return status, (self.folder / "said").read_text()

    def text(self, name):
        """Return what stands in a file, nothing where it is not there."""
        return (self.folder / name).read_text() if (self.folder / name).exists() else ""

    def jobs(self, rule):
        """Return the numbers of the running jobs of a rule."""
        found = self.cluster.ask("squeue", "--noheader", "--states=RUNNING", "--format=%i %k").stdout.splitlines()
        return [line.split()[0] for line in found if line.split()[1].startswith(f"rule_{rule}")]


@pytest.fixture
def probe(cluster, tmp_path):
    probe = Probe(cluster, tmp_path)
    yield probe
    if probe.process is not None and probe.process.poll() is None:
        probe.process.kill()
        probe.process.wait()


def test_jobs_that_fail_are_named_with_their_logs_and_the_rest_is_finished(probe):
    status, said = probe.run("all")
    assert status == 1
    done = sorted(path.name for path in probe.folder.glob("*.txt"))
    assert done == [f"{rule}_{step}.txt" for rule in ("gpu", "small") for step in range(4)]
    assert len(set(map(probe.text, (f"small_{step}.txt" for step in range(4))))) == 1  # one job of Slurm's for all

    spans = []
    for step in range(4):
        start, gpu, end = probe.text(f"gpu_{step}.txt").split()
        spans.append((float(start), float(end), gpu))
    at_once = [(a, b) for a in spans for b in spans if a < b and b[0] < a[1]]
    assert at_once, f"no two jobs ran at the same time: {spans}"
    assert all({a[2], b[2]} == {"0", "1"} for a, b in at_once)

    for rule, reason in (("memory", "exceeded memory limit"), ("time", "DUE TO TIME LIMIT")):
        error = said.split(f"Error in rule {rule}:")[1].split("external_jobid")[0]
        own, slurm = (Path(word.strip(" ,")) for word in error.split("log:")[1].split(" (check")[0].split(", "))
        assert own == Path(f"logs/{rule}.log")
        assert reason in slurm.read_text()
    assert probe.text("tries_memory").count("try") == 2
    assert said.count("Error in rule time:") == 1
    assert "after_memory" not in said.split("Execute", 1)[1]


def test_a_training_is_warned_before_its_time_is_up_and_goes_on_when_run_again(probe):
    status, said = probe.run("trained.txt")
    assert status == 1
    assert "Error in rule training_cnn3d" in said
    first = probe.text("logs/training.log")
    assert "stopped by SIGTERM" in first
    epochs = re.findall(r"epoch (\d+): loss", first)
    assert list(map(int, epochs)) == list(range(1, len(epochs) + 1))
    (probe.folder / "logs/training.log").unlink()
    probe.start("trained.txt")
    wait_for(lambda: " epoch " in probe.text("logs/training.log"), "the second training", 120)
    probe.cluster.ask("scancel", *probe.jobs("training"))
    assert probe.finished()[0] == 1
    again = re.search(r"epoch (\d+): loss", probe.text("logs/training.log"))[1]
    assert int(again) - len(epochs) in (1, 2)  # the last epoch may be saved without a word


def test_a_cancelled_job_is_made_again_by_the_same_command(probe):
    probe.start("slow_a.txt", "slow_b.txt")
    wait_for(lambda: (probe.folder / "begun_a").exists() and (probe.folder / "begun_b").exists(), "both jobs", 120)
    (cancelled,) = probe.jobs("slow_wildcards_a")
    probe.cluster.ask("scancel", cancelled)
    wait_for(lambda: probe.cluster.queue()[cancelled] == "CANCELLED", "the cancellation", 60)
    (probe.folder / "go").touch()
    status, said = probe.finished()
    assert status == 1
    assert f"SLURM-job '{cancelled}' failed, SLURM status is: 'CANCELLED'" in said
    assert not (probe.folder / "slow_a.txt").exists()
    assert (probe.folder / "slow_b.txt").exists()
    status, said = probe.run("slow_a.txt", "slow_b.txt")
    assert status == 0, said
    assert (probe.folder / "slow_a.txt").exists()
    assert (probe.text("tries_a").count("try"), probe.text("tries_b").count("try")) == (2, 1)


def test_jobs_of_a_node_that_is_lost_run_again_when_it_is_back(probe):
    probe.start("slow_a.txt")
    wait_for(lambda: (probe.folder / "begun_a").exists(), "the job", 120)
    probe.cluster.kill_node()
    wait_for(lambda: not probe.cluster.steps(), "the end of its jobs")
    wait_for(lambda: probe.cluster.node() == "down", "the loss of the node", 120)
    (probe.folder / "go").touch()
    probe.cluster.start_node()
    status, said = probe.finished()
    assert status == 0, said
    assert probe.text("tries_a").count("try") == 2
    status, said = probe.run("slow_a.txt")
    assert status == 0
    assert "Nothing to be done" in said


def test_all_artefacts_are_made(cluster, tmp_path):
    workflow = Workflow(tmp_path / "workflow")
    shutil.copy(ROOT / "tests/slurm.yaml", workflow.folder)
    command = [sys.executable, "-m", "snakemake", *OPTIONS, "--configfile", "configs/tiny.yaml", "slurm.yaml"]
    done = subprocess.run(
        command, cwd=workflow.folder, env=cluster.environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    check_products(workflow, "simulated")
    assert not list((workflow.folder / "logs/slurm").rglob("*.log"))  # kept where a job failed
