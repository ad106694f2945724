"""Rich clusters of a real redshift survey, from its table to masses side by side."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from clustermass.config.base import Cosmology
from clustermass.config.catalogues import CATALOGUES
from clustermass.config.crossmatch import Labels
from clustermass.config.observed import Observed
from clustermass.config.posterior import Posterior
from clustermass.observed.centres import Entries, merge_centres, reference_masses
from clustermass.observed.contracts import MASSES_OBSERVED
from clustermass.observed.footprint import measure_footprint
from clustermass.observed.inference import judge
from clustermass.observed.masses import masses_table, network_masses, virial_masses
from clustermass.observed.redshifts import usable_redshifts
from clustermass.observed.sample import observe, read_windows
from clustermass.posterior.joint import fit_joint, make_pairs, mass_grid
from clustermass.sources.catalogues import standardise
from clustermass.sources.redshifts import read_redshifts
from clustermass.sources.tables import read_catalogue

Floats = NDArray[np.float64]
COSMOLOGY, SETTINGS, LIMITS = Cosmology(), Observed(virial={"bootstrap": 20}), Posterior()


def by_dispersion(
    x: Floats, y: Floats, v_los: Floats, start: NDArray[np.int64]
) -> tuple[pd.DataFrame, NDArray[np.bool_]]:
    """Return posteriors from the dispersion of galaxies within 0.7 Mpc/h: the place of a network, which is not at hand.

    Calibrated on halos of sigma = 1083 km/s (M / 10^15)^(1/3) (Evrard et al. 2008) that it weighs to 0.15 dex.
    """
    said = []
    for first, last in itertools.pairwise(start):
        v = v_los[first:last][np.hypot(x[first:last], y[first:last]) < 0.7]
        low, high = np.quantile(v, [0.16, 0.84]) if len(v) else (0, 200)
        said.append(15 + 3 * np.log10((high - low) / 2 / 1083))
    known = np.random.default_rng(1).uniform(13.7, 15.7, 4000)
    pairs = make_pairs(known + np.random.default_rng(2).normal(0, 0.15, 4000), known)
    return judge(fit_joint(pairs, LIMITS).slices(np.array(said), mass_grid(pairs, LIMITS)), known, LIMITS)


@pytest.mark.archival
def test_rich_clusters_of_hecs(archive: Path) -> None:
    """Coma, A1689, A2029 and A2261 are in MCXC and PSZ2 by position, with the dispersions that are known for them."""
    sample, survey = SETTINGS.samples["hecs"], SETTINGS.surveys["hecs"]
    galaxies, _ = usable_redshifts(read_redshifts(archive / survey.files[0], survey), SETTINGS)
    place = galaxies["ra"].to_numpy(), galaxies["dec"].to_numpy()
    footprint = measure_footprint(*place, survey.cell_deg, survey.closing_cells)
    catalogues = {}
    for name in ("mcxc", "planck"):
        path = archive / CATALOGUES[name].files[0]
        frame = standardise(read_catalogue(path), CATALOGUES[name], path).frame
        catalogues[name] = Entries(frame, CATALOGUES[name].cosmology)
    centres, matched = merge_centres(catalogues, sample.names, SETTINGS, COSMOLOGY)
    found = observe(centres, galaxies, footprint, sample, SETTINGS, 0.05, COSMOLOGY)
    assert len(found.clusters) + len(found.rejected) == len(centres)
    chosen = found.clusters["name"].isin(sample.names)
    rich = found.clusters[chosen].reset_index(drop=True)
    windows = read_windows(rich, found.members[found.members["name"].isin(sample.names)].reset_index(drop=True))
    references = reference_masses(
        matched[matched["name"].isin(sample.names)], catalogues, Labels(), SETTINGS, COSMOLOGY
    )
    assert references.groupby("name")["catalogue"].apply(set).tolist() == [{"mcxc", "planck"}] * 4
    assert rich["catalogue"].tolist() == ["mcxc"] * 4
    redshift, scale = rich["redshift"].to_numpy(), rich["scale"].to_numpy()
    aperture, rng = sample.aperture_mpc_h / scale, np.random.default_rng(1)
    virial = virial_masses(windows, redshift, aperture, SETTINGS, COSMOLOGY, rng)
    posterior, extrapolated = network_masses(windows, scale, SETTINGS.min_galaxies, by_dispersion)
    domain = pd.DataFrame({"percentile": [50.0] * 4})  # of no mock here
    table = masses_table(rich, posterior, extrapolated, virial, references, domain, sample, SETTINGS)
    rows = MASSES_OBSERVED.validate(table, "masses").set_index("name")
    heaviest = references.groupby("name")["log10_m200c"].max()
    expected = {"Coma": (600, 790), "A1689": (140, 1070), "A2029": (140, 850), "A2261": (130, 920)}
    for name, (galaxies_at_least, dispersion) in expected.items():
        row = rows.loc[name]
        assert row["galaxies"] >= galaxies_at_least
        assert row["sigma_v"] == pytest.approx(dispersion, rel=0.05)
        assert -0.3 < row["log10_virial"] - heaviest[name] < 0.35
        assert row["low95"] < row["low68"] < row["log10_m200c"] < row["high68"] < row["high95"]
        assert row["low95"] < heaviest[name] < row["high95"]
        assert row["low68"] - 0.3 < row["log10_virial"] < row["high68"] + 0.3
    assert not rows[["few", "uncovered", "extrapolated", "out_of_domain"]].any(axis=None)
    assert rows[["log10_reference", "reference_low", "reference_high"]].notna().all(axis=None)
