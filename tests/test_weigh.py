"""Weighing one cluster: files of members in any form, estimators of a run, flags, products, the program."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from astropy import units as u
from astropy.io import fits
from astropy.io.votable import parse
from astropy.table import Table

from clustermass import __main__ as program
from clustermass.card import CardError, card_text, image_card, model_card, posterior_section, read_card, write_card
from clustermass.config.base import Cosmology
from clustermass.config.dynamics import Kde3d
from clustermass.config.networks import CubeNetwork
from clustermass.config.observed import Observed, Sample
from clustermass.config.posterior import Posterior
from clustermass.config.training import Training
from clustermass.contracts import Column, Contract, write_table
from clustermass.cubes import cube_inputs
from clustermass.exchange import write_exchange
from clustermass.kde3d import Cubes
from clustermass.msigma import RELATIONS
from clustermass.observed.domain import DOMAIN_SUMMARIES, SUMMARIES, summarise
from clustermass.observed.phase_space import offset_position
from clustermass.posterior.calibration import calibrate
from clustermass.posterior.joint import fit_joint, make_pairs, mass_grid
from clustermass.posterior.prior import calibration_prior
from clustermass.posterior.store import Inference, save_inference
from clustermass.sources.tables import CatalogueError, read_catalogue
from clustermass.training.checkpoint import Identity, save_checkpoint
from clustermass.training.trainer import Samples, train
from clustermass.weigh.cluster import find_centre, weigh_cluster
from clustermass.weigh.members import read_members, usable_members
from clustermass.weigh.small import find_results
from clustermass.weigh.trained import WeightsError, load_estimators, needed

ROOT = Path(__file__).resolve().parents[1]
OBSERVED, COSMOLOGY = Observed(), Cosmology()
NETWORK = CubeNetwork(voxels=16, filters=(3, 2, 2), dense=(8,))
SAMPLE = Sample(source="simulated", redshifts="simulated", centres=["finder"], aperture_mpc_h=2.0)
KDE, TRAINING = Kde3d(bandwidth=0.3), Training(epochs=1, batch=16, labels="standardised", max_norm=None)
SETTINGS = Posterior(bootstrap=20)
Z, CENTRE = 0.0231, (194.95, 27.98)


def phase_space(log10_mass: np.ndarray, seed: int) -> tuple[Any, ...]:
    """Return x, y, v_los and start of clusters whose sizes, velocities and numbers follow their masses."""
    drawn, parts = np.random.default_rng(seed), []
    for each in log10_mass:
        size = 10 ** ((each - 14) / 3)
        n = 20 + int(40 * size**3)
        inside = drawn.normal(size=(n, 3)) * [0.4 * size, 0.4 * size, 500 * size]
        field = drawn.uniform(-1, 1, size=(20, 3)) * [2, 2, 2200]
        parts.append(np.concatenate([inside, field]))
    start = np.concatenate([[0], np.cumsum([len(part) for part in parts])]).astype(np.int64)
    return (*np.concatenate(parts).T, start)


def inference(seed: int, path: Path) -> tuple[Posterior, np.ndarray, pd.DataFrame]:
    """Write a posterior of summaries that scatter by 0.1 dex, and return what a card says of it."""
    drawn = np.random.default_rng(seed)
    mass = drawn.uniform(13.7, 15.2, 500)
    pairs = make_pairs(mass + 0.1 * drawn.normal(size=500), mass)
    joint = fit_joint(pairs, SETTINGS)
    prior = calibration_prior(joint, mass_grid(pairs, SETTINGS))
    whole = Inference(joint, prior, prior, SETTINGS)
    save_inference(path, whole, np.linspace(13, 16, 20), {})
    truth = drawn.uniform(13.8, 15.1, 60)
    slices = whole.posteriors(truth + 0.1 * drawn.normal(size=60))
    return SETTINGS, mass, calibrate(slices.posteriors, truth, pd.Series(range(60)), SETTINGS, drawn)


def card_of(path: Path, model: str, section: Any, settings: dict[str, Any], clusters: pd.DataFrame) -> None:
    told = pd.DataFrame({"role": "heldout", "group": [f"g{i}" for i in range(len(clusters))]})
    told = told.assign(log10_m200c=clusters["log10_m200c"], log10_predicted=clusters["log10_m200c"] + 0.02)
    card = model_card(("simulated", "some_mock", model), clusters, told, section, settings, {"commit": "abc"})
    path.mkdir(parents=True, exist_ok=True)
    write_card(card, path / "card.yaml", path / "card.md")


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run's folder with trained estimators, small and quick."""
    folder = tmp_path_factory.mktemp("run") / "results/simulated"
    files = needed(folder, "kodiramanah2021")
    for path in files.values():
        path.parent.mkdir(parents=True, exist_ok=True)
    mass = np.random.default_rng(1).uniform(13.7, 15.2, 120)
    x, y, v, start = phase_space(mass, 2)
    state = train(NETWORK, TRAINING, Samples(Cubes(v, x, y, start, 2.0, 2200.0, 16, KDE), mass), None, 1)
    identity = Identity(NETWORK, TRAINING, 1, "x", cube_inputs(2.0, KDE))
    save_checkpoint(files["models"] / "fold_00.safetensors", state, identity)
    clusters = pd.DataFrame({"log10_m200c": mass, "group": [f"g{i}" for i in range(120)], "set": "train"})
    settings = {"cosmology": COSMOLOGY.model_dump(), "redshift": 0.05, "aperture_mpc_h": 2.0, "velocity_cut_km_s": 2200}
    network = {"network": NETWORK, "kde3d": KDE, "training": TRAINING, "sample": SAMPLE, "observed": OBSERVED}
    network_settings = settings | {name: section.model_dump(mode="json") for name, section in network.items()}
    about, pairs, calibration = inference(3, files["posterior"])
    section = posterior_section(about.model_dump(mode="json"), pairs, calibration)
    card_of(files["card"].parent, "cnn3d", section, network_settings, clusters)
    about, pairs, _judged = inference(4, files["relation_posterior"])
    section = posterior_section(about.model_dump(mode="json"), pairs, None)
    known = clusters.assign(richness=np.diff(start), sigma_v=500.0 + 300 * (mass - 14)).drop(columns="set")
    card_of(files["relation_card"].parent, "msigma_contaminated", section, settings, known.assign(train=True))
    relation = pd.DataFrame({"fold": [0, -1], "sigma15": [900.0, 1000.0], "alpha": 0.35, "scatter": 0.1,
                             "expansion": 1.0, "clusters": 100})  # fmt: skip
    write_table(relation, RELATIONS, files["relation"], {})
    z = np.random.default_rng(5).uniform(0.01, 0.08, 120)
    summaries = pd.DataFrame(summarise(z, x, y, v, start, 2.0), columns=list(SUMMARIES))
    write_table(summaries.assign(unseen=np.arange(120) % 2 == 0), DOMAIN_SUMMARIES, files["domain"], {})
    return folder


