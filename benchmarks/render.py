"""A simulated field in five bands: time of each step, and galsim drawing a sample of the same sources.

Usage: python benchmarks/render.py [--runs 4] [--sample 60]
"""

import argparse
import dataclasses
import sys
import time
from pathlib import Path

import galsim
import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "workflow_scripts"))

from clustermass.config.sky import Sky
from clustermass.frames.frame import frame_wcs
from clustermass.frames.geometry import COLUMNS, ROWS, field_header, simulated_run
from clustermass.render.conditions import frame_conditions
from clustermass.render.frame import render_field
from clustermass.render.galaxies import Galaxies, add_galaxies, stamp_sizes
from clustermass.render.profiles import BULGE_END, pixel_shapes
from clustermass.render.stars import add_stars

BANDS, CAMCOL, FIELD = "ugriz", 3, 700
DENSITY = 1100 / (ROWS * COLUMNS), 300 / (ROWS * COLUMNS)  # galaxies and stars a pixel


def make_sources(shape, wcs, rng):
    """Return galaxies and stars of a frame, with counts that grow as 10^(0.4 r) and 10^(0.15 r) to r = 23."""
    galaxies, stars = (int(d * shape[0] * shape[1]) for d in DENSITY)
    ra, dec = wcs.all_pix2world(rng.uniform(0, (shape[1], shape[0]), (galaxies, 2)), 0).T
    r = np.maximum(23 + np.log10(rng.random(galaxies)) / 0.4, 14)
    radius = np.clip(0.9 * 10 ** (-0.14 * (r - 21) + 0.15 * rng.normal(size=galaxies)), 0.2, 20)
    red = rng.random(galaxies) < 0.5
    table = pd.DataFrame({"ra": ra, "dec": dec, "u": r + 2.2, "g": r + np.where(red, 1.3, 0.6), "r": r})
    table = table.assign(
        i=r - 0.4,
        z=r - 0.7,
        bulge_fraction=np.where(red, rng.uniform(0.4, 1, galaxies), rng.uniform(0, 0.3, galaxies)),
        disc_radius=1.2 * radius,
        disc_axis_ratio=rng.uniform(0.2, 1, galaxies),
        bulge_radius=0.8 * radius,
        bulge_axis_ratio=rng.uniform(0.5, 1, galaxies),
        position_angle=rng.uniform(0, 180, galaxies),
    )
    ra, dec = wcs.all_pix2world(rng.uniform(0, (shape[1], shape[0]), (stars, 2)), 0).T
    r = np.maximum(23 + np.log10(rng.random(stars)) / 0.15, 10)
    colour = rng.choice([0.4, 1.4], stars)
    points = {"u": r + 1.2 + 1.7 * colour, "g": r + colour, "r": r, "i": r - 0.35 * colour, "z": r - 0.55 * colour}
    return table, pd.DataFrame({"ra": ra, "dec": dec, **points})


def peer_psf(psf):
    """Return the point-spread function as galsim makes it."""
    core, wing = galsim.Moffat(psf.slope, fwhm=psf.fwhm), galsim.Moffat(1.5, scale_radius=psf.wing_radius)
    whole = (1 - psf.wing_share) * core + psf.wing_share * wing if psf.wing_share else core
    return whole.transform(*psf.stretch.ravel())


def peer_profile(galaxies, k, band):
    """Return one galaxy as galsim makes it."""
    parts = []
    share = galaxies.bulge_fraction[k]
    for weight, shape, law in (
        (1 - share, galaxies.disc[k], galsim.Exponential(half_light_radius=1)),
        (share, galaxies.bulge[k], galsim.DeVaucouleurs(half_light_radius=1, trunc=BULGE_END)),
    ):
        if weight > 0:
            parts.append(law.transform(*shape.ravel()).withFlux(weight * galaxies.flux[band, k]))
    return galsim.Add(parts)


def peer_image(profile, x, y, side):
    """Return galsim's image of a source on the grid that this project takes for it, and the grid's corner."""
    left, low = int(x) - side // 2, int(y) - side // 2
    image = galsim.ImageF(side, side, xmin=left, ymin=low)
    profile.drawImage(image, scale=1, center=galsim.PositionD(x, y), method="auto")
    return image.array


