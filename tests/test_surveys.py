"""What five surveys make of a sky of halos; one of Poisson numbers and random places is enough here."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from astropy.cosmology import FlatLambdaCDM
from astropy.table import Table
from poisson_sky import halo_lightcone

from clustermass import masses
from clustermass.config.base import Cosmology
from clustermass.config.catalogues import CATALOGUES, LuminosityMass
from clustermass.config.simulated import Lightcone
from clustermass.cosmology import flat
from clustermass.sources import surveys
from clustermass.sources.catalogues import parse_unit, split_column, standardise
from clustermass.sources.richness import MEMBERS, RICHNESS, depth_scale
from clustermass.sources.surveys import SURVEYS
from clustermass.sources.tables import read_catalogue

COSMOLOGY = Cosmology()
PATCH = Lightcone(ra_deg=(350, 370), dec_deg=(10, 30), redshift=(0.1, 0.5), min_mass_msun=3e13)  # across RA = 0


def published_in(name: str) -> FlatLambdaCDM:
    """Return the cosmology in which a catalogue is published."""
    return flat(CATALOGUES[name].cosmology)


@pytest.fixture(scope="module")
def patch() -> pd.DataFrame:
    return halo_lightcone(PATCH, COSMOLOGY, np.random.default_rng(1))


@pytest.fixture(scope="module")
def halos() -> pd.DataFrame:
    return halo_lightcone(Lightcone(min_mass_msun=3e13), COSMOLOGY, np.random.default_rng(2))


@pytest.fixture(scope="module")
def catalogues(halos: pd.DataFrame) -> dict[str, Table]:
    return {name: observe(name, halos, 3) for name in SURVEYS}


def observe(name: str, halos: pd.DataFrame, seed: int) -> Table:
    """Return what a survey makes of halos; redMaPPer sees the clusters that `found` makes of them."""
    seen = found(halos) if name == "redmapper" else halos.assign(group="G" + halos["id"])
    return SURVEYS[name](seen, COSMOLOGY, published_in(name), np.random.default_rng(seed))


def found(halos: pd.DataFrame) -> pd.DataFrame:
    """Return clusters as if measured, in the contract: richness 30 at 3e14 Msun, redshifts off by a hundredth."""
    z = halos["redshift"].to_numpy()
    columns = {
        "cluster": [f"C{number:07d}" for number in range(1, len(halos) + 1)],
        "id": halos["id"],
        "group": "G" + halos["id"],
        "share": 0.8,
        "ra": halos["ra"],
        "dec": halos["dec"],
        "redshift": z,
        "z_lambda": z + 0.01,
        "z_lambda_err": 0.01 + 0.0 * z,
        "richness": 30 * halos["m500c"] / 3e14,
        "richness_err": np.sqrt(3 * halos["m500c"] / 3e14),
        "scale": depth_scale(z),
    }
    return RICHNESS.validate(pd.DataFrame(columns), "richness")


def equal_halos(n: int, m500c: float, redshift: float) -> pd.DataFrame:
    """Return halos of one mass and redshift, far from the poles."""
    rng = np.random.default_rng(4)
    ids = [f"H{number:07d}" for number in range(1, n + 1)]
    columns = {"id": ids, "ra": rng.uniform(0, 360, n), "dec": rng.uniform(-60, 60, n)}
    return pd.DataFrame({**columns, "redshift": redshift, "m500c": m500c, "m200m": 1.8 * m500c})


def with_truth(table: Table, halos: pd.DataFrame) -> pd.DataFrame:
    """Return the parent halos of a catalogue's rows, in its order."""
    return halos.set_index("id").loc[list(table["HALO"])]


# Every survey


def test_there_is_a_survey_for_every_catalogue() -> None:
    assert list(SURVEYS) == list(CATALOGUES)


