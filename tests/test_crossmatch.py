"""Matching against brute force and closed forms, on skies with poles, the RA wrap, duplicates and ties."""

import astropy.units as u
import numpy as np
import pandas as pd
import pytest
from astropy.coordinates import SkyCoord, angular_separation
from astropy.cosmology import FlatLambdaCDM

from clustermass import contracts, crossmatch
from clustermass.config.base import Cosmology
from clustermass.config.crossmatch import Crossmatch, Labels
from clustermass.cosmology import flat
from clustermass.sky import unit_vectors

COSMOLOGY = FlatLambdaCDM(H0=67.74, Om0=0.3089)


def random_sky(rng, n, kind):
    if kind == "pole":
        return rng.uniform(0, 360, n), rng.choice([-1, 1], n) * (90 - rng.uniform(0, 0.4, n))
    if kind == "wrap":
        return rng.uniform(-0.3, 0.3, n) % 360, rng.uniform(-0.3, 0.3, n)
    if kind == "duplicates":
        ra, dec = rng.uniform(10, 10.5, n), rng.uniform(40, 40.4, n)
        half = n // 2
        return np.r_[ra[:half], ra[: n - half]], np.r_[dec[:half], dec[: n - half]]
    return rng.uniform(0, 360, n), np.degrees(np.arcsin(rng.uniform(-1, 1, n)))


def clusters(ra, dec, z, richness=30.0, ids=None):
    n = len(ra)
    frame = pd.DataFrame({"ra": ra, "dec": dec, "redshift": z, "redshift_kind": "photometric", "redshift_err": 0.01})
    frame["id"] = [f"C{i:04d}" for i in range(n)] if ids is None else ids
    return frame.assign(richness=richness, richness_err=np.nan, group=frame["id"])


def sources(ra, dec, z, mass=3e14, ids=None):
    frame = pd.DataFrame({"ra": ra, "dec": dec, "redshift": z, "redshift_kind": "unstated"})
    frame["id"] = [f"S{i:04d}" for i in range(len(ra))] if ids is None else ids
    return frame.assign(m500c=mass, m500c_err_low=0.1 * mass, m500c_err_up=np.nan)


@pytest.mark.parametrize("kind", ["all", "pole", "wrap", "duplicates"])
@pytest.mark.parametrize("sizes", [(300, 120), (120, 300)])
def test_close_pairs_are_those_of_brute_force(kind, sizes):
    rng = np.random.default_rng([3, *sizes])
    (ra1, dec1), (ra2, dec2) = (random_sky(rng, n, kind) for n in sizes)
    limit = 600.0 if kind == "all" else 8.0
    pairs = crossmatch.close_pairs(ra1, dec1, ra2, dec2, limit)
    grid = angular_separation(*np.radians([ra1[:, None] + 0 * ra2, dec1[:, None] + 0 * ra2]), *np.radians([ra2, dec2]))
    arcmin = np.degrees(grid) * 60
    expected = {(i, j) for i, j in zip(*np.nonzero(arcmin <= limit), strict=True)}
    assert len(expected) > 20
    assert set(zip(pairs["first"], pairs["second"], strict=True)) == expected
    assert len(pairs) == len(expected)
    np.testing.assert_allclose(pairs["arcmin"], arcmin[pairs["first"], pairs["second"]], atol=1e-5)


def test_close_pairs_of_nothing_are_none():
    empty = np.zeros(0)
    assert len(crossmatch.close_pairs(empty, empty, np.ones(3), np.ones(3), 10)) == 0
    assert len(crossmatch.close_pairs(np.ones(3), np.ones(3), empty, empty, 10)) == 0
    assert len(crossmatch.close_pairs(np.ones(1), np.ones(1), np.ones(1) + 90, np.ones(1), 10)) == 0


def test_unit_vectors_point_where_astropy_says():
    ra, dec = np.array([0.0, 90, 215.3]), np.array([0.0, -90, 33.3])
    expected = SkyCoord(ra, dec, unit="deg").cartesian.xyz.value.T
    np.testing.assert_allclose(unit_vectors(ra, dec), expected, atol=1e-15)


