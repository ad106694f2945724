"""Calibrate the sharpening of halos on matter power spectra, and print what it does to the mass function.

Usage: python benchmarks/sharpening.py [--particles 160] [--seeds 1 2 3] [--redshifts 0.5 0.117]
           [--high-pass 3.4] [--density-power 0.4] [--reference] [--masses]
For every pair of the two parameters, and every redshift, finds the amplitude whose P(k) is nearest, between 0.5 and 5
h/Mpc, to that of HMcode-2020 (Mead et al. 2021, MNRAS 502, 1401): its ratio to linear theory by `camb`, which has to be
installed (no other part of the project needs it), times the linear power of the simulation. What the phases of the few
boxes do to their power is divided out at 0.2-0.5 h/Mpc, where nothing is moved. Where P(k) does not tell parameters
apart, --reference does: how well modes correlate with those of a run of the same phases, of 40 steps on a mesh of four
times the particles. The mass function is printed, and used for nothing. Boxes have 1.5625 Mpc/h a particle.
"""

import argparse
import itertools
import resource
import sys
import time
from pathlib import Path

import numpy as np
from scipy.integrate import quad

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "workflow_scripts"))

from clustermass.config.base import Cosmology
from clustermass.config.nbody import Nbody, Sharpening
from clustermass.galaxies.background import dispersion_evrard08, mass_function
from clustermass.halofinder import find_halos
from clustermass.nbody.fastpm import simulate
from clustermass.nbody.fourier import forward
from clustermass.nbody.linear import growth, linear_power
from clustermass.nbody.mesh import make_mesh, wave_numbers
from clustermass.nbody.sharpen import sharpened
from clustermass.nbody.spectrum import power_spectrum

COSMOLOGY = Cosmology()
K_EDGES = np.array([0.2, 0.5, 0.8, 1, 1.26, 1.6, 2, 2.5, 3.2, 4, 5])
M_EDGES = 13.5 + 0.3 * np.arange(6)


def hmcode_boost(redshift):
    """Return the function of k [h/Mpc] that gives nonlinear over linear power, by camb."""
    import camb

    h = COSMOLOGY.H0 / 100
    settings = camb.CAMBparams()
    settings.set_cosmology(
        H0=COSMOLOGY.H0,
        ombh2=COSMOLOGY.Ob0 * h**2,
        omch2=(COSMOLOGY.Om0 - COSMOLOGY.Ob0) * h**2,
        mnu=0,
        num_massive_neutrinos=0,
    )

    def power(amplitude, nonlinear, at):
        settings.InitPower.set_params(As=amplitude, ns=COSMOLOGY.ns)
        settings.set_matter_power(redshifts=[at], kmax=50)
        settings.NonLinear = camb.model.NonLinear_both if nonlinear else camb.model.NonLinear_none
        settings.NonLinearModel.set_params(halofit_version="mead2020")
        results = camb.get_results(settings)
        k, _, table = results.get_matter_power_spectrum(minkh=5e-3, maxkh=12, npoints=400)
        return k, table[0], results.get_sigma8()[0]

    amplitude = 2e-9 * (COSMOLOGY.sigma8 / power(2e-9, False, 0.0)[2]) ** 2
    k, linear, _ = power(amplitude, False, redshift)
    boost = np.log(power(amplitude, True, redshift)[1] / linear)
    return lambda x: np.exp(np.interp(np.log(x), np.log(k), boost))


def power_ratio(positions, settings, redshift, boost):
    """Return P(k) over theory in bins of `K_EDGES`."""
    mesh = 3 * settings.particles_per_side
    k, power, modes = power_spectrum(
        positions, settings.box_mpc_h, mesh, subtract_shot_noise=True, threads=settings.threads
    )
    theory = linear_power(k, COSMOLOGY) * growth(1 / (1 + redshift), COSMOLOGY.Om0) ** 2 * boost(k)
    where = np.digitize(k, K_EDGES)
    return np.array(
        [np.average((power / theory)[where == i], weights=modes[where == i]) for i in range(1, len(K_EDGES))]
    )


