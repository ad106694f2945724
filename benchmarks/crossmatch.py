"""Matching of clusters with label sources, against astropy's search_around_sky: time, memory, equal pairs.

Usage: python benchmarks/crossmatch.py [--large]   (--large: 1,000,000 x 100,000 too)
"""

import argparse
import multiprocessing
import resource
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "workflow_scripts"))


def sky(n, seed, area):
    """Return positions on a band of the sky of `area` square degrees, and redshifts."""
    rng = np.random.default_rng(seed)
    width = min(360, area / np.degrees(np.sin(np.radians(65)) - np.sin(np.radians(-5))))
    dec = np.degrees(np.arcsin(rng.uniform(np.sin(np.radians(-5)), np.sin(np.radians(65)), n)))
    return rng.uniform(0, width, n), dec, rng.uniform(0.08, 0.55, n)


def project_pairs(one, two):
    """Return the pairs within 10 arcmin, by the project."""
    from clustermass.crossmatch import close_pairs

    pairs = close_pairs(*one[:2], *two[:2], 10)
    return pairs["first"].to_numpy(), pairs["second"].to_numpy(), pairs["arcmin"].to_numpy()


def astropy_pairs(one, two):
    """Return the pairs within 10 arcmin, by astropy."""
    import astropy.units as u
    from astropy.coordinates import SkyCoord, search_around_sky

    found = search_around_sky(SkyCoord(*one[:2], unit="deg"), SkyCoord(*two[:2], unit="deg"), 10 * u.arcmin)
    order = np.lexsort((found[0], found[1]))
    return found[0][order], found[1][order], found[2].to_value(u.arcmin)[order]


def project_match(one, two):
    """Return the whole match: pairs, redshifts, distances, greedy choice."""
    import pandas as pd

    from clustermass.config.base import Cosmology
    from clustermass.config.crossmatch import Crossmatch
    from clustermass.cosmology import flat
    from clustermass.crossmatch import match

    frames = [
        pd.DataFrame({"id": np.char.mod("%07d", np.arange(len(s[0]))), "ra": s[0], "dec": s[1], "redshift": s[2]})
        for s in (one, two)
    ]
    start = time.perf_counter()
    found = match(frames[0], {"x": frames[1]}, Crossmatch(), {"x": "projected_proper"}, flat(Cosmology()))
    return time.perf_counter() - start, len(found)


def measure(task, sizes, area, queue):
    """Run one task in this fresh process; put its time, its peak memory above the start, and its result."""
    one, two = (sky(n, seed, area) for seed, n in enumerate(sizes))
    task(*(tuple(a[:10] for a in s) for s in (one, two)))  # imports and compilation
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.perf_counter()
    result = task(one, two)
    seconds = time.perf_counter() - start
    queue.put((seconds, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024, result))


def fresh(task, sizes, area):
    """Return what `measure` finds, in a process of its own."""
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    process = context.Process(target=measure, args=(task, sizes, area, queue))
    process.start()
    result = queue.get()
    process.join()
    return result


def main():
    """Print one line a size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--large", action="store_true")
    sizes = [(26_000, 5_000)] + ([(1_000_000, 100_000)] if parser.parse_args().large else [])
    for size in sizes:
        area = 10_400 if size[0] < 1e5 else 14_000
        runs = [(fresh(project_pairs, size, area), fresh(astropy_pairs, size, area)) for _ in range(3)]
        (ours, peer) = (min(run[i][0] for run in runs) for i in (0, 1))
        (our_mb, peer_mb) = (max(run[i][1] for run in runs) for i in (0, 1))
        a, b = runs[0][0][2], runs[0][1][2]
        same = len(a[0]) == len(b[0]) and (a[0] == b[0]).all() and (a[1] == b[1]).all()
        difference = np.abs(a[2] - b[2]).max() if same else np.nan
        _, mb, (inside, matched) = fresh(project_match, size, area)
        print(
            f"{size[0]} x {size[1]}: pairs within 10 arcmin: project {ours:.3f} s, astropy {peer:.3f} s, "
            f"ratio {peer / ours:.1f}; memory {our_mb:.0f} MB, {peer_mb:.0f} MB; {len(a[0])} pairs, "
            f"{'the same' if same else 'NOT THE SAME'}, largest difference {difference:.1e} arcmin; "
            f"whole match {inside:.2f} s, {mb:.0f} MB above start, {matched} matches"
        )


if __name__ == "__main__":
    main()
