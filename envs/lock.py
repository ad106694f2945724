"""Write requirements.lock and the conda environments from what is installed (``make lock``).

Exact versions, no host names. Packages that exist for Linux on x86-64 only (CUDA) are marked so, and the lock installs
on other platforms too. Environments hold what their rules import and all that it needs in turn, at the lock's versions.
"""

import re
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
LINUX_ONLY = re.compile(r"^(nvidia-|cuda-|triton)", re.IGNORECASE)
LEFT_OUT = {"cpu": {"snakemake", "torch", "torchvision", "zuko"}, "torch": {"snakemake"}}
"""What rules of a kind do not import, by the environment's name."""


def main() -> None:
    """Write the lock and both environments."""
    command = [sys.executable, "-m", "pip", "freeze", "--all", "--exclude", "pip"]
    pins = [line for line in subprocess.check_output(command, text=True).splitlines() if "==" in line]
    marked = [
        p + ' ; sys_platform == "linux" and platform_machine == "x86_64"' if LINUX_ONLY.match(p) else p for p in pins
    ]
    (ROOT / "requirements.lock").write_text(
        "\n".join(["# Written by `make lock` from envs/requirements.in.", *marked, ""])
    )
    for kind in LEFT_OUT:
        (ROOT / f"envs/{kind}.yaml").write_text(environment(kind))


def environment(kind: str) -> str:
    """Return a conda environment as the lock and the installed packages' needs have it."""
    lock = [line for line in (ROOT / "requirements.lock").read_text().splitlines() if "==" in line]
    run = (ROOT / "envs/requirements.in").read_text().split("# -- develop")[0]
    asked = [Requirement(line.split("#")[0]) for line in run.splitlines() if line and not line.startswith("#")]
    wanted = set().union(*(needs(each) for each in asked if each.name not in LEFT_OUT[kind]))
    pins = [f"      - {pin}" for pin in lock if canonicalize_name(pin.split("==")[0]) in wanted]
    head = [f"# Environment of the {kind} rules for --software-deployment-method conda; written by `make lock`."]
    body = ["channels:", "  - conda-forge", "dependencies:", "  - python=3.12", "  - pip", "  - pip:", *pins, ""]
    return "\n".join(head + body)


def needs(requirement: Requirement) -> set[str]:
    """Return the names of all packages that one needs, itself among them, on Linux."""
    found: set[tuple[str, str]] = set()
    waiting = list(_named(requirement))
    while waiting:
        name, extra = waiting.pop()
        if (name, extra) not in found:
            found.add((name, extra))
            needed = [Requirement(text) for text in metadata.requires(name) or []]
            kept = [each for each in needed if each.marker is None or each.marker.evaluate({"extra": extra})]
            waiting += [pair for each in kept for pair in _named(each)]
    return {name for name, _extra in found}


def _named(requirement: Requirement) -> Iterator[tuple[str, str]]:
    """Yield a package, and each of its extras that is asked for."""
    for extra in ("", *requirement.extras):
        yield canonicalize_name(requirement.name), extra


if __name__ == "__main__":
    main()
