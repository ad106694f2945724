"""Validation of the embedded universe: what was planted comes back, theory agrees with closed forms and brute force."""

from __future__ import annotations

from functools import cache
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from pydantic import ValidationError
from scipy.integrate import quad

from clustermass.config.base import Cosmology
from clustermass.config.galaxies import Galaxies
from clustermass.config.validation import Validation
from clustermass.galaxies import background, structure
from clustermass.galaxies.connection import build_connection
from clustermass.nbody.initial import linear_density
from clustermass.nbody.linear import growth, growth_rate, linear_power
from clustermass.validation import cylinder, halos, members, modes, theory
from clustermass.validation.table import STATISTICS, bin_means, bin_of, ratio_of_sums, rows

Floats = NDArray[np.float64]
PLANCK, Z = Cosmology(), 0.117
XYZ, VELOCITY = ["x", "y", "z"], ["vx", "vy", "vz"]
connection = cache(lambda: build_connection(PLANCK, Z, Galaxies()))


def rng(seed: int = 1) -> np.random.Generator:
    return np.random.default_rng(seed)


def phase_space(position: Floats, velocity: Floats) -> pd.DataFrame:
    return pd.DataFrame(np.hstack([position, velocity]), columns=[*XYZ, *VELOCITY])


def galaxy_table(position: Floats, velocity: Floats, halo: NDArray[np.int64], central: bool = False) -> pd.DataFrame:
    return phase_space(position, velocity).assign(halo=halo, central=central, log10_mstar=10.0, abs_mag_r=-20.0)


def halo_table(mass: Floats, position: Floats, velocity: Floats | None = None) -> pd.DataFrame:
    frame = phase_space(position, np.zeros((len(mass), 3)) if velocity is None else velocity)
    radius = background.r200c(mass, Z, PLANCK)
    return frame.assign(halo=np.arange(len(mass))[::-1] * 2, m200c=mass, r200c=radius, concentration=5.0)


# the table


def test_rows_keep_the_contract_and_leave_out_empty_bins() -> None:
    edges = [0.0, 1.0, 2.0, 3.0]
    place = bin_of(np.array([-0.1, 0.0, 0.5, 1.0, 2.9, 3.0]), edges)
    assert place.tolist() == [-1, 0, 0, 1, 2, -1]
    count, mean, error = bin_means(place, np.array([9.0, 1.0, 3.0, 4.0, 5.0, 9.0]), 3)
    assert count.tolist() == [2, 1, 1]
    assert mean.tolist() == [2, 4, 5]
    assert error[0] == pytest.approx(1.0)  # standard deviation sqrt(2) over sqrt(2)
    assert np.isnan(error[1:]).all()
    frame = rows("a", "b", ("x", "y"), edges, mean, mean, count, error=error, expected=1.0, fewest=2)
    assert STATISTICS.validate(frame, "rows")["value"].tolist() == [2]
    # the ratio estimator against its scatter over many samples
    draws = rng().gamma(4, size=(4000, 50, 1))
    noisy = draws * (3 + rng(2).normal(0, 0.5, draws.shape))
    each = [ratio_of_sums(above, below) for above, below in zip(noisy, draws, strict=True)]
    ratio, claimed = np.array(each)[:, :, 0].T
    assert ratio.mean() == pytest.approx(3, abs=0.01)
    assert claimed.mean() == pytest.approx(ratio.std(), rel=0.05)


# modes