def mean_log_ratio(boxes, settings, redshift, boost):
    """Return ln of the mean ratio over boxes, relative to its first bin."""
    mesh = make_mesh(settings)
    parts = [
        power_ratio(sharpened(mesh, s.positions, settings, s.scale_factor), settings, redshift, boost) for s in boxes
    ]
    ratio = np.mean(parts, axis=0)
    return np.log(ratio / ratio[0])


def changed(settings, **parameters):
    """Return a configuration with other parameters of sharpening, that do not depend on redshift."""
    return settings.model_copy(update={"sharpening": Sharpening(**{"growth": 0.0} | parameters)})


def calibrate(boxes, settings, redshift, boost, start, **parameters):
    """Return the amplitude of least squares, by the secant of the residuals, and ln of the ratio there."""
    points = []
    amplitude = start
    for step in range(4):
        points.append(
            (amplitude, mean_log_ratio(boxes, changed(settings, amplitude=amplitude, **parameters), redshift, boost))
        )
        if step == 0:
            amplitude *= 1.3
            continue
        (a, r), (b, s) = points[-2:]
        slope = (s - r) / (b - a)
        amplitude = float(np.clip(b - s @ slope / (slope @ slope), b / 2, 2 * b))
        if abs(amplitude / b - 1) < 0.01:
            break
    return min(points, key=lambda point: point[1] @ point[1])