def test_separations_follow_astropy():
    z, other, arcmin = np.array([0.1, 0.3]), np.array([0.1, 0.31]), np.array([2.0, 5.0])
    found = crossmatch.separations(arcmin, z, other, COSMOLOGY)
    scale = COSMOLOGY.kpc_proper_per_arcmin(z).to_value(u.kpc / u.arcmin)
    np.testing.assert_allclose(found["projected_proper"], arcmin * scale, rtol=1e-10)
    np.testing.assert_allclose(found["projected_comoving"], arcmin * scale * (1 + z), rtol=1e-10)
    depth = (COSMOLOGY.comoving_distance(other) - COSMOLOGY.comoving_distance(z)).to_value(u.kpc) / (1 + z)
    np.testing.assert_allclose(found["three_dimensional"], np.hypot(arcmin * scale, depth), rtol=1e-9)
    assert depth[1] > 20_000  # 0.01 in redshift is tens of Mpc: why a 3D cut leaves next to nothing
    assert not found["none"].any()


def test_configured_cosmology_has_its_parameters():
    cosmology = flat(Cosmology())
    assert cosmology.H0.value == 67.74
    assert cosmology.Om0 == 0.3089


def brute_greedy(kpc, first, second):
    taken = np.zeros(len(kpc), bool)
    while True:
        free = [
            i
            for i in range(len(kpc))
            if not any(taken[j] and (first[j] == first[i] or second[j] == second[i]) for j in range(len(kpc)))
        ]
        if not free:
            return taken
        taken[min(free, key=lambda i: (kpc[i], first[i], second[i]))] = True


def test_greedy_takes_the_closest_free_pair_again_and_again():
    rng = np.random.default_rng(5)
    for _ in range(20):
        first, second = rng.integers(0, 6, 15), rng.integers(0, 6, 15)
        kpc = rng.integers(0, 5, 15).astype(float)  # many ties
        pairs = np.unique(np.stack([first, second], 1), axis=0)
        kpc = kpc[: len(pairs)]
        np.testing.assert_array_equal(crossmatch.greedy(kpc, *pairs.T), brute_greedy(kpc, *pairs.T))


def brute_match(c, s, limits, reading):
    """All pairs one by one, then greedy: the definition, in O(n m)."""
    pairs = []
    for _, a in c.iterrows():
        for _, b in s.iterrows():
            angle = np.degrees(angular_separation(*np.radians([a.ra, a.dec, b.ra, b.dec]))) * 60
            kpc = angle * COSMOLOGY.kpc_proper_per_arcmin(a.redshift).value
            comoving = kpc * (1 + a.redshift)
            chi = 1e3 * (COSMOLOGY.comoving_distance([a.redshift, b.redshift])).value
            depth = (chi[1] - chi[0]) / (1 + a.redshift)
            distance = {
                "projected_proper": kpc,
                "projected_comoving": comoving,
                "three_dimensional": np.hypot(kpc, depth),
                "none": 0,
            }[reading]
            near = angle <= limits.max_arcmin and distance < limits.max_kpc
            if near and abs(a.redshift - b.redshift) < limits.max_dz:
                pairs.append((kpc, a.id, b.id))
    taken, used = set(), set()
    for _, one, two in sorted(pairs):
        if one not in used and two not in used:
            taken.add((one, two))
            used |= {one, two}
    return taken


