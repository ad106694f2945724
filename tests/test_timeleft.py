"""The time that is left of a run: weights of jobs, and a run whose clock and jobs are made up."""

import logging
from types import SimpleNamespace

import pandas as pd
import pytest
from snakemake_interface_logger_plugins.common import LogEvent

from clustermass.config.model import load
from clustermass.plan import COSTS
from clustermass.timeleft import COSTS_FILE, TimeLeft, follow, job_seconds

CONFIG = load({})
LOGGER = logging.getLogger("snakemake.logging")


class Dag:
    """Ten boxes of the universe and as many jobs of a rule that no run has timed, of which some are done."""

    def __init__(self):
        rules = [SimpleNamespace(name=name) for name in ("universe_box", "new")]
        self.jobs = [SimpleNamespace(rule=rule, output=["file"]) for rule in rules for _ in range(10)]
        self.jobs.append(SimpleNamespace(rule=SimpleNamespace(name="all"), output=[]))
        self.done = 0

    def needrun_jobs(self):
        return iter(self.jobs[self.done :])


def record(event):
    found = logging.LogRecord("snakemake.logging", logging.INFO, "", 0, None, None, None)
    found.event = event
    return found


def test_a_job_takes_its_share_of_its_rule():
    costs = pd.DataFrame([("universe_box", "run", 3, 6 * 320.0**3, 900.0, 1.0)], columns=COSTS.names)
    found = job_seconds({"universe_box": 3, "new": 2}, CONFIG, costs)
    assert found == {"universe_box": pytest.approx(150), "new": 60}  # half the particles, in as many jobs


def test_costs_are_those_of_the_plan():
    COSTS.validate(pd.read_csv(COSTS_FILE), "costs")


def test_what_is_left_follows_the_speed_of_the_run():
    dag, said, clock = Dag(), [], [0.0]
    left = TimeLeft(dag, CONFIG, 2, said.append, lambda: clock[0])
    left._seconds, left._all = {"universe_box": 300.0, "new": 60.0}, 3600.0
    assert left.filter(record(LogEvent.PROGRESS))
    clock[0], dag.done = 59, 5
    assert left.filter(record(LogEvent.PROGRESS))
    assert said == []  # once a minute
    clock[0] = 4650.0  # three times as slow as two cores at this: (4650 + 150) / (1500 + 300) = 8 / 3 s a second
    assert left.filter(record(LogEvent.JOB_FINISHED))
    assert left.filter(record(None))
    assert said == []
    assert left.filter(record(LogEvent.PROGRESS))
    assert said == ["42% of the work done after 78 min, about 93 min left"]
    clock[0], dag.done = 9600.0, 20
    left.filter(record(LogEvent.PROGRESS))
    assert said[1:] == ["100% of the work done after 2.7 h, about 0 min left"]


def test_the_log_of_a_run_is_followed(caplog):
    dag = Dag()
    workflow = SimpleNamespace(dag=dag, resource_settings=SimpleNamespace(cores=None, nodes=4))
    before = list(LOGGER.filters)
    follow(workflow, CONFIG)
    (added,) = [each for each in LOGGER.filters if each not in before]
    added._last -= 100
    try:
        with caplog.at_level(logging.INFO, "snakemake.logging"):
            LOGGER.info(None, extra={"event": LogEvent.PROGRESS})
    finally:
        LOGGER.removeFilter(added)
    assert any("of the work done" in str(each.msg) for each in caplog.records)
