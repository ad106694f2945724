"""What becomes of the tiny run when it is disturbed: kills, a full disk, two runs at once and more.

Usage: python benchmarks/faults.py FOLDER [--kills 20] [--only kill ...] [--reference FINISHED]
(FOLDER: some 3 GB for copies of the workflow; --reference: a finished tiny run of this code instead of a new one)

An undisturbed run is the reference. Each fault is injected into a run of its own, the same command is given again until
it ends well, and all results are held against the reference: `wrong` counts files that differ, `lost` those that lack.
Measured times alone are left out. Prints the table of docs/faults.md. Needs Linux; a full disk and read-only results
need root.
"""

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pandas as pd

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "workflow_scripts")]

from workflow_copy import PARTS  # noqa: E402

# Targets follow: a file of configuration last would take them for more of its kind.
COMMAND = [sys.executable, "-m", "snakemake", "--configfile", "configs/tiny.yaml", "--cores", "2"]
AGAIN = [  # deleted, so that there is something to do
    "results/simulated/training/ho2019", "results/simulated/ho2019", "figures/simulated/ho2019"
]  # fmt: skip
TARGET = "ho2019"
UNIVERSE = "results/simulated/universe"
WORDS = (".md", ".tex", ".html", ".pdf", ".png")  # made from tables that are compared, measured times and all
TIMES = ("timing", "performance", "seconds")  # in names of files and columns that hold measured times


def copy_workflow(folder):
    """Copy the workflow without results."""
    folder.mkdir(parents=True)
    for part in PARTS:
        copy = shutil.copytree if (ROOT / part).is_dir() else shutil.copy2
        copy(ROOT / part, folder / part)
    return folder


def copy_finished(reference, folder):
    """Copy a finished run, times of files and all, and take away what `AGAIN` names."""
    shutil.copytree(reference, folder, symlinks=True)
    for part in AGAIN:
        shutil.rmtree(folder / part)
    (folder / "said.log").unlink()
    return folder


def start(folder, *arguments):
    """Start Snakemake in a session of its own, so that all of it can be killed."""
    log = open(folder / "said.log", "a")  # noqa: SIM115
    return subprocess.Popen([*COMMAND, *arguments], cwd=folder, stdout=log, stderr=log, start_new_session=True)


def said(folder):
    """Return what all runs in a folder have printed."""
    return (folder / "said.log").read_text()


def run(folder, *arguments):
    """Run Snakemake to its end and return its exit status."""
    return start(folder, *arguments).wait()


def unlock(folder):
    """Take away the lock that a killed Snakemake leaves, as its message says."""
    assert run(folder, "--unlock") == 0


def finish(folder, *targets, most=3):
    """Give the command again until it ends well; return how often."""
    for count in range(1, most + 1):
        if run(folder, *targets) == 0:
            return count
    raise SystemExit(f"{folder}: does not end well after {most} more runs, see said.log")


def of_time(name):
    """Return whether a file, a column or a row holds measured times."""
    return any(word in str(name) for word in TIMES)


def numbers(path):
    """Return the content of a result without measured times."""
    if path.suffix == ".zip":  # whose entries say when they were written
        with zipfile.ZipFile(path) as archive:
            return {entry.filename: entry.CRC for entry in archive.infolist()}
    if path.suffix not in (".parquet", ".csv"):
        return path.read_bytes()
    table = pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path, comment="#")
    table = table[[name for name in table if not of_time(name)]]
    return table[~table.select_dtypes(["object", "str"]).map(of_time).any(axis=1)]


def same(one, other):
    """Return whether two results hold the same."""
    first, second = numbers(one), numbers(other)
    return first.equals(second) if isinstance(first, pd.DataFrame) else first == second


def compare(folder, reference, parts):
    """Return names of results in parts of the run that differ from the reference's, and of those that lack."""
    wrong, lost = [], []
    for path in sorted(path for part in parts for path in (reference / part).rglob("*")):
        name = path.relative_to(reference)
        if path.is_dir() or of_time(name) or name.name.startswith("."):
            continue
        if not (folder / name).exists():
            lost.append(str(name))
        elif path.suffix not in WORDS and not same(path, folder / name):
            wrong.append(str(name))
    return wrong, lost


