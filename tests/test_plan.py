"""Plan of a whole run: jobs that a dry run lists, laws by hand, costs that scale, and what is a guess."""

from __future__ import annotations

import copy
import re
from typing import Any

import pandas as pd
import pytest
import yaml
from test_house import JOBS, ROOT

from clustermass.config.model import load
from clustermass.plan import COSTS, DAG_PLAN, LAWS, SIZES, UNMEASURED, Job, dag_plan, jobs_of, measured_costs, size_of

DEFAULT: dict[str, Any] = load({})
DRY = """Building DAG of jobs...
[Sun Nov 22 2026]
rule universe_box:
    output: results/box1/a.parquet, results/box1/b.parquet (send to storage)
    log: logs/box1.log
    benchmark: logs/box1.benchmark.tsv
    wildcards: box=box1
    resources: tmpdir=/tmp, gpu=1, runtime=60

[Sun Nov 22 2026]
localrule frames_simulated:
    input: results/box1/a.parquet
    output: results/frames.parquet, results/files
    resources: tmpdir=/tmp, gpu=0

Would remove temporary output results/files
[Sun Nov 22 2026]
rule all:
    input: results/frames.parquet
    resources: tmpdir=/tmp

Job stats:
job    count
"""
BOX, FRAMES, ALL = (
    Job("universe_box", ("results/box1/a.parquet", "results/box1/b.parquet"), "logs/box1.benchmark.tsv", True),
    Job("frames_simulated", ("results/frames.parquet",), None, False),
    Job("all", (), None, False),
)
NO_TRAININGS = pd.DataFrame({"rule": [], "jobs": [], "core_hours": [], "gpu_hours": []})


def changed(**sections: Any) -> dict[str, Any]:
    config = copy.deepcopy(DEFAULT)
    for name, settings in sections.items():
        config[name].update(settings)
    return config


def test_jobs_are_those_of_a_dry_run() -> None:
    assert jobs_of(DRY) == [BOX, FRAMES, ALL]
    assert jobs_of("Nothing to be done.") == []


def test_every_law_is_of_a_rule_and_every_cost_too() -> None:
    assert set(LAWS) <= set(JOBS)
    assert set(LAWS.values()) == set(SIZES)
    costs = COSTS.validate(pd.read_csv(ROOT / "workflow_scripts/clustermass/costs.csv"), "costs.csv")
    again = re.findall(r"^use rule \w+ as (\w+) with", "".join(f.read_text() for f in ROOT.glob("rules/*.smk")), re.M)
    assert set(costs["rule"]) <= {*JOBS, *again}
    assert len(costs) > 0.8 * len(JOBS)
    default = costs[costs["run"] == "default"].set_index("rule")
    for rule in set(LAWS) & set(default.index):  # measured at what the configuration still says
        assert default.loc[rule, "size"] == pytest.approx(size_of(rule, 0, DEFAULT), rel=0.2), rule


def test_sizes_by_hand() -> None:
    small = changed(
        universe={"boxes": 2},
        nbody={"particles_per_side": 10},
        image_sample={"clusters": 7},
        images={"pixels": 3},
        survey_mocks={
            name: {"training": 1, "validation": 1, "test": 1, "evaluation": 2} for name in ("kodiramanah2021", "hecs")
        },
        networks={"cnn3d": {"voxels": 2}},
        training_cnn3d={"epochs": 5},
        checks={"variants": {"one": {}}, "training_clusters": 3, "epochs": 4, "voxels": 2},
        sdm={"training_clusters": 6, "cross_validation": True},
    )
    assert {law: size(small) for law, size in SIZES.items()} == {
        "particles": 2000,
        "clusters with images": 7,
        "pixels of clusters": 63,
        "mock clusters": 10,
        "voxels of mock clusters": 80,
        "voxels, times epochs": 2 * 5 * 8 + 3 * 4 * 8,
        "pairs of training clusters, times folds": 396,
    }
    assert size_of("lin2022_fig01", 3, small) == 3
    assert size_of("frames_simulated", 3, changed(image_sample={"clusters": None})) == DEFAULT["image_plan"]["clusters"]


def test_costs_come_from_the_first_run_that_has_them() -> None:
    other = Job("lin2022_fig01", ("a",), None, False)
    first = [(FRAMES, 30.0, 5.0), (FRAMES, None, 0.0), (BOX, None, 0.0), (ALL, None, 0.0)]
    second = [(FRAMES, 1.0, 1.0), (BOX, 8.0, 3.0), (other, 2.0, 0.5), (other, 4.0, 0.5)]
    tiny = changed(image_sample={"clusters": 10})
    costs = measured_costs([("default", DEFAULT, first), ("tiny", tiny, second)]).set_index("rule")
    assert costs.loc["frames_simulated"].tolist() == ["default", 1, DEFAULT["image_sample"]["clusters"] / 2, 30, 5]
    assert costs.loc["universe_box", ["run", "core_seconds"]].tolist() == ["tiny", 8]
    assert costs.loc["lin2022_fig01"].tolist() == ["tiny", 2, 2, 6, 1]
    assert len(costs) == 3


def test_plan_scales_what_was_measured_and_marks_guesses() -> None:
    clusters = DEFAULT["image_sample"]["clusters"]
    costs = COSTS.validate(
        pd.DataFrame(
            [
                ("universe_box", "default", 3, size_of("universe_box", 0, DEFAULT), 3600.0, 1000.0),
                ("frames_simulated", "default", 1, float(clusters), 7200.0, 500.0),
                ("lin2022_fig01", "tiny", 1, 1.0, 36.0, 1.0),
            ],
            columns=COSTS.names,
        ),
        "costs",
    )
    jobs = [BOX, FRAMES, FRAMES, Job("lin2022_fig01", ("a",), "b", False), Job("new", ("c",), None, False), ALL]
    jobs.append(Job("transfer_mass", ("m",), None, False))
    trainings = pd.DataFrame(
        {"rule": ["transfer_mass"] * 2, "jobs": [1, 1], "core_hours": [4.0, 2.0], "gpu_hours": [1.0, 1.0]}
    )
    config = changed(image_sample={"clusters": 3 * clusters})
    plan = dag_plan(jobs, config, costs, trainings, 50.0)
    assert list(plan) == DAG_PLAN.names
    rows = plan.set_index("rule")
    assert rows.loc["universe_box", ["jobs", "basis", "core_hours", "gpu_hours", "gigabytes"]].tolist() == [
        1, "guessed", 0, 1 / 50, 1
    ]  # fmt: skip
    assert rows.loc["frames_simulated", ["jobs", "basis", "run", "core_hours", "gigabytes"]].tolist() == [
        2, "scaled", "default", 6, 1.5
    ]  # fmt: skip
    assert rows.loc["lin2022_fig01", ["basis", "run", "core_hours"]].tolist() == ["measured", "tiny", 0.01]
    assert rows.loc["new", ["basis", "run", "core_hours"]].tolist() == ["guessed", "none", UNMEASURED / 3600]
    assert rows.loc["transfer_mass", ["basis", "core_hours", "gpu_hours"]].tolist() == ["estimated", 3, 0]
    assert rows.loc["all", "jobs"] == 6
    assert rows.loc["all", "core_hours"] == pytest.approx(6 + 0.01 + UNMEASURED / 3600 + 3)


def test_paper_configuration_has_more_of_everything() -> None:
    from snakemake.utils import update_config

    paper = copy.deepcopy(DEFAULT)
    update_config(paper, yaml.safe_load((ROOT / "configs/paper.yaml").read_text()))
    for law, size in SIZES.items():
        assert size(load(paper)) > size(DEFAULT), law