def test_modes_of_waves_points_and_meshes_agree() -> None:
    box, number = 100.0, modes.wave_vectors(100.0, 0.2)
    whole = 2 * np.pi / box * np.linalg.norm(np.indices((9, 9, 9)).reshape(3, -1).T - 4, axis=1)
    assert 2 * len(number) == np.sum((whole <= 0.2) & (whole > 0))
    assert not {tuple(n) for n in number} & {tuple(-n) for n in number}
    # a plane wave on a mesh
    x = np.arange(32) / 32 * 2 * np.pi
    field = np.broadcast_to(0.3 * np.cos(2 * x)[:, None, None], (32, 32, 32))
    found = modes.field_modes(np.fft.rfftn(field).astype(np.complex64), box, 0.2)
    wave = np.array([tuple(n) in ((2, 0, 0), (-2, 0, 0)) for n in found.number])
    assert wave.sum() == 1
    assert abs(found.amplitude[wave][0]) == pytest.approx(0.15, rel=1e-5)
    assert np.abs(found.amplitude[~wave]).max() < 1e-6
    with pytest.raises(ValueError, match="Nyquist"):
        modes.field_modes(np.zeros((8, 8, 5), np.complex64), box, 0.3)
    # points, summed directly, by brute force and on a mesh
    points = rng().uniform(0, box, (500, 3))
    direct = modes.point_modes(points, box, number)
    phase = np.exp(-2j * np.pi / box * points @ number.T).mean(axis=0)
    assert direct.amplitude == pytest.approx(phase, abs=1e-12)
    meshed = modes.matter_modes(points.astype(np.float32), box, 0.2, 64)
    assert meshed.amplitude == pytest.approx(phase, abs=2e-3)
    coarse = modes.matter_modes(points.astype(np.float32), box, 0.2, 32).amplitude
    assert np.sum((coarse * phase.conj()).real) / np.sum(np.abs(phase) ** 2) == pytest.approx(1, abs=0.005)
    assert direct.within(0.1).k.max() <= 0.1


def test_power_of_a_realisation_over_its_own_initial_modes() -> None:
    box, cells = 400.0, 64
    density = linear_density(rng(), cells, box, PLANCK, 1)
    initial = modes.field_modes(density, box, 0.3)
    grown = growth(1 / (1 + Z), PLANCK.Om0)
    later = initial._replace(amplitude=1.1 * grown * initial.amplitude)
    table = modes.power_table(later, initial, Z, PLANCK)
    assert table["power"].to_numpy() == pytest.approx(1.21 * table["realised"].to_numpy())
    assert table["scatter"].to_numpy() == pytest.approx(0, abs=1e-6 * table["power"].max())
    # the initial modes are Gaussian: power over theory scatters by sqrt(2 / modes)
    chi = (table["realised"] / table["linear"] - 1) / np.sqrt(2 / table["modes"])
    assert np.abs(chi).max() < 4
    assert chi.std() == pytest.approx(1, abs=0.4)
    k = table["k"].to_numpy()
    assert table["linear"].to_numpy() == pytest.approx(grown**2 * linear_power(k, PLANCK), rel=0.1)
    edges = [0.02, 0.1, 0.25]
    result = halos.power_rows(table, Z, PLANCK, edges).set_index("sample")
    assert result.loc["realised", "value"].tolist() == pytest.approx([1.21, 1.21])
    assert result.loc["halofit", "value"].tolist() == result.loc["realised", "value"].tolist()
    rise = theory.nonlinear_power(k, Z, PLANCK) / (grown**2 * linear_power(k, PLANCK))
    weight = (table["modes"] * table["linear"] * (k >= 0.02) * (k < 0.1)).to_numpy()
    assert result.loc["halofit", "expected"].iloc[0] == pytest.approx(np.sum(weight * rise) / weight.sum())
    assert 1.08 < result.loc["halofit", "expected"].iloc[1] < 1.2  # k = 0.1 to 0.25
    assert result.loc["linear", "error"].iloc[0] == pytest.approx(
        result.loc["linear", "value"].iloc[0] * np.sqrt(2 / result.loc["linear", "count"].iloc[0]), rel=0.3
    )
    wave, ratio, lowest = halos.own_modes(table) or (k, k, 0.0)
    assert ratio == pytest.approx((table["realised"] / table["linear"]).to_numpy())
    assert (wave[0], lowest) == (k[0], pytest.approx(np.pi / box))  # the shell of the fundamental mode begins at half
    without = modes.power_table(later, None, Z, PLANCK)
    assert halos.own_modes(without) is None
    assert set(halos.power_rows(without, Z, PLANCK, edges)["sample"]) == {"linear", "halofit"}
    # noise of its own is what the error says
    noisy = [
        initial.amplitude
        + 0.2 * np.abs(initial.amplitude).mean() * rng(seed).normal(size=(len(initial.amplitude), 2)) @ [1, 1j]
        for seed in range(40)
    ]
    made = [modes.power_table(initial._replace(amplitude=grown * a), initial, Z, PLANCK) for a in noisy]
    measured = np.array([part["power"] for part in made])
    assert np.mean([part["scatter"] for part in made], axis=0)[3:] == pytest.approx(measured.std(axis=0)[3:], rel=0.5)
    with pytest.raises(ValueError, match="same box"):
        modes.power_table(later, initial.within(0.1), Z, PLANCK)


