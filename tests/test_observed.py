"""Observed clusters: one list of centres, the finder, samples with their windows, masses side by side."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from clustermass import contracts
from clustermass.config.base import Cosmology, PublishedCosmology
from clustermass.config.crossmatch import Labels
from clustermass.config.model import Config
from clustermass.config.observed import GALWCAT19, Finder, NamedCluster, Observed, Sample
from clustermass.config.simulated import Lightcone
from clustermass.cosmology import flat
from clustermass.masses import to_m500c
from clustermass.observed.centres import (
    Entries,
    found_centres,
    in_range,
    m200c_from_m500c,
    merge_centres,
    reference_masses,
)
from clustermass.observed.contracts import (
    CENTRES,
    CLUSTERS_OBSERVED,
    MASSES_OBSERVED,
    MEMBERS_OBSERVED,
    REDSHIFTS,
    REFERENCES,
)
from clustermass.observed.domain import build_domain
from clustermass.observed.finder import find_clusters
from clustermass.observed.footprint import measure_footprint
from clustermass.observed.masses import POSTERIOR, domain_table, masses_table, network_masses, virial_masses
from clustermass.observed.phase_space import Windows, distance_q0, offset_position
from clustermass.observed.sample import Observation, observe, read_windows, why_empty
from clustermass.sources.catalogues import standardise

Floats = NDArray[np.float64]
COSMOLOGY, SETTINGS = Cosmology(), Observed()


def rng(seed: int = 1) -> np.random.Generator:
    return np.random.default_rng(seed)


# --------------------------------------------------------------------------------------------------------- centres


def entries(prefix: str, ra: list[float], redshift: list[float], **columns: Any) -> Entries:
    n = len(ra)
    frame = pd.DataFrame({"id": [f"{prefix}{i}" for i in range(n)], "ra": ra, "dec": 0.0, "redshift": redshift})
    return Entries(frame.assign(**columns), PublishedCosmology(), f"paper of {prefix}")


ICM = {"m500c": 3e14, "m500c_err_low": 3e13, "m500c_err_up": 6e13}


def test_one_cluster_of_three_catalogues_is_one_row() -> None:
    step = 0.01  # deg, 50 kpc/h at z = 0.1
    x_ray = entries("X", [10, 20, 30], [0.1, 0.1, 0.1], **ICM)
    sz = entries("P", [10 + step, 40], [0.1, 0.3], **ICM)
    red = entries(
        "R", [10 - step, 20 + step, 20 - 2 * step, 50], [0.11, 0.3, 0.105, 0.2], richness=50.0, richness_err=5.0
    )
    names = {
        "Coma": NamedCluster(ra=10.0, dec=0.02, redshift=0.1),
        "Nowhere": NamedCluster(ra=200, dec=5, redshift=0.1),
    }
    bare = entries("B", [30.0], [0.1], m500c=3e14, m500c_err_low=np.nan, m500c_err_up=np.nan)
    catalogues = {"x_ray": x_ray, "sz": sz, "red": red, "bare": bare}
    centres, matched = merge_centres(catalogues, names, SETTINGS, COSMOLOGY)
    assert CENTRES.validate(centres, "centres").equals(centres)
    assert centres["name"].tolist() == ["Coma", "X1", "X2", "P1", "R1", "R3", "Nowhere"]
    assert centres["catalogue"].tolist() == ["x_ray"] * 3 + ["sz", "red", "red", "names"]
    assert centres["ra"][0] == 10  # of the most trusted
    coma = matched[matched["name"] == "Coma"].set_index("catalogue")
    assert coma["id"].to_dict() == {"x_ray": "X0", "sz": "P0", "red": "R0"}
    assert coma["arcmin"].to_dict() == pytest.approx({"x_ray": 0, "sz": 0.6, "red": 0.6})
    assert coma["dz"]["red"] == pytest.approx(0.01)
    assert matched[matched["name"] == "X1"]["id"].tolist() == ["X1", "R2"]  # R1 is too far in redshift
    masses = reference_masses(matched, catalogues, Labels(), SETTINGS, COSMOLOGY)
    assert REFERENCES.validate(masses, "references").equals(masses)
    assert len(masses) == len(matched) == 10
    of_coma = masses[masses["name"] == "Coma"].set_index("catalogue")
    assert of_coma["kind"].to_dict() == {"x_ray": "measured", "sz": "measured", "red": "richness"}
    assert of_coma["log10_mass"]["x_ray"] == pytest.approx(np.log10(3e14))
    assert of_coma["err_low"]["x_ray"] == pytest.approx(np.log10(3 / 2.7))
    assert of_coma["err_high"]["x_ray"] == pytest.approx(np.log10(1.2))
    assert of_coma["log10_mass"]["red"] == pytest.approx(14.434 + 1.23 * np.log10(50 / 60))
    assert masses.loc[masses["catalogue"] == "bare", ["err_low", "err_high"]].to_numpy().tolist() == [[0.1, 0.1]]
    assert of_coma["reference"]["sz"] == "paper of P"


def test_errors_of_masses_near_zero_without_any_and_from_a_proxy() -> None:
    n = 4
    errors = {"m500c_err_low": [3e13, 1.2e14, np.nan, 1e14], "m500c_err_up": [4e13, 1.2e14, np.nan, 5e13]}
    place = [10.0 * (i + 1) for i in range(n)], [0.1] * n
    one = entries("A", *place, m500c=1e14, **errors)
    red = entries("R", place[0][:2], place[1][:2], richness=[50.0, 50.0], richness_err=[5.0, np.nan])
    settings = Observed(unstated_err_dex=0.2, proxy_scatter_dex=0.3, proxy_catalogues=["luminous"])
    catalogues = {"sz": one, "luminous": one, "red": red}
    matched = merge_centres(catalogues, {}, settings, COSMOLOGY)[1]
    found = reference_masses(matched, catalogues, Labels(), settings, COSMOLOGY)
    assert REFERENCES.validate(found, "references").equals(found)
    low, high = (found.set_index(["catalogue", "id"])[name] for name in ("err_low", "err_high"))
    stated = np.log10(1 / 0.7), np.log10(1.4)
    np.testing.assert_allclose(low["sz"], [stated[0], np.nan, 0.2, np.nan])  # zero is within an error: none in dex
    np.testing.assert_allclose(high["sz"], [stated[1], np.nan, 0.2, np.nan])
    np.testing.assert_allclose(low["luminous"], [np.hypot(stated[0], 0.3), np.nan, 0.3, np.nan])
    np.testing.assert_allclose(high["red"], [np.hypot(np.log10(1 + 1.23 * 0.1), 0.3), 0.3])
    assert Observed().proxy_scatter_dex > 0


def test_masses_in_a_misread_unit_are_refused() -> None:
    off = entries("G", [10.0, 20.0, 30.0], [0.1] * 3, **ICM | {"m500c": [2e11, 3e11, 3e14]})
    matched = merge_centres({"mine": off}, {}, SETTINGS, COSMOLOGY)[1]
    with pytest.raises(ValueError, match=r"catalogue mine: expected masses with a median of 1e\+13 .* got 3\.00e\+11"):
        reference_masses(matched, {"mine": off}, Labels(), SETTINGS, COSMOLOGY)


def test_the_order_of_rows_decides_nothing() -> None:
    step = 0.005
    one = entries("A", [10, 10 + step, 10 + 2 * step], [0.1] * 3, **ICM)
    other = entries("B", [10 + step / 2], [0.1], **ICM)
    first = merge_centres({"a": one, "b": other}, {}, SETTINGS, COSMOLOGY)
    turned = Entries(one.frame.iloc[::-1].reset_index(drop=True), one.cosmology)
    again = merge_centres({"a": turned, "b": other}, {}, SETTINGS, COSMOLOGY)
    assert first[0].equals(again[0])
    assert first[1].equals(again[1])
    assert first[0]["id"].tolist() == ["A0"]


def test_names_are_unique_and_nothing_is_an_empty_list() -> None:
    same = entries("S", [10, 100], [0.1, 0.1], **ICM)
    other = entries("S", [200, 300], [0.1, 0.1], **ICM)
    centres, _ = merge_centres({"a": same, "b": other}, {}, SETTINGS, COSMOLOGY)
    assert centres["name"].tolist() == ["a S0", "a S1", "b S0", "b S1"]
    nothing, matched = merge_centres({"a": entries("A", [], [], **ICM)}, {}, SETTINGS, COSMOLOGY)
    assert len(nothing) == len(matched) == len(reference_masses(matched, {}, Labels(), SETTINGS, COSMOLOGY)) == 0


def test_masses_come_back_from_the_other_definition() -> None:
    own = PublishedCosmology(H0=70, Om0=0.3)
    m200c, redshift = np.array([1e14, 5e14, 2e15, np.nan]), np.array([0.05, 0.2, 0.5, 0.1])
    m500c = to_m500c(m200c, redshift, "200c", flat(own), COSMOLOGY)
    back = m200c_from_m500c(m500c, redshift, own, COSMOLOGY)
    np.testing.assert_allclose(back[:3], 0.7 * m200c[:3], rtol=3e-3)
    assert np.isnan(back[3])
    assert (back[:3] / 0.7 / m500c[:3] > 1.3).all()
    assert (back[:3] / 0.7 / m500c[:3] < 1.8).all()


def test_galwcat19_in_a_table_of_its_layout() -> None:
    from astropy.table import Table

    table = Table({"clsid": [1, 2], "RAJ2000": [150.0, 200.0], "DEJ2000": [2.0, 5.0], "z": [0.05, 0.08]})
    table["M200"], table["e_M200"] = [3.0, 10.0], [0.5, 1.0]
    frame = standardise(table, GALWCAT19, "galwcat19", target=COSMOLOGY).frame
    entry = {"galwcat19": Entries(frame, GALWCAT19.cosmology)}
    masses = reference_masses(merge_centres(entry, {}, SETTINGS, COSMOLOGY)[1], entry, Labels(), SETTINGS, COSMOLOGY)
    np.testing.assert_allclose(10 ** masses["log10_m200c"], [3e14, 1e15], rtol=3e-3)  # Msun/h, as it was published
    np.testing.assert_allclose(masses["err_high"], np.log10([3.5 / 3, 1.1]), atol=2e-3)


# ---------------------------------------------------------------------------------------------------------- finder


def sky(clusters: int, members: int, field: int, seed: int = 2) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return galaxies of clusters on a lattice and of a field in RA 355 to 25, dec -5 to 25 [deg], and the clusters."""
    drawn = rng(seed)
    side = int(np.ceil(np.sqrt(clusters)))
    place = np.arange(clusters)
    truth = pd.DataFrame({"ra": (358 + 24 / side * (place % side)) % 360, "dec": -2 + 24 / side * (place // side)})
    truth["redshift"] = drawn.uniform(0.055, 0.08, clusters)
    ra, dec = (
        drawn.uniform(-5, 25, field) % 360,
        np.degrees(np.arcsin(drawn.uniform(*np.sin(np.radians([-5, 25])), field))),
    )
    parts = [(ra, dec, drawn.uniform(0.03, 0.11, field))]
    for row in truth.itertuples():
        size = 0.35 / float(distance_q0(np.array(row.redshift), -0.55))
        where = offset_position(row.ra, row.dec, *(size * drawn.normal(size=(2, members))))
        parts.append((*where, row.redshift + (1 + row.redshift) * 500 / 299792.458 * drawn.normal(size=members)))
    columns = [np.concatenate(column) for column in zip(*parts, strict=True)]
    frame = pd.DataFrame(dict(zip(("ra", "dec", "redshift"), columns, strict=True)))
    frame = frame.sample(frac=1, random_state=1, ignore_index=True)
    return frame.assign(id=[str(i) for i in frame.index], redshift_err=np.nan, r=17.0)[REDSHIFTS.names], truth


def find(galaxies: pd.DataFrame, **settings: Any) -> pd.DataFrame:
    columns = (galaxies[name].to_numpy(float) for name in ("ra", "dec", "redshift"))
    return find_clusters(*columns, 885.0, -0.55, Finder(**settings))


def test_planted_clusters_are_found_and_no_others() -> None:
    galaxies, truth = sky(25, 30, 12_000)
    found = find(galaxies)
    assert len(found) == 25
    assert found["contrast"].is_monotonic_decreasing
    off = []
    for row in truth.itertuples():
        away = np.hypot(
            ((found["ra"] - row.ra + 180) % 360 - 180) * np.cos(np.radians(row.dec)), found["dec"] - row.dec
        )
        best = found.loc[away.idxmin()]
        assert away.min() * np.pi / 180 * distance_q0(np.array(row.redshift), -0.55) < 0.2  # Mpc/h
        off.append(299792 * (best["redshift"] - row.redshift))
    assert np.median(np.abs(off)) < 1.5 * 500 / np.sqrt(30)  # km/s
    assert np.abs(off).max() < 500


def test_counts_of_the_finder_are_those_of_brute_force() -> None:
    galaxies, _ = sky(4, 40, 1500)
    found = find(galaxies, min_galaxies=4, min_contrast=1)
    from astropy.coordinates import SkyCoord

    place = SkyCoord(galaxies["ra"], galaxies["dec"], unit="deg")
    z = galaxies["redshift"].to_numpy()
    apart = place[:, None].separation(place[None]).rad * distance_q0(z, -0.55)[:, None]
    v = 299792.458 * (z[None] - z[:, None]) / (1 + z[:, None])
    counts = ((apart <= 0.75) & (np.abs(v) <= 1000)).sum(axis=1)
    assert found["galaxies"].max() == counts.max()
    assert set(found["galaxies"]) <= set(counts)


def test_one_cluster_is_found_once_and_two_in_one_line_twice() -> None:
    galaxies, truth = sky(1, 150, 3000)
    assert len(find(galaxies)) == 1
    behind = galaxies.assign(redshift=galaxies["redshift"] + 0.02, id=[f"b{i}" for i in galaxies.index])
    both = find(pd.concat([galaxies, behind], ignore_index=True))
    assert sorted(both["redshift"]) == pytest.approx([truth["redshift"][0], truth["redshift"][0] + 0.02], abs=0.0005)
    empty = find(galaxies.iloc[:0])
    assert len(empty) == 0


def test_found_clusters_are_centres_without_masses() -> None:
    galaxies, _ = sky(4, 40, 3000)
    found = find(galaxies)
    entry = {"finder": found_centres(found, (0.055, 0.09), COSMOLOGY)}
    centres, matched = merge_centres(entry, {}, SETTINGS, COSMOLOGY)
    assert centres["name"].tolist() == ["F00001", "F00002", "F00003", "F00004"]
    assert len(reference_masses(matched, entry, Labels(), SETTINGS, COSMOLOGY)) == 0
    footprint = measure_footprint(galaxies["ra"].to_numpy(), galaxies["dec"].to_numpy(), 1.0, 1.5)
    assert len(in_range(centres, footprint, (0.05, 0.085))) == 4
    assert len(in_range(centres.assign(ra=100.0), footprint, (0.05, 0.085))) == 0
    assert len(in_range(centres, footprint, (0.2, 0.3))) == 0


# --------------------------------------------------------------------------------------------------------- samples


def observed(sample: Sample, centres: pd.DataFrame, galaxies: pd.DataFrame, **settings: Any) -> Observation:
    footprint = measure_footprint(galaxies["ra"].to_numpy(), galaxies["dec"].to_numpy(), 1.0, 1.5)
    return observe(centres, galaxies, footprint, sample, Observed(**settings), 0.05, COSMOLOGY)


def listed(truth: pd.DataFrame) -> pd.DataFrame:
    names = [f"C{i}" for i in range(len(truth))]
    return truth.assign(name=names, id=names, catalogue="mine")[CENTRES.names]


SAMPLE = Sample(redshifts="sdss", centres=["mine"], redshift=(0.05, 0.085))


def test_every_centre_is_a_cluster_or_rejected() -> None:
    galaxies, truth = sky(9, 40, 9000)
    odd = pd.DataFrame(
        {"ra": [100.0, 10.0, 359.0, 24.9], "dec": [5.0, 10.0, 5.0, 10.0], "redshift": [0.07, 0.2, 0.07, 0.06]}
    )
    centres = listed(pd.concat([truth, odd], ignore_index=True))
    found = observed(SAMPLE, centres, galaxies)
    assert CLUSTERS_OBSERVED.validate(found.clusters, "clusters").equals(found.clusters)
    assert MEMBERS_OBSERVED.validate(found.members, "members").equals(found.members)
    assert contracts.REJECTED.validate(found.rejected, "rejected").equals(found.rejected)
    assert sorted([*found.clusters["name"], *found.rejected["id"]]) == sorted(centres["name"])
    why = found.rejected.set_index("id")["reason"]
    assert why["C9"] == "the centre is outside the footprint of the survey"
    assert why["C10"] == "redshift outside 0.05 to 0.085"
    assert why["C12"] == "less than 1 of the window is inside the survey's footprint"
    assert "C11" in set(found.clusters["name"])  # a place without a cluster: what is there is counted
    assert (found.clusters["covered"] == 1).all()
    windows = read_windows(found.clusters, found.members)
    assert np.diff(windows.start).tolist() == found.clusters["galaxies"].tolist()
    assert found.clusters.set_index("name").loc["C4", "galaxies"] >= 35
    assert np.abs(windows.x).max() <= 4
    assert np.abs(windows.v_los).max() <= 2200
    assert found.notes["area_deg2"] < found.notes["footprint_deg2"]
    assert 0 < found.notes["largest_distance_difference"] < 1e-3
    flagged = observed(SAMPLE.model_copy(update={"uncovered": "flag"}), centres, galaxies)
    assert 0.3 < flagged.clusters.set_index("name").loc["C12", "covered"] < 0.8
    assert flagged.notes["area_deg2"] == flagged.notes["footprint_deg2"]
    with pytest.raises(ValueError, match=r"expected .* galaxies in the order of the clusters"):
        read_windows(found.clusters, found.members.iloc[::-1].reset_index(drop=True))


def test_windows_at_the_ends_of_the_survey_in_redshift_are_not_covered() -> None:
    galaxies, truth = sky(4, 40, 6000)
    inside = galaxies[galaxies["redshift"] > 0.055].reset_index(drop=True)  # a light cone that begins here
    least, cut = inside["redshift"].min(), 2200 / 299792.458
    nearest = (least + cut) / (1 - cut)  # whose window begins where the survey does
    centres = listed(truth.iloc[:3].assign(redshift=[nearest + 1e-6, nearest - 1e-4, least]))
    whole = observed(SAMPLE, centres, galaxies)
    assert len(whole.clusters) == 3
    assert (whole.clusters["covered"] == 1).all()
    found = observed(SAMPLE, centres, inside)
    assert found.clusters["name"].tolist() == ["C0"]
    assert found.rejected["id"].tolist() == ["C1", "C2"]
    assert found.rejected["column"].tolist() == ["redshift"] * 2
    assert set(found.rejected["reason"]) == {"less than 1 of the window is inside the survey's range of redshift"}
    flagged = observed(SAMPLE.model_copy(update={"uncovered": "flag"}), centres, inside).clusters
    v = 299792.458 * 1e-4 / (1 + nearest)  # km/s of the window that are in front of the survey
    np.testing.assert_allclose(flagged["covered"], [1, 1 - v / 4400, 0.5], atol=1e-4)


def test_redshifts_of_the_simulated_sample_leave_room_for_windows() -> None:
    sample, cone = SETTINGS.samples["simulated"], Lightcone().redshift
    reach = sample.velocity_cut_km_s / 299792.458
    assert sample.redshift[0] - reach * (1 + sample.redshift[0]) > cone[0]
    assert sample.redshift[1] + reach * (1 + sample.redshift[1]) < cone[1]


def test_windows_are_those_of_the_cubes_and_inside_the_mock() -> None:
    mocks, sample = Config().survey_mocks, SETTINGS.samples["simulated"]
    short = sample.model_copy(update={"velocity_cut_km_s": 2000.0})
    with pytest.raises(ValueError, match=r"samples.simulated.velocity_cut_km_s: expected that of the cubes, .* 2200"):
        Config(observed=Observed(samples={"simulated": short}))
    narrow = mocks | {sample.mock: mocks[sample.mock].model_copy(update={"velocity_cut_km_s": 2000.0})}
    with pytest.raises(ValueError, match=r"velocity_cut_km_s: expected at most that of its mock, 2000.0, got 2200.0"):
        Config(survey_mocks=narrow)


def test_redshifts_are_measured_and_sizes_scaled() -> None:
    galaxies, truth = sky(4, 40, 3000)
    wrong = listed(truth.assign(redshift=truth["redshift"] + [0.004, -0.004, 0.002, 0.0]))
    sample = SAMPLE.model_copy(update={"recentre_redshift": True, "scaled": True})
    found = observed(sample, wrong, galaxies)
    np.testing.assert_allclose(found.clusters["redshift"], truth["redshift"], atol=0.0008)
    np.testing.assert_array_equal(found.clusters["redshift_catalogue"], wrong["redshift"])
    scale = found.clusters["scale"].to_numpy()
    assert (scale > 1).all()
    seen = np.abs(found.members["x"]).groupby(found.members["name"]).max().reindex(found.clusters["name"]).to_numpy()
    assert (seen * scale <= 4.0 + 1e-9).all()
    assert (found.clusters["scale"].rank() == found.clusters["redshift"].rank()).all()
    lonely = listed(pd.DataFrame({"ra": [12.0], "dec": [8.2], "redshift": [0.07]}))
    thin = galaxies[np.hypot(galaxies["ra"] - 12, galaxies["dec"] - 8.2) > 0.5].reset_index(drop=True)
    empty = observed(sample, lonely, thin)
    said = why_empty(empty, {"available": True})
    assert said.startswith("no cluster can be used: 1 x fewer than four galaxies within 1 Mpc/h")
    assert why_empty(empty, {"available": False, "reason": "no network"}) == "no redshifts: no network"
    assert why_empty(found, {}) == ""


def test_without_galaxies_or_centres_there_is_an_empty_sample() -> None:
    galaxies, truth = sky(4, 40, 3000)
    for one, other in ((listed(truth), galaxies.iloc[:0]), (listed(truth).iloc[:0], galaxies)):
        found = observed(SAMPLE, one.reset_index(drop=True), other)
        assert len(found.clusters) == len(found.members) == 0
        assert len(found.rejected) == len(one)
        nobody = read_windows(found.clusters, found.members)
        masses, beyond = network_masses(nobody, np.ones(0), 4, lambda *_: (pd.DataFrame(), np.ones(0, bool)))
        virial = virial_masses(nobody, np.ones(0), np.ones(0), SETTINGS, COSMOLOGY, rng())
        domain = build_domain(rng().normal(size=(100, 10)), rng(2).normal(size=(50, 10)), 5)
        table = domain_table(found.clusters, nobody, 4.0, domain)
        empty = masses_table(found.clusters, masses, beyond, virial, REFERENCES.empty(), table, SAMPLE, SETTINGS)
        assert len(MASSES_OBSERVED.validate(empty, "masses")) == 0


# ---------------------------------------------------------------------------------------------------------- masses


def windows(counts: list[int], seed: int = 3) -> Windows:
    drawn, n = rng(seed), sum(counts)
    start = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    x, y = 0.5 * drawn.normal(size=(2, n))
    return Windows(start, np.arange(n), x, y, 600 * drawn.normal(size=n))


def test_network_masses_are_scaled_back_and_few_galaxies_have_none() -> None:
    seen: dict[str, Any] = {}

    def infer(x: Floats, y: Floats, v_los: Floats, start: NDArray[np.int64]) -> tuple[pd.DataFrame, NDArray[np.bool_]]:
        seen.update(x=x, start=start)
        frame = pd.DataFrame(
            {name: 14.0 + 0.1 * place for place, name in enumerate(POSTERIOR)}, index=range(len(start) - 1)
        )
        frame.iloc[1, :] = np.nan
        return frame, np.array([True, False, False])

    scale = np.array([1.0, 1.2, 1.1, 1.0, 0.9])
    some = windows([20, 3, 10, 0, 30])
    masses, extrapolated = network_masses(some, scale, 4, infer)
    assert seen["start"].tolist() == [0, 20, 30, 60]
    np.testing.assert_allclose(seen["x"][20:30], 1.1 * some.x[23:33])
    assert masses["log10_m200c"].isna().tolist() == [False, True, True, True, False]
    assert masses["log10_map"][4] == pytest.approx(14.1 - np.log10(0.9))
    assert extrapolated.tolist() == [True, False, True, False, False]  # without a posterior: beyond what was simulated
    nobody, _ = network_masses(windows([2, 3]), np.ones(2), 4, infer)
    assert nobody.isna().all(axis=None)


def test_virial_masses_of_clusters_are_independent() -> None:
    few = Observed(virial={"bootstrap": 10})
    both = virial_masses(windows([60, 40]), np.array([0.05, 0.06]), np.array([4.0, 4.0]), few, COSMOLOGY, rng())
    first = virial_masses(windows([60]), np.array([0.05]), np.array([4.0]), few, COSMOLOGY, rng())
    assert np.isfinite(both["log10_virial"]).all()
    assert both["members"].between(8, 60).all()
    assert first["members"][0] > 20


def masses(sample: Sample) -> pd.DataFrame:
    """Return the table of five clusters: good, few galaxies, uncovered, extrapolated, out of domain."""
    names = list("abcde")
    clusters = CLUSTERS_OBSERVED.empty().reindex(range(5)).assign(
        name=names, ra=1.0, dec=2.0, redshift=0.1, galaxies=[50, 2, 50, 50, 50], covered=[1, 1, 0.5, 1, 1],
        inside=[True] * 5,
    )  # fmt: skip
    posterior = pd.DataFrame({name: [14.5, np.nan, 14.4, 15.5, 14.2] for name in POSTERIOR})
    virial = pd.DataFrame({"members": [40, 0, 20, 20, 20], "sigma_v": [800, np.nan, 700, 700, 700]})
    virial = virial.assign(log10_virial=[14.6, np.nan, 14.5, 14.5, 14.5])
    virial = virial.assign(virial_low=virial["log10_virial"] - 0.1, virial_high=virial["log10_virial"] + 0.2)
    domain = pd.DataFrame({"name": names, "percentile": [50, np.nan, 20, 98.9, 100.0]})
    references = pd.DataFrame(
        [("a", "red", "richness", 14.9), ("a", "sz", "measured", 14.7), ("a", "x", "measured", 14.8), ("b", "red", "richness", 14.1)],
        columns=["name", "catalogue", "kind", "log10_m200c"],
    ).assign(err_low=0.05, err_high=0.06)  # fmt: skip
    beyond = np.array([False, False, False, True, False])
    return masses_table(clusters, posterior, beyond, virial, references, domain, sample, SETTINGS)


def test_masses_side_by_side_with_what_speaks_against_them() -> None:
    sample = Sample(redshifts="sdss", centres=["x", "sz", "red"])
    table = masses(sample)
    assert MASSES_OBSERVED.validate(table, "masses").equals(table)
    assert table["few"].tolist() == [False, True, False, False, False]
    assert table["uncovered"].tolist() == [False, False, True, False, False]
    assert table["extrapolated"].tolist() == [False, False, False, True, False]
    assert table["out_of_domain"].tolist() == [False, False, False, False, True]
    assert table["catalogue"].tolist() == ["x", "red", "", "", ""]
    assert table["log10_reference"][0] == 14.8
    swapped = masses(sample.model_copy(update={"centres": ["red", "sz", "x"]}))
    assert swapped["catalogue"][0] == "sz"  # measured before richness
    virial = masses(sample.model_copy(update={"comparison": "virial"}))
    assert virial["catalogue"].tolist() == ["virial", "", "virial", "virial", "virial"]
    assert virial["reference_low"][0] == pytest.approx(0.1)
    assert virial["reference_high"][0] == pytest.approx(0.2)
