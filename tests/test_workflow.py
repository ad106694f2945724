"""The workflow on simulated data, at its smallest: it makes everything, and again only what changed."""

import json
import os
import subprocess
import sys

import pandas as pd
import pyarrow.parquet as pq
import pytest
from workflow_copy import KODIRAMANAH2021 as OBSERVED_PRODUCTS
from workflow_copy import Workflow, check_products

from clustermass import contracts
from clustermass.posterior.contracts import POSTERIOR_SUMMARIES

MATCHES = {"crossmatch_match": 5, "crossmatch_chance": 1}
CONFIGURED = {"crossmatch_match": 1, "crossmatch_chance": 1}
PAGES = {"lin2022_fig01": 1, "lin2022_counts": 1}
REALISM = {f"realism_{name}": 1 for name in ("counts", "table", "figure")}
REALISM_JUDGED = {"realism_table": 1, "realism_figure": 1}
SHOWN = {"images_pictures": 1, "images_sheet": 1, "liang2020_figS1": 1, **REALISM}
FRAMED = {f"frames_{name}": 1 for name in ("sample", "fields_simulated", "plan", "galaxies")} | {"images_members": 1}
MOSAICS = {"mosaics_job": 2, "mosaics_table": 1, "images_inputs": 4, **SHOWN}
IMAGED = {**FRAMED, "frames_simulated": 2, **MOSAICS, "realism_catalogue": 2}
BLANK = {"frames_blank_galaxies": 1, "frames_simulated": 3, "realism_measure": 1, "realism_pictures": 1}
BLANK |= {"transfer_empty": 1, "transfer_controls": 1, "interpretation_image_controls": 1}
ON_FRAMES = {name: jobs for name, jobs in IMAGED.items() if name not in FRAMED}
TRAINED_ON_IMAGES = {"transfer_bands": 4, "transfer_weak": 4, "transfer_mass": 6, "transfer_downstream": 3}
TRAINED_ON_IMAGES |= {"transfer_richness": 4, "transfer_controls": 1, "posteriors_images": 3}
TRAINED_ON_IMAGES |= {f"interpretation_{name}": 1 for name in ("attribution", "occlusion")}
TRAINED_ON_IMAGES |= {f"interpretation_image_{name}": 1 for name in ("uncertainty", "variants", "controls")}
TRAINED_ON_IMAGES |= {f"lin2022_{name}": 1 for name in ("fig03", "fig04", "fig05", "fig06", "fig07", "table2")}
TRAINED_ON_IMAGES |= {f"liang2020_{name}": 1 for name in ("fig02", "figS2", "table1")}
EMPTY = {"transfer_empty": 1, "transfer_controls": 1, "interpretation_image_controls": 1}
NATURAL = {"transfer_natural": 1, "liang2020_figS3": 1}
ON_FRAMES |= TRAINED_ON_IMAGES
IMAGED |= {**TRAINED_ON_IMAGES, **EMPTY, "frames_simulated": 3, "realism_measure": 1, "realism_pictures": 1}
RELABELLED = {"crossmatch_labels": 1, **PAGES, **SHOWN, **TRAINED_ON_IMAGES}
LABELLED = {**MATCHES, **RELABELLED, **IMAGED}
ON_OBSERVED = {f"kodiramanah2021_{name}": 1 for name in ("fig10", "figA1", "masses")}
WEIGHED = {"observed_masses": 1, **ON_OBSERVED}
CENTRED = {"observed_centres": 1, "observed_phase_space": 1, **WEIGHED}
OBSERVED = {"observed_redshifts": 1, **CENTRED}
SKY = {"data_richness": 1, "data_members": 1, "data_spectroscopy": 1, **LABELLED, **OBSERVED}
CONE = {"data_halos": 1, **SKY, "data_survey": 5, "data_catalogue_simulated": 5, **BLANK}
CONE_GALAXIES = {**SKY, "data_survey": 1, "data_catalogue_simulated": 1, **BLANK}
TRAINED = {"training_cnn": 2, "training_cnn_few": 2, "training_msigma": 2, "training_sdm": 2}
JUDGED = {f"interpretation_{what}": 1 for what in ("residuals", "abundance", "wojtak", "robustness")}
ON_MOCK = {f"ho2019_{name}": 1 for name in ("fig01", "fig02", "fig03")}
PREDICTED = ["fig05", "fig06", "fig07", "fig08", "fig09", "fig10", "abundance", "timing"]
PREDICTED += ["table1", "table2", "table3", "table4"]
STATISTICS = ["abundance", "fig08", "fig09", "fig10", "table2", "table3", "table4"]
ON_ESTIMATORS = {f"ho2019_{name}": 1 for name in PREDICTED}
PICTURES = {"validation_matter": 2, "validation_galaxies": 2, "validation_summary": 1, "validation_performance": 1}
VALIDATION = {"validation_measure": 4, **PICTURES}
DRAWN = {**ON_MOCK, **ON_ESTIMATORS, "ho2019_fig04": 1, **PICTURES, **PAGES, **ON_OBSERVED, "kodiramanah2021_checks": 1}
DRAWN |= {f"kodiramanah2021_fig{number:02d}": 1 for number in range(1, 10)}
DRAWN |= {f"realism_{name}": 1 for name in ("table", "figure", "pictures")}
DRAWN |= {"images_pictures": 1, "images_sheet": 1, "liang2020_figS1": 1}
IN_BINS = {f"ho2019_fig{number:02d}": 1 for number in (2, 3, 6, 7, 8, 9)}
STACKED = {f"kodiramanah2021_{name}": 1 for name in ("fig04", "fig05", "fig08", "fig10", "figA1")}
POSTERIORS = {
    "posteriors_density": 4,
    **{f"kodiramanah2021_{name}": 1 for name in ("fig04", "fig05", "fig06", "fig07")},
}
CHECKED = {"interpretation_checks": 1, "kodiramanah2021_checks": 1}
CNN3D = {"training_cnn3d": 7, "training_end_to_end": 1, "interpretation_missing": 1, **CHECKED, **POSTERIORS, **WEIGHED}
SURVEYED = {"phase_space_survey": 1, "kodiramanah2021_fig01": 1, "kodiramanah2021_fig02": 1, **CNN3D}
BOOTSTRAPPED = {f"kodiramanah2021_{name}": 1 for name in ("fig05", "fig08", "fig10")}
GAINED = {"interpretation_information_gain": 1, "kodiramanah2021_fig09": 1}
ON_HO2019 = {"training_cnn3d": 1, "training_flow": 1, "kodiramanah2021_fig08": 1, **GAINED}
KODIRAMANAH2021 = {**SURVEYED, **ON_HO2019, "training_cnn3d": 8}
HO2019 = {"phase_space_ho2019": 1, **ON_MOCK, **TRAINED, **JUDGED, **ON_ESTIMATORS}
DRAWN_WITHOUT_IMAGES = {f"lin2022_{name}": 1 for name in ("fig02", "table1")}
DRAWN_WITHOUT_IMAGES |= {f"liang2020_{name}": 1 for name in ("fig01", "figS3", "tableS1", "tableS2")}
DRAWN |= {name: 1 for name in TRAINED_ON_IMAGES if name.startswith(("lin2022", "liang2020", "interpretation_image"))}
DRAWN |= DRAWN_WITHOUT_IMAGES
MORE_TRIALS = {"transfer_weak": 4, "transfer_mass": 6, "posteriors_images": 3, "interpretation_image_uncertainty": 1}
MORE_TRIALS |= {f"lin2022_{name}": 1 for name in ("fig03", "fig04", "fig05", "fig06", "table2")}
MORE_SHARES = {"transfer_richness": 2, "liang2020_figS2": 1, "liang2020_table1": 1}
MASKED = {"transfer_bands": 1, "transfer_downstream": 1, "interpretation_image_variants": 1}
BOOTSTRAPPED_IMAGES = {"lin2022_table2": 1, "liang2020_table1": 1, "liang2020_figS2": 1, "lin2022_fig07": 1}
BOOTSTRAPPED_IMAGES |= {"lin2022_fig06": 1, "liang2020_fig02": 1, "interpretation_image_variants": 1}
BOOTSTRAPPED_IMAGES |= {"interpretation_attribution": 1, "interpretation_occlusion": 1}
SMALL = [
    "nbody={box_mpc_h: 125, particles_per_side: 64, steps: 5}", "lightcone={ra_deg: [150, 160], dec_deg: [0, 10]}",
]  # fmt: skip


