"""The spectroscopic survey: limits, errors and completeness in numbers, collisions against brute force."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from astropy.coordinates import SkyCoord
from numpy.typing import NDArray
from pydantic import ValidationError

from clustermass.config.simulated import Spectroscopy
from clustermass.sources.spectroscopy import (
    SPECTROSCOPY,
    SPECTROSCOPY_TRUTH,
    get_fibres,
    near_centres,
    survey_redshifts,
)

NO_CENTRES = pd.DataFrame({"ra": [], "dec": []})


def rng(seed: int = 1) -> np.random.Generator:
    return np.random.default_rng(seed)


def cone_galaxies(n: int, extent: float) -> pd.DataFrame:
    """Return galaxies of two halos in turn, in a field of some size [deg] across RA = 0, near dec = 60."""
    drawn = rng(2)
    columns: dict[str, Any] = {"halo": np.where(np.arange(n) % 2, "H0000001", ""), "central": np.arange(n) % 10 == 0}
    columns |= {"ra": drawn.uniform(-extent, extent, n) % 360, "dec": 60 + drawn.uniform(0, extent, n)}
    columns |= {"redshift": 0.1, "redshift_observed": 0.101, "abs_mag_r": -20.0, "log10_mstar": 10.0}
    return pd.DataFrame(columns | {"r": drawn.uniform(16, 19, n).astype(np.float32)})


def survey(galaxies: pd.DataFrame, centres: pd.DataFrame = NO_CENTRES, **options: Any) -> Any:
    return survey_redshifts(galaxies, centres, Spectroscopy(**options), rng(3))


def separations(ra: NDArray[np.float64], dec: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return all separations [arcsec], infinite from a place to itself."""
    sky = SkyCoord(ra, dec, unit="deg")
    matrix = np.asarray(sky[:, None].separation(sky[None]).arcsec)
    np.fill_diagonal(matrix, np.inf)
    return matrix


def test_targets_errors_and_truth() -> None:
    galaxies = cone_galaxies(20_000, 5)
    table, truth = survey(galaxies, completeness=0.9)
    assert SPECTROSCOPY.validate(table, "spectroscopy").equals(table)
    assert SPECTROSCOPY_TRUTH.validate(truth, "truth").equals(truth)
    assert len(table) == (galaxies["r"] < 17.77).sum()
    assert table["r"].max() < 17.77
    assert table["ra"].is_monotonic_increasing
    measured = table["redshift"].notna()
    assert measured.mean() == pytest.approx(0.9, abs=4 * 0.3 / np.sqrt(len(table)))
    assert (table["redshift_err"].notna() == measured).all()
    kms = 299792.458 * (table["redshift"] - truth["redshift_observed"])[measured]
    assert kms.mean() == pytest.approx(0, abs=4 * 30 / np.sqrt(measured.sum()))
    assert kms.std() == pytest.approx(30, rel=0.03)
    assert 299792.458 * table["redshift_err"].max() == pytest.approx(30)
    # the truth is that of the same galaxy
    of = galaxies.set_index("ra").loc[table["ra"], ["halo", "central"]].reset_index(drop=True)
    assert of.equals(truth[["halo", "central"]])
    assert (truth["id"] == table["id"]).all()


def test_every_target_has_a_redshift_without_losses() -> None:
    table, _ = survey(cone_galaxies(500, 1), completeness=1.0, faintest_r=25)
    assert len(table) == table["redshift"].count() == 500


def test_the_same_seed_gives_the_same_survey() -> None:
    galaxies = cone_galaxies(2000, 0.5)
    first, again = (survey(galaxies, collisions="pairs")[0] for _ in range(2))
    assert first.equals(again)
    shuffled = galaxies.sample(frac=1, random_state=1)
    assert survey(shuffled, collisions="pairs")[0].equals(first)  # the order of the rows does not matter
    other, _ = survey_redshifts(galaxies, NO_CENTRES, Spectroscopy(collisions="pairs"), rng(4))
    assert not other.equals(first)


def test_cores_lose_their_redshifts() -> None:
    galaxies = cone_galaxies(3000, 0.5)
    centres = pd.DataFrame({"ra": [359.9, 0.2, 180.0], "dec": [60.1, 60.3, 0.0]})
    table, _ = survey(galaxies, centres, collisions="core", completeness=1.0, faintest_r=25)
    sky, cores = (SkyCoord(part["ra"], part["dec"], unit="deg") for part in (table, centres))
    inside = (sky[:, None].separation(cores[None]).arcsec < 55).any(axis=1)
    assert 5 < inside.sum() < 100
    assert (table["redshift"].isna() == inside).all()
    without, _ = survey(galaxies, collisions="core", completeness=1.0)
    assert without["redshift"].notna().all()


def test_a_core_ends_at_its_radius() -> None:
    ra, dec = np.zeros(2), np.array([54.999, 55.001]) / 3600
    assert near_centres(ra, dec, np.zeros(1), np.zeros(1), 55).tolist() == [True, False]


def test_pairs_against_brute_force() -> None:
    galaxies = cone_galaxies(1500, 0.5)
    table, _ = survey(galaxies, collisions="pairs", completeness=1.0, faintest_r=25, overlap=0)
    close = separations(table["ra"].to_numpy(), table["dec"].to_numpy()) < 55
    measured = table["redshift"].notna().to_numpy()
    assert close.sum() > 500
    assert not close[np.ix_(measured, measured)].any()  # none of two fibres too close
    assert close[~measured][:, measured].any(axis=1).all()  # and none lost without need
    assert measured[~close.any(axis=1)].all()


def test_decollided_sets_are_the_largest() -> None:
    """Of a pair one is kept, of a chain of three the ends, of a star the rays; at random where it does not matter."""
    step = 50 / 3600
    chain, pair = [0, step, 2 * step], [10, 10 + step]
    star = [20, 20 + 0.9 * step, 20 - 0.9 * step, 20]
    ra, dec = np.array(chain + pair + star), np.array([0.0] * 8 + [0.9 * step])
    kept = np.array([get_fibres(ra, dec, 55, 0, rng(seed)) for seed in range(100)])
    assert (kept[:, :3] == [True, False, True]).all()
    assert (kept[:, 3:5].sum(axis=1) == 1).all()
    assert 30 < kept[:, 3].sum() < 70
    assert (kept[:, 5:] == [False, True, True, True]).all()


def test_overlapping_plates_lose_nothing() -> None:
    groups, size = 4000, 3
    ra, dec = np.repeat(np.linspace(0, 300, groups), size), np.tile(np.arange(size) * 20 / 3600, groups)
    with_fibre = get_fibres(ra, dec, 55, 0.3, rng()).reshape(groups, size).sum(axis=1)
    assert set(with_fibre) == {1, size}
    everyone = with_fibre == size
    assert everyone.mean() == pytest.approx(0.3, abs=0.03)
    assert get_fibres(ra, dec, 55, 1, rng()).all()
    assert get_fibres(ra, dec, 15, 0, rng()).all()


@pytest.mark.parametrize("collisions", ["none", "core", "pairs"])
def test_an_empty_sky_is_an_empty_table(collisions: str) -> None:
    table, truth = survey(cone_galaxies(5, 1).iloc[:0], collisions=collisions)
    assert len(table) == len(truth) == 0
    assert list(table) == SPECTROSCOPY.names


def test_configuration_is_checked() -> None:
    with pytest.raises(ValidationError, match="none"):
        Spectroscopy(collisions="some")  # type: ignore[arg-type]
    with pytest.raises(ValidationError, match="completeness"):
        Spectroscopy(completeness=1.2)
