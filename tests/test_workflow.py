"""The whole workflow at its smallest: it makes everything, runs again only what changed, and refuses what is wrong."""

import json

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import yaml
from workflow_copy import Workflow

from clustermass import contracts

RESULTS = [
    "results/{source}/lin2022/fig01.csv",
    "figures/{source}/lin2022/fig01.pdf",
    "figures/{source}/lin2022/fig01.png",
    "results/{source}/lin2022/counts.csv",
    "results/{source}/lin2022/counts.md",
    "results/{source}/lin2022/counts.tex",
]
MATCHES = {"crossmatch_match": 5, "crossmatch_chance": 1}
CONFIGURED = {"crossmatch_match": 1, "crossmatch_chance": 1}
PAGES = {"lin2022_fig01": 1, "lin2022_counts": 1}


def check_products(workflow, source):
    """All artefacts are there, and say what they were made on."""
    for result in RESULTS:
        assert (workflow.folder / result.format(source=source)).stat().st_size > 0
    counts = pd.read_csv(workflow.folder / f"results/{source}/lin2022/counts.csv")
    assert counts["data"].unique().tolist() == ["simulated data" if source == "simulated" else "real data"]
    folder = workflow.folder / f"results/{source}/crossmatch"
    labels = contracts.read_table(folder / "labels.parquet", contracts.LABELS)
    splits = contracts.read_table(folder / "splits.parquet", contracts.SPLITS)
    assert set(labels["cluster"]) == set(splits["cluster"])
    assert (splits.groupby("group")["fold"].nunique() == 1).all()
    total = counts.set_index("quantity")["regenerated"]
    assert total["strong labels"] + total["weak labels"] == len(labels)
    return counts, labels


def grouped(name):
    """Keep tests on one worker, so that what they share is made once."""
    return pytest.mark.xdist_group(name)


@pytest.fixture(scope="module")
def simulated(tmp_path_factory):
    workflow = Workflow(tmp_path_factory.mktemp("simulated"), ["--configfile", "configs/tiny.yaml"])
    workflow.finished = workflow.snakemake().stdout
    return workflow


@pytest.fixture(scope="module")
def archival(tmp_path_factory):
    """A run on local files: 60 clusters, 20 Planck sources, a catalogue that only the configuration knows."""
    folder = tmp_path_factory.mktemp("archival")
    rng = np.random.default_rng(8)
    n = 60
    ra, dec, z = rng.uniform(100, 250, n), rng.uniform(0, 60, n), rng.uniform(0.1, 0.5, n)
    parent = {"ID": range(n), "name": [f"RM{i}" for i in range(n)], "RA": ra, "dec": dec, "redshift": z}
    parent = pd.DataFrame(parent).assign(**{"lambda": np.where(np.arange(n) % 12 == 0, 15.0, 40.0)})
    planck = pd.DataFrame({"NAME": [f"P{i}" for i in range(20)], "RA": ra[:20], "DEC": dec[:20] + 0.002})
    planck = planck.assign(
        REDSHIFT=np.where(np.arange(20) == 3, -1, z[:20] + 0.01), MSZ=5.0, MSZ_ERR_LOW=0.5, MSZ_ERR_UP=0.6
    )
    act = pd.DataFrame(
        {"n": [f"ACT{i}" for i in range(30)], "a": ra[:30], "d": dec[:30], "zz": z[:30], "M": 2.0, "e": 0.2}
    )
    archive = folder / "archive"
    (archive / "catalogues").mkdir(parents=True)
    parent.to_csv(archive / "catalogues/redmapper_dr8_v5.10.csv.gz", index=False)
    planck.to_csv(archive / "catalogues/planck.csv", index=False)
    act.to_csv(archive / "act.csv", index=False)
    stanza = {
        "title": "ACT",
        "files": ["act.csv"],
        "mass_definition": "200m",
        "cosmology": {"H0": 70, "Om0": 0.3},
        "layouts": [
            {
                "id": "n",
                "ra": "a [deg]",
                "dec": "d [deg]",
                "redshift": "zz",
                "mass": "M [1e14 Msun]",
                "err_low": "e [1e14 Msun]",
            }
        ],
    }
    overlay = {
        "source": "archival",
        "archive": {"folder": "archive", "vizier_server": "http://127.0.0.1:9", "attempts": 1},
        "crossmatch": {"priority": ["planck", "act", "mcxc"]},
        "catalogues": {"act": stanza, "planck": {"files": ["catalogues/planck.csv"]}},
    }
    workflow = Workflow(folder, ["--configfile", "configs/mine.yaml"])
    (folder / "configs/mine.yaml").write_text(yaml.safe_dump(overlay))
    workflow.finished = workflow.snakemake().stdout
    return workflow