@pytest.fixture(scope="module")
def simulated(tmp_path_factory):
    workflow = Workflow(tmp_path_factory.mktemp("simulated"), ["--configfile", "configs/tiny.yaml"])
    workflow.finished = workflow.snakemake().stdout
    return workflow


def test_simulated_run_makes_everything(simulated):
    counts, labels = check_products(simulated, "simulated")
    rows = counts[counts["quantity"] == "matched"].set_index("catalogue")
    assert (rows["regenerated"] > 0).all()
    assert rows["regenerated"].to_list() == rows["projected_proper"].to_list()
    assert "Look first at" in simulated.finished
    assert "figures/simulated/lin2022/fig01.pdf" in simulated.finished
    assert "Published numbers, one by one in results/simulated/scorecard/scorecard.md" in simulated.finished
    folder = simulated.folder / "results/simulated/scorecard"
    card = pd.read_csv(folder / "scorecard.csv", keep_default_na=False)
    assert not card["reason"].str.contains("is not made").any()
    assert (card["reason"] != "")[card["verdict"] == "differs"].all()
    choices = pd.read_csv(folder / "discrepancies.csv")
    assert not choices["measured"].str.fullmatch("not made: [^,]*").any()
    assert pd.read_csv(folder / "leaderboard.csv")["sample"].nunique() == 3
    assert labels["group"].str.match(r"box[12]-\d+$").all()


