"""Small trained estimators, made on first use by the smallest run of the workflow."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from clustermass.weigh.trained import SURVEY_MOCK, WeightsError, needed

ROOT = Path(__file__).resolve().parents[3]
SMALL = "results/small"  # the working folder of that run, in the project's
MINUTES = 9
Run = Callable[[Sequence[str]], int]


def run_command(command: Sequence[str]) -> int:
    """Run a program, whose output goes to the terminal, and return its exit code."""
    return subprocess.run(command, check=False).returncode


def find_results(root: Path = ROOT, run: Run = run_command, say: Callable[[str], None] = print) -> Path:
    """Return the folder of results to read estimators from: of a run, else small ones, trained where there are none.

    Parameters
    ----------
    root : path
        Of the project.
    run : callable
        Runs a command.
    say : callable
        Tells the user what is done.

    Raises
    ------
    WeightsError
        The training failed.
    """
    for results in (root / "results/simulated", root / SMALL / "results/simulated"):
        if all(path.exists() for path in needed(results, SURVEY_MOCK).values()):
            return results
    say(
        f"No trained estimators yet: small ones are trained now, on a small simulated universe, once. That takes about"
        f" {MINUTES} minutes on two cores. Those of a whole run are better: `make paper`, or `make paper ARGS=weights`."
    )
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(root / "Snakefile"), "--directory"]
    command += [str(root / SMALL), "--configfile", str(root / "config.yaml"), str(root / "configs/tiny.yaml")]
    if run([*command, "--cores", "all", "--quiet", "rules", "--", "weights"]) != 0:
        raise WeightsError(f"small estimators could not be trained; logs are in {root / SMALL / 'logs'}")
    return results