@pytest.mark.parametrize("name", SURVEYS)
def test_columns_and_units_are_those_of_the_first_layout(catalogues: dict[str, Table], name: str) -> None:
    layout, table = CATALOGUES[name].layouts[0], catalogues[name]
    for _, text in layout:
        if isinstance(text, str):
            column, unit = split_column(text)
            assert column in table.colnames
            if unit:
                assert parse_unit(str(table[column].unit)) == parse_unit(unit)


@pytest.mark.parametrize("name", SURVEYS)
def test_the_workflow_reads_what_the_survey_wrote(catalogues: dict[str, Table], name: str, tmp_path: Path) -> None:
    path = tmp_path / f"{name}.fits"
    catalogues[name].write(path)
    read = standardise(read_catalogue(path), CATALOGUES[name], path)
    assert len(read.frame) + len(read.rejected) == len(catalogues[name])
    assert len(read.frame) > 0.3 * len(catalogues[name])  # most groups of RASS-DR7 have SNR < 1


@pytest.mark.parametrize("name", SURVEYS)
def test_the_same_seed_gives_the_same_catalogue(patch: pd.DataFrame, name: str) -> None:
    def rows(seed: int) -> list[str]:
        return [str(row) for row in observe(name, patch, seed)]

    assert rows(6) == rows(6)
    assert rows(6) != rows(7)


@pytest.mark.parametrize("name", SURVEYS)
def test_an_empty_sky_gives_an_empty_catalogue(patch: pd.DataFrame, catalogues: dict[str, Table], name: str) -> None:
    table = observe(name, patch.iloc[:0], 8)
    assert len(table) == 0
    assert table.colnames == catalogues[name].colnames


@pytest.mark.parametrize("name", SURVEYS)
def test_every_row_names_its_halo_and_its_parent_object(catalogues: dict[str, Table], name: str) -> None:
    table = catalogues[name]
    assert all(group == "G" + halo for group, halo in zip(table["GROUP"], table["HALO"], strict=True))


@pytest.mark.parametrize("name", SURVEYS)
def test_some_rows_stand_twice(catalogues: dict[str, Table], name: str) -> None:
    table = catalogues[name]
    ids = pd.Series(table[split_column(CATALOGUES[name].layouts[0].id)[0]])
    halos = pd.Series(table["HALO"])
    assert halos.duplicated().sum() == max(round((len(table) - halos.duplicated().sum()) / 2000), 1)
    assert ids[halos.duplicated()].isin(ids[~halos.duplicated()]).all()


@pytest.mark.parametrize("name", SURVEYS)
def test_halos_are_where_the_catalogue_says(catalogues: dict[str, Table], halos: pd.DataFrame, name: str) -> None:
    layout, table = CATALOGUES[name].layouts[0], catalogues[name]
    truth = with_truth(table, halos)
    assert np.median(separation_arcmin(table, truth, *(split_column(x)[0] for x in (layout.ra, layout.dec)))) < 2
    if layout.redshift is not None and name != "xcs":
        z = np.asarray(table[layout.redshift])
        assert np.std((z - truth["redshift"])[z > 0]) == pytest.approx(surveys.REDSHIFT_ERR, rel=0.15)


def separation_arcmin(table: Table, truth: pd.DataFrame, ra: str, dec: str) -> np.ndarray:
    """Return distances on the tangent plane: enough for a few arcminutes."""
    d_dec = np.asarray(table[dec]) - truth["dec"].to_numpy()
    d_ra = (np.asarray(table[ra]) - truth["ra"].to_numpy() + 180) % 360 - 180
    return 60 * np.hypot(d_ra * np.cos(np.radians(truth["dec"].to_numpy())), d_dec)


# redMaPPer


def test_redmapper_selection(catalogues: dict[str, Table]) -> None:
    table = catalogues["redmapper"]
    assert (table["LAMBDA"] / table["S"] > 20).all()
    assert ((table["Z_LAMBDA"] > 0.08) & (table["Z_LAMBDA"] < 0.55)).all()
    assert np.mean(table["Z_SPEC"] == -1) == pytest.approx(1 - surveys.SPECTROSCOPIC, abs=0.02)
    assert all(len(name) == 20 and name.startswith("RMJ") for name in table["NAME"])