def test_universe_is_the_same_on_one_core_and_on_two(tmp_path):
    tables = ["data/catalogues/planck.parquet", "data/members.parquet", "data/spectroscopy.parquet"]
    tables += [f"universe/box{box}/{z}/galaxies.parquet" for box in (1, 2) for z in ("z0.35", "z0.117")]
    made = []
    for cores in ("1", "2"):
        flow = Workflow(tmp_path / cores, ["--configfile", "configs/tiny.yaml", "--cores", cores])
        flow.snakemake(*(f"results/simulated/{table}" for table in tables), "--config", *SMALL)
        made.append(flow.folder / "results/simulated")
    for path in sorted(path for path in made[0].rglob("*") if path.is_file()):
        assert path.read_bytes() == (made[1] / path.relative_to(made[0])).read_bytes(), path


def test_held_out_box_serves_no_fit(simulated):
    metadata = contracts.read_metadata(simulated.folder / "results/simulated/universe/matching_z0.117.parquet")
    assert list(metadata["provenance"]["inputs"]) == ["results/simulated/universe/box1/z0.117/found.parquet"]


def test_validation_page_has_a_verdict_on_every_check(simulated):
    summary = pd.read_csv(simulated.folder / "results/simulated/validation/summary.csv")
    assert set(summary["verdict"]) <= {"met", "not met", "no tolerance set"}
    missed = summary[summary["verdict"] == "not met"]
    assert missed["reason"].str.len().gt(10).all()


def test_nothing_is_left_to_do_after_a_run(simulated):
    assert simulated.planned() == {}


def test_page_shows_every_artefact(simulated):
    page = (simulated.folder / "results/simulated/report/page.html").read_text()
    assert "Nothing: every figure and table was made." in page
    for anchor in ("ho2019_fig07", "kodiramanah2021_masses", "lin2022_table2", "liang2020_fig02"):
        assert f'<article id="{anchor}">' in page
    assert "particles_per_side: 192" in page


def test_a_cluster_of_the_survey_is_weighed_by_the_program(simulated):
    observed = simulated.folder / "results/simulated/observed/simulated"
    masses = pd.read_parquet(observed / "masses.parquet").sort_values("galaxies").iloc[-1]
    galaxies = pd.read_parquet(observed / "redshifts.parquet")
    near = galaxies[(galaxies["ra"] - masses["ra"]).abs().lt(3) & (galaxies["dec"] - masses["dec"]).abs().lt(3)]
    near[["ra", "dec", "redshift"]].to_csv(simulated.folder / "members.csv", index=False)
    place = ["--z", str(masses["redshift"]), "--centre", str(masses["ra"]), str(masses["dec"])]
    command = [sys.executable, "-m", "clustermass", "weigh", "members.csv", *place, "--results", "results/simulated"]
    library = {**os.environ, "PYTHONPATH": str(simulated.folder / "workflow_scripts")}
    subprocess.run(command, cwd=simulated.folder, check=True, env=library)
    found = pd.read_csv(simulated.folder / "members_mass.csv").set_index("estimator")
    assert found.loc["cnn3d", "log10_m200c"] == pytest.approx(masses["log10_m200c"], abs=0.02)
    assert found.loc["cnn3d", "galaxies"] == masses["galaxies"]


def test_every_table_says_where_it_comes_from(simulated):
    metadata = contracts.read_metadata(simulated.folder / "results/simulated/crossmatch/labels.parquet")
    record = metadata["provenance"]
    assert record["rule"] == "crossmatch_labels"
    assert record["wildcards"] == {"source": "simulated"}
    assert record["settings"]["seed"] == 20190101
    assert "results/simulated/data/catalogues/redmapper.parquet" in record["inputs"]
    field = pq.read_schema(simulated.folder / "results/simulated/data/catalogues/planck.parquet").field("m500c")
    assert field.metadata[b"unit"] == b"Msun"


