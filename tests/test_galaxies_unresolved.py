"""Halos below the resolution of a simulation, placed on its field particles: their numbers and their bias."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from clustermass.config.base import Cosmology
from clustermass.galaxies import background, unresolved

Floats = NDArray[np.float64]
PLANCK = Cosmology()
Z = 0.117


def rng(seed: int = 1) -> np.random.Generator:
    return np.random.default_rng(seed)


def wavenumber(n: int, side: float) -> Floats:
    k = 2 * np.pi * np.fft.fftfreq(n, side / n)
    return np.asarray(np.sqrt(k[:, None, None] ** 2 + k[:, None] ** 2 + k**2))


def toy_universe(seed: int = 5) -> tuple[unresolved.Field, Floats]:
    """Return field particles of a log-normal universe without its peaks ("resolved halos"), and its density contrast."""
    n, side, generator = 64, 320.0, rng(seed)
    k = np.maximum(wavenumber(n, side), 1e-9)
    shape = np.where(k > 1e-9, k**-0.75 * np.exp(-((2.5 * k) ** 2) / 2), 0)
    gauss = np.fft.ifftn(np.fft.fftn(generator.normal(size=(n, n, n))) * shape).real
    density = np.exp(0.8 * gauss / gauss.std() - 0.32)
    counts = generator.poisson(3 * density)
    contrast = counts / counts.mean() - 1
    modes = np.fft.fftn(contrast)
    local, large = (np.fft.ifftn(modes * np.exp(-((scale * k) ** 2) / 2)).real for scale in (8.0, 25.0))
    cells = np.repeat(np.arange(n**3), np.where(density > np.quantile(density, 0.985), 0, counts).ravel())
    index = np.column_stack(np.unravel_index(cells, (n, n, n)))
    position = (index + generator.uniform(size=index.shape)) * side / n
    mean, still = float(np.mean((1 + contrast) * large)), np.zeros_like(position)
    return unresolved.Field(position, still, local.ravel()[cells], large.ravel()[cells], mean, 1e13), contrast


@pytest.mark.parametrize("log10_mass", [11.05, 12.05, 12.95])
def test_unresolved_halos_have_their_bias(log10_mass: float) -> None:
    field, contrast = toy_universe()
    particle, applied = unresolved.place_halos(np.full(60_000, 10**log10_mass), Z, field, PLANCK, rng())
    assert len(np.unique(particle)) == len(particle)
    wanted = background.halo_bias(np.array([10**log10_mass]), Z, PLANCK)[0]
    assert applied["bias"] == pytest.approx([wanted], rel=0.01)
    assert field.large_scale[particle].mean() == pytest.approx(wanted * field.matter_mean, rel=0.04)
    # what was not put in: the bias in Fourier space, on scales beyond the smoothing
    matter, large, found = np.fft.fftn(contrast), (wavenumber(64, 320.0) < 0.1), []
    large[0, 0, 0] = False
    for position in (field.position, field.position[particle]):
        counts = np.histogramdd(position, bins=64, range=[(0, 320.0)] * 3)[0]
        cross = (np.fft.fftn(counts / counts.mean()) * matter.conj()).real[large]
        found.append(float(np.sum(cross) / np.sum(np.abs(matter[large]) ** 2)))
    print(f"bias at 10^{log10_mass}: wanted {wanted:.3f}, found {found[1]:.3f}; particles of the field {found[0]:.3f}")
    assert found[0] < 0.9  # without weights all halos would have this
    assert found[1] == pytest.approx(wanted, rel=0.08)


def test_bias_out_of_reach_and_fields_without_sense_are_refused() -> None:
    field, _ = toy_universe()
    with pytest.raises(ValueError, match="no weighting"):
        unresolved.solve_gamma(np.array([-0.1, 0.0, 0.1]), np.array([-0.1, 0.0, 0.1]), np.ones(3), 0.2)
    empty = unresolved.Field(np.empty((0, 3)), np.empty((0, 3)), np.empty(0), np.empty(0), 1.0, 1e13)
    with pytest.raises(ValueError, match="no particles"):
        unresolved.place_halos(np.array([1e12]), Z, empty, PLANCK, rng())
    assert len(unresolved.place_halos(np.empty(0), Z, field, PLANCK, rng())[0]) == 0
    for overdensity, mean in ((np.array([-1.0]), 1.0), (np.zeros(1), 0.0)):
        with pytest.raises(ValueError, match=r"above -1|positive"):
            unresolved.Field(np.zeros((1, 3)), np.zeros((1, 3)), overdensity, np.zeros(1), mean, 1e13)
    # particles are used again only when they run out
    n, overdensity = 1000, rng().uniform(-0.5, 1.0, 1000)
    field = unresolved.Field(np.zeros((n, 3)), np.zeros((n, 3)), overdensity, overdensity, 0.3, 1e13)
    particle, _ = unresolved.place_halos(np.full(100, 1e12), Z, field, PLANCK, rng())
    assert np.bincount(particle).max() <= 2  # a bin of density may hold but two particles
    particle, _ = unresolved.place_halos(np.full(20 * n, 1e12), Z, field, PLANCK, rng())
    assert np.bincount(particle, minlength=n).min() >= 1
