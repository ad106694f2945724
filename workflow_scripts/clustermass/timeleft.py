"""How long the rest of a whole run will take, said beside Snakemake's count of steps."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from clustermass.plan import UNMEASURED, Config, size_of

COSTS_FILE = Path(__file__).with_name("costs.csv")
_KNOWN = 300.0  # processor seconds done after which the run's own speed counts as much as that of the runs before
_EVERY = 60.0  # seconds between two lines, at least


def job_seconds(counts: Mapping[str, int], config: Config, costs: pd.DataFrame) -> dict[str, float]:
    """Return the processor time of a job of each rule [s].

    Parameters
    ----------
    counts : mapping
        Jobs of the whole run, by rule.
    config : mapping
        The run's configuration.
    costs : pandas.DataFrame
        Contract `clustermass.plan.COSTS`; rules that it lacks take a guess.
    """
    known: dict[Any, Any] = costs.set_index("rule").to_dict("index")
    seconds = {}
    for rule, number in counts.items():
        seconds[rule] = UNMEASURED
        if rule in known:
            jobs = max(number, known[rule]["jobs"])  # a target may need a few of the jobs that the size is of
            ratio = size_of(rule, jobs, config) / known[rule]["size"]
            seconds[rule] = ratio * known[rule]["core_seconds"] / jobs
    return seconds


class TimeLeft(logging.Filter):
    """Follows Snakemake's messages; before one of progress it says how long the rest will take, once a minute at most.

    Parameters
    ----------
    dag : snakemake.dag.DAG
    config : mapping
    cores : int
        That work at a time, or jobs on a cluster.
    say : callable
        Takes a line.
    now : callable
        Returns the time [s].
    """

    def __init__(
        self,
        dag: Any,
        config: Config,
        cores: int,
        say: Callable[[str], None],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__()
        self._dag, self._cores, self._say, self._now = dag, cores, say, now
        counts = Counter(job.rule.name for job in dag.jobs)
        self._seconds = job_seconds(counts, config, pd.read_csv(COSTS_FILE))
        self._all = self._work()
        self._start = self._last = now()

    def _work(self) -> float:
        """Return the processor time that is to do [s]; targets, which make nothing, take none."""
        return sum(self._seconds.get(job.rule.name, UNMEASURED) for job in self._dag.needrun_jobs() if job.output)

    def filter(self, record: logging.LogRecord) -> bool:
        """Let every message pass."""
        now = self._now()
        if getattr(getattr(record, "event", None), "value", None) == "progress" and now - self._last >= _EVERY:
            self._last, left = now, self._work()
            self._say(self.line(now - self._start, self._all - left, left))
        return True

    def line(self, spent: float, done: float, left: float) -> str:
        """Return what to say when some work is done [processor s], after so many seconds, and some is left."""
        seconds = left * (spent + _KNOWN / self._cores) / (done + _KNOWN)
        share = done / max(done + left, 1e-9)
        return f"{share:.0%} of the work done after {_minutes(spent)}, about {_minutes(seconds)} left"


def _minutes(seconds: float) -> str:
    """Return a time for a person."""
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes / 60:.1f} h"


def follow(workflow: Any, config: Config) -> None:
    """Say from now on how long the rest of a run of Snakemake will take."""
    logger, resources = logging.getLogger("snakemake.logging"), workflow.resource_settings
    cores = max(resources.cores or 0, resources.nodes or 0, 1)
    logger.addFilter(TimeLeft(workflow.dag, config, cores, logger.info))
