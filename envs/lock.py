"""Write requirements.lock and the conda environments from what is installed (``make lock``).

Exact versions, no host names. Packages that exist for Linux on x86-64 only (CUDA) are marked so, and the lock installs
on other platforms too.
"""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LINUX_ONLY = re.compile(r"^(nvidia-|cuda-|triton)", re.IGNORECASE)
TORCH_ONLY = ("torch", "torchvision")


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
    run = (ROOT / "envs/requirements.in").read_text().split("# -- develop")[0]
    names = [re.split(r"[=\s#]", line)[0] for line in run.splitlines() if line and not line.startswith("#")]
    versions = {pin.split("==")[0].lower(): pin.split("==")[1] for pin in pins}
    for kind, leave in (("cpu", (*TORCH_ONLY, "snakemake")), ("torch", ("snakemake",))):
        lines = [f"      - {name}=={versions[name.lower()]}" for name in names if name not in leave]
        head = [f"# Environment of the {kind} rules for --software-deployment-method conda; written by `make lock`."]
        body = ["channels:", "  - conda-forge", "dependencies:", "  - python=3.12", "  - pip", "  - pip:", *lines, ""]
        (ROOT / f"envs/{kind}.yaml").write_text("\n".join(head + body))


if __name__ == "__main__":
    main()