@grouped("simulated")
def test_simulated_run_makes_everything(simulated):
    counts, labels = check_products(simulated, "simulated")
    rows = counts[counts["quantity"] == "matched"].set_index("catalogue")
    assert (rows["regenerated"] > 0).all()
    assert rows["regenerated"].to_list() == rows["projected_proper"].to_list()
    assert "Look first at" in simulated.finished
    assert "figures/simulated/lin2022/fig01.pdf" in simulated.finished
    assert labels["group"].str.startswith("H").all()


@grouped("simulated")
def test_simulated_run_is_the_same_twice_on_one_core(simulated, tmp_path):
    again = Workflow(tmp_path / "again", ["--configfile", "configs/tiny.yaml", "--cores", "1"])
    again.snakemake("results/simulated/data/catalogues/planck.parquet")
    for name in ("data/halos.parquet", "data/surveys/planck.fits", "data/catalogues/planck.parquet"):
        one, two = ((flow.folder / "results/simulated" / name).read_bytes() for flow in (simulated, again))
        assert one == two, name


@grouped("simulated")
def test_nothing_is_left_to_do_after_a_run(simulated):
    assert simulated.planned() == {}


@grouped("simulated")
def test_every_table_says_where_it_comes_from(simulated):
    metadata = contracts.read_metadata(simulated.folder / "results/simulated/crossmatch/labels.parquet")
    record = metadata["provenance"]
    assert record["rule"] == "crossmatch_labels"
    assert record["wildcards"] == {"source": "simulated"}
    assert record["settings"]["seed"] == 20190101
    assert "results/simulated/data/catalogues/redmapper.parquet" in record["inputs"]
    field = pq.read_schema(simulated.folder / "results/simulated/data/catalogues/planck.parquet").field("m500c")
    assert field.metadata[b"unit"] == b"Msun"


@grouped("simulated")
def test_every_rule_wrote_its_log_and_benchmark(simulated):
    logs = {
        path.relative_to(simulated.folder).with_suffix("").as_posix() for path in simulated.folder.glob("logs/**/*.log")
    }
    timed = {path.as_posix().removesuffix(".benchmark.tsv") for path in simulated.folder.glob("logs/**/*.tsv")}
    assert {f"{simulated.folder.as_posix()}/{log}" for log in logs} == timed
    assert len(logs) == 20
    assert "redMaPPer: {'read'" in (simulated.folder / "logs/simulated/data/catalogues/redmapper.log").read_text()


@grouped("simulated")
@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("workflow_scripts/clustermass/crossmatch.py", "def greedy(", "# the heart of it\n\n\ndef greedy("),
        ("workflow_scripts/crossmatch/match.py", "with runtime", "# all of it is logged\nwith runtime"),
        ("workflow_scripts/clustermass/masses.py", "Return the mass inside R500c", "Return what is inside R500c"),
        ("configs/tiny.yaml", "lightcone:", "# small\nlightcone:"),
    ],
)
def test_a_comment_reruns_nothing(simulated, file, old, new):
    simulated.edit(file, old, new)
    assert simulated.planned() == {}
    simulated.edit(file, new, old)


@grouped("simulated")
@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ("labels={richness_slope: 1.3}", {"crossmatch_labels": 1, **PAGES}),
        ("figures={lin2022_median_dz: 0.02}", {"lin2022_fig01": 1}),
        ("crossmatch={max_kpc: 400}", {**MATCHES, "crossmatch_labels": 1, **PAGES}),
        ("archive={attempts: 3}", {}),
        ("masses=rescaled", {"data_catalogue_simulated": 4, **MATCHES, "crossmatch_labels": 1, **PAGES}),
        ("catalogues={xcs: {separation: none}}", {**CONFIGURED, "crossmatch_labels": 1, **PAGES}),
        ("crossmatch={separation: none}", {**CONFIGURED, "crossmatch_labels": 1, **PAGES}),
        ("crossmatch={chance_shifts: 3}", {"crossmatch_chance": 1, "lin2022_counts": 1}),
        ("catalogues={xcs: {title: X}}", PAGES),
        (
            "catalogues={mcxc: {luminosity_mass: {slope: 1.3}}}",
            {"data_catalogue_simulated": 1, **MATCHES, "crossmatch_labels": 1, **PAGES},
        ),
    ],
)
def test_a_setting_reruns_what_depends_on_it(simulated, setting, expected):
    assert simulated.planned("--config", setting) == expected


@grouped("simulated")
@pytest.mark.parametrize(
    ("file", "old", "new", "expected"),
    [
        ("clustermass/crossmatch.py", "np.lexsort((second, first, kpc))", "np.lexsort((first, second, kpc))",
         {**MATCHES, "crossmatch_labels": 1, **PAGES}),
        ("clustermass/style.py", 'SKY, GREEN, YELLOW = "#E69F00"', 'SKY, GREEN, YELLOW = "#E69F01"', PAGES),
        ("clustermass/metrics.py", "+ 0.5) * width", "+ 0.0) * width", PAGES),
        ("lin2022/fig01_mass_redshift.py", "alpha=0.35", "alpha=0.3", {"lin2022_fig01": 1}),
    ],
)  # fmt: skip
def test_code_reruns_what_uses_it(simulated, file, old, new, expected):
    simulated.edit(f"workflow_scripts/{file}", old, new)
    assert simulated.planned() == expected
    simulated.edit(f"workflow_scripts/{file}", new, old)


