"""Logs and random numbers of jobs."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest

from clustermass import runtime


def job(tmp_path, seed=1, rule="stage_work", **wildcards):
    return SimpleNamespace(
        log=[str(tmp_path / "logs/work.log")],
        rule=rule,
        scriptdir="rules/../scripts/stage",
        params=SimpleNamespace(seed=seed),
        wildcards=SimpleNamespace(items=wildcards.items),
    )


def test_output_goes_to_the_log_and_comes_back(tmp_path, capsys):
    with runtime.logged(job(tmp_path)):
        print("counted 7")
        print("odd", file=sys.stderr)
    assert (tmp_path / "logs/work.log").read_text() == "counted 7\nodd\n"
    print("after")
    assert capsys.readouterr().out == "after\n"


def test_what_a_user_should_see_goes_to_log_and_terminal(tmp_path, capfd):
    with runtime.logged(job(tmp_path)):
        runtime.announce("7 GB to fetch")
    assert (tmp_path / "logs/work.log").read_text() == "7 GB to fetch\n"
    assert "7 GB to fetch" in capfd.readouterr().err


def test_a_failure_is_told_in_short_and_logged_in_full(tmp_path, capsys):
    with pytest.raises(SystemExit) as caught, runtime.logged(job(tmp_path)):
        raise ValueError("a.fits: column z: expected a number, got 'x'")
    assert caught.value.code == 1
    told = capsys.readouterr().err
    assert "stage_work: a.fits: column z: expected a number, got 'x'" in told
    assert "work.log" in told
    assert "Traceback" not in told
    assert "Traceback" in (tmp_path / "logs/work.log").read_text()


def test_what_waits_for_the_end_is_done_if_all_went_well(tmp_path):
    done = []
    runtime.at_end(lambda: done.append("no job"))
    with runtime.logged(job(tmp_path)):
        runtime.at_end(lambda: done.append("job"))
        assert done == ["no job"]
    assert done == ["no job", "job"]

    def fail():
        with runtime.logged(job(tmp_path)):
            runtime.at_end(lambda: done.append("failed"))
            raise ValueError

    with pytest.raises(SystemExit):
        fail()
    runtime.at_end(lambda: done.append("after"))
    assert done == ["no job", "job", "after"]


def draw(*args, **kwargs):
    return runtime.generator(*args, **kwargs).integers(0, 2**62, 4).tolist()


def test_generators_depend_on_seed_rule_and_wildcards_only(tmp_path):
    base = draw(1, "r", {"a": "x", "b": "y"})
    assert base == draw(1, "r", {"b": "y", "a": "x"})
    others = [
        draw(2, "r", {"a": "x", "b": "y"}),
        draw(1, "s", {"a": "x", "b": "y"}),
        draw(1, "r", {"a": "x", "b": "z"}),
    ]
    assert all(other != base for other in others)
    state = np.random.get_state()[1].copy()  # noqa: NPY002  (the global state must stay untouched)
    draw(1, "r", {})
    assert (np.random.get_state()[1] == state).all()  # noqa: NPY002


def test_job_generator_is_the_generator_of_the_job(tmp_path):
    drawn = runtime.job_generator(job(tmp_path, 5, "stage_r", a="x")).integers(0, 2**62, 4).tolist()
    assert drawn == draw(5, "stage_r", {"a": "x"})


def test_job_of_an_imported_workflow_has_the_same_random_numbers(tmp_path):
    for rule in ("stage_work", "mine_stage_work", "my_stage_stage_work"):
        assert runtime.rule_name(job(tmp_path, rule=rule)) == "stage_work"
    drawn = runtime.job_generator(job(tmp_path, 5, "mine_stage_r", a="x")).integers(0, 2**62, 4).tolist()
    assert drawn == draw(5, "stage_r", {"a": "x"})
