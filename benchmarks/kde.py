"""Densities of galaxies over (v_los) and (v_los, R_proj) against scipy's gaussian_kde, on one thread.

Usage: python benchmarks/kde.py [--clusters 400] [--runs 15]
"""

import argparse
import itertools
import sys
import time
from pathlib import Path

import numpy as np
from scipy.stats import gaussian_kde
from threadpoolctl import threadpool_limits

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "workflow_scripts"))

from clustermass.config.dynamics import Kde
from clustermass.kde import cell_centres, density_1d, density_2d

CUT, APERTURE = 2200.0, 1.6


def make_clusters(clusters, rng):
    """Return v_los, R_proj and where clusters begin: a median of 49 galaxies, a quarter of them spread evenly."""
    richness = np.clip(49 * np.exp(0.7 * rng.normal(size=clusters)), 10, 500).astype(int)
    start = np.concatenate([[0], np.cumsum(richness)])
    sigma = np.repeat(500 * np.exp(0.35 * rng.normal(size=clusters)), richness)
    bound = np.clip(rng.normal(size=start[-1]) * sigma, -CUT, CUT)
    velocity = np.where(rng.random(start[-1]) < 0.75, bound, rng.uniform(-CUT, CUT, start[-1]))
    return velocity, APERTURE * np.sqrt(rng.random(start[-1])) * rng.beta(2, 2, start[-1]) ** 0.3, start


def peer_density(galaxies, points, factor):
    """Return scipy's density at points, with sum one."""
    found = gaussian_kde(galaxies, factor)(points)
    return found / found.sum()


def product_density(galaxies, axes, factor):
    """Return the density of a product kernel, with sum one: scipy has none in two dimensions."""
    sides = [
        np.exp(-0.5 * ((axis[:, None] - x) / (factor * x.std(ddof=1))) ** 2)
        for axis, x in zip(axes, galaxies, strict=True)
    ]
    found = sides[0] @ sides[1].T
    return found.ravel() / found.sum()


def timed(call):
    """Return processor seconds, which other work on the machine does not change, and result of a call."""
    start = time.process_time()
    result = call()
    return time.process_time() - start, result


def main():
    """Print one line for each kind of density."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clusters", type=int, default=400)
    parser.add_argument("--runs", type=int, default=15)
    options = parser.parse_args()
    velocity, radius, start = make_clusters(options.clusters, np.random.default_rng(0))
    each = [slice(*ends) for ends in itertools.pairwise(start)]
    axes = cell_centres(-CUT, CUT, 48), cell_centres(0, APERTURE, 48)
    mesh = np.stack(np.meshgrid(*axes, indexing="ij")).reshape(2, -1)
    product, covariance = Kde(threads=1), Kde(threads=1, kernel="covariance")
    kinds = {
        "1D": (lambda: density_1d(velocity, start, CUT, product), lambda own: (velocity[own], axes[0]), None),
        "2D product": (
            lambda: density_2d(velocity, radius, start, CUT, APERTURE, product),
            lambda own: (np.stack([velocity[own], radius[own]]), mesh),
            product_density,
        ),
        "2D covariance": (
            lambda: density_2d(velocity, radius, start, CUT, APERTURE, covariance),
            lambda own: (np.stack([velocity[own], radius[own]]), mesh),
            None,
        ),
    }
    for name, (project, arguments, exact) in kinds.items():
        project()  # compilation
        peers, own = [], []
        with threadpool_limits(1):
            for run in range(options.runs):  # the peer sees other clusters in every run, all in the end
                part = each[run :: options.runs]
                calls = [arguments(cluster) for cluster in part]
                seconds, _ = timed(
                    lambda calls=calls: [peer_density(*call, product.bandwidth_factor) for call in calls]
                )
                peers.append(seconds / len(part))
                own.append(timed(project)[0] / options.clusters)
        result = project().reshape(options.clusters, -1)
        error = 0.0
        for place, cluster in enumerate(each):
            galaxies, points = arguments(cluster)
            truth = exact(galaxies, axes, 0.25) if exact else peer_density(galaxies, points, 0.25)
            error = max(error, np.abs(result[place] - truth).max() / truth.max())
        ratios = np.array(peers) / np.array(own)
        print(
            f"{name}: scipy {1e6 * np.median(peers):.0f} us, project {1e6 * np.median(own):.1f} us a cluster;"
            f" ratio {np.median(ratios):.0f} (16-84%: {np.percentile(ratios, 16):.0f}-{np.percentile(ratios, 84):.0f});"
            f" largest error {error:.1e} of the peak",
            flush=True,
        )


if __name__ == "__main__":
    main()
