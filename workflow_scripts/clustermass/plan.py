"""What a whole run takes before anything is made: jobs of a dry run, costs that were measured, and stated laws.

A rule's cost is what its jobs took in a run whose benchmarks were kept, times the ratio of sizes: its law says what
counts as size. Trainings on images have a plan of their own (`clustermass.transfer.plan`). Nothing was measured on a
GPU: one does what so many cores do as the plan of trainings on images has it, which is a guess, and marked so.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import pandas as pd

from clustermass.contracts import Column, Contract

COSTS = Contract(
    "costs",
    "what all jobs of a rule took in a run whose benchmarks were kept",
    (
        Column("rule", "text", "", "rule", unique=True),
        Column("run", "text", "", "configuration of the run"),
        Column("jobs", "int", "", "jobs with a benchmark", 1),
        Column("size", "float", "", "size of these jobs by the rule's law", 0),
        Column("core_seconds", "float", "s", "processor time of all of them", 0),
        Column("megabytes", "float", "MB", "what all of them left on disk", 0),
    ),
)
DAG_PLAN = Contract(
    "dag_plan",
    "jobs of a whole run, the time they take and the bytes they leave",
    (
        Column("rule", "text", "", "rule"),
        Column("jobs", "int", "", "jobs", 0),
        Column("law", "text", "", "what the cost is proportional to"),
        Column("basis", "text", "", "measured, scaled, estimated (the plan of trainings on images) or guessed"),
        Column("run", "text", "", "run whose benchmarks they are; none: no run"),
        Column("core_hours", "float", "h", "hours of one core", 0),
        Column("gpu_hours", "float", "h", "hours of one GPU", 0),
        Column("gigabytes", "float", "GB", "what is left on disk; what is deleted on the way is not counted", 0),
    ),
)
UNMEASURED = 60.0  # seconds of a job that no run has a benchmark of: a guess


class Job(NamedTuple):
    """A job of a dry run."""

    rule: str
    outputs: tuple[str, ...]
    benchmark: str | None
    gpu: bool


def jobs_of(text: str) -> list[Job]:
    """Return the jobs that a dry run of Snakemake lists, with the outputs that stay."""
    blocks = re.split(r"^(?:local)?rule (\w+):$", text, flags=re.MULTILINE)[1:]
    gone = set(re.findall(r"^Would remove temporary output (.+)$", text, re.MULTILINE))
    return [_job(rule, block, gone) for rule, block in zip(blocks[::2], blocks[1::2], strict=True)]


def _job(rule: str, block: str, gone: set[str]) -> Job:
    """Return one job from its lines."""
    lines = dict(re.findall(r"^    (\w+): (.*)$", block.split("\n\n")[0], re.MULTILINE))
    outputs = [path.split(" (")[0] for path in lines.get("output", "").split(", ") if path]
    gpu = re.search(r"\bgpu=(\d+)", lines.get("resources", ""))
    return Job(
        rule, tuple(path for path in outputs if path not in gone), lines.get("benchmark"), bool(gpu and int(gpu[1]))
    )


Config = Mapping[str, Any]


def _particles(config: Config) -> float:
    return float(config["universe"]["boxes"] * config["nbody"]["particles_per_side"] ** 3)


def _clusters(config: Config) -> float:
    return float(config["image_sample"]["clusters"] or config["image_plan"]["clusters"])


def _pixels(config: Config) -> float:
    return _clusters(config) * float(config["images"]["pixels"] ** 2)


def _mocks(config: Config) -> float:
    return float(sum(sum(mock[part] for part in _PARTS) for mock in config["survey_mocks"].values()))


def _voxels(config: Config) -> float:
    return _mocks(config) * float(config["networks"]["cnn3d"]["voxels"] ** 3)


def _trained_voxels(config: Config) -> float:
    main, checks = config["training_cnn3d"], config["checks"]
    clusters = sum(mock["training"] for mock in config["survey_mocks"].values())
    checked = len(checks["variants"]) * checks["training_clusters"] * checks["epochs"] * checks["voxels"] ** 3
    return float(clusters * main["epochs"] * config["networks"]["cnn3d"]["voxels"] ** 3 + checked)


def _pairs(config: Config) -> float:
    sdm = config["sdm"]
    return float(sdm["training_clusters"] ** 2 * (11 if sdm["cross_validation"] else 1))


_PARTS = ("training", "validation", "test", "evaluation")
SIZES: dict[str, Callable[[Config], float]] = {
    "particles": _particles,
    "clusters with images": _clusters,
    "pixels of clusters": _pixels,
    "mock clusters": _mocks,
    "voxels of mock clusters": _voxels,
    "voxels, times epochs": _trained_voxels,
    "pairs of training clusters, times folds": _pairs,
}
"""What costs can be proportional to, besides the number of jobs."""
_RULES_OF_LAWS = {
    "particles": ("universe_box", "universe_halos", "universe_galaxies", "validation_measure"),
    "clusters with images": (
        "frames_galaxies",
        "frames_simulated",
        "frames_archival",
        "mosaics_job",
        "mosaics_table",
        "images_members",
    ),
    "pixels of clusters": ("images_inputs", "interpretation_attribution", "interpretation_occlusion"),
    "mock clusters": ("phase_space_survey", "posteriors_density"),
    "voxels of mock clusters": ("interpretation_missing",),
    "voxels, times epochs": ("training_cnn3d", "training_end_to_end"),
    "pairs of training clusters, times folds": ("training_sdm",),
}
LAWS = {rule: law for law, rules in _RULES_OF_LAWS.items() for rule in rules}
"""Law of every rule; that of all others is the number of jobs."""
_MODELS = ("training_cnn3d", "training_end_to_end", "training_sdm", "interpretation_attribution")  # leave as much


def size_of(rule: str, jobs: int, config: Config) -> float:
    """Return the size of all jobs of a rule by its law."""
    return SIZES[LAWS[rule]](config) if rule in LAWS else float(jobs)


def measured_costs(
    runs: Iterable[tuple[str, Config, Sequence[tuple[Job, float | None, float]]]],
) -> pd.DataFrame:
    """Return costs of rules as runs measured them, those of earlier runs first: contract `COSTS`.

    Parameters
    ----------
    runs : iterable of (str, mapping, sequence of (Job, float or None, float))
        Name and configuration, and all jobs with processor time [s] and what they left on disk [MB]; None: without a
        benchmark, and left out. A rule counts where at least half of its jobs have one; the rest take the mean.
    """
    rows: dict[str, tuple[Any, ...]] = {}
    for name, config, jobs in runs:
        for rule in dict.fromkeys(job.rule for job, _, _ in jobs):
            own = [(seconds, left) for job, seconds, left in jobs if job.rule == rule]
            timed = [(seconds, left) for seconds, left in own if seconds is not None]
            if rule not in rows and 2 * len(timed) >= len(own) > 0:
                share = len(timed) / len(own)
                seconds, left = (sum(column) for column in zip(*timed, strict=True))
                rows[rule] = (rule, name, len(timed), size_of(rule, len(own), config) * share, seconds, left)
    table = pd.DataFrame(sorted(rows.values()), columns=COSTS.names)
    return COSTS.validate(table.astype({"jobs": int}), "costs")


def dag_plan(
    jobs: Sequence[Job], config: Config, costs: pd.DataFrame, trainings: pd.DataFrame, cores_of_gpu: float
) -> pd.DataFrame:
    """Return what a run takes by rule, with a last row for all: contract `DAG_PLAN`.

    Parameters
    ----------
    jobs : sequence of Job
        Of a dry run.
    config : mapping
        Its configuration.
    costs : pandas.DataFrame
        Contract `COSTS`.
    trainings : pandas.DataFrame
        Contract `clustermass.transfer.plan.PLAN`: trainings on images.
    cores_of_gpu : float
        How many cores do what a GPU does.
    """
    counts = Counter(job.rule for job in jobs if job.outputs or job.benchmark)  # targets make nothing
    on_gpu = {job.rule for job in jobs if job.gpu}
    known: dict[Any, Any] = costs.set_index("rule").to_dict("index")
    planned: dict[Any, Any] = trainings.groupby("rule")[["jobs", "core_hours", "gpu_hours"]].sum().to_dict("index")
    rows = []
    for rule, number in counts.items():
        size, law = size_of(rule, number, config), LAWS.get(rule, "jobs")
        hours, gigabytes, basis, run = number * UNMEASURED / 3600, 0.0, "guessed", "none"
        if rule in known:
            cost = known[rule]
            ratio = size / cost["size"]
            left = number / cost["jobs"] if rule in _MODELS else ratio
            hours, gigabytes = ratio * cost["core_seconds"] / 3600, left * cost["megabytes"] / 1000
            basis, run = "measured" if abs(ratio - 1) < 0.01 else "scaled", cost["run"]
        core, gpu = (0.0, hours / cores_of_gpu) if rule in on_gpu else (hours, 0.0)
        if rule in planned:
            plan, share = planned[rule], number / planned[rule]["jobs"]
            core, gpu = (0.0, share * plan["gpu_hours"]) if rule in on_gpu else (share * plan["core_hours"], 0.0)
            basis, law = "estimated", "images, epochs, layers"
        rows.append((rule, number, law, "guessed" if rule in on_gpu else basis, run, core, gpu, gigabytes))
    table = pd.DataFrame(rows, columns=DAG_PLAN.names)
    table.loc[len(table)] = ["all", table["jobs"].sum(), "everything", "sum", "all", *table[DAG_PLAN.names[5:]].sum()]
    return DAG_PLAN.validate(table.astype({"jobs": int}), "plan")
