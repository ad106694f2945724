"""The program `clustermass`: `clustermass weigh members.csv --z 0.0231` weighs one cluster."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from clustermass.runtime import generator

EXAMPLE = "clustermass weigh members.csv --z 0.0231"


def build_parser() -> argparse.ArgumentParser:
    """Return what the program takes."""
    parser = argparse.ArgumentParser(prog="clustermass", description="Masses of galaxy clusters by machine learning.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    weigh = commands.add_parser(
        "weigh",
        help="mass of one cluster from the galaxies around it",
        description="Mass of one cluster from the places and redshifts of galaxies around it, members or not; or from "
        f"redshifts alone. E.g. {EXAMPLE}",
    )
    weigh.add_argument("members", type=Path, help="CSV, FITS or VOTable of galaxies; also gzipped")
    weigh.add_argument("--z", type=float, metavar="REDSHIFT", help="redshift of the cluster; else from the galaxies")
    weigh.add_argument(
        "--centre", type=float, nargs=2, metavar=("RA", "DEC"), help="centre [deg]; else found in the galaxies"
    )
    for key, words in (("ra", "right ascension"), ("dec", "declination"), ("redshift", "redshift or velocity")):
        weigh.add_argument(f"--{key}", metavar="'NAME [unit]'", help=f"column of {words}, if not found by its name")
    weigh.add_argument("--results", type=Path, help="results of a run with trained estimators, e.g. results/simulated")
    weigh.add_argument("--mock", default="kodiramanah2021", help="mock survey that the network was trained on")
    weigh.add_argument(
        "--output", type=Path, metavar="PREFIX", help="what names of files begin with; else MEMBERS_mass"
    )
    weigh.add_argument("--seed", type=int, default=20190101, help="of the bootstraps of the virial mass")
    return parser


def weigh(arguments: argparse.Namespace) -> int:
    """Weigh one cluster, print what was found and write files; return the exit code."""
    from clustermass.weigh.cluster import weigh_cluster
    from clustermass.weigh.members import read_members
    from clustermass.weigh.products import describe, write_products
    from clustermass.weigh.small import find_results
    from clustermass.weigh.trained import load_estimators

    if not arguments.members.is_file():
        raise ValueError(f"{arguments.members}: no such file")
    estimators = load_estimators(arguments.results or find_results(), arguments.mock)
    named = {key: value for key in ("ra", "dec", "redshift") if (value := getattr(arguments, key))}
    galaxies = read_members(arguments.members, named, estimators.observed)
    centre = tuple(arguments.centre) if arguments.centre else None
    found = weigh_cluster(galaxies, arguments.z, centre, estimators, generator(arguments.seed, "weigh", {}))
    lines = describe(
        found, estimators.cosmology.H0 / 100, estimators.source, arguments.z is not None, centre is not None
    )
    print(f"{arguments.members}: {len(galaxies.table)} galaxies, {len(galaxies.rejected)} rows set aside")
    for reason, number in galaxies.rejected["reason"].value_counts().items():
        print(f"  {number} x {reason}")
    print("\n".join(lines))
    prefix = arguments.output or Path(f"{arguments.members.name.split('.')[0]}_mass")
    for path in write_products(found, prefix, arguments.members.name, lines, estimators.source):
        print(f"  {path}")
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program; what is wrong with the input is one line on the terminal and exit code 1."""
    given = build_parser().parse_args(arguments)
    try:
        return weigh(given)
    except (ValueError, OSError) as error:
        print(f"clustermass {given.command}: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
