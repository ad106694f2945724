"""SIGTERM, as a batch system sends before it kills: jobs say so, trainings end their epoch and are taken up again."""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from functools import partial

import numpy as np
import pytest
import torch
from test_runtime import job
from test_training import QUICK, SMALL, planted

from clustermass import runtime
from clustermass.runtime import Stopped, held_back
from clustermass.training import folds, trainer
from clustermass.training.folds import Fold, train_folds, unfinished_folder


def terminate():
    os.kill(os.getpid(), signal.SIGTERM)


def test_a_job_that_is_stopped_says_so(tmp_path, capsys):
    before = signal.getsignal(signal.SIGTERM)

    def work():
        with runtime.logged(job(tmp_path)):
            terminate()
            time.sleep(5)
            raise AssertionError("went on")

    with pytest.raises(SystemExit) as caught:
        work()
    assert caught.value.code == 1
    assert "stage_work: stopped by SIGTERM" in capsys.readouterr().err
    assert "Stopped" in (tmp_path / "logs/work.log").read_text()
    assert signal.getsignal(signal.SIGTERM) is before


def test_sigterm_is_held_back_until_work_is_safe():
    done = []

    def steps():
        with held_back() as check:
            for step in range(3):
                check()
                if step == 1:
                    terminate()
                done.append(step)

    def one():
        with held_back():
            terminate()
            done.append("to the end")

    with pytest.raises(Stopped):
        steps()
    assert done == [0, 1]
    with pytest.raises(Stopped):
        one()
    assert done[-1] == "to the end"


def test_threads_are_left_alone():
    found = []

    def work():
        with held_back() as check:
            check()
            found.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [signal.getsignal(signal.SIGTERM)]


@pytest.mark.parametrize("large", [2**23, 0])  # of which checkpoints are written now and then
def test_a_training_that_is_told_to_stop_loses_no_epoch(tmp_path, monkeypatch, large):
    monkeypatch.setattr(folds, "_LARGE_STATE", large)
    samples, epochs, passed = planted(60, 6), [], trainer._epoch
    run = partial(train_folds, SMALL, QUICK, samples, [Fold(0, np.arange(40), np.arange(40, 60))], workers=1)
    (whole,) = run(rng=np.random.default_rng(7))

    def stopping(*arguments):
        epochs.append(len(epochs))
        if len(epochs) == 2:
            terminate()
        return passed(*arguments)

    monkeypatch.setattr(trainer, "_epoch", stopping)
    with pytest.raises(Stopped):
        run(rng=np.random.default_rng(7), folder=tmp_path / "models")
    assert len(epochs) == 2
    (resumed,) = run(rng=np.random.default_rng(7), folder=tmp_path / "models")
    assert len(epochs) == QUICK.epochs
    assert resumed.curves.equals(whole.curves)
    pairs = zip(resumed.network.parameters(), whole.network.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)


def test_a_training_that_is_finished_outlives_its_job(tmp_path, monkeypatch):
    log = job(tmp_path)
    folder, fold = tmp_path / "models", [Fold(0, np.arange(40), np.arange(40, 60))]
    run = partial(train_folds, SMALL, QUICK, planted(60, 6), fold, workers=1, folder=folder)

    def fail():
        with runtime.logged(log):
            run(rng=np.random.default_rng(7))
            assert (folder / "fold_00.safetensors").exists()
            raise MemoryError("while predictions are made")

    with pytest.raises(SystemExit):
        fail()
    shutil.rmtree(folder)  # as a workflow does with the outputs of a job that failed
    monkeypatch.setattr(trainer, "_epoch", None)  # nothing is trained again
    with runtime.logged(log):
        run(rng=np.random.default_rng(7))
    assert (folder / "fold_00.safetensors").exists()
    assert not unfinished_folder(folder).exists()


def test_what_other_code_began_starts_anew(tmp_path, monkeypatch):
    said, fold = [], [Fold(0, np.arange(40), np.arange(40, 60))]
    run = partial(train_folds, SMALL, QUICK, planted(60, 6), fold, workers=1, unfinished=tmp_path / "begun")

    def killed(line):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(rng=np.random.default_rng(7), say=killed)
    assert (tmp_path / "begun/fold_00.safetensors").exists()
    monkeypatch.setattr(folds, "code_version", lambda _file: "changed")
    run(rng=np.random.default_rng(7), say=said.append)
    assert "code: expected changed, got" in said[0]
    assert len(said) == 1 + QUICK.epochs
    assert not (tmp_path / "begun").exists()


SCRIPT = """
import sys
from types import SimpleNamespace
sys.path[:0] = sys.argv[2:]
import numpy as np
from test_training import QUICK, SMALL, planted
from clustermass import runtime
from clustermass.training.folds import Fold, train_folds
numbers = np.arange(300)
parts = [Fold(k, np.flatnonzero(numbers % 3 != k), np.flatnonzero(numbers % 3 == k)) for k in range(2)]
job = SimpleNamespace(log=[sys.argv[1] + "/job.log"], rule="training_cnn")
with runtime.logged(job):
    settings = QUICK.model_copy(update={"epochs": 10_000})
    train_folds(SMALL, settings, planted(300, 6), parts, np.random.default_rng(7), 2, folder=sys.argv[1] + "/models")
"""


@pytest.mark.parametrize("everyone", [True, False])
def test_workers_of_a_training_save_their_epoch_too(tmp_path, everyone):
    here = os.path.dirname(__file__)
    library = os.path.dirname(os.path.dirname(runtime.__file__))
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(tmp_path), here, library],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    log, begun = tmp_path / "job.log", unfinished_folder(tmp_path / "models")
    end = time.monotonic() + 60
    while time.monotonic() < end and not (log.exists() and all(f"fold {k}, epoch" in log.read_text() for k in (0, 1))):
        time.sleep(0.1)
    (os.killpg if everyone else os.kill)(process.pid, signal.SIGTERM)
    said = process.communicate(timeout=60)[1]
    assert process.returncode == 1
    assert "training_cnn: stopped by SIGTERM" in said
    assert sorted(path.name for path in begun.iterdir()) == ["fold_00.safetensors", "fold_01.safetensors"]
    with pytest.raises(ProcessLookupError):  # no worker is left behind
        os.killpg(process.pid, 0)