def interrupted(folder, rng, times, seconds, kill_signal, *targets):
    """Interrupt a run so often, each time after a random while; return how many hit it."""
    hits = 0
    for _ in range(times):
        process = start(folder, *targets)
        try:
            assert process.wait(timeout=rng.uniform(5, seconds)) == 0, f"{folder}: failed undisturbed, see said.log"
            break  # it was done before
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, kill_signal)
            process.wait()
            hits += 1
            time.sleep(1)
            unlock(folder)
    return hits


def kill(reference, folder, rng, options):
    """Inject: SIGKILL of everything at random moments of the whole tiny run."""
    copy_workflow(folder)
    hits = interrupted(folder, rng, options.kills, options.seconds, signal.SIGKILL)
    return hits, f"done after {finish(folder)} more, each time after --unlock, as the message says"


def terminate(reference, folder, rng, options):
    """Inject: SIGTERM of everything, as at a time limit."""
    copy_finished(reference, folder)
    hits = interrupted(folder, rng, 5, 40, signal.SIGTERM, TARGET)
    return hits, f"done after {finish(folder)} more"


def kill_job(reference, folder, rng, options):
    """Inject: SIGKILL of one job alone, as when memory runs out."""
    copy_finished(reference, folder)
    hits = 0
    for _ in range(3):
        process = start(folder, TARGET)
        time.sleep(rng.uniform(15, 30))
        jobs = subprocess.run(["pgrep", "-f", f"{folder}/.snakemake/scripts"], capture_output=True, text=True)
        if process.poll() is None and jobs.stdout:
            os.kill(int(rng.choice(jobs.stdout.split())), signal.SIGKILL)
            hits += 1
        process.wait()
    named = said(folder).count("log: logs/")
    return hits, f"failed with the job's log named ({named} lines), done after {finish(folder)} more"


def mount(*arguments):
    """Mount a file system."""
    subprocess.run(["mount", *map(str, arguments)], check=True)


def full_disk(reference, folder, rng, options):
    """Inject: no space left where results go."""
    copy_finished(reference, folder)
    results, kept = folder / "results", folder / "kept"
    results.rename(kept)
    results.mkdir()
    mount("-t", "tmpfs", "-o", "size=8g", "tmpfs", results)
    try:
        shutil.copytree(kept, results, dirs_exist_ok=True)
        used = shutil.disk_usage(results).used
        mount("-o", f"remount,size={used + 300_000}", results)
        assert run(folder, TARGET) != 0, "the disk was not full"
        assert "No space left" in said(folder), "another failure than a full disk"
        mount("-o", "remount,size=8g", results)
        again = finish(folder)
        shutil.rmtree(kept)
        shutil.copytree(results, kept)
    finally:
        subprocess.run(["umount", results], check=True)
    results.rmdir()
    kept.rename(results)
    return 1, f"failed with 'No space left'; with space, done after {again} more"


def read_only(reference, folder, rng, options):
    """Inject: results that cannot be written."""
    copy_finished(reference, folder)
    results = folder / "results"
    mount("--bind", results, results)
    try:
        mount("-o", "remount,ro,bind", results)
        assert run(folder, TARGET) != 0, "it could be written"
        assert "Write-protected output files" in said(folder), "another failure than read-only results"
    finally:
        subprocess.run(["umount", results], check=True)
    return (
        1,
        f"refused at once, with the write-protected files named; writable again, done after {finish(folder)} more",
    )


def two_at_once(reference, folder, rng, options):
    """Inject: the same command in the same folder a second time."""
    copy_finished(reference, folder)
    first = start(folder, TARGET)
    time.sleep(20)
    assert first.poll() is None
    assert run(folder, TARGET) != 0, "the second run was let in"
    assert "cannot be locked" in said(folder)
    assert first.wait() == 0
    finish(folder, most=1)  # what else rests on what was deleted
    return 1, "the second was refused with a message, the first ended undisturbed"