@grouped("archival")
def test_archival_run_takes_local_files_and_a_new_catalogue_and_leaves_out_what_cannot_be_had(archival):
    counts, labels = check_products(archival, "archival")
    rows = counts.set_index(["catalogue", "quantity"])
    assert rows.loc[("redMaPPer", "rows read"), "regenerated"] == 60
    assert rows.loc[("redMaPPer", "rows used"), "regenerated"] == 55
    assert rows.loc[("Planck", "rows with redshift"), "regenerated"] == 19
    assert rows.loc[("Planck", "matched"), "regenerated"] == 17  # of 20: one has no redshift, two clusters are too poor
    assert (
        rows.loc[("ACT", "matched"), "regenerated"] == 10
    )  # of 30: 17 have gone to Planck, three clusters are too poor
    assert "left out: no local file" in rows.loc[("MCXC", "rows read"), "note"]
    assert np.isnan(rows.loc[("MCXC", "matched"), "regenerated"])
    planck = labels[labels["catalogue"] == "planck"]
    np.testing.assert_allclose(planck["log10_m500c"], np.log10(5e14))
    np.testing.assert_allclose(planck["log10_m500c_err_up"], np.log10(5.6 / 5.0))
    act = labels[labels["catalogue"] == "act"]["log10_m500c"]
    assert ((act > np.log10(0.9e14)) & (act < np.log10(1.5e14))).all()  # M500c is 0.5 to 0.7 of M200m
    rejected = contracts.read_table(
        archival.folder / "results/archival/data/catalogues/planck_rejected.parquet", contracts.REJECTED
    )
    assert rejected[["row", "id", "column", "value"]].to_numpy().tolist() == [[4, "P3", "REDSHIFT", "-1.0"]]


@grouped("archival")
def test_a_changed_catalogue_reruns_its_own_branch(archival):
    path = archival.folder / "archive/catalogues/planck.csv"
    before = path.read_text()
    assert archival.planned() == {}
    path.write_text(before.replace("5.0", "5.5", 1))
    assert archival.planned() == {"data_catalogue_archival": 1, **MATCHES, "crossmatch_labels": 1, **PAGES}
    path.write_text(before)


@grouped("archival")
def test_a_broken_catalogue_stops_with_its_name_and_column(archival):  # the last: it spoils the run
    archival.edit("archive/catalogues/planck.csv", "NAME,RA", "NAME,RAJ")
    done = archival.snakemake(check=False)
    assert done.returncode != 0
    assert "planck.csv: expected the columns of one of the 3 layouts of 'Planck'; the nearest lacks RA" in done.stdout


@grouped("simulated")
def test_wrong_settings_stop_before_any_job(simulated):
    done = simulated.snakemake("--config", "crossmatch={max_kcp: 3}", "sourse=archival", check=False)
    assert done.returncode != 0
    assert "has 2 settings to mend" in done.stdout
    assert "did you mean crossmatch.max_kpc?" in done.stdout
    assert "did you mean source?" in done.stdout
    assert "Job stats" not in done.stdout


@grouped("simulated")
def test_report_is_made_offline(simulated):
    simulated.snakemake("--report", "report.html")
    report = (simulated.folder / "report.html").read_text()
    assert "Lin et al. (2022)" in report
    assert "dashed" in report.lower()


@pytest.mark.archival
def test_real_catalogues_through_the_whole_workflow(archive, tmp_path):
    options = {"folder": str(archive), "vizier_server": "http://127.0.0.1:9", "attempts": 1}
    workflow = Workflow(
        tmp_path / "real", ["--configfile", "configs/archival.yaml", "--config", f"archive={json.dumps(options)}"]
    )
    workflow.snakemake()
    counts, _ = check_products(workflow, "archival")
    rows = counts.set_index(["catalogue", "quantity"])
    assert rows.loc[("Planck", "rows read"), "regenerated"] == 1653
    assert rows.loc[("Planck", "rows with redshift"), "regenerated"] == 1094
    assert rows.loc[("MCXC", "rows read"), "regenerated"] == 1743
    assert rows.loc[("redMaPPer", "rows used"), "regenerated"] == 26298
    assert rows.loc[("Planck", "matched"), ["regenerated", "projected_proper", "none"]].tolist() == [228, 228, 341]
    assert "left out" in rows.loc[("XCS", "rows read"), "note"]
