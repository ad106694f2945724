"""Densities of galaxies over (v_los, x, y) against scipy's gaussian_kde, on one thread.

Usage: python benchmarks/kde3d.py [--clusters 100] [--runs 10] [--voxels 24 32 50]

The first reading of the bandwidth, H = 0.175^2 Sigma, is the published code's, the second, H = 0.175 Sigma, the text's.
"""

import argparse
import collections
import itertools
import resource
import sys
import time
from pathlib import Path

import numpy as np
import torch
from scipy.stats import gaussian_kde
from threadpoolctl import threadpool_limits

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "workflow_scripts"))

from clustermass.config.dynamics import Kde3d
from clustermass.kde import cell_centres
from clustermass.kde3d import Cubes

CUT, APERTURE = 2200.0, 4.0
BATCH = 25  # clusters at a time, whose memory the next batch gets, as in a training


def make_clusters(clusters, rng):
    """Return v_los, x, y and where clusters begin: a mean of 79 galaxies, a quarter of them spread evenly."""
    richness = np.clip(62 * np.exp(0.7 * rng.normal(size=clusters)), 15, 500)
    richness = (richness * 79 / richness.mean()).astype(int)
    start = np.concatenate([[0], np.cumsum(richness)])
    sigma = np.repeat(500 * np.exp(0.35 * rng.normal(size=clusters)), richness)
    member = rng.random(start[-1]) < 0.75
    v = np.where(member, rng.normal(size=start[-1]) * sigma, rng.uniform(-CUT, CUT, start[-1]))
    spread = APERTURE * np.sqrt(rng.random(start[-1])) * rng.beta(2, 2, start[-1]) ** 0.3
    angle = rng.uniform(0, 2 * np.pi, start[-1])
    x = np.where(member, spread * np.cos(angle), rng.uniform(-APERTURE, APERTURE, start[-1])) + 1e-4 * v
    y = np.where(member, spread * np.sin(angle), rng.uniform(-APERTURE, APERTURE, start[-1])) + 0.2 * x
    ends = CUT, APERTURE, APERTURE
    return *(np.clip(values, -end, end) for values, end in zip((v, x, y), ends, strict=True)), start


def timed(call):
    """Return processor seconds, which other work on the machine changes least, and result of a call."""
    start = time.process_time()
    result = call()
    return time.process_time() - start, result


def compare(voxels, settings, columns, start, runs):
    """Return seconds a cluster of scipy and of the project in each run, and the largest difference in peaks."""
    clusters = len(start) - 1
    galaxies, rows = np.stack(columns), torch.arange(clusters)
    axes = [cell_centres(-end, end, voxels) for end in (CUT, APERTURE, APERTURE)]
    mesh = np.stack(np.meshgrid(*axes, indexing="ij")).reshape(3, -1)
    factor = settings.bandwidth ** (1 if settings.bandwidth_reading == "deviation" else 0.5)
    cubes = Cubes(*columns, start, APERTURE, CUT, voxels, settings)
    cubes(rows[:BATCH])  # compilation
    peers, own, error = [], [], 0.0
    for run in range(runs):  # the peer sees other clusters in every run, all in the end
        part = range(run, clusters, runs)
        each = [galaxies[:, start[c] : start[c + 1]] for c in part]
        seconds, truths = timed(lambda each=each: [gaussian_kde(own, factor)(mesh) for own in each])
        peers.append(seconds / len(part))
        seconds, _ = timed(lambda: collections.deque(map(cubes, torch.split(rows, BATCH)), maxlen=0))
        own.append(seconds / clusters)
        for found, truth in zip(cubes(rows[list(part)]), truths, strict=True):
            error = max(error, np.abs(found.numpy().ravel() * truth.sum() - truth).max() / truth.max())
    return np.array(peers), np.array(own), error


def main():
    """Print one line for each size of the cube and reading of the bandwidth."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clusters", type=int, default=100)
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--voxels", type=int, nargs="+", default=[24, 32, 50])
    options = parser.parse_args()
    *columns, start = make_clusters(options.clusters, np.random.default_rng(0))
    for voxels, reading in itertools.product(options.voxels, ("deviation", "covariance")):
        with threadpool_limits(1):
            peers, own, error = compare(voxels, Kde3d(bandwidth_reading=reading), columns, start, options.runs)
        ratios = peers / own
        print(
            f"{voxels}^3, {reading}: scipy {1e3 * np.median(peers):.1f} ms, project {1e6 * np.median(own):.0f} us"
            f" a cluster; ratio {np.median(ratios):.0f}"
            f" (16-84%: {np.percentile(ratios, 16):.0f}-{np.percentile(ratios, 84):.0f});"
            f" largest error {error:.1e} of the peak; highest memory so far"
            f" {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GB",
            flush=True,
        )


if __name__ == "__main__":
    main()
