"""The workflow on files of an archive: local copies, a catalogue of one's own, broken files, the real catalogues."""

import json

import numpy as np
import pandas as pd
import pytest
import yaml
from workflow_copy import RESULTS, Workflow, check_products

from clustermass import contracts

MATCHES = {"crossmatch_match": 5, "crossmatch_chance": 1}
PAGES = {"lin2022_fig01": 1, "lin2022_counts": 1}


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


def test_a_changed_catalogue_reruns_its_own_branch(archival):
    path = archival.folder / "archive/catalogues/planck.csv"
    before = path.read_text()
    assert archival.planned() == {}
    path.write_text(before.replace("5.0", "5.5", 1))
    assert archival.planned() == {"data_catalogue_archival": 1, **MATCHES, "crossmatch_labels": 1, **PAGES}
    path.write_text(before)


def test_a_broken_catalogue_stops_with_its_name_and_column(archival):  # the last: it spoils the run
    archival.edit("archive/catalogues/planck.csv", "NAME,RA", "NAME,RAJ")
    done = archival.snakemake(check=False)
    assert done.returncode != 0
    assert "planck.csv: expected the columns of one of the 3 layouts of 'Planck'; the nearest lacks RA" in done.stdout


@pytest.mark.archival
def test_real_catalogues_through_the_whole_workflow(archive, tmp_path):
    options = {"folder": str(archive), "vizier_server": "http://127.0.0.1:9", "attempts": 1}
    workflow = Workflow(
        tmp_path / "real", ["--configfile", "configs/archival.yaml", "--config", f"archive={json.dumps(options)}"]
    )
    workflow.snakemake("--", "lin2022")
    counts, _ = check_products(workflow, "archival", RESULTS)
    rows = counts.set_index(["catalogue", "quantity"])
    assert rows.loc[("Planck", "rows read"), "regenerated"] == 1653
    assert rows.loc[("Planck", "rows with redshift"), "regenerated"] == 1094
    assert rows.loc[("MCXC", "rows read"), "regenerated"] == 1743
    assert rows.loc[("redMaPPer", "rows used"), "regenerated"] == 26298
    assert rows.loc[("Planck", "matched"), ["regenerated", "projected_proper", "none"]].tolist() == [228, 228, 341]
    assert "left out" in rows.loc[("XCS", "rows read"), "note"]