def test_every_rule_wrote_its_log_and_benchmark(simulated):
    logs = {
        path.relative_to(simulated.folder).with_suffix("").as_posix() for path in simulated.folder.glob("logs/**/*.log")
    }
    timed = {path.as_posix().removesuffix(".benchmark.tsv") for path in simulated.folder.glob("logs/**/*.tsv")}
    assert {f"{simulated.folder.as_posix()}/{log}" for log in logs} == timed
    assert len(logs) == 204
    assert "redMaPPer: {'read'" in (simulated.folder / "logs/simulated/data/catalogues/redmapper.log").read_text()


COMMENTS = [
    ("workflow_scripts/clustermass/crossmatch.py", "def greedy(", "# the heart of it\n\n\ndef greedy("),
    ("workflow_scripts/crossmatch/match.py", "with runtime", "# all of it is logged\nwith runtime"),
    ("workflow_scripts/clustermass/masses.py", "Return the mass inside R500c", "Return what is inside R500c"),
    ("configs/tiny.yaml", "lightcone:", "# small\nlightcone:"),
]


def test_a_comment_reruns_nothing(simulated):
    for comment in COMMENTS:
        simulated.edit(*comment)
    assert simulated.planned() == {}
    for file, old, new in COMMENTS:
        simulated.edit(file, new, old)


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ("labels={richness_slope: 1.3}", RELABELLED),
        ("figures={lin2022_median_dz: 0.02}", {f"lin2022_fig{number:02d}": 1 for number in (1, 3, 4, 5, 6)}),
        ("image_training={lin2022: {trials: 2}}", MORE_TRIALS),
        ("image_training={liang2020: {percents: [50, 90, 100]}}", MORE_SHARES),
        ("image_training={masks: {faintest: 16}}", MASKED),
        ("natural={trials: 2}", NATURAL),
        ("crossmatch={max_kpc: 400}", LABELLED),
        ("archive={attempts: 3}", {}),
        ("frames={connections: 2}", {}),
        ("mosaics={min_coverage: 0.9}", ON_FRAMES),
        (
            "images={offset: 3.0}",
            {
                "images_inputs": 4,
                **TRAINED_ON_IMAGES,
                **EMPTY,
                "frames_simulated": 1,
                "realism_measure": 1,
                "realism_pictures": 1,
                **REALISM_JUDGED,
            },
        ),
        (
            "sky={cosmic_rays: 0.0}",
            {**ON_FRAMES, **{name: n for name, n in BLANK.items() if name != "frames_blank_galaxies"}, **NATURAL},
        ),
        (
            "realism={fields: 11}",
            {
                "frames_blanks": 1,
                **BLANK,
                "frames_simulated": 1,
                "realism_measure": 2,
                "realism_table": 1,
                "realism_figure": 1,
            },
        ),
        ("masses=rescaled", {"data_catalogue_simulated": 4, **LABELLED}),
        ("catalogues={xcs: {separation: none}}", {**CONFIGURED, **RELABELLED, **IMAGED}),
        ("crossmatch={separation: none}", {**CONFIGURED, **RELABELLED, **IMAGED}),
        ("crossmatch={chance_shifts: 3}", {"crossmatch_chance": 1, "lin2022_counts": 1}),
        ("catalogues={xcs: {title: X}}", {**PAGES, "lin2022_fig03": 1}),
        ("spectroscopy={collisions: pairs}", {"data_spectroscopy": 1, **OBSERVED}),
        ("lightcone={min_mass_msun: 2.0e13}", {**CONE, "frames_blanks": 1}),
        (
            "universe={min_particles: 60}",
            {"universe_halos": 6, "universe_galaxies": 6, **VALIDATION, **CONE, **HO2019, **KODIRAMANAH2021},
        ),
        ("universe={cone_max_abs_mag_r: -18.9}", {"universe_galaxies": 2, **CONE_GALAXIES}),
        (
            "galaxies={satellite_velocity_bias: guo2015}",
            {"universe_galaxies": 6, **VALIDATION, **CONE_GALAXIES, **HO2019, **KODIRAMANAH2021},
        ),
        ("mock_observation={min_richness: 12}", {**HO2019, **ON_HO2019}),
        (
            "interpretation={bootstrap_draws: 100}",
            {
                **JUDGED,
                **{f"ho2019_{name}": 1 for name in STATISTICS},
                **CHECKED,
                **GAINED,
                **BOOTSTRAPPED,
                **BOOTSTRAPPED_IMAGES,
            },
        ),
        ("survey_mocks={kodiramanah2021: {faintest_r: 17.9}}", SURVEYED),
        ("survey_mocks={hecs: {faintest_r: 20.9}}", {}),
        ("posterior={rank_bins: 10}", {**POSTERIORS, **WEIGHED}),
        ("checks={variants: {wide: {bandwidth: 0.21}}}", {"training_cnn3d": 1, **CHECKED}),
        ("observed={finder: {min_contrast: 5}}", OBSERVED),
        (
            "catalogues={mcxc: {luminosity_mass: {slope: 1.3}}}",
            {"data_catalogue_simulated": 1, **LABELLED},
        ),
    ],
)
def test_a_setting_reruns_what_depends_on_it(simulated, setting, expected):
    assert simulated.planned("--config", setting) == expected