@pytest.mark.parametrize("reading", ["projected_proper", "projected_comoving", "three_dimensional", "none"])
def test_match_is_that_of_brute_force(reading):
    rng = np.random.default_rng(11)
    limits = Crossmatch(max_kpc=700, chance_shifts=0)
    c = clusters(rng.uniform(359.85, 360.15, 40) % 360, rng.uniform(-0.15, 0.15, 40), rng.choice([0.2, 0.21, 0.4], 40))
    s = sources(rng.uniform(359.85, 360.15, 30) % 360, rng.uniform(-0.15, 0.15, 30), rng.choice([0.2, 0.203, 0.4], 30))
    s.loc[0, ["ra", "dec", "redshift"]] = c.loc[0, ["ra", "dec", "redshift"]].to_list()  # a pair at no distance
    found = crossmatch.match(c, {"x": s}, limits, {"x": reading}, COSMOLOGY)
    expected = brute_match(c, s, limits, reading)
    assert len(expected) >= (1 if reading == "three_dimensional" else 8)
    assert set(zip(found["cluster"], found["source"], strict=True)) == expected
    contracts.MATCHES.validate(found, "found")


def test_candidate_pairs_hold_all_pairs_and_mark_the_nearest():
    c = clusters([10.0, 10.02], [20.0, 20.0], [0.2, 0.2])
    found = crossmatch.candidate_pairs(c, sources([10.001], [20.0], [0.21]), Crossmatch(), "none", COSMOLOGY)
    assert found[["first", "second"]].to_numpy().tolist() == [[0, 0], [1, 0]]
    assert found["nearest"].tolist() == [True, False]
    np.testing.assert_allclose(found["dz"], 0.01)


def test_match_does_not_depend_on_the_order_of_rows():
    rng = np.random.default_rng(2)
    c = clusters(rng.uniform(10, 10.3, 60), rng.uniform(0, 0.3, 60), np.full(60, 0.3))
    s = sources(np.repeat(c["ra"].to_numpy()[:20], 2), np.repeat(c["dec"].to_numpy()[:20], 2), np.full(40, 0.3))  # ties
    names = {"a": "projected_proper"}
    one = crossmatch.match(c, {"a": s}, Crossmatch(), names, COSMOLOGY)
    shuffled = c.sample(frac=1, random_state=1), s.sample(frac=1, random_state=2)
    two = crossmatch.match(shuffled[0], {"a": shuffled[1]}, Crossmatch(), names, COSMOLOGY)
    pd.testing.assert_frame_equal(one, two)


def test_the_first_catalogue_comes_first_even_if_farther():
    c = clusters([10.0], [20.0], [0.2])
    near, far = sources([10.0], [20.0], [0.2]), sources([10.01], [20.0], [0.2])
    readings = dict.fromkeys(("far", "near"), "none")
    found = crossmatch.match(c, {"far": far, "near": near}, Crossmatch(), readings, COSMOLOGY)
    assert found["catalogue"].tolist() == ["far"]
    assert found["nearest"].tolist() == [True]


def test_limits_are_exclusive_in_redshift_and_readings_can_differ_by_catalogue():
    c = clusters([10.0, 50.0], [20.0, 20.0], [0.25, 0.25])
    s = sources([10.05, 50.05], [20.0, 20.0], [0.25, 0.3125])  # 2.8 arcmin = 680 kpc; dz = 0.0625
    limits = Crossmatch(max_dz=0.0625)
    got = {r: len(crossmatch.match(c, {"x": s}, limits, {"x": r}, COSMOLOGY)) for r in ("none", "projected_proper")}
    assert got == {"none": 1, "projected_proper": 0}


def test_chance_matches_vanish_where_there_are_no_neighbours_and_count_those_of_a_crowd():
    c = clusters([10.0], [20.0], [0.2])
    limits = Crossmatch(chance_shifts=5, separation="none")
    s = {"x": sources([10.0], [20.0], [0.2])}
    assert crossmatch.chance_matches(c, s, limits, {"x": "none"}, COSMOLOGY) == {"x": 0}
    step = 1 + limits.max_arcmin / 60
    ring = clusters(10 + step * np.arange(1, 4), np.full(3, 20.0), np.full(3, 0.2))  # hit by the first three shifts
    found = crossmatch.chance_matches(ring, s, limits, {"x": "none"}, COSMOLOGY)
    assert found == {"x": pytest.approx(3 / 5)}