def modes_of(positions, settings):
    """Return the Fourier transform of the density, and the bin of `K_EDGES` of each mode."""
    mesh = make_mesh(settings)
    spectrum = forward(mesh.deposit(positions), settings.threads)
    k = wave_numbers(mesh.cells, mesh.box)
    radius = np.sqrt(k[:, None, None] ** 2 + k[:, None] ** 2 + k[: mesh.cells // 2 + 1] ** 2)
    return spectrum.ravel(), np.digitize(radius, K_EDGES).ravel()


def correlation(positions, reference, settings):
    """Return the correlation coefficient of modes in bins of `K_EDGES`, of a density and a reference's modes."""
    one, where = modes_of(positions, settings)
    sums = [
        np.bincount(where, (a * b.conj()).real, minlength=len(K_EDGES) + 1)[1:-1]
        for a, b in ((one, reference), (one, one), (reference, reference))
    ]
    return sums[0] / np.sqrt(sums[1] * sums[2])


def text(values):
    """Return numbers of three digits."""
    return " ".join(f"{value:.3f}" for value in values)


def masses(snapshots, settings, redshift):
    """Print the numbers of halos over theory, and their velocity dispersions over Evrard et al. (2008)."""
    volume = settings.box_mpc_h**3 * len(snapshots)
    expected = [
        volume * quad(lambda x: float(mass_function(np.array([10**x]), redshift, COSMOLOGY)[0]), low, high)[0]
        for low, high in itertools.pairwise(M_EDGES)
    ]
    box, particle = settings.box_mpc_h, settings.particle_mass(COSMOLOGY)
    for name, chosen in (("mesh alone", settings.model_copy(update={"sharpening": None})), ("sharpened", settings)):
        mesh, start = make_mesh(settings), time.perf_counter()
        moved = [sharpened(mesh, s.positions, chosen, s.scale_factor) for s in snapshots]
        seconds = (time.perf_counter() - start) / len(snapshots)
        del mesh
        halos = [
            find_halos(p, s.velocities, box, particle, redshift, COSMOLOGY)
            for p, s in zip(moved, snapshots, strict=True)
        ]
        m200c, sigma, fof, m200m = (
            np.concatenate([h[column].to_numpy() for h in halos])
            for column in ("m200c", "sigma_v", "particles_fof", "m200m")
        )
        counts = np.histogram(m200c, 10**M_EDGES)[0]
        where = np.digitize(np.log10(m200c), M_EDGES)
        speeds = [np.median((sigma / dispersion_evrard08(m200c, redshift, COSMOLOGY))[where == i]) for i in range(1, 6)]
        print(
            f"{name}, z = {redshift}, {seconds:.1f} s a box: M200c / Tinker08 {text(counts / expected)}, "
            f"numbers {counts.tolist()}"
        )
        print(
            f"   numbers by M200m {np.histogram(m200m, 10**M_EDGES)[0].tolist()}, by friends of friends "
            f"{np.histogram(fof * particle, 10**M_EDGES)[0].tolist()}; sigma_v / Evrard08 {text(speeds)}"
        )
        for p in moved[:1]:
            k, power, _ = power_spectrum(p, box, 2 * settings.particles_per_side // 4 * 2, threads=settings.threads)
            linear = linear_power(k, COSMOLOGY) * growth(1 / (1 + redshift), COSMOLOGY.Om0) ** 2
            low = k < 0.16
            print(
                f"   P / linear at {text(k[low])} h/Mpc: {' '.join(f'{x:.3f}' for x in (power / linear)[low])}",
                flush=True,
            )


def main():
    """Print a line for every fit, and the mass function of the configured parameters where asked for."""
    default = Sharpening()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--particles", type=int, default=160)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--redshifts", type=float, nargs="+", default=[0.5, 0.117])
    parser.add_argument("--high-pass", type=float, nargs="*", default=[default.high_pass])
    parser.add_argument("--density-power", type=float, nargs="*", default=[default.density_power])
    parser.add_argument("--reference", action="store_true", help="correlate the first seed with a finer run")
    parser.add_argument("--masses", action="store_true", help="print the mass function of the default parameters")
    options = parser.parse_args()
    settings = Nbody(
        box_mpc_h=options.particles * 1.5625,
        particles_per_side=options.particles,
        redshifts=options.redshifts,
        sharpening=None,
    )
    start = time.perf_counter()
    runs = [list(simulate(settings, COSMOLOGY, np.random.default_rng(seed))) for seed in options.seeds]
    print(f"{len(runs)} boxes in {time.perf_counter() - start:.0f} s", flush=True)
    references = [None] * len(options.redshifts)
    if options.reference:
        finer = settings.model_copy(update={"steps": 40, "mesh_factor": 4})
        fine = simulate(finer, COSMOLOGY, np.random.default_rng(options.seeds[0]))
        references = [modes_of(snapshot.positions, settings)[0] for snapshot in fine]
    for redshift, reference, snapshots in zip(options.redshifts, references, zip(*runs, strict=True), strict=True):
        if options.masses:
            masses(snapshots, settings.model_copy(update={"sharpening": default}), redshift)
        if not options.high_pass:
            continue
        boost = hmcode_boost(redshift)
        print(f"z = {redshift}, k = {text(np.sqrt(K_EDGES[1:] * K_EDGES[:-1]))} h/Mpc")
        print(
            f"   mesh alone: P / HMcode {text(np.exp(mean_log_ratio(snapshots, settings, redshift, boost)))}",
            flush=True,
        )
        for high_pass, power in itertools.product(options.high_pass, options.density_power):
            first = 0.56 * (high_pass / 3.4) ** 2 * 10 ** (3 * (0.4 - power))
            amplitude, residual = calibrate(
                snapshots, settings, redshift, boost, first, high_pass=high_pass, density_power=power
            )
            rms = np.sqrt(np.mean(residual[1:] ** 2))
            print(
                f"   high_pass {high_pass}, density_power {power}: amplitude {amplitude:.4g}, rms {rms:.4f}: "
                f"P / HMcode {text(np.exp(residual))}",
                flush=True,
            )
            if reference is not None:
                chosen = changed(settings, amplitude=amplitude, high_pass=high_pass, density_power=power)
                moved = sharpened(make_mesh(chosen), snapshots[0].positions, chosen, snapshots[0].scale_factor)
                print(
                    f"      correlation with the finer run {text(correlation(moved, reference, settings))}", flush=True
                )
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:.2f} GB")


if __name__ == "__main__":
    main()