def test_redmapper_publishes_what_was_measured(catalogues: dict[str, Table], halos: pd.DataFrame) -> None:
    clusters = found(halos).set_index("id")
    table = catalogues["redmapper"].to_pandas().drop_duplicates("ID")
    seen = (clusters["richness"] > 20 * clusters["scale"]) & clusters["z_lambda"].between(0.08, 0.55)
    assert set(table["HALO"]) == set(clusters.index[seen])
    rows = clusters.loc[table["HALO"]]
    for column, measured in {
        "LAMBDA": "richness",
        "LAMBDA_ERR": "richness_err",
        "Z_LAMBDA": "z_lambda",
        "S": "scale",
    }.items():
        assert np.array_equal(table[column], rows[measured])
    assert [f"C{number:07d}" for number in table["ID"]] == list(rows["cluster"])


def test_the_standard_table_keeps_sightings_of_one_object_together(
    catalogues: dict[str, Table], tmp_path: Path
) -> None:
    path = tmp_path / "redmapper.fits"
    catalogues["redmapper"].write(path)
    frame = standardise(read_catalogue(path), CATALOGUES["redmapper"], path).frame
    assert set(frame["group"]) == set(catalogues["redmapper"]["GROUP"])


def test_redmapper_members_are_those_of_the_listed_clusters(catalogues: dict[str, Table]) -> None:
    catalogue = catalogues["redmapper"]
    first, other = int(catalogue["ID"][0]), int(np.max(catalogue["ID"])) + 1
    members = MEMBERS.empty()
    for number, name in enumerate([f"C{first:07d}", f"C{other:07d}", f"C{first:07d}"]):
        members.loc[number] = [name, number, 10.0, 20.0, 0.2, 18.0, 0.9, 0.5, 0.1]
    table = surveys.redmapper_members(catalogue, members)
    assert list(table["ID"]) == [first, first]
    assert list(table["GALAXY"]) == [0, 2]
    assert (table["P"] == 0.5).all()
    assert table["R"].unit is None  # Mpc/h, for which FITS has no unit


def test_redmapper_centres(catalogues: dict[str, Table], halos: pd.DataFrame) -> None:
    table = catalogues["redmapper"]
    truth = with_truth(table, halos)
    kpc_per_arcmin = flat(COSMOLOGY).kpc_proper_per_arcmin(truth["redshift"].to_numpy()).value
    kpc = separation_arcmin(table, truth, "RA", "DEC") * kpc_per_arcmin
    x = kpc / (1000 / 0.6774 * (np.asarray(table["LAMBDA"]) / 100) ** 0.2)
    # of a Gamma distribution of shape 2, (1 + t) exp(-t) lies beyond t = x / tau; almost no exponential one does
    beyond = 0.25 * (1 + 0.1 / 0.17) * np.exp(-0.1 / 0.17) + 0.75 * np.exp(-0.1 / 0.015)
    assert np.mean(x > 0.1) == pytest.approx(beyond, abs=0.02)


# Planck


def test_y500_by_hand() -> None:
    """At z = 0.2, H0 = 70, Om0 = 0.3: E = 1.1038, D_A = 680.6 Mpc.

    Y D_A^2 = 10^-0.19 1e-4 1.1038^0.66 = 6.892e-5 Mpc^2 at 6e14 Msun; by (3437.7' / 680.6 Mpc)^2: 1.758e-3 arcmin^2.
    theta500 = 6.997' 2^(1/3) 1.1038^(-2/3) 500 / 680.6 = 6.064'.
    """
    cosmology, mass, z = FlatLambdaCDM(70, 0.3), np.array([6e14]), np.array([0.2])
    y500 = surveys.y500_planck13(mass, z, cosmology)
    assert y500 == pytest.approx(1.758e-3, rel=1e-3)
    assert surveys.msz_planck13(y500, z, cosmology) == pytest.approx(mass, rel=1e-12)
    assert surveys.theta500(mass, z, cosmology) == pytest.approx(6.064, rel=1e-3)
    assert surveys.y500_noise(np.array([0.94, 5.1, 10.2])) == pytest.approx([1.2e-4, 2.05e-4, 2.05e-4 * 2**0.8])