@pytest.mark.parametrize(
    ("file", "old", "new", "expected"),
    [
        ("clustermass/crossmatch.py", "np.lexsort((second, first, kpc))", "np.lexsort((first, second, kpc))",
         {**LABELLED, **CENTRED}),
        ("clustermass/style.py", 'SKY, GREEN, YELLOW = "#E69F00"', 'SKY, GREEN, YELLOW = "#E69F01"', DRAWN),
        ("clustermass/metrics.py", "+ 0.5) * width", "+ 0.0) * width",
         {**IN_BINS, **STACKED, **PAGES, "realism_figure": 1, **{f"lin2022_fig{n:02d}": 1 for n in (3, 6, 7)}}),
        ("lin2022/fig01_mass_redshift.py", "alpha=0.35", "alpha=0.3", {"lin2022_fig01": 1}),
    ],
)  # fmt: skip
def test_code_reruns_what_uses_it(simulated, file, old, new, expected):
    simulated.edit(f"workflow_scripts/{file}", old, new)
    planned = simulated.planned()
    simulated.edit(f"workflow_scripts/{file}", new, old)
    assert planned == expected


def test_any_estimator_can_be_given_posteriors(simulated):
    folder = "results/simulated/posteriors/ho2019/msigma_contaminated/kde"
    simulated.snakemake("--", f"{folder}/posteriors.parquet")
    table = contracts.read_table(simulated.folder / folder / "posteriors.parquet", POSTERIOR_SUMMARIES)
    kept = table[~table["extrapolated"]]
    assert len(kept) > 100
    assert (kept["low68"] < kept["median"]).all()
    assert (kept["median"] < kept["high68"]).all()


@pytest.mark.archival
def test_real_redshifts_give_masses_of_real_clusters(simulated, archive):
    options = {"folder": str(archive), "vizier_server": "http://127.0.0.1:9", "attempts": 1}
    settings = ["source=archival", f"archive={json.dumps(options)}"]
    simulated.snakemake("--config", *settings, "--", "kodiramanah2021")
    for path in OBSERVED_PRODUCTS:
        assert (simulated.folder / path.format(source="archival")).stat().st_size > 0
    masses = pd.read_csv(simulated.folder / "results/archival/kodiramanah2021/masses.csv").set_index("name")
    rich = masses.loc[["Coma", "A1689", "A2029", "A2261"]]
    assert (rich["galaxies"] > 100).all()
    assert rich[["log10_m200c", "log10_reference", "log10_virial"]].notna().all(axis=None)
    assert (rich[["plus", "minus"]] >= 0).all(axis=None)
    assert (rich["log10_m200c"] - rich["log10_reference"]).abs().max() < 0.6
    assert "skyserver" in masses.loc["left out", "flags"].lower()
    assert masses["data"].unique().tolist() == ["real data; network trained on simulated data"]


def test_wrong_settings_stop_before_any_job(simulated):
    done = simulated.snakemake("--config", "crossmatch={max_kcp: 3}", "sourse=archival", check=False)
    assert done.returncode != 0
    assert "has 2 settings to mend" in done.stdout
    assert "did you mean crossmatch.max_kpc?" in done.stdout
    assert "did you mean source?" in done.stdout
    assert "Job stats" not in done.stdout


def test_report_is_made_offline(simulated):
    simulated.snakemake("--report", "report.html")
    report = (simulated.folder / "report.html").read_text()
    assert "Lin et al. (2022)" in report
    assert "dashed" in report.lower()