def test_bias_that_was_planted_comes_back() -> None:
    # points chosen in proportion to 1 + b delta of a Gaussian field, weak enough to stay positive
    box, cells, bias = 300.0, 32, 2.0
    matter = modes.field_modes(linear_density(rng(3), cells, box, PLANCK, 1), box, 0.08)
    matter = matter._replace(amplitude=0.5 * matter.amplitude)
    k = 2 * np.pi / box * matter.number
    estimates = []
    for seed in range(8):
        points = rng(seed).uniform(0, box, (12_000, 3))
        delta = 2 * np.real(np.exp(1j * points @ k.T) @ matter.amplitude)
        kept = points[rng(seed + 50).uniform(0, 2.5, len(points)) < 1 + bias * delta]
        estimates.append(modes.regression_bias(matter, modes.point_modes(kept, box, matter.number)))
    value, error = np.transpose(estimates)
    assert value.mean() == pytest.approx(bias, abs=4 * error.mean() / np.sqrt(8))
    assert 0.5 < value.std(ddof=1) / error.mean() < 1.6
    assert error.mean() < 0.15
    # random points have none
    nothing = modes.regression_bias(matter, modes.point_modes(rng(9).uniform(0, box, (5000, 3)), box, matter.number))
    assert abs(nothing[0]) < 4 * nothing[1]
    # rows: halos in bins of mass, theory's mean over them
    mass = np.full(5000, 1e14)
    table = halo_table(mass, rng(9).uniform(0, box, (5000, 3)))
    (row,) = halos.bias_rows(table, "raw", matter, Z, PLANCK, [13.0, 13.9, 14.1], 0.08).to_dict("records")
    assert (row["value"], row["error"]) == pytest.approx(nothing)
    assert row["expected"] == pytest.approx(float(background.halo_bias(mass[:1], Z, PLANCK)[0]), rel=2e-3)


# theory


def test_nonlinear_power_and_linear_correlation() -> None:
    # linear where it is large, and the amplitude of published comparisons beyond
    k = np.array([0.005, 0.01, 0.3, 1.0])
    ratio = theory.nonlinear_power(k, 0.0, PLANCK) / linear_power(k, PLANCK)
    assert ratio[:2] == pytest.approx([1, 1], abs=0.01)
    assert 1.4 < ratio[2] < 2.2
    assert 4 < ratio[3] < 9
    k, grown = np.array([0.1]), growth(1 / 7, PLANCK.Om0)
    assert theory.nonlinear_power(k, 6.0, PLANCK) / linear_power(k, PLANCK) == pytest.approx([grown**2], rel=0.02)
    r = np.array([8.0, 25.0])
    xi, mean = theory.correlation(r, 0.0, PLANCK)
    # the mean inside r, by integration over shells
    shells = np.linspace(0.2, 25.0, 400)
    inside = theory.correlation(shells, 0.0, PLANCK)[0]
    assert mean[1] == pytest.approx(3 * np.trapezoid(inside * shells**2, shells) / 25**3, rel=5e-3)
    from clustermass.cosmology import colossus

    assert xi == pytest.approx(colossus(PLANCK).correlationFunction(r, 0.0), rel=0.02)
    # a realisation of twice the power, in a box that lacks no modes; one without power from its fundamental mode on
    twice = (np.array([1e-4, 20.0]), np.array([2.0, 2.0]), 0.0)
    assert theory.correlation(r, 0.0, PLANCK, twice)[1] == pytest.approx(2 * mean)
    assert theory.correlation(r, 0.0, PLANCK, (np.array([0.1]), np.array([1.0]), 20.0))[0] == pytest.approx([0, 0])
    # infall by hand at 25 Mpc/h, z = 0
    by_hand = -2 / 3 * growth_rate(1.0, PLANCK.Om0) * 100 * 25 * 2 * mean[1] / (1 + 4 * xi[1])
    assert theory.infall_linear(r, 2.0, 0.0, PLANCK)[1] == pytest.approx(by_hand)


