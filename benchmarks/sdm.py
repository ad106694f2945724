"""Divergences between all pairs of clusters against a loop over scipy's cKDTree; then a whole machine of many clusters.

Usage: python benchmarks/sdm.py [--clusters 60] [--runs 9] [--machine 2000] [--threads 2]
"""

import argparse
import itertools
import sys
import time
from pathlib import Path

import numpy as np
from scipy.spatial import cKDTree

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "workflow_scripts"))

from clustermass import sdm
from clustermass.config.dynamics import Sdm


def make_clusters(clusters, rng):
    """Return v_los [km/s], R_proj [Mpc/h], where clusters begin, and log10 masses: members and an even background."""
    log10_mass = rng.uniform(13.6, 15.1, clusters)
    members = 8 + rng.poisson(50 * 10 ** (0.8 * (log10_mass - 14.5)) * np.exp(0.2 * rng.normal(size=clusters)))
    richness = members + 3 + rng.poisson(10, clusters)
    start = np.concatenate([[0], np.cumsum(richness)])
    bound = np.arange(start[-1]) - np.repeat(start[:-1], richness) < np.repeat(members, richness)
    mass = np.repeat(log10_mass, richness)
    velocity = np.where(
        bound, 971 * 10 ** (0.3 * (mass - 15)) * rng.normal(size=len(mass)), rng.uniform(-2200, 2200, len(mass))
    )
    inside = 1.44 * 10 ** ((mass - 15) / 3) * rng.beta(1.2, 1.5, len(mass))
    radius = np.where(bound, inside, 1.6 * np.sqrt(rng.random(len(mass))))
    return np.clip(velocity, -2200, 2200), np.minimum(radius, 1.6), start, log10_mass


def peer_matrix(rows, k):
    """Return the divergences by a loop over trees."""
    trees = [cKDTree(row) for row in rows]
    inside = [
        np.log(np.maximum(tree.query(row, [k + 1])[0], sdm.FLOOR)).mean() for tree, row in zip(trees, rows, strict=True)
    ]
    result = np.zeros((len(rows), len(rows)))
    for i, row in enumerate(rows):
        for j, tree in enumerate(trees):
            if i != j:
                outside = np.log(np.maximum(tree.query(row, [k])[0], sdm.FLOOR)).mean()
                result[i, j] = row.shape[1] * (outside - inside[i]) + np.log(len(rows[j]) / (len(row) - 1))
    return np.maximum(result, 0)


def timed(call):
    """Return processor seconds, which other work on the machine does not change, and result of a call."""
    start = time.process_time()
    result = call()
    return time.process_time() - start, result


def compare(features, start, runs, k):
    """Print the time of a pair of clusters, both ways, on one thread."""
    rows = [features[a:b] for a, b in itertools.pairwise(start)]
    sdm.divergence_matrix(features, start, k)  # compilation
    peers, own, error = [], [], 0.0
    for _ in range(runs):
        seconds, truth = timed(lambda: peer_matrix(rows, k))
        peers.append(seconds / len(rows) ** 2)
        # often enough for the clock
        seconds, found = timed(lambda: [sdm.divergence_matrix(features, start, k) for _ in range(20)][-1])
        own.append(seconds / 20 / len(rows) ** 2)
        error = max(error, np.abs(truth - found).max())
    ratios = np.array(peers) / np.array(own)
    print(
        f"SDM{features.shape[1]}D, {len(rows)} clusters of {len(features) / len(rows):.0f} galaxies: cKDTree"
        f" {1e6 * np.median(peers):.0f} us, project {1e6 * np.median(own):.2f} us a pair; ratio {np.median(ratios):.0f}"
        f" (16-84%: {np.percentile(ratios, 16):.0f}-{np.percentile(ratios, 84):.0f}); largest difference {error:.1e}",
        flush=True,
    )


def whole(features, start, log10_mass, settings):
    """Print the time of the matrix and of the search and training of a machine."""
    clock, processor = [time.perf_counter()], [time.process_time()]
    divergence = sdm.divergence_matrix(features, start, settings.neighbours, settings.threads)
    clock.append(time.perf_counter()), processor.append(time.process_time())
    machine = sdm.fit(divergence, log10_mass, np.arange(len(log10_mass)), settings, np.random.default_rng(0))
    clock.append(time.perf_counter()), processor.append(time.process_time())
    (matrix, search), (matrix_cpu, search_cpu) = np.diff(clock), np.diff(processor)
    print(
        f"SDM{features.shape[1]}D, {len(log10_mass)} clusters, {settings.threads} threads: matrix {matrix:.1f} s"
        f" ({matrix_cpu:.1f} s of processors), search and training {search:.1f} s ({search_cpu:.1f});"
        f" C {machine.c:g}, residuals {machine.search.min():.3f} dex",
        flush=True,
    )


def main():
    """Print one line for each number of features, small and whole."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clusters", type=int, default=60)
    parser.add_argument("--runs", type=int, default=9)
    parser.add_argument("--machine", type=int, default=2000)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    settings = Sdm(threads=options.threads)
    for count, whole_machine in ((options.clusters, False), (options.machine, True)):
        velocity, radius, start, log10_mass = make_clusters(count, np.random.default_rng(0))
        for second in (None, radius):
            features = sdm.cluster_features(velocity, second, settings)
            features = sdm.fit_scaler(features)(features)
            if whole_machine:
                whole(features, start, log10_mass, settings)
            else:
                compare(features, start, options.runs, settings.neighbours)


if __name__ == "__main__":
    main()