def coma(log10_mass: float = 14.9, seed: int = 6) -> pd.DataFrame:
    """Return galaxies on the sky around a cluster at the place and redshift of Coma."""
    x, y, v, _start = phase_space(np.array([log10_mass]), seed)
    lengths = 299792.458 / 100 * (Z - 0.225 * Z**2) / (1 + Z)  # Mpc/h per rad, to second order with q0 = -0.55
    ra, dec = offset_position(*CENTRE, x / lengths, y / lengths)
    return pd.DataFrame({"RA": ra, "Dec": dec, "z": Z + v / 299792.458 * (1 + Z)})


def test_a_coma_like_cluster_is_weighed_by_all_estimators(results: Path, tmp_path: Path, capsys: Any) -> None:
    coma().to_csv(tmp_path / "members.csv", index=False)
    prefix = tmp_path / "out/coma"
    arguments = ["weigh", str(tmp_path / "members.csv"), "--z", str(Z), "--results", str(results)]
    assert program.main([*arguments, "--output", str(prefix)]) == 0
    said = capsys.readouterr().out
    assert "Msun/h, h = 0.6774" in said
    assert "within 2.00 Mpc/h" in said
    masses = pd.read_csv(f"{prefix}.csv").set_index("estimator")
    assert list(masses.index) == ["cnn3d", "msigma", "virial"]
    assert (masses["log10_m200c"] - 14.9).abs().max() < 0.8
    assert np.allclose(masses["m200c_msun"], 10 ** masses["log10_m200c"] / 0.6774, rtol=5e-4)  # six digits
    assert (masses.loc[["cnn3d", "msigma"], "low95"] < masses.loc[["cnn3d", "msigma"], "low68"]).all()
    table = Table.read(f"{prefix}.fits")
    for name in ("cnn3d", "msigma"):
        own = table[table["estimator"] == name]
        assert np.trapezoid(own["density"], own["log10_m200c"]) == pytest.approx(1, abs=0.02)
    assert any("Msun/h" in str(card) for card in fits.getheader(f"{prefix}.fits", 1)["COMMENT"])
    votable = parse(f"{prefix}.vot").get_first_table().to_table()
    assert np.array_equal(votable["density"], table["density"])
    assert Path(f"{prefix}.png").stat().st_size > 10_000
    assert Path(f"{prefix}.pdf").read_bytes().startswith(b"%PDF")


