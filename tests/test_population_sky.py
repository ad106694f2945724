"""The sources of the simulated sky: one pass over a light cone, overlapping areas, and contracts."""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd
import pytest

from clustermass.config.base import Cosmology
from clustermass.config.population import Population
from clustermass.config.simulated import Lightcone
from clustermass.frames.contracts import SKY_GALAXIES, STARS
from clustermass.galaxies.background import r200c
from clustermass.population.cells import cells_near, cells_of
from clustermass.population.sky import Sky, listed_stars, near_galaxies, sky_sources
from clustermass.sources.lightcone import CONE_GALAXIES, cone_galaxies, cone_halos, magnitude_offset
from clustermass.sources.lightcone_geometry import Cone, build_cone, draw_tiles

COSMOLOGY, SEED, SIDE, REDSHIFT = Cosmology(), 5, 150.0, 0.1
OPTIONS = Population(faintest_r=20.5, stars_r=(14, 20), listed_stars_r=19)
PATCH = Lightcone(ra_deg=(150, 160), dec_deg=(30, 40), redshift=(0.05, 0.15), min_mass_msun=2e13)
N_HALOS, N_MEMBERS = 400, 20
XYZ, VELOCITY = ["x", "y", "z"], ["vx", "vy", "vz"]


@cache
def cone() -> Cone:
    rng = np.random.default_rng(1)
    return build_cone(PATCH, COSMOLOGY, SIDE, [REDSHIFT], draw_tiles(PATCH, COSMOLOGY, SIDE, ["box1"], rng))


@cache
def snapshot_halos(box: str, redshift: float) -> pd.DataFrame:
    rng = np.random.default_rng(2)
    columns = {"halo": np.arange(N_HALOS), "group": np.arange(N_HALOS), "m200c": 10 ** rng.uniform(13.5, 15, N_HALOS)}
    columns |= dict(zip(XYZ, rng.uniform(0, SIDE, (3, N_HALOS)), strict=True))
    columns |= dict.fromkeys(VELOCITY, 0.0)
    return pd.DataFrame({**columns, "concentration": 5.0, "r200c": r200c(columns["m200c"], REDSHIFT, COSMOLOGY)})


@cache
def snapshot_galaxies(box: str, redshift: float) -> pd.DataFrame:
    """Return members within 1 Mpc/h of their halos, the first of each its central galaxy."""
    rng, n = np.random.default_rng(3), N_HALOS * N_MEMBERS
    host = np.repeat(np.arange(N_HALOS), N_MEMBERS)
    central = np.arange(n) % N_MEMBERS == 0
    centre = snapshot_halos(box, redshift)[XYZ].to_numpy()[host]
    place = (centre + np.where(central[:, None], 0, rng.uniform(-0.5, 0.5, (n, 3)))) % SIDE
    columns = {"galaxy": np.arange(n), "halo": host, "central": central, **dict(zip(XYZ, place.T, strict=True))}
    columns |= {**dict.fromkeys(VELOCITY, 0.0), "abs_mag_r": np.where(central, -22.0, rng.uniform(-21, -17, n))}
    return pd.DataFrame({**columns, "log10_mstar": np.nan, "m_acc": np.nan})


@cache
def halos() -> pd.DataFrame:
    return cone_halos(cone(), snapshot_halos, np.random.default_rng(4))


@cache
def positions() -> tuple[np.ndarray, np.ndarray]:
    """Return the three heaviest halos that lie well inside the footprint."""
    table = halos()
    inside = table[table["ra"].between(151, 159) & table["dec"].between(31, 39)]
    heavy = inside.sort_values("m200c", ascending=False).iloc[:3]
    return heavy["ra"].to_numpy(), heavy["dec"].to_numpy()


@cache
def near() -> pd.DataFrame:
    return near_galaxies(cone(), snapshot_halos, snapshot_galaxies, halos(), *positions(), 0.4, OPTIONS, SEED)


def sources(ra: np.ndarray, dec: np.ndarray, radius: float, seed: int = SEED) -> Sky:
    return sky_sources(ra, dec, radius, near(), halos(), PATCH.redshift, OPTIONS, COSMOLOGY, seed)


@cache
def everything() -> Sky:
    return sources(*positions(), 0.3)


