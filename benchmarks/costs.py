"""Write what rules cost, workflow_scripts/clustermass/costs.csv, from the benchmarks that finished runs have kept.

python benchmarks/costs.py RUN RUN=configs/tiny.yaml: folders that hold results/ and logs/, each with the overlay it ran
with; a rule's cost is that of the first run that has it. The target `plan` scales it to other sizes.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import pandas as pd
import yaml
from snakemake.utils import update_config

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "workflow_scripts"))

from clustermass.config.model import DEFAULT_FILE, load
from clustermass.plan import jobs_of, measured_costs

ROOT = DEFAULT_FILE.parent


def settings(overlay):
    """Return the complete configuration of a run."""
    complete = yaml.safe_load(DEFAULT_FILE.read_text())
    update_config(complete, yaml.safe_load(Path(overlay).read_text()) if overlay else {})
    return load(complete)


def seconds(path):
    """Return the processor time in a benchmark [s]; None where there is none."""
    if not path.is_file():
        return None
    row = pd.read_csv(path, sep="\t").iloc[-1]
    spent = pd.to_numeric(row[["cpu_time", "s"]], errors="coerce")
    return float(spent["cpu_time"] if spent["cpu_time"] > 0 else spent["s"])  # jobs below a second have no first


def left(path):
    """Return what an output takes on disk [MB]; links, as from a cache, count as what they point to."""
    files = [file for file in path.rglob("*") if file.is_file()] if path.is_dir() else [path] if path.is_file() else []
    return sum(file.stat().st_size for file in files) / 1e6


def measured(folder, overlay):
    """Return name, configuration and all jobs of a run with their costs."""
    options = ["--configfile", str(Path(overlay).resolve())] if overlay else []
    with tempfile.TemporaryDirectory() as empty:
        command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), "--dry-run", *options]
        done = subprocess.run([*command, "--", "all"], cwd=empty, capture_output=True, text=True, check=True)
    jobs = [
        (job, seconds(folder / (job.benchmark or "none")), sum(left(folder / path) for path in job.outputs))
        for job in jobs_of(done.stdout + done.stderr)
    ]
    return Path(overlay).stem if overlay else "default", settings(overlay), jobs


def main():
    """Write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", nargs="+", metavar="RUN[=OVERLAY]")
    runs = [run.partition("=") for run in parser.parse_args().runs]
    table = measured_costs(measured(Path(folder), overlay) for folder, _, overlay in runs)
    path = ROOT / "workflow_scripts/clustermass/costs.csv"
    table.to_csv(path, index=False, float_format="%.4g")
    print(table.to_string(index=False))


if __name__ == "__main__":
    main()