def test_observed_functions_are_those_published() -> None:
    # Blanton et al. (2003): luminosity density of the Schechter function, phi* L* Gamma(2 + slope)
    magnitude = np.linspace(-27, -5, 20_001)
    light = 10 ** (-0.4 * (magnitude + 20.44))
    total = np.trapezoid(theory.luminosity_function_blanton03(magnitude) * light, magnitude)
    assert total == pytest.approx(0.0149 * quad(lambda t: t**-0.05 * np.exp(-t), 0, np.inf)[0], rel=1e-3)
    assert theory.luminosity_function_blanton03(np.array(-20.5), 0.06) == theory.luminosity_function_blanton03(
        np.array(-20.44)
    )
    # Baldry et al. (2012) at M* for H0 = 70: ln 10 e^-1 (3.96e-3 + 0.79e-3) Mpc^-3 dex^-1; M* = 10^10.66 Msun = 0.7 times that in Msun/h
    phi = theory.stellar_mass_function_baldry12(np.array(10.66 + np.log10(0.7)), 0.7)
    assert phi == pytest.approx(np.log(10) * np.exp(-1) * 4.75e-3 / 0.343)
    # at another h the mass inferred goes as h^-2, so in Msun/h as h^-1
    other = theory.stellar_mass_function_baldry12(np.array(10.66 + np.log10(0.49) - np.log10(0.6)), 0.6)
    assert other == pytest.approx(phi)
    assert theory.occupation_power_law(np.array([10**12.5, 10**13.5])) == pytest.approx([1, 10**0.95])


@pytest.mark.parametrize("limit", [1.0, 1.6])
def test_projected_shares_are_those_of_drawn_satellites(limit: float) -> None:
    jeans, c, n = structure.solve_jeans(), 6.0, 200_000
    edges = [0.0, 0.1, 0.3, 0.7, 1.0, 1.7]
    share, square = theory.projected_shares(np.array(edges), c, limit, jeans)
    position, velocity = structure.draw_analytic(jeans, np.full(n, c), 0.0, limit, rng())
    ring = bin_of(np.hypot(position[:, 0], position[:, 1]), edges)
    count, mean, error = bin_means(ring, velocity[:, 2] ** 2, 5)
    assert count / n == pytest.approx(share, abs=5 * np.sqrt(0.25 / n))
    full = count > 0
    assert np.all(np.abs(mean - square)[full] < 5 * error[full] + 2e-3)
    assert share.sum() == pytest.approx(1)
    # the projected NFW profile in closed form (Lokas & Mamon 2001, Eq. 41), far inside a large limit
    far = theory.projected_shares(np.array([0.0, 0.2]), c, 300.0, jeans)[0]
    y = 3.0 * 0.2  # satellites have half the concentration
    inside = np.log(y / 2) + np.arccosh(1 / y) / np.sqrt(1 - y**2)
    assert far[0] == pytest.approx(inside / structure.nfw_mass(np.array(900.0)), rel=0.02)


# halos


def test_abundance_of_a_drawn_mass_function() -> None:
    edges, box = [13.5, 13.8, 14.1, 14.6], 400.0
    mass = background.draw_halos(1e13, 1e16, box**3, Z, PLANCK, rng())
    density = background.mass_function(10 ** halos.fine_nodes(edges), Z, PLANCK)
    table = halos.abundance(mass, box, edges, "raw", density)
    assert np.all(np.abs(table["value"] - table["expected"]) < 4 * table["error"])
    assert (table["error"] / table["value"]).tolist() == pytest.approx((table["count"] ** -0.5).tolist())
    whole = np.trapezoid(background.mass_function(10 ** (logm := np.linspace(13.5, 13.8, 500)), Z, PLANCK), logm) / 0.3
    assert table["expected"].iloc[0] == pytest.approx(whole, rel=2e-3)
    # friends of friends: 100 particles count as 100 (1 - 100^-0.6) = 93.69
    assert halos.fof_mass(np.array([100]), 2.0) == pytest.approx([187.38], rel=1e-4)
    linked = np.where(np.arange(len(mass)) % 2, mass / 1e11, 0).astype(int)  # 0: counted with a larger halo
    found = pd.DataFrame({"m200c": mass, "particles_fof": linked})
    result = halos.mass_functions(found, found, box, 1e11, Z, PLANCK, edges, 10)
    assert list(result["sample"].unique()) == ["raw", "friends of friends", "matched"]
    assert result.groupby("sample", sort=False)["count"].sum()["friends of friends"] < 0.6 * table["count"].sum()
    assert (
        halos.fof_mass_function(np.array([1e14]), Z, PLANCK) / background.mass_function(np.array([1e14]), Z, PLANCK)
    ) > 1


