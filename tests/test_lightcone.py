"""The light cone: against brute force over all tiles and objects, closed forms, astropy and colossus."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import pandas as pd
import pytest
from astropy.coordinates import SkyCoord
from numpy.typing import NDArray

from clustermass.config.base import Cosmology
from clustermass.config.simulated import Lightcone
from clustermass.cosmology import flat, use_colossus
from clustermass.galaxies.background import mean_concentration
from clustermass.sources import lightcone_geometry as geometry
from clustermass.sources.lightcone import (
    CONE_GALAXIES,
    HALOS,
    Load,
    colour_numbers,
    cone_galaxies,
    cone_halos,
    galaxy_numbers,
    k_correction,
    magnitude_offset,
    nfw_mass_ratio,
)
from clustermass.sources.lightcone_geometry import TILES, Cone, build_cone, draw_tiles

Floats = NDArray[np.float64]
PLANCK = Cosmology()
PATCH = Lightcone(ra_deg=(340, 375), dec_deg=(-10, 30), redshift=(0.02, 0.13), min_mass_msun=2e13)  # across RA = 0
SIDE, REDSHIFTS, BOXES = 150.0, [0.117, 0.05], ["box1", "box2"]
XYZ, VELOCITY = ["x", "y", "z"], ["vx", "vy", "vz"]
N_HALOS, N_SATELLITES, N_FIELD = 2000, 3, 1000


def rng(seed: int = 1) -> np.random.Generator:
    return np.random.default_rng(seed)


@cache
def cone() -> Cone:
    return build_cone(PATCH, PLANCK, SIDE, REDSHIFTS, draw_tiles(PATCH, PLANCK, SIDE, BOXES, rng()))


@cache
def snapshot_halos(box: str, redshift: float) -> pd.DataFrame:
    """Return uniform halos, in no order of their ids, half of them below the smallest mass."""
    drawn = rng(int(box[-1]) + round(1e4 * redshift))
    position, velocity = drawn.uniform(0, SIDE, (N_HALOS, 3)), drawn.normal(0, 400, (N_HALOS, 3))
    ids = drawn.permutation(N_HALOS)
    columns = {"halo": ids, "group": 10_000 + ids, **dict(zip(XYZ, position.T, strict=True))}
    columns |= dict(zip(VELOCITY, velocity.T, strict=True))
    mass = np.where(np.arange(N_HALOS) % 2, 1e14, 1e13)
    concentration = np.where(np.arange(N_HALOS) % 4 == 1, np.nan, 5.0)
    return pd.DataFrame({**columns, "m200c": mass, "r200c": 1.0, "concentration": concentration})


@cache
def snapshot_galaxies(box: str, redshift: float) -> pd.DataFrame:
    """Return three satellites of every halo, at offsets that their absolute magnitudes number, and field galaxies."""
    halos, drawn = snapshot_halos(box, redshift), rng(7)
    offset = np.tile(OFFSETS, (N_HALOS, 1))
    position = np.repeat(halos[XYZ].to_numpy(), N_SATELLITES, axis=0) + offset
    position = np.concatenate([position, drawn.uniform(0, SIDE, (N_FIELD, 3))]) % SIDE
    velocity = np.concatenate([np.repeat(halos[VELOCITY].to_numpy(), N_SATELLITES, axis=0), np.zeros((N_FIELD, 3))])
    n = len(position)
    columns = {"galaxy": np.arange(n), **dict(zip(XYZ, position.T, strict=True))}
    columns |= dict(zip(VELOCITY, velocity.T, strict=True))
    columns["halo"] = np.concatenate([np.repeat(halos["halo"], N_SATELLITES), np.full(N_FIELD, -1)])
    columns["abs_mag_r"] = np.concatenate([np.tile([-21.0, -20, -19], N_HALOS), np.full(N_FIELD, -22.0)])
    return pd.DataFrame({**columns, "central": columns["abs_mag_r"] == -21, "log10_mstar": 10.5, "m_acc": np.nan})


OFFSETS = np.array([[0, 0, 0], [4, -3, 2], [-1, 2, -4.5]])


@cache
def halos() -> pd.DataFrame:
    return cone_halos(cone(), snapshot_halos, rng(2))


def galaxies(faintest: Callable[[Floats], Floats] = lambda z: np.full(len(z), 30.0)) -> pd.DataFrame:
    stream = cone_galaxies(cone(), snapshot_halos, snapshot_galaxies, halos(), faintest, 5)
    return pd.concat(stream, ignore_index=True)


def transformed(tile: pd.Series, vectors: Floats) -> Floats:
    """Return vectors of a box along the axes of the cone."""
    matrix = np.zeros((3, 3))
    for k, name in enumerate("xyz"):
        matrix[k, tile[f"axis_{name}"]] = tile[f"sign_{name}"]
    return vectors @ matrix.T


def brute_force(table: pd.DataFrame, tile: pd.Series, low: float, high: float) -> tuple[NDArray[np.bool_], Floats]:
    """Return what is seen of a box in a tile at distances [Mpc/h], and all places, as the contract of tiles says."""
    shift = np.zeros(3)
    shift[[tile[f"axis_{name}"] for name in "xyz"]] = [tile[f"shift_{name}"] for name in "xyz"]
    centred = (table[XYZ].to_numpy() + shift) % SIDE - SIDE / 2
    places = SIDE * np.array([tile[f"place_{name}"] for name in "xyz"]) + transformed(tile, centred)
    sky = SkyCoord(*places.T, representation_type="cartesian", unit="Mpc")
    sky.representation_type = "unitspherical"
    distance = np.linalg.norm(places, axis=1)
    inside = ((sky.ra.deg - 340) % 360 < 35) & (sky.dec.deg > -10) & (sky.dec.deg < 30)
    return inside & (distance >= low) & (distance < high), places


# Geometry


def test_tiles_keep_their_contract_and_take_boxes_equally_often() -> None:
    tiles = cone().tiles
    assert TILES.validate(tiles, "tiles").equals(tiles)
    assert tiles["box"].value_counts().max() - tiles["box"].value_counts().min() <= 1
    assert (np.sort(tiles[["axis_x", "axis_y", "axis_z"]], axis=1) == [0, 1, 2]).all()
    signs = tiles[["sign_x", "sign_y", "sign_z"]].to_numpy()
    assert (abs(signs) == 1).all()
    assert abs(signs.mean()) < 4 / np.sqrt(signs.size)
    assert draw_tiles(PATCH, PLANCK, SIDE, BOXES, rng()).equals(tiles)
    assert not draw_tiles(PATCH, PLANCK, SIDE, BOXES, rng(3))["shift_x"].equals(tiles["shift_x"])


@pytest.mark.parametrize(
    ("ra", "dec"), [((340, 375), (-10, 30)), ((93.5, 276.5), (-5, 65)), ((0, 360), (60, 90)), ((10, 11), (-90, -40))]
)
def test_every_place_of_the_light_cone_is_in_a_tile(ra: tuple[float, float], dec: tuple[float, float]) -> None:
    lightcone = Lightcone(ra_deg=ra, dec_deg=dec, redshift=(0.02, 0.3))
    tiles = draw_tiles(lightcone, PLANCK, SIDE, BOXES, rng())
    n, drawn = 50_000, rng(4)
    sky = SkyCoord(drawn.uniform(*ra, n), np.degrees(np.arcsin(drawn.uniform(*np.sin(np.radians(dec)), n))), unit="deg")
    distance = drawn.uniform(*geometry.comoving_distance(np.array([0.02, 0.3]), PLANCK), n)
    needed = np.floor(sky.cartesian.xyz.value.T * distance[:, None] / SIDE + 0.5).astype(int)
    there = set(map(tuple, tiles[["place_x", "place_y", "place_z"]].to_numpy()))
    assert set(map(tuple, needed)) <= there
    if ra == (10, 11):
        assert len(there) < 0.5 * (2 * 850 / SIDE) ** 3 * np.pi / 6  # tiles far from the footprint are left out


def test_shells_meet_in_the_middle_of_snapshots() -> None:
    middle = flat(PLANCK).comoving_distance([0.05, 0.117]).value.mean() * 0.6774
    ends = flat(PLANCK).comoving_distance([0.02, 0.13]).value * 0.6774
    assert cone().redshifts == (0.05, 0.117)
    assert cone().edges == pytest.approx([ends[0], middle, ends[1]], rel=1e-12)
    far = build_cone(PATCH, PLANCK, SIDE, [0.117, 0.05, 0.9], cone().tiles)  # begins behind the end
    assert far.edges[-2:].tolist() == [far.edges[-1]] * 2
    assert {shell for _, shell, _ in far.visits()} == {0, 1}


def test_redshifts_are_astropys() -> None:
    z = np.array([0.02, 0.0512, 0.1, 0.129, 0.14])
    distance = geometry.comoving_distance(z, PLANCK)
    assert geometry.lookup(distance, geometry.redshift_table(cone())) == pytest.approx(z, abs=1e-8)


def test_recession_is_the_growth_of_the_distance() -> None:
    """Moving everything along its velocity for a short time changes distances by the recession, however reflected."""
    table, step = snapshot_halos("box1", 0.117), 1e-6
    position, velocity = table[XYZ].to_numpy(), table[VELOCITY].to_numpy()
    for box, shell, tiles in cone().visits():
        if (box, shell) == ("box1", 1):
            for tile in tiles:
                now = geometry.place(cone(), tile, shell, position)
                later = geometry.place(cone(), tile, shell, (position + step * velocity) % SIDE)
                both, i, j = np.intersect1d(now.rows, later.rows, return_indices=True)
                *_, distance, recession = geometry.observe(tile, now, velocity)
                *_, moved, _ = geometry.observe(tile, later, velocity)
                near = abs(moved[j] - distance[i]) < 1  # not those that left through a face and came in at another
                assert ((moved[j] - distance[i]) / step)[near] == pytest.approx(recession[i][near], abs=0.01)
                assert near.sum() >= 0.98 * len(both)


def test_observed_redshift_of_a_planted_velocity() -> None:
    assert geometry.observed_redshift(np.array([0.1]), np.array([2997.92458])) == pytest.approx([0.111], rel=1e-12)


# Halos


def test_halos_are_those_of_brute_force() -> None:
    rows = []
    for number, z in enumerate(cone().redshifts):
        for _, tile in cone().tiles.iterrows():
            table = snapshot_halos(tile["box"], z)
            seen, places = brute_force(table, tile, *cone().edges[number : number + 2])
            seen &= table["m200c"].to_numpy() > 5e13
            distance = np.linalg.norm(places, axis=1)
            speed = np.sum(places * transformed(tile, table[VELOCITY].to_numpy()), axis=1) / distance
            dec = np.degrees(np.arcsin(places[:, 2] / distance))
            frame = table[["halo"]].assign(tile=tile["tile"], snapshot=z, dec=dec, distance=distance, speed=speed)
            rows.append(frame[seen])
    expected = pd.concat(rows)
    found = halos().merge(expected, on=["halo", "tile", "snapshot"], validate="one_to_one")
    assert len(found) == len(expected) == len(halos()) > 500
    assert found["dec_x"].to_numpy() == pytest.approx(found["dec_y"].to_numpy(), abs=1e-9)
    z = flat(PLANCK).comoving_distance(found["redshift"].to_numpy()).value * 0.6774
    assert z == pytest.approx(found["distance"].to_numpy(), abs=1e-4)
    doppler = (1 + found["redshift_observed"]) / (1 + found["redshift"]) - 1
    assert (299792.458 * doppler).to_numpy() == pytest.approx(found["speed"].to_numpy(), abs=1e-6)


def test_halos_are_uniform_on_the_sky_and_in_every_shell() -> None:
    table, per_volume = halos(), N_HALOS / 2 / SIDE**3
    solid_angle = np.radians(35) * (np.sin(np.radians(30)) + np.sin(np.radians(10)))
    for number, z in enumerate(cone().redshifts):
        volume = solid_angle / 3 * (cone().edges[number + 1] ** 3 - cone().edges[number] ** 3)
        expected = per_volume * volume
        assert (table["snapshot"] == z).sum() == pytest.approx(expected, abs=4 * np.sqrt(expected))
    ra, sin_dec = (table["ra"] + 180) % 360 - 180, np.sin(np.radians(table["dec"]))
    counts, *_ = np.histogram2d(ra, sin_dec, bins=4, range=[(-20, 15), np.sin(np.radians([-10, 30]))])
    assert counts.sum() == len(table)
    mean = len(table) / 16
    assert ((counts - mean) ** 2 / mean).sum() < 15 + 4 * np.sqrt(30)


def test_halos_keep_their_contract_and_groups() -> None:
    table = halos()
    assert HALOS.validate(table, "halos").equals(table)
    assert table["id"].iloc[0] == "H0000001"
    box = cone().tiles.set_index("tile").loc[table["tile"], "box"].to_numpy(object)
    assert (table["group"].to_numpy(object) == box + "-" + (10_000 + table["halo"]).astype(str).to_numpy(object)).all()
    assert table.groupby("group")["tile"].nunique().max() > 1  # boxes do come again
    assert not table["tile"].is_monotonic_increasing
    assert cone_halos(cone(), snapshot_halos, rng(2)).equals(table)


def test_masses_are_colossus() -> None:
    from colossus.halo.mass_defs import changeMassDefinition

    use_colossus(PLANCK)
    table = halos()[halos()["snapshot"] == 0.117].set_index(["group", "tile"])
    given = snapshot_halos("box1", 0.117).iloc[3]  # concentration 5
    missing = snapshot_halos("box1", 0.117).iloc[1]
    mean = mean_concentration(np.array([1e14]), 0.117, PLANCK)[0]
    for halo, concentration in ((given, 5.0), (missing, mean)):
        heavy = table[np.isclose(table["m200c"], 1e14 / 0.6774, rtol=1e-12)]
        assert len(heavy) == len(table)
        expected = [changeMassDefinition(1e14, concentration, 0.117, "200c", name)[0] for name in ("500c", "200m")]
        assert np.isnan(halo["concentration"]) == (concentration == mean)
        nearest = abs(table["m500c"] / (expected[0] / 0.6774) - 1).idxmin()
        assert table.loc[nearest, "m500c"] * 0.6774 == pytest.approx(expected[0], rel=1e-4)
        assert table.loc[nearest, "m200m"] * 0.6774 == pytest.approx(expected[1], rel=1e-4)
    assert nfw_mass_ratio(np.array([1.0, 10, 100]), 1.0) == pytest.approx([1, 1, 1])


# Galaxies


def test_galaxies_stay_with_their_halos_across_faces() -> None:
    table = galaxies()
    assert CONE_GALAXIES.validate(table, "galaxies").equals(table)
    assert table["r"].dtype == np.float32
    members = table[table["halo"] != ""]
    assert (members.groupby("halo").size() == N_SATELLITES).all()
    assert members["halo"].nunique() == len(halos())
    assert members["central"].sum() == len(halos())
    host = halos().set_index("id").loc[members["halo"]]
    places = [sky_places(part) for part in (members, host)]
    offset = OFFSETS[members["abs_mag_r"].astype(int).to_numpy() + 21]
    for number, tile in cone().tiles.set_index("tile").iterrows():
        here = (host["tile"] == number).to_numpy()
        assert (places[0] - places[1])[here] == pytest.approx(transformed(tile, offset[here]), abs=1e-3)
    outside = abs((members["ra"] + 180) % 360 - 177.5) > 17.5
    assert 0 < outside.sum() < 0.1 * len(members)  # members of halos near the edge are all there


def sky_places(table: pd.DataFrame) -> Floats:
    distance = flat(PLANCK).comoving_distance(table["redshift"].to_numpy()).value * 0.6774
    return SkyCoord(table["ra"], table["dec"], unit="deg").cartesian.xyz.value.T * distance[:, None]


def test_galaxies_without_a_halo_are_where_they_are() -> None:
    table = galaxies()
    field = table[table["abs_mag_r"] == -22]
    seen = 0
    for number, z in enumerate(cone().redshifts):
        for _, tile in cone().tiles.iterrows():
            alone = snapshot_galaxies(tile["box"], z).iloc[N_HALOS * N_SATELLITES :]
            seen += brute_force(alone, tile, *cone().edges[number : number + 2])[0].sum()
    assert len(field) == seen > 500
    assert (field["halo"] == "").all()
    light = table[(table["halo"] == "") & (table["abs_mag_r"] > -22)]  # halos below the smallest mass
    assert len(light) == pytest.approx(N_SATELLITES * len(halos()), rel=0.2)


def test_apparent_magnitudes() -> None:
    table = galaxies()
    z = table["redshift"].to_numpy()[:500]
    modulus = flat(PLANCK).distmod(z).value + 5 * np.log10(0.6774)
    expected = table["abs_mag_r"].to_numpy()[:500] + modulus + k_correction(z)
    assert table["r"].to_numpy()[:500] == pytest.approx(expected, abs=1e-4)


def test_k_correction() -> None:
    assert k_correction(np.array([0.1])) == pytest.approx([-2.5 * np.log10(1.1)], abs=1e-6)
    # at z = 0.3: red 0.02682 - 0.02011 + 0.01405 + 0.26136, blue -0.00548 + 0.07582 - 0.10813 + 0.15293, less 0.10348
    assert k_correction(np.array([0.3])) == pytest.approx([0.54 * 0.17864 + 0.46 * 0.01166], abs=2e-5)
    step = np.diff(k_correction(np.array([0.4999, 0.5, 0.5001, 0.6])))
    assert step[0] == pytest.approx(step[1], rel=0.01)
    assert step[2] / 0.0999 == pytest.approx(step[1] / 0.0001)


def test_only_bright_galaxies_are_kept() -> None:
    def limit(z: Floats) -> Floats:
        return np.where(z < 0.1, 17.0, 18.0)

    everything, bright = galaxies(), galaxies(limit)
    away = abs(everything["redshift"] - 0.1) > 1e-4  # the table of the limit has nodes 3e-5 apart
    expected = everything[(everything["r"] < limit(everything["redshift"].to_numpy())) & away]
    found = bright[abs(bright["redshift"] - 0.1) > 1e-4]
    assert found.reset_index(drop=True).equals(expected.reset_index(drop=True))
    assert 0.05 < len(found) / len(everything) < 0.95
    complete = galaxies(lambda z: magnitude_offset(z, cone().cosmology) - 19.5)
    assert set(complete["abs_mag_r"]) == {-22, -21, -20}


def test_a_galaxy_has_one_number_and_one_colour() -> None:
    """Number: shell, tile, galaxy of the snapshot; the same colour in every tile, whatever the limit is."""
    table = galaxies()
    of_snapshot, place = table["galaxy"] % 10**10, table["galaxy"] // 10**10
    assert of_snapshot.max() < N_HALOS * N_SATELLITES + N_FIELD
    box = cone().tiles.set_index("tile").loc[place % 10**5, "box"].to_numpy(object)
    z = np.array(cone().redshifts)[place // 10**5]
    satellites = (of_snapshot < N_HALOS * N_SATELLITES) & (table["halo"] != "")
    host = halos().set_index("id").loc[table["halo"][satellites]]
    ids = snapshot_halos("box1", 0.05)["halo"]
    assert (host["tile"].to_numpy() == (place % 10**5)[satellites]).all()
    assert (host["snapshot"].to_numpy() == z[satellites]).all()
    for name, redshift in (("box1", 0.05), ("box2", 0.117)):
        ids = snapshot_galaxies(name, redshift)["halo"].to_numpy()
        here = ((box == name) & (z == redshift))[satellites]
        assert (ids[of_snapshot[satellites][here]] == host["halo"].to_numpy()[here]).all()
    colours = table.groupby([box, z, of_snapshot])[["colour_rank", "colour_noise"]].nunique()
    assert (colours == 1).all(axis=None)
    n = len(colours)
    assert table["colour_rank"].mean() == pytest.approx(0.5, abs=5 * 0.3 / np.sqrt(n))
    assert table["colour_noise"].std() == pytest.approx(1, abs=5 / np.sqrt(n))
    assert colour_numbers(5, "box1", 0.05, 3)[0] != pytest.approx(colour_numbers(6, "box1", 0.05, 3)[0])


# Bad input


def test_bad_input_is_refused() -> None:
    with pytest.raises(ValueError, match="different redshifts"):
        build_cone(PATCH, PLANCK, SIDE, [0.1, 0.1], cone().tiles)
    with pytest.raises(ValueError, match="boxes"):
        draw_tiles(PATCH, PLANCK, SIDE, [], rng())
    with pytest.raises(ValueError, match="in the box"):
        cone_halos(cone(), lambda box, z: snapshot_halos(box, z).assign(x=150.1), rng())

    def stream(of: Load = snapshot_galaxies, table: pd.DataFrame | None = None) -> list[pd.DataFrame]:
        chosen = halos() if table is None else table
        return list(cone_galaxies(cone(), snapshot_halos, of, chosen, lambda z: z + 30, 5))

    with pytest.raises(ValueError, match="of halo 99999, which"):
        stream(of=lambda box, z: snapshot_galaxies(box, z).assign(halo=99999))
    with pytest.raises(ValueError, match="abs_mag_r"):
        stream(of=lambda box, z: snapshot_galaxies(box, z).assign(abs_mag_r=np.nan))
    with pytest.raises(ValueError, match="have room for tiles below 100000 and galaxies below"):
        galaxy_numbers(0, 1, np.array([10**10]))
    with pytest.raises(ValueError, match="another light cone"):
        stream(table=halos().assign(halo=np.roll(halos()["halo"], 1)))


def test_an_empty_sky_is_an_empty_table() -> None:
    nothing = cone_halos(cone(), lambda box, z: snapshot_halos(box, z).iloc[:0], rng())
    assert len(HALOS.validate(nothing, "halos")) == 0
