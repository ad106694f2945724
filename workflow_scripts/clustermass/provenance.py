"""Where a result comes from: versions of code, checksums of inputs, settings, software."""

from __future__ import annotations

import ast
import hashlib
import subprocess
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from clustermass.files import sha256
from clustermass.runtime import rule_name

SCRIPTS = Path(__file__).resolve().parents[1]
_SOFTWARE = ("astropy", "colossus", "kcorrect", "numba", "numpy", "pandas", "pyarrow", "scipy", "sep", "torch", "zarr")


def code_version(script: str) -> str:
    """Return a hash of a script and of all library modules that it imports, directly or not.

    Comments, docstrings and layout are left out, so that only a change of what is computed changes it.

    Parameters
    ----------
    script : str
        Path relative to workflow_scripts/, e.g. 'crossmatch/match.py'.
    """
    modules = sorted(_closure(SCRIPTS / script))
    return hashlib.sha256("\n".join(_meaning(path) for path in modules).encode()).hexdigest()[:16]


def _closure(script: Path) -> set[Path]:
    """Return a script and every library module that it reaches by imports."""
    reached: set[Path] = set()
    waiting = [script]
    while waiting:
        path = waiting.pop()
        if path not in reached:
            reached.add(path)
            waiting += _imported(path)
    return reached


def _imported(path: Path) -> tuple[Path, ...]:
    """Return the files of the library modules that one file imports."""
    return _parsed(path)[0]


def _meaning(path: Path) -> str:
    """Return a file's code in one normal form, without comments and docstrings."""
    return _parsed(path)[1]


@cache
def _parsed(path: Path) -> tuple[tuple[Path, ...], str]:
    """Return what a file imports and what it means, of one reading: every job of a cluster reads all of them."""
    tree = ast.parse(path.read_text(), filename=str(path))
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.update([node.module, *(f"{node.module}.{alias.name}" for alias in node.names)])
        elif isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            node.body = [line for line in node.body if not _is_text(line)] or [ast.Pass()]
        elif isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Field":  # descriptions do not compute
            node.keywords = [keyword for keyword in node.keywords if keyword.arg != "description"]
    return tuple(file for name in sorted(names) for file in _files_of(name)), ast.unparse(tree)


@cache
def _files_of(name: str) -> tuple[Path, ...]:
    """Return the files that an import of a name reads, as far as they are of the library."""
    parts = name.split(".")
    if parts[0] != "clustermass":
        return ()
    candidates = [SCRIPTS.joinpath(*parts[:end]) for end in range(1, len(parts) + 1)]
    return tuple(file for c in candidates for file in (c / "__init__.py", c.with_suffix(".py")) if file.is_file())


def _is_text(line: ast.stmt) -> bool:
    """Return whether a statement is nothing but a string: a docstring, or an explanation below a constant."""
    return isinstance(line, ast.Expr) and isinstance(line.value, ast.Constant) and isinstance(line.value.value, str)


def record(snakemake: Any, without: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return what made a job's output: rule, wildcards, settings, code, and checksums of its inputs.

    No time and no machine stands in it, so that the same inputs give the same bytes. Inputs named in `without` have no
    checksum of their own: large ones that another input describes.
    """
    left_out = {str(path) for name in without for path in _listed(snakemake.input[name])}
    return {
        "rule": rule_name(snakemake),
        "wildcards": dict(snakemake.wildcards.items()),
        "settings": dict(snakemake.params.items()),
        "inputs": {
            str(path): sha256(path)
            for named in snakemake.input
            if str(named) not in left_out
            for path in _files(Path(named))
        },
        "software": _software(),
    }


def _listed(named: Any) -> list[Any]:
    """Return one path, or several, as a list."""
    return [named] if isinstance(named, str) else list(named)


def _files(path: Path) -> list[Path]:
    """Return a file, or all files of a folder in order."""
    return [path] if not path.is_dir() else sorted(file for file in path.rglob("*") if file.is_file())


@cache
def _software() -> dict[str, str]:
    """Return the versions of what computes; an environment may lack what its rules do not need (torch)."""
    installed = {found.metadata["Name"].lower(): found.version for found in metadata.distributions()}
    return {name: installed[name] for name in _SOFTWARE if name in installed}


def commit() -> str:
    """Return the commit of the working tree, with '+' where files differ from it, or 'unknown' outside git."""
    try:
        text = subprocess.run(
            ["git", "describe", "--always", "--dirty=+", "--abbrev=12", "--exclude=*"],
            cwd=SCRIPTS,
            capture_output=True,
            text=True,
            check=True,
            timeout=10,
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return text.strip()