def test_infall_of_a_planted_flow_and_by_brute_force() -> None:
    box, n = 60.0, 300
    position, velocity = rng().uniform(0, box, (n, 3)), rng(2).normal(0, 300, (n, 3))
    edges = [2.0, 5.0, 10.0, 20.0]
    count, separation, mean, error = halos.pairwise_infall(position, velocity, box, edges)
    apart = position[None] - position[:, None]
    apart -= box * np.round(apart / box)
    distance = np.linalg.norm(apart, axis=2)
    with np.errstate(invalid="ignore"):
        along = np.sum((velocity[None] - velocity[:, None]) * apart, axis=2) / distance
    for row, (low, high) in enumerate(pairwise(edges)):
        mine = (distance >= low) & (distance < high) & np.triu(np.ones((n, n), bool), 1)
        assert count[row] == mine.sum()
        assert separation[row] == pytest.approx(distance[mine].mean())
        assert mean[row] == pytest.approx(along[mine].mean())
    assert np.all(np.abs(mean) < 5 * error)
    # a Hubble-like contraction of 10 km/s per Mpc/h, in the middle of the box
    inner = position / 3 + box / 3
    _, separation, mean, _ = halos.pairwise_infall(inner, -10 * inner, box, edges)
    assert mean == pytest.approx(-10 * separation)
    with pytest.raises(ValueError, match="half the box"):
        halos.pairwise_infall(position, velocity, box, [2.0, 30.0])
    table = halos.infall_rows(halo_table(np.full(n, 1e14), position, velocity), box, Z, PLANCK, [5.0, 10.0, 20.0, 40.0])
    assert table["high"].tolist() == [10, 20]
    bias = halos.mean_bias(np.full(n, 1e14), Z, PLANCK)
    separation = table["x"].to_numpy()
    assert table["expected"].to_numpy() == pytest.approx(theory.infall_linear(separation, bias, Z, PLANCK))


def test_dispersions_of_matter_and_galaxies() -> None:
    mass = 10 ** rng().uniform(13.5, 14.5, 3000)
    sigma = background.dispersion_evrard08(mass, Z, PLANCK)
    noisy = 0.9 * sigma * 10 ** rng(2).normal(0, 0.05, len(mass))
    table = halos.dispersion_rows(mass, noisy, "matter", Z, PLANCK, [13.5, 14.0, 14.5])
    assert (table["value"] / table["expected"]).tolist() == pytest.approx([0.9, 0.9], abs=0.01)
    assert np.all(table["error"] / table["value"] < 0.006)
    # galaxies: two to six a halo inside R200c, as fast as matter; one outside, very fast
    halo = np.repeat(np.arange(len(mass)), rng(3).integers(2, 7, len(mass)))
    radius = background.r200c(mass, Z, PLANCK)
    offset = structure.random_directions(len(halo), rng(4)) * (0.5 * radius[halo])[:, None]
    velocity = rng(5).normal(size=(len(halo), 3)) * sigma[halo][:, None]
    offset[0], velocity[0] = 2 * radius[0], 1e5
    inside = members.Members(halo, np.zeros(len(halo), bool), offset, velocity)
    result = members.galaxy_dispersion_rows(inside, mass, radius, Z, PLANCK, [13.5, 14.0, 14.5])
    assert np.all(np.abs(result["value"] - result["expected"]) < 4 * result["error"])
    assert np.all(result["error"] / result["value"] < 0.02)
    square, weight = members.member_dispersion(inside, mass, radius, sigma)
    mine = velocity[1:][halo[1:] == 1]
    assert square[1] == pytest.approx(mine.var(axis=0, ddof=1).mean() / sigma[1] ** 2)
    assert weight[1] == len(mine) - 1


# members