def test_near_galaxies_are_those_of_brute_force() -> None:
    def limit(z: np.ndarray) -> np.ndarray:
        return np.full(len(z), 30.0)

    stream = cone_galaxies(cone(), snapshot_halos, snapshot_galaxies, halos(), limit, SEED)
    table = pd.concat(stream, ignore_index=True)
    bright = (table["abs_mag_r"] < -19) & (table["r"] < 20.5)
    place = cells_of(table["ra"].to_numpy(), table["dec"].to_numpy())
    chosen = table[bright & np.isin(place, cells_near(*positions(), 0.4))]
    assert CONE_GALAXIES.validate(near(), "near").equals(near())
    assert set(near()["galaxy"]) == set(chosen["galaxy"])
    assert len(near()) > 30
    done: list[tuple[int, int]] = []
    nothing = (np.empty(0), np.empty(0))
    none = near_galaxies(
        cone(), snapshot_halos, snapshot_galaxies, halos(), *nothing, 0.4, OPTIONS, SEED, lambda *n: done.append(n)
    )
    assert len(none) == 0
    assert done[-1][0] == done[-1][1] > 0


def test_sources_keep_their_contracts_and_limits() -> None:
    galaxies, stars = everything()
    assert SKY_GALAXIES.validate(galaxies, "galaxies").equals(galaxies)
    assert galaxies["r"].max() < 20.5
    assert stars["r"].between(14, 20).all()
    assert galaxies["dec"].is_monotonic_increasing
    listed = listed_stars(stars, OPTIONS)
    assert STARS.validate(listed, "stars").equals(listed)
    assert 0 < len(listed) < len(stars)
    assert listed["r"].max() < 19


def test_overlapping_areas_agree_to_the_last_bit() -> None:
    ra, dec = (values[:1] for values in positions())
    alone = sources(ra + 0.05, dec, 0.1)
    wanted = np.unique(cells_near(ra + 0.05, dec, 0.1))
    for part, whole in zip(alone, everything(), strict=True):
        here = np.isin(cells_of(whole["ra"].to_numpy(), whole["dec"].to_numpy()), wanted)
        pd.testing.assert_frame_equal(part, whole[here].reset_index(drop=True), check_exact=True)
        assert 0 < len(part) < len(whole)
    other = sources(ra, dec, 0.1, seed=6)
    assert not other.stars.equals(sources(ra, dec, 0.1).stars)


def test_galaxies_of_the_light_cone_keep_their_name_and_magnitude() -> None:
    cone_part = everything().galaxies[everything().galaxies["galaxy"] >= 0].set_index("galaxy")
    given = near().set_index("galaxy").loc[cone_part.index]
    assert len(cone_part) > 20
    assert (cone_part["r"] == given["r"]).all()
    assert (cone_part["halo"] == given["halo"]).all()
    assert (cone_part["redshift"] == given["redshift_observed"]).all()
    centrals = cone_part[given["central"].to_numpy()]
    assert (centrals["bulge_fraction"] == 1).all()
    g_r = centrals["g"] - centrals["r"]
    assert g_r.between(0.75, 1.25).all()


def test_faint_satellites_and_field_galaxies_are_added() -> None:
    """Satellites fainter than M_r = -19 gather around the halos, field galaxies do not."""
    galaxies = everything().galaxies
    added = galaxies[galaxies["galaxy"] == -1]
    satellites, field = added[added["halo"] != ""], added[added["halo"] == ""]
    assert set(satellites["halo"]) <= set(halos()["id"])
    host = halos().set_index("id").loc[satellites["halo"]]
    faintest = OPTIONS.cone_abs_mag_r + magnitude_offset(host["redshift"].to_numpy(), COSMOLOGY)
    assert (satellites["r"] > faintest - 0.35).all()  # K-corrections differ from the mean
    ra, dec = positions()

    def share(table: pd.DataFrame) -> float:
        """Return the share of galaxies within 0.1 deg of a position of those within 0.3 deg."""
        x = (table["ra"].to_numpy()[:, None] - ra) * np.cos(np.radians(dec))
        distance = np.hypot(x, table["dec"].to_numpy()[:, None] - dec).min(axis=1)
        return float((distance < 0.1).sum() / (distance < 0.3).sum())

    assert len(satellites) > 100
    assert share(satellites) > 0.3
    assert share(field) == pytest.approx(1 / 9, abs=0.05)


def test_an_empty_sky() -> None:
    nothing = (np.empty(0), np.empty(0))
    galaxies, stars = sky_sources(*nothing, 0.1, near(), halos(), PATCH.redshift, OPTIONS, COSMOLOGY, SEED)
    assert (len(galaxies), len(stars)) == (0, 0)
    assert list(galaxies) == SKY_GALAXIES.names
    alone = sky_sources(*positions(), 0.1, near().iloc[:0], halos().iloc[:0], PATCH.redshift, OPTIONS, COSMOLOGY, SEED)
    assert (alone.galaxies["galaxy"] == -1).all()
    assert (alone.galaxies["halo"] == "").all()