def test_msz_without_noise_is_the_hydrostatic_mass_rescaled(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SCATTER_Y", "REDSHIFT_ERR", "NOISE_SCATTER"):
        monkeypatch.setattr(surveys, name, 0.0)
    monkeypatch.setattr(surveys, "NOISE_Y", (1e-12, 1e-12))
    table = observe("planck", equal_halos(50, 8e14, 0.3), 10)
    mass = np.asarray(table["MSZ"])[table["MSZ"] > 0]
    factor = masses.rescale_sz(np.array([0.3]), FlatLambdaCDM(70, 0.3), flat(COSMOLOGY))
    assert mass * factor == pytest.approx(6.4, rel=1e-6)


def test_planck_selection_and_blanks(catalogues: dict[str, Table]) -> None:
    table = catalogues["planck"]
    blank = table["REDSHIFT"] == -1
    assert table["SNR"].min() > 4.5
    assert np.mean(blank) == pytest.approx(559 / 1653, abs=0.1)
    assert np.array_equal(blank, table["MSZ"] == 0)
    assert (table["MSZ_ERR_LOW"][~blank] > table["MSZ_ERR_UP"][~blank]).all()
    assert (table["MSZ_ERR_UP"][~blank] > 0).all()


def test_planck_positions_are_off_by_the_stated_error() -> None:
    halos = equal_halos(2000, 1.5e15, 0.2)
    table = observe("planck", halos, 11)
    offset = separation_arcmin(table, with_truth(table, halos), "RA", "DEC")
    assert np.mean(offset < np.asarray(table["POS_ERR"])) == pytest.approx(0.95, abs=0.02)
    assert np.median(table["POS_ERR"]) == pytest.approx(2.4, rel=0.05)


# X-rays


def test_mcxc_selection_and_masses(catalogues: dict[str, Table], halos: pd.DataFrame) -> None:
    table, cosmology = catalogues["mcxc"], FlatLambdaCDM(70, 0.3)
    z = np.asarray(table["z"])
    flux = np.asarray(table["L500"]) * 1e44 / (4 * np.pi * cosmology.luminosity_distance(z).to_value("cm") ** 2)
    assert flux.min() > 3e-12
    radius_mass = masses.m500c_from_r500(np.asarray(table["R500"]), z, cosmology)
    assert radius_mass / 1e14 == pytest.approx(np.asarray(table["M500"]), rel=1e-6)


def test_luminosity_arnaud10_by_hand() -> None:
    """3e14 Msun at z = 0, H0 = 70: 10^0.274 = 1.879; at z = 0.2 times 1.1038^(7/3) = 1.259."""
    luminosity = surveys.luminosity_arnaud10(np.array([3e14, 3e14]), np.array([0, 0.2]), FlatLambdaCDM(70, 0.3))
    assert luminosity == pytest.approx([1.879, 2.366], rel=1e-3)


def test_mcxc_masses_of_bright_clusters_are_hydrostatic() -> None:
    halos = equal_halos(4000, 1e15, 0.06)  # all of them far above the flux limit
    table = observe("mcxc", halos, 12)
    assert len(set(table["HALO"])) == 4000
    factor = masses.rescale_luminosity_arnaud10(np.asarray(table["z"]), FlatLambdaCDM(70, 0.3), flat(COSMOLOGY))
    ln_mass = np.log(np.asarray(table["M500"]) * factor * 1e14)
    assert ln_mass.mean() == pytest.approx(np.log(8e14), abs=0.015)
    assert ln_mass.std() == pytest.approx(np.hypot(0.38, 0.1) / 1.64, rel=0.1)


def test_xcs_masses_are_hydrostatic_within_the_scatter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(surveys, "XCS_SKY", 0.5)
    monkeypatch.setattr(surveys, "XCS_SPECTROSCOPIC", 1.0)
    halos = equal_halos(8000, 5e14, 0.3)
    table = observe("xcs", halos, 13)
    measured = table[~table["R500"].mask]
    published, z = flat(CATALOGUES["xcs"].cosmology), np.asarray(measured["z"])
    mass = masses.m500c_from_r500(np.asarray(measured["R500"]), z, published)
    ln_ratio = np.log(mass * masses.rescale_temperature(z, published, flat(COSMOLOGY)) / 4e14)
    assert ln_ratio.mean() == pytest.approx(0, abs=0.03)  # M-T and R-T of Arnaud et al. (2005) agree to 1 %
    assert ln_ratio.std() == pytest.approx(3 * 0.57 * np.hypot(0.09, 0.15), rel=0.1)


def test_xcs_blanks(catalogues: dict[str, Table]) -> None:
    table = catalogues["xcs"]
    no_z, no_r = table["z"].mask, table["R500"].mask
    assert np.mean(no_z) == pytest.approx(40 / 503, abs=0.06)
    assert np.mean(no_r) == pytest.approx(102 / 503, abs=0.09)
    assert (no_r | ~no_z).all()
    assert set(table["f_z"][~no_z]) == {"s", "p"}


def test_rass_luminosities_of_bright_groups_are_unbiased() -> None:
    halos = equal_halos(4000, 5e14, 0.1)
    table = observe("rass_dr7", halos, 14)
    assert np.median(table["SNR"]) > 10
    relation, published = LuminosityMass(), FlatLambdaCDM(70, 0.3)
    z, bright = np.asarray(table["z"]), np.asarray(table["LX"])
    mass = masses.m500c_luminosity_mantz10(bright, z, published, relation.norm, relation.slope)
    mass *= masses.rescale_luminosity_mantz10(z, published, flat(COSMOLOGY), relation.slope)
    assert np.log10(mass / 5e14).mean() == pytest.approx(0, abs=0.01)
    assert np.log10(mass).std() == pytest.approx(0.18 / 1.34, rel=0.1)


def test_rass_contains_what_was_not_detected(catalogues: dict[str, Table], halos: pd.DataFrame) -> None:
    table = catalogues["rass_dr7"]
    snr = np.asarray(table["SNR"])
    assert len(set(table["HALO"])) == (halos["redshift"] < 0.2).sum()
    assert (snr < 1).sum() > 100
    assert (snr > 5).sum() > 100
    assert np.asarray(table["LX"] / table["e_LX"]) == pytest.approx(snr)


def test_rass_snr_is_a_signal_to_noise() -> None:
    """Groups of equal mass and no scatter: net counts scatter by their error."""
    halos = equal_halos(4000, 1e14, 0.1)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(surveys, "SCATTER_MANTZ10", 0.0)
        patched.setattr(surveys, "REDSHIFT_ERR", 0.0)
        table = observe("rass_dr7", halos, 15)
    luminosity, error = np.asarray(table["LX"]), np.asarray(table["e_LX"])
    assert luminosity.std() == pytest.approx(np.sqrt(np.mean(error**2)), rel=0.05)


@pytest.mark.parametrize(
    ("ra", "dec", "seconds", "expected"),
    [
        (239.583, 27.233, True, "J155819.9+271358.8"),
        (0.0041, -0.5, True, "J000000.9-003000.0"),
        (239.583, 27.233, False, "J1558.3+2713"),
        (359.9999, -5.99, False, "J2359.9-0559"),
    ],
)
def test_names_are_cut_positions(ra: float, dec: float, seconds: bool, expected: str) -> None:
    assert surveys.sexagesimal_names("J", np.array([ra]), np.array([dec]), seconds=seconds) == [expected]


def test_planck_names() -> None:
    assert surveys._psz2_name(6.789, 50.509) == "PSZ2 G006.78+50.50"
    assert surveys._psz2_name(322.04, -4.5) == "PSZ2 G322.04-04.50"