def test_galaxies_are_found_in_their_halos() -> None:
    table = halo_table(np.array([1e14, 2e14, 3e14]), np.array([[0.5, 5, 5], [5, 5, 5], [9, 9, 9]]))  # ids 4, 2, 0
    position = np.array([[9.8, 5, 5], [5, 5.5, 5], [1.0, 1, 1]])
    stars = galaxy_table(position, np.ones((3, 3)), np.array([4, 2, -1]))
    assert members.halo_rows(stars, table).tolist() == [0, 1, -1]
    found = members.gather_members(stars, table, 10.0)
    assert found.halo.tolist() == [0, 1]
    assert found.offset == pytest.approx(np.array([[-0.7, 0, 0], [0, 0.5, 0]]))
    with pytest.raises(ValueError, match="got halo 3"):
        members.halo_rows(stars.assign(halo=[4, 3, -1]), table)
    assert members.halo_rows(stars.assign(halo=-1), table.iloc[:0]).tolist() == [-1, -1, -1]


def test_numbers_and_profiles_of_planted_halos() -> None:
    n, options = 400, Galaxies()
    mass = np.full(n, 10**14.2)
    table = halo_table(mass, rng().uniform(0, 500, (n, 3)))
    from clustermass.galaxies.connection import mean_occupation

    centrals, satellites = mean_occupation(connection(), mass[:1], 9.5)
    limit = structure.satellite_limit(np.array([5.0]), background.omega_m(Z, PLANCK))[0]
    number = rng(2).poisson(satellites[0], n)
    halo = np.repeat(np.arange(n), number)
    position, velocity = structure.draw_analytic(structure.solve_jeans(), np.full(len(halo), 5.0), 0.0, limit, rng(3))
    unit, speed = table["r200c"].to_numpy(), background.v200(mass, Z, PLANCK)
    every = members.Members(
        np.append(halo, np.arange(n)),
        np.append(np.zeros(len(halo), bool), np.ones(n, bool)),
        np.vstack([position * unit[halo][:, None], np.zeros((n, 3))]),
        np.vstack([velocity * speed[halo][:, None], np.zeros((n, 3))]),
    )
    (row,) = members.occupation_rows(every, mass, connection(), 9.5, [14.0, 14.5]).to_dict("records")
    assert row["expected"] == pytest.approx(satellites[0] + centrals[0])
    assert row["value"] == pytest.approx(number.mean() + 1)
    assert row["error"] == pytest.approx(np.sqrt(satellites[0] / n), rel=0.15)
    edges = [0.1, 0.3, 0.6, 1.0, 1.4]
    settings = (connection(), Z, PLANCK, options, edges, [13.0, 14.0, 14.5], 9.5)
    result = members.profile_rows(every, table, *settings)
    assert result["group"].unique().tolist() == ["14-14.5"]
    assert result.groupby("statistic").size().tolist() == [4, 4]
    assert np.all(np.abs(result["value"] - result["expected"]) < 4 * result["error"])
    assert np.all(result["error"] / result["value"] < 0.03)
    # unlike halos are told apart: concentrations are taken halo by halo
    loose = members.expected_rings(np.ones(2), np.array([3.0, 12.0]), 0.38, options, edges)[0]
    each = [members.expected_rings(np.ones(1), np.array([c]), 0.38, options, edges)[0] for c in (3.0, 12.0)]
    assert loose == pytest.approx(each[0] + each[1], rel=2e-3)
    slow = options.model_copy(update={"satellite_velocity_bias": "guo2015"})
    ratio = members.expected_rings(np.ones(1), np.array([5.0]), 0.38, slow, edges)[1]
    assert ratio / members.expected_rings(np.ones(1), np.array([5.0]), 0.38, options, edges)[1] == pytest.approx(0.7396)
    assert members.profile_rows(every, table.assign(m200c=1e12), *settings).empty