def test_same_cluster_in_other_units_weighs_the_same(results: Path, tmp_path: Path) -> None:
    estimators = load_estimators(results)
    galaxies = coma()
    other = Table({"RAJ2000": galaxies["RA"].to_numpy() / 15 * u.hourangle, "DEJ2000": np.radians(galaxies["Dec"].to_numpy()) * u.rad,
                   "velocity": galaxies["z"].to_numpy() * 299792.458 * u.km / u.s})  # fmt: skip
    other.write(tmp_path / "members.vot", format="votable")
    galaxies.to_csv(tmp_path / "members.csv", index=False)
    read = [
        read_members(tmp_path / "members.csv", {}, OBSERVED),
        read_members(tmp_path / "members.vot", {"redshift": "velocity"}, OBSERVED),
    ]
    found = [weigh_cluster(one, Z, CENTRE, estimators, np.random.default_rng(1)).masses for one in read]
    assert np.allclose(found[0]["log10_m200c"], found[1]["log10_m200c"], atol=1e-4)


def test_redshift_and_centre_are_found_where_they_are_not_given(results: Path) -> None:
    frame = coma()
    galaxies = usable_members(Table.from_pandas(frame), {}, OBSERVED, "members")
    found = weigh_cluster(galaxies, None, None, load_estimators(results), np.random.default_rng(1))
    assert abs(found.redshift - Z) < 1e-3  # 300 km/s, of a dispersion of 1000
    assert found.centre is not None
    assert (
        np.hypot((found.centre[0] - CENTRE[0]) * 0.88, found.centre[1] - CENTRE[1]) < 0.3
    )  # deg, 0.35 Mpc/h: less than half a scale of the cluster


def test_centre_across_right_ascension_zero() -> None:
    drawn = np.random.default_rng(2).normal(size=(2, 400)) * 0.2
    ra, dec = find_centre((0.05 + drawn[0]) % 360, drawn[1] - 5, 0.02, 0.002)
    assert min(abs(ra - 0.05), abs(ra - 360.05)) < 0.06
    assert abs(dec + 5) < 0.06


def test_redshifts_alone_give_a_dispersion_mass_that_says_so(results: Path) -> None:
    galaxies = usable_members(Table.from_pandas(coma()[["z"]]), {}, OBSERVED, "redshifts")
    assert not galaxies.placed
    masses = weigh_cluster(galaxies, Z, None, load_estimators(results), np.random.default_rng(1)).masses
    assert masses["estimator"].tolist() == ["msigma"]
    assert masses["uncovered"].all()
    assert "aperture unknown" in masses["remark"].iloc[0]


def test_flags_of_few_uncovered_and_foreign_galaxies(results: Path) -> None:
    estimators, frame = load_estimators(results), coma()
    rng = np.random.default_rng(1)

    def weighed(part: pd.DataFrame) -> pd.DataFrame:
        galaxies = usable_members(Table.from_pandas(part), {}, OBSERVED, "members")
        return weigh_cluster(galaxies, Z, CENTRE, estimators, rng).masses.set_index("estimator")

    assert not weighed(frame).loc["cnn3d", ["few", "uncovered"]].any()
    few = weighed(frame.iloc[:3])
    assert few["few"].all()
    assert few["log10_m200c"].isna().all()
    core = weighed(frame[np.hypot((frame["RA"] - CENTRE[0]) * 0.88, frame["Dec"] - CENTRE[1]) < 0.5])
    assert core.loc["cnn3d", "uncovered"]
    assert "galaxies reach" in core.loc["cnn3d", "remark"]
    cold = frame.assign(z=Z + (frame["z"] - Z) / 20)  # a cluster of 30 km/s is none of the mock
    assert weighed(cold).loc["cnn3d", "out_of_domain"]
    assert "half-width" in weighed(cold).loc["cnn3d", "remark"]