def clock(reference, folder, rng, options):
    """Inject: inputs whose time stamps are a year ahead, or ten years back."""
    copy_finished(reference, folder)
    finish(folder)
    inputs = sorted((folder / "results/simulated/phase_space").rglob("*.parquet"))
    for shift in (365, -3650):
        for path in inputs:
            when = time.time() + shift * 86400
            os.utime(path, (when, when))
        finish(folder)
    return 2 * len(inputs), "what depends on them was made again or left, with the same results"


def cut_result(reference, folder, rng, options):
    """Inject: a finished table that something else cut in half."""
    copy_finished(reference, folder)
    path = folder / "results/simulated/phase_space/ho2019/contaminated/clusters.parquet"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert run(folder, TARGET) != 0, "the cut table was read"
    assert str(path.relative_to(folder)) in said(folder)
    path.unlink()
    return 1, f"failed with the file named; the file deleted, done after {finish(folder)} more"


def damaged_cache(reference, folder, rng, options):
    """Inject: an entry of the cache of results with one bit flipped, and one cut in half."""
    first, cache = copy_workflow(copy_workflow(folder) / "first"), folder / "cache"
    cache.mkdir()
    os.environ["SNAKEMAKE_OUTPUT_CACHE"] = str(cache)
    universe = [path.relative_to(reference) for path in sorted((reference / UNIVERSE).rglob("*.*")) if path.is_file()]
    entries = [path for path in universe if path.name == "particles.safetensors"][:2]
    finish(first, "--cache", "--", *map(str, entries))
    for name, damage in zip(entries, (flipped, halved), strict=True):
        entry = (first / name).resolve()
        entry.write_bytes(damage(entry.read_bytes()))
    assert run(folder, "--keep-going", "--cache", "--", *map(str, universe)) != 0, "a damaged entry was read"
    for name in entries:
        (folder / name).resolve().unlink()
        (folder / name).unlink()
    again = finish(folder, "--cache", "--", *map(str, universe))
    shutil.rmtree(first)
    return 2, f"the first job that read it failed; entry and link deleted, done after {again} more"


def flipped(data):
    """Return bytes of which one differs in one bit."""
    half = len(data) // 2
    return data[:half] + bytes([data[half] ^ 1]) + data[half + 1 :]


def halved(data):
    """Return the first half of bytes."""
    return data[: len(data) // 2]


FAULTS = {
    each.__name__: each
    for each in (kill, terminate, kill_job, full_disk, read_only, two_at_once, clock, cut_result, damaged_cache)
}
PARTS_COMPARED = {"damaged_cache": [UNIVERSE]}
ALL_PARTS = ["results", "figures"]


def main():
    """Inject faults, print what became of each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=90, help="longest while before a kill")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--reference", type=Path)
    parser.add_argument("--only", nargs="+", choices=FAULTS, default=list(FAULTS))
    options = parser.parse_args()
    reference = (options.reference or options.folder / "reference").resolve()
    if not options.reference and not reference.exists():
        begin = time.time()
        finish(copy_workflow(reference), most=1)
        print(f"undisturbed: {time.time() - begin:.0f} s", file=sys.stderr, flush=True)
    print("| fault | injected | what happened | wrong | lost |\n|---|---|---|---|---|", flush=True)
    for name in options.only:
        fault, folder = FAULTS[name], options.folder.resolve() / name
        shutil.rmtree(folder, ignore_errors=True)
        times, happened = fault(reference, folder, random.Random(f"{options.seed} {name}"), options)
        wrong, lost = compare(folder, reference, PARTS_COMPARED.get(name, ALL_PARTS))
        words = fault.__doc__.removeprefix("Inject: ").rstrip(".")
        print(f"| {words} | {times} | {happened} | {len(wrong)} | {len(lost)} |", flush=True)
        for kind, names in (("differs", wrong), ("lacks", lost)):
            for each in names[:20]:
                print(f"{kind}: {each}", file=sys.stderr, flush=True)
        if not wrong and not lost:
            shutil.rmtree(folder)


if __name__ == "__main__":
    main()