def test_functions_of_a_planted_schechter_sample() -> None:
    box = 100.0
    nodes = np.linspace(-24, -17, 4000)
    number = np.cumsum(theory.luminosity_function_blanton03(nodes, 0.03))
    n = rng().poisson(number[-1] * (nodes[1] - nodes[0]) * box**3)
    magnitude = np.interp(rng(2).uniform(0, number[-1], n), number, nodes)
    stars = pd.DataFrame({"abs_mag_r": magnitude, "log10_mstar": rng(3).uniform(9, 11, n)})
    bins = np.arange(-22, -16.9, 0.25).tolist()
    mass_bins = [9.0, 9.5, 10.0, 10.5]
    result = members.galaxy_function_rows(stars, box, 0.6774, 0.03, Galaxies(), bins, mass_bins)
    light = result[result["statistic"] == "luminosity function"]
    assert light["high"].max() == -18  # complete to here
    assert np.all(np.abs(light["value"] - light["expected"]) < 4 * light["error"] + 0.02 * light["expected"])
    heavy = result[result["statistic"] == "stellar mass function"]
    assert heavy["low"].tolist() == [9.5, 10]
    assert heavy["value"].sum() * box**3 * 0.5 == ((stars["log10_mstar"] >= 9.5) & (stars["log10_mstar"] <= 10.5)).sum()
    blind = members.galaxy_function_rows(stars, box, 0.6774, 0.03, Galaxies(max_abs_mag_r=None), bins, mass_bins)
    assert set(blind["statistic"]) == {"stellar mass function"}


# cylinders


def test_interlopers_of_a_planted_set_up() -> None:
    # one cluster at the edge of the box; by hand along z: two members in, one out of the aperture, interlopers
    box, flow = 200.0, 100.0
    at = np.array([[0.5, 0.5, 199.5]])
    offsets = [[0, 0, 0], [1, 0, 0.5], [2, 0, 0], [0.5, 0, 15], [0, -1, -30], [0, 0, 40], [0, 1.2, 21]]
    speeds = [0, 100, 0, 0, 1500, -2000, 50]
    halo = np.array([7, 7, 7, -1, 3, -1, -1])
    # velocities along z: 0, 150, outside, 1500, -1500, 2000, 2150
    position = np.mod(at + np.array(offsets), box)
    velocity = np.stack([np.zeros(7), np.zeros(7), np.array(speeds)], axis=1)
    clusters = (at, np.zeros((1, 3)), np.array([7]))
    seen, own = cylinder.count_in_cylinders((position, velocity, halo), clusters, box, flow, 1.6, 2200.0)
    assert (seen[0, 2], own[0, 2]) == (6, 2)
    assert (seen[0, 0], own[0, 0]) == (3, 3)  # along x only the members are within 1.6 Mpc/h in y and z
    # no clusters
    none = (np.empty((0, 3)), np.empty((0, 3)), np.empty(0, np.int64))
    assert cylinder.count_in_cylinders((position, velocity, halo), none, box, flow, 1.6, 2200.0)[0].shape == (0, 3)
    # a uniform field around clusters of 30 members
    box, n = 200.0, 40
    clusters_at, mass = rng(3).uniform(0, box, (n, 3)), np.full(n, 1e14)
    table = halo_table(mass, clusters_at)
    field = rng(4).uniform(0, box, (60_000, 3))
    tight = np.repeat(clusters_at, 30, axis=0) + rng(5).normal(0, 0.1, (30 * n, 3))
    position = np.mod(np.vstack([field, tight]), box)
    ids = np.append(np.full(len(field), -1), np.repeat(table["halo"], 30))
    stars = galaxy_table(position, rng(6).normal(0, 200, position.shape), ids)
    result = cylinder.interloper_rows(stars, table, box, Z, PLANCK, 1.6, 2200.0, 10, [13.5, 14.5])
    share, uniform = result["value"]
    depth = 2 * 2200 * (1 + Z) / (100 * background.efunc(Z, PLANCK))
    expected = len(position) / box**3 * np.pi * 1.6**2 * depth
    assert uniform == pytest.approx(expected / (30 + expected), rel=1e-3)
    assert share == pytest.approx(uniform, rel=0.03)
    # too few galaxies: no sight-line is left
    poor = cylinder.interloper_rows(stars, table, box, Z, PLANCK, 1.6, 2200.0, 1000, [13.5, 14.5])
    assert poor.empty


def test_bins_that_do_not_rise_are_refused_and_settings_described() -> None:
    with pytest.raises(ValidationError, match="rising edges"):
        Validation(mass_edges=[14.0, 13.5])
    with pytest.raises(ValidationError, match="tuned"):
        Validation(tuned=1)  # type: ignore[call-arg]
    assert all(field.description for field in Validation.model_fields.values())