BAD = {
    "no redshift column": ({"ra": [1.0], "dec": [1.0]}, {}, "expected a column of redshifts.*--redshift"),
    "dec is missing": ({"ra": [1.0], "z": [0.02]}, {}, "got ra without dec.*--dec"),
    "named column is missing": ({"z": [0.02], "n": [1]}, {"ra": "alpha"}, "expected a column 'alpha'.*z, n"),
    "velocities without a unit": ({"z": [6900.0, 7100.0]}, {}, r"c z in km/s.*'z \[km/s\]'"),
    "two redshifts": ({"z": [0.02], "zspec": [0.02]}, {}, "expected one column of redshifts, got z, zspec"),
    "texts": ({"ra": ["12:59:48"], "dec": ["+27:58"], "z": [0.02]}, {}, "column ra: expected numbers, got texts"),
    "unit of length": ({"z": [0.02]}, {"redshift": "z [Mpc]"}, "expected redshifts or velocities, got the unit Mpc"),
    "unit unknown": ({"z": [0.02]}, {"redshift": "z [furlong]"}, "unit 'furlong' is not understood"),
    "angle in km": ({"ra": [1.0], "dec": [1.0], "z": [0.02]}, {"ra": "ra [km]"}, "expected an angle, got the unit km"),
    "no degrees": ({"ra": [1e4], "dec": [1.0], "z": [0.02]}, {}, "expected 0 to 360 deg, got 10000"),
    "stars": ({"ra": [1.0], "dec": [1.0], "z": [1e-5]}, {}, "no galaxy can be used: 1 x a star"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_members_are_refused_with_what_is_wrong(case: str) -> None:
    columns, named, message = BAD[case]
    with pytest.raises(CatalogueError, match=message):
        usable_members(Table(columns), named, OBSERVED, "members.csv")


def test_program_says_what_is_wrong_in_one_line(results: Path, tmp_path: Path, capsys: Any) -> None:
    members = tmp_path / "members.csv"
    coma().to_csv(members, index=False)
    for arguments, message in (
        ([str(tmp_path / "none.csv"), "--results", str(results)], "no such file"),
        ([str(members), "--z", "0.5", "--results", str(results)], "within 2200 km/s of the cluster at redshift 0.5"),
        ([str(members), "--z", "-1", "--results", str(results)], "expected a positive redshift"),
        ([str(members), "--z", str(Z), "--centre", "10", "10", "--results", str(results)], "of the centre 10.0000"),
        ([str(members), "--results", str(tmp_path)], "snakemake --cores all weights"),
        ([str(members), "--results", str(results), "--mock", "hecs"], "estimators of the mock hecs; missing"),
    ):
        assert program.main(["weigh", *arguments]) == 1
        error = capsys.readouterr().err
        assert message in error
        assert error.count("\n") == 1


def test_small_weights_are_trained_on_first_use(results: Path, tmp_path: Path) -> None:
    commands: list[Any] = []
    said: list[str] = []

    def run(command: Any) -> int:
        commands.append(list(command))
        return 0

    assert find_results(tmp_path, run, said.append) == tmp_path / "results/small/results/simulated"
    assert commands[0][-1] == "weights"
    assert str(tmp_path / "configs/tiny.yaml") in commands[0]
    assert "minutes" in said[0]
    with pytest.raises(WeightsError, match="could not be trained"):
        find_results(tmp_path, lambda _command: 1, said.append)
    root = results.parents[1]  # a run that has weights is taken as it is
    assert find_results(root, run, said.append) == results
    assert len(commands) == 1


def test_tables_for_other_programs_keep_units_and_meanings(tmp_path: Path) -> None:
    columns = (Column("name", "text", "", "its name"), Column("ra", "float", "deg", "right ascension"),
               Column("mass", "float", "log10(Msun/h)", "log10 of M200c", missing=True),
               Column("x", "float", "Mpc/h", "eastwards"), Column("few", "bool", "", "too few"))  # fmt: skip
    contract = Contract("some", "some clusters", columns)
    frame = pd.DataFrame({"name": ["A", "B"], "ra": [1.0, 2.0], "mass": [14.0, np.nan], "x": 1.0, "few": [True, False]})
    outputs: dict[str, str | Path] = {kind: tmp_path / f"table.{kind}" for kind in ("fits", "vot")}
    write_exchange(frame, contract, outputs, ["a note"])
    for path in outputs.values():
        table = read_catalogue(path)
        assert table.colnames == contract.names
        assert str(table["ra"].unit) == "deg"
        assert table["x"].unit is None  # 'h' would be read as an hour
        assert [bool(value) for value in table["few"]] == [True, False]
        assert np.isnan(np.ma.filled(table["mass"], np.nan)[1])
    text = Path(outputs["vot"]).read_text()
    assert "log10 of M200c [log10(Msun/h)]" in text
    assert "a note" in text


def test_cards_say_what_an_estimator_is(results: Path, tmp_path: Path) -> None:
    files = needed(results, "kodiramanah2021")
    card = read_card(files["card"])
    assert card["posterior"]["prior"] == "calibration"
    assert card["data"]["clusters, train"] == 120
    assert card["accuracy"]["residual median [dex]"] == pytest.approx(0.02)
    text = files["card"].with_suffix(".md").read_text()
    assert text == card_text(card)
    for words in ("Trained on simulated data", "Domain of validity", "| log10_m200c | 13.7", "| pit |", "commit: abc"):
        assert words in text
    assert "No clusters were held out" in files["relation_card"].with_suffix(".md").read_text()
    (tmp_path / "card.yaml").write_text("model: x\n")
    with pytest.raises(CardError, match="settings, data missing"):
        read_card(tmp_path / "card.yaml")
    with pytest.raises(CardError, match="expected a model card"):
        read_card(tmp_path / "none.yaml")


def test_cards_of_images_speak_of_their_own_mass(tmp_path: Path) -> None:
    mass = np.linspace(14.0, 15.0, 101)
    told = {
        "log10_m500c": mass,
        "log10_predicted": mass - 0.1,
        "redshift": 0.2,
        "networks": 2,
        "fold": np.arange(101) % 4,
    }
    clusters = pd.DataFrame(told | {"group": [f"h{i // 2}" for i in range(101)]})
    calibration = inference(7, tmp_path / "posterior.safetensors")[2]
    section = posterior_section({"prior": "labels", "limits": "shortest"}, mass, calibration, "log10_m500c")
    card = image_card("archival", "ss_trans", clusters, section, {"views": 4}, {"commit": "abc"})
    assert card["data"] | {"halos": 51, "folds": 4, "networks a fold": 2} == card["data"]
    assert card["accuracy"]["residual scatter [dex]"] == 0
    assert card["validity"]["ranges"]["log10_m500c"] == pytest.approx([14.005, 14.995])
    text = card_text(card)
    assert "# ss_trans on images" in text
    assert "between log10 M500c = 14 and 15 Msun." in text
    assert "M200c" not in text
    write_card(card, tmp_path / "card.yaml", tmp_path / "card.md")
    assert read_card(tmp_path / "card.yaml") == card


def test_launcher_runs_in_the_environment_and_says_when_there_is_none(tmp_path: Path) -> None:
    launcher = tmp_path / "clustermass"
    shutil.copy(ROOT / "clustermass", launcher)
    failed = subprocess.run([launcher, "weigh"], capture_output=True, text=True, check=False)
    assert failed.returncode == 1
    assert "make ready" in failed.stderr
    (tmp_path / ".venv/bin").mkdir(parents=True)
    (tmp_path / ".venv/bin/python").symlink_to(sys.executable)
    (tmp_path / "workflow_scripts").symlink_to(ROOT / "workflow_scripts")
    library = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if "site-packages" in path)}
    told = subprocess.run([launcher, "weigh", "--help"], capture_output=True, text=True, check=True, env=library)
    assert "--centre RA DEC" in told.stdout