def compare(galaxies, psfs, noise, sample, label):
    """Print time of both for galaxies, one after the other, and the differences."""
    sizes = stamp_sizes(galaxies, psfs, noise, 0.01)
    mine = theirs = 0.0
    errors, fluxes = [], []
    for k in sample:
        side = int(sizes[k])
        one = {name: getattr(galaxies, name)[[k]] for name in ("bulge_fraction", "disc", "bulge")}
        fraction = galaxies.x[:, [k]] % 1, galaxies.y[:, [k]] % 1
        single = Galaxies(fraction[0] + side // 2, fraction[1] + side // 2, galaxies.flux[:, [k]], **one)
        images = np.zeros((len(psfs), side, side), np.float32)
        start = time.process_time()
        add_galaxies(images, single, psfs, noise)
        mine += time.process_time() - start
        start = time.process_time()
        peer = []
        for band, psf in enumerate(psfs):
            profile = galsim.Convolve(peer_profile(galaxies, k, band), peer_psf(psf))
            peer.append(peer_image(profile, single.x[band, 0], single.y[band, 0], side))
        theirs += time.process_time() - start
        peer = np.array(peer)
        errors.append((np.abs(images - peer).max(axis=(1, 2)) / noise).max())
        fluxes.append(np.abs(images.sum(axis=(1, 2)) / peer.sum(axis=(1, 2)) - 1).max())
    count = len(sample)
    print(
        f"galaxies, {label}: project {1e3 * mine / count:.2f} ms, galsim {1e3 * theirs / count:.1f} ms a galaxy in five"
    )
    print(f"  bands, one by one: {theirs / mine:.0f} x; largest difference of a pixel, over the noise: median")
    print(f"  {np.median(errors):.4f}, worst {np.max(errors):.3f}; of the flux: median {np.median(fluxes):.1e}, worst")
    print(f"  {np.max(fluxes):.1e}")


def measure(shape, runs, rng, label):
    """Print the time of a whole field."""
    run = int(simulated_run(24, 0))
    headers = {band: field_header(run, CAMCOL, FIELD, band) for band in BANDS}
    galaxies, stars = make_sources(shape, frame_wcs(headers["r"]), rng)
    spent = []
    for _ in range(runs + 1):
        start = time.process_time()
        render_field(galaxies, stars, headers, Sky(), 1, shape=shape)
        spent.append(time.process_time() - start)
    low, middle, high = np.percentile(spent[1:], [0, 50, 100])
    print(
        f"{label}: {len(galaxies)} galaxies, {len(stars)} stars, five bands: {middle:.2f} s ({low:.2f} to {high:.2f})"
    )


def main():
    """Print one line for each size of field, and the comparison."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=4)
    parser.add_argument("--sample", type=int, default=60)
    options = parser.parse_args()
    rng = np.random.default_rng(1)
    with threadpool_limits(1):
        measure((ROWS, COLUMNS), options.runs, rng, "frame of 2048 x 1489")
        measure((2504, 2504), options.runs, rng, "4 Mpc at z = 0.25, 2504^2")
        measure((5304, 5304), 1, rng, "4 Mpc at z = 0.1, 5304^2")
        run = int(simulated_run(24, 0))
        conditions = [frame_conditions(run, CAMCOL, FIELD, band, Sky(), 1) for band in BANDS]
        header = field_header(run, CAMCOL, FIELD, "r")
        table, stars = make_sources((ROWS, COLUMNS), frame_wcs(header), rng)
        to_sky = frame_wcs(header).pixel_scale_matrix
        shapes = [
            pixel_shapes(
                *(table[f"{part}_{x}"].to_numpy() for x in ("radius", "axis_ratio")),
                table["position_angle"].to_numpy(),
                to_sky,
            )
            for part in ("disc", "bulge")
        ]
        place = rng.uniform(100, 1000, (2, 5, len(table)))
        flux = np.stack([10 ** (0.4 * (22.5 - table[band].to_numpy())) for band in BANDS])
        galaxies = Galaxies(*place, flux, table["bulge_fraction"].to_numpy(), *shapes)
        noise = np.array([c.noise for c in conditions])
        psfs = [c.psf for c in conditions]
        core = [dataclasses.replace(psf, wing_share=0.0) for psf in psfs]
        compare(galaxies, core, noise, range(options.sample), "stars without wings")
        compare(galaxies, psfs, noise, range(-(-options.sample // 8)), "stars with wings")
        images = np.zeros((len(BANDS), ROWS, COLUMNS), np.float32)
        start = time.process_time()
        add_galaxies(images, galaxies, psfs, noise)
        print(f"{len(table)} galaxies together: {1e3 * (time.process_time() - start) / len(table):.2f} ms a galaxy")
        image, light = np.zeros((ROWS, COLUMNS), np.float32), 10 ** (0.4 * (22.5 - stars["r"].to_numpy()))
        start = time.process_time()
        add_stars(image, *rng.uniform(0, 1400, (2, len(stars))), light, psfs[2], noise[2])
        print(f"{len(stars)} stars in one band: {1e3 * (time.process_time() - start):.0f} ms")


if __name__ == "__main__":
    main()
