"""GPUs are shared out among jobs: none to two of them, waiting where all are taken. None is needed here."""

import os
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest

from clustermass import gpus, runtime
from clustermass.gpus import VARIABLE, GpuError, taken_gpus, visible_gpus

LIBRARY = gpus.__file__.removesuffix("/clustermass/gpus.py")
HOLD = "from pathlib import Path; from clustermass.gpus import taken_gpus; import sys, time\nwith taken_gpus(1, Path(sys.argv[1])) as got:\n    print(*got, flush=True); time.sleep(60)"


@pytest.fixture(autouse=True)
def two(monkeypatch):
    """Two GPUs, outside of a batch system, and no waiting between two looks."""
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    monkeypatch.setenv(VARIABLE, "GPU-a, GPU-b")
    monkeypatch.setattr(gpus, "_PAUSE", 0.05)


def test_two_jobs_never_have_the_same(tmp_path):
    with taken_gpus(1, tmp_path) as one, pytest.MonkeyPatch.context() as another_job:
        assert os.environ[VARIABLE] == "GPU-a"
        another_job.setenv(VARIABLE, "GPU-a, GPU-b")
        with taken_gpus(1, tmp_path) as other:
            assert (one, other) == (["GPU-a"], ["GPU-b"])
    assert os.environ[VARIABLE] == "GPU-a, GPU-b"
    with taken_gpus(2, tmp_path) as both:
        assert both == ["GPU-a", "GPU-b"]


def test_a_job_waits_for_one_that_was_killed(tmp_path, capsys):
    jobs = [
        subprocess.Popen(
            [sys.executable, "-c", HOLD, str(tmp_path)],
            env=os.environ | {"PYTHONPATH": LIBRARY},
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    try:
        assert {job.stdout.readline().strip() for job in jobs} == {"GPU: GPU-a", "GPU: GPU-b"}
        last = jobs[1].stdout.readline().strip()
        subprocess.Popen(["sh", "-c", f"sleep 0.5; kill -KILL {jobs[1].pid}"])
        start = time.monotonic()
        with taken_gpus(1, tmp_path) as got:
            assert got == [last]
        assert 0.3 < time.monotonic() - start < 20
        assert "waiting for 1 of 2 GPUs" in capsys.readouterr().out
    finally:
        for job in jobs:
            job.kill()
            job.wait()


def test_a_job_that_waits_holds_none(tmp_path, monkeypatch):
    looks = []

    def look(_seconds):
        looks.append(gpus._locked(["GPU-b"], 1, tmp_path, held))  # free all the time
        held.close()
        if len(looks) == 3:
            first.close()

    first, held = gpus.ExitStack(), gpus.ExitStack()
    assert gpus._locked(["GPU-a"], 1, tmp_path, first) == ["GPU-a"]
    monkeypatch.setattr(gpus.time, "sleep", look)
    with taken_gpus(2, tmp_path) as both:
        assert both == ["GPU-a", "GPU-b"]
    assert looks == [["GPU-b"]] * 3


def test_too_many_are_refused_and_none_are_nobodys_business(tmp_path, monkeypatch):
    with pytest.raises(GpuError, match="at most 2, as there are, got a job that asks for 3"), taken_gpus(3, tmp_path):
        pass
    for hidden in ("", "-1"):
        monkeypatch.setenv(VARIABLE, hidden)
        with taken_gpus(1, tmp_path) as got:
            assert got == []
        assert os.environ[VARIABLE] == hidden
    assert not list(tmp_path.iterdir())


def test_a_job_of_slurm_is_left_with_what_it_was_given(tmp_path, monkeypatch):
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    with taken_gpus(2, tmp_path) as one, taken_gpus(2, tmp_path) as other:
        assert one == other == []
        assert os.environ[VARIABLE] == "GPU-a, GPU-b"


def test_jobs_within_an_allocation_of_slurm_share_its_gpus(tmp_path, monkeypatch):
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    with taken_gpus(1, tmp_path) as one:
        monkeypatch.setenv(VARIABLE, "GPU-a, GPU-b")  # as another job sees it
        with taken_gpus(1, tmp_path) as other:
            assert (one, other) == (["GPU-a"], ["GPU-b"])


def test_gpus_of_a_machine_are_named_by_the_driver(tmp_path, monkeypatch):
    monkeypatch.delenv(VARIABLE)
    driver = tmp_path / "nvidia-smi"
    driver.write_text("#!/bin/sh\n[ \"$*\" = '--query-gpu=uuid --format=csv,noheader' ] && printf 'GPU-1\\nGPU-2\\n'\n")
    driver.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert visible_gpus() == ["GPU-1", "GPU-2"]
    driver.write_text("#!/bin/sh\nexit 9\n")
    assert visible_gpus() == []
    monkeypatch.setenv("PATH", str(tmp_path / "nowhere"))
    assert visible_gpus() == []


def test_a_job_gets_as_many_as_its_rule_asks_for(tmp_path, monkeypatch):
    monkeypatch.setattr(gpus.tempfile, "gettempdir", lambda: str(tmp_path))
    seen = []
    for resources in ({"gpu": 1}, {"gpu": 0}, {}):
        job = SimpleNamespace(log=[str(tmp_path / "job.log")], rule="training_cnn3d", resources=resources)
        with runtime.logged(job):
            seen.append(os.environ[VARIABLE])
    assert seen == ["GPU-a", "GPU-a, GPU-b", "GPU-a, GPU-b"]