def test_labels_are_strong_where_matched_and_follow_richness_elsewhere():
    c = clusters([10.0, 50.0], [20.0, 20.0], [0.2, 0.2], richness=[60.0, 20.0])
    s = sources([10.0], [20.0], [0.2], mass=4e14)
    matches = crossmatch.match(c, {"x": s}, Crossmatch(), {"x": "none"}, COSMOLOGY)
    found = crossmatch.label(c, {"x": s}, matches, "redmapper", Labels())
    contracts.LABELS.validate(found, "labels")
    assert found["label"].tolist() == ["strong", "weak"]
    assert found["catalogue"].tolist() == ["x", "redmapper"]
    np.testing.assert_allclose(found["log10_m500c"], [np.log10(4e14), 14.434 + 1.23 * np.log10(20 / 60)])
    np.testing.assert_allclose(found["log10_m500c_richness"], [14.434, 14.434 + 1.23 * np.log10(20 / 60)])
    np.testing.assert_allclose(found["log10_m500c_err_low"], [np.log10(1 / 0.9), np.nan])
    assert found["log10_m500c_err_up"].isna().all()


def many_labels(n=503):
    rng = np.random.default_rng(1)
    frame = clusters(rng.uniform(0, 360, n), rng.uniform(-60, 60, n), np.full(n, 0.2))
    frame["group"] = [f"H{i // 3}" for i in range(n)]  # three sightings of every halo
    return frame.rename(columns={"id": "cluster"}).assign(label=np.where(np.arange(n) % 7 == 0, "strong", "weak"))


def test_splits_keep_groups_together_and_are_even():
    labels = many_labels()
    settings = Labels()
    splits = crossmatch.split(labels, settings, np.random.default_rng(4))
    contracts.SPLITS.validate(splits, "splits")
    assert (splits.groupby("group")["fold"].nunique() == 1).all()
    assert (splits.groupby("group")["band"].nunique() == 1).all()
    groups = splits.drop_duplicates("group")
    assert np.ptp(groups["fold"].value_counts()) <= 2
    shares = groups["band"].value_counts(normalize=True)
    for part, share in (("train", 0.7), ("validation", 0.1), ("test", 0.2)):
        assert shares[part] == pytest.approx(share, abs=0.01)
    strong = splits[splits["label"] == "strong"].drop_duplicates("group")
    assert np.ptp(strong["fold"].value_counts().reindex(range(10), fill_value=0)) <= 1
    again = crossmatch.split(labels, settings, np.random.default_rng(4))
    pd.testing.assert_frame_equal(splits, again)
    assert not splits["fold"].equals(crossmatch.split(labels, settings, np.random.default_rng(5))["fold"])


def test_every_cluster_tests_once_and_validates_once():
    folds = np.random.default_rng(0).integers(0, 10, 200)
    parts = np.stack([crossmatch.part_in_fold(folds, fold, 10) for fold in range(10)])
    for part, times in (("test", 1), ("validation", 1), ("train", 8)):
        assert ((parts == part).sum(axis=0) == times).all()


@pytest.mark.archival
def test_real_catalogues_give_the_known_counts(archive):
    from clustermass.config.catalogues import CATALOGUES
    from clustermass.sources.catalogues import standardise
    from clustermass.sources.tables import read_catalogue

    def read(name):
        stanza = CATALOGUES[name]
        path = next(archive / file for file in stanza.files if (archive / file).is_file())
        return standardise(read_catalogue(path), stanza, path).frame

    parent, labels = read("redmapper"), {name: read(name) for name in ("planck", "mcxc")}
    counts = {}
    for reading in ("projected_proper", "none", "three_dimensional"):
        found = crossmatch.match(parent, labels, Crossmatch(), dict.fromkeys(labels, reading), COSMOLOGY)
        counts[reading] = found["catalogue"].value_counts().to_dict()
    assert len(parent) == 26298
    assert counts == {
        "projected_proper": {"planck": 228, "mcxc": 241},
        "none": {"planck": 341, "mcxc": 258},
        "three_dimensional": {"planck": 72, "mcxc": 5},
    }
