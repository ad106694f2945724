"""Model cards: what a trained estimator of masses is, what it knows, how far it can be trusted, where it comes from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from clustermass.files import replacing
from clustermass.predictions import ROLES, headline_role

ESTIMATORS = {
    "cnn1d": "convolutional network on the density of line-of-sight velocities (Ho et al. 2019)",
    "cnn2d": "convolutional network on the density of velocities and projected radii (Ho et al. 2019)",
    "cnn3d": "convolutional network on the density of places on the sky and velocities (Kodi Ramanah et al. 2021)",
    "end_to_end": "convolutional network on places and velocities with a flow as its output",
    "flow": "flow on compressed phase space (Kodi Ramanah et al. 2020)",
    "msigma_contaminated": "power law of mass and velocity dispersion, interlopers included (Ho et al. 2019, Eq. 5)",
    "msigma_pure": "power law of mass and velocity dispersion of true members (Ho et al. 2019, Eq. 5)",
}
"""What estimators are, by the name of their model."""
RANGES = ("log10_m200c", "redshift", "galaxies", "richness", "sigma_v")
"""Columns of mock clusters whose range is that of an estimator's validity."""
PERCENTILES = (0.5, 99.5)
MASSES = {"log10_m200c": ("log10 M200c", "Msun/h", "200"), "log10_m500c": ("log10 M500c", "Msun", "500")}
"""What columns of masses are called, their unit, and the critical densities within the radius."""


class CardError(ValueError):
    """A model card cannot be read; the message says what is missing."""


def model_card(
    names: tuple[str, str, str],
    clusters: pd.DataFrame,
    predictions: pd.DataFrame,
    posterior: Mapping[str, Any],
    settings: Mapping[str, Any],
    records: Mapping[str, Any],
) -> dict[str, Any]:
    """Return a model card as plain values, which YAML holds.

    Parameters
    ----------
    names : tuple of str
        Source of the simulation, mock catalogue, model.
    clusters : pandas.DataFrame
        Of the mock: whoever of `RANGES` it has tells what clusters the estimator knows.
    predictions : pandas.DataFrame
        Contract `PREDICTIONS`.
    posterior : mapping
        As `posterior_section`.
    settings : mapping
        All that the estimator needs to be used again.
    records : mapping
        Provenance, by what was made.
    """
    source, mock, model = names
    role = headline_role(predictions)
    judged = predictions[predictions["role"] == role]
    return {
        "model": model,
        "estimator": ESTIMATORS.get(model, model),
        "gives": _gives("log10_m200c"),
        "data": {"source": source, "mock": mock, **_sizes(clusters), "halos": int(clusters["group"].nunique())},
        "validity": _validity(clusters, RANGES),
        "accuracy": _accuracy(judged, "log10_m200c", ROLES[role]),
        "posterior": dict(posterior),
        "settings": dict(settings),
        "provenance": dict(records),
    }


def image_card(
    source: str,
    model: str,
    clusters: pd.DataFrame,
    posterior: Mapping[str, Any],
    settings: Mapping[str, Any],
    records: Mapping[str, Any],
) -> dict[str, Any]:
    """Return the card of networks that weigh clusters by their images (Lin et al. 2022), as plain values.

    Parameters
    ----------
    source, model : str
    clusters : pandas.DataFrame
        Contract `transfer.ensemble.ENSEMBLE`: clusters with strong labels, each told by networks that left it out.
    posterior : mapping
        As `posterior_section`.
    settings : mapping
        Of the networks and their training.
    records : mapping
        Provenance, by what was made.
    """
    networks = int(clusters["networks"].max())
    return {
        "model": model,
        "estimator": "networks on images in five bands (Lin et al. 2022)",
        "gives": _gives("log10_m500c"),
        "data": {
            "source": source,
            "mock": "images",
            "clusters with strong labels": len(clusters),
            "halos": int(clusters["group"].nunique()),
            "folds": int(clusters["fold"].nunique()),
            "networks a fold": networks,
        },
        "validity": _validity(clusters, ("log10_m500c", "redshift")),
        "accuracy": _accuracy(clusters, "log10_m500c", "clusters of folds that did not train the network"),
        "posterior": dict(posterior),
        "settings": dict(settings),
        "provenance": dict(records),
    }


def _gives(mass: str) -> str:
    name, unit, overdensity = MASSES[mass]
    return f"{name} [{unit}]: mass within the radius of {overdensity} critical densities"


def _accuracy(judged: pd.DataFrame, mass: str, where: str) -> dict[str, Any]:
    """Return how far predictions are from masses, and on whom that was judged."""
    residual = (judged["log10_predicted"] - judged[mass]).to_numpy(float)
    low, middle, high = np.quantile(residual, [0.16, 0.5, 0.84])
    numbers = {"median": middle, "low": low, "high": high, "scatter": residual.std()}
    found = {"judged on": where, "clusters": len(judged), "halos": int(judged["group"].nunique())}
    return found | {f"residual {name} [dex]": round(float(value), 4) for name, value in numbers.items()}


def _validity(clusters: pd.DataFrame, names: tuple[str, ...]) -> dict[str, Any]:
    """Return the ranges of what an estimator knows."""
    known = [name for name in names if name in clusters]
    spans = {name: [float(f"{v:.5g}") for v in np.percentile(clusters[name], PERCENTILES)] for name in known}
    return {"percentiles": list(PERCENTILES), "ranges": spans}


def _sizes(clusters: pd.DataFrame) -> dict[str, int]:
    """Return how many clusters each set of a mock has."""
    if "set" in clusters:
        return {f"clusters, {name}": int(count) for name, count in clusters["set"].value_counts().items()}
    return {f"clusters, {name}": int(clusters[name].sum()) for name in ("train", "test", "heldout") if name in clusters}


def posterior_section(
    about: Mapping[str, Any], masses: Any, calibration: pd.DataFrame | None, mass: str = "log10_m200c"
) -> dict[str, Any]:
    """Return what a card says of a posterior: prior, and how far from calibrated it was on clusters it had not seen.

    Parameters
    ----------
    about : mapping
        Settings of the posterior (config section `posterior`).
    masses : array, shape (n,)
        log10 masses of the pairs that make it.
    calibration : pandas.DataFrame, optional
        Contract `CALIBRATION`; None: no clusters were held out to judge it.
    mass : str
        Which mass, of `MASSES`.
    """
    section: dict[str, Any] = {
        "density": "kernel density of pairs of what the estimator says and the truth",
        "prior": str(about["prior"]),
        mass: [round(float(np.min(masses)), 4), round(float(np.max(masses)), 4)],
        "limits": str(about["limits"]),
        "calibration": {},
    }
    if calibration is not None:
        whole = calibration[calibration["bins"] == "all"].drop_duplicates("statistic")
        section |= {name: int(whole[name].iloc[0]) for name in ("clusters", "halos")}
        for row in whole.to_dict("records"):
            numbers = {"deviation": round(float(row["deviation"]), 4), "band": round(float(row["band"]), 4)}
            section["calibration"][str(row["statistic"])] = numbers | {"calibrated": row["deviation"] <= row["band"]}
    return section


def write_card(card: Mapping[str, Any], yaml_path: str | Path, markdown_path: str | Path) -> None:
    """Write a card for programs (YAML) and for readers (Markdown)."""
    with replacing(yaml_path) as aside:
        plain = json.loads(json.dumps(dict(card)))  # no object twice, which YAML would write as a reference
        aside.write_text(yaml.safe_dump(plain, sort_keys=False, width=120))
    with replacing(markdown_path) as aside:
        aside.write_text(card_text(card))


def read_card(path: str | Path) -> dict[str, Any]:
    """Read a card.

    Raises
    ------
    CardError
        It is missing, or is none.
    """
    try:
        card = yaml.safe_load(Path(path).read_text())
    except (OSError, yaml.YAMLError) as error:
        raise CardError(f"{path}: expected a model card: {error}") from None
    absent = [name for name in ("model", "settings", "data") if not isinstance(card, dict) or name not in card]
    if absent:
        raise CardError(f"{path}: expected a model card, {', '.join(absent)} missing")
    result: dict[str, Any] = card
    return result


def card_text(card: Mapping[str, Any]) -> str:
    """Return a card in Markdown; settings and full provenance stand in the YAML file only."""
    data, posterior = card["data"], card["posterior"]
    lines = [f"# {card['model']} on {data['mock']}", "", f"{_capital(card['estimator'])}. Gives {card['gives']}.", ""]
    lines += [f"**Trained on {data['source']} data.** " + _phrases(data, without=("source", "mock")), ""]
    lines += ["## Domain of validity", ""]
    low, high = card["validity"]["percentiles"]
    lines += [f"Percentiles {low:g} and {high:g} of the mock; clusters outside are extrapolated."]
    lines += ["", "| | from | to |", "| --- | --- | --- |"]
    lines += [f"| {name} | {first:g} | {last:g} |" for name, (first, last) in card["validity"]["ranges"].items()]
    lines += ["", "## Accuracy", "", _phrases(card["accuracy"]), "", "## Posterior and calibration", ""]
    mass = next(name for name in MASSES if name in posterior)
    (name, unit, _overdensity), (low, high) = MASSES[mass], posterior[mass]
    lines += [
        f"{_capital(posterior['density'])}. Prior: {posterior['prior']}, between {name} = {low:g} and {high:g}"
        f" {unit}. Limits: {posterior['limits']}.",
        "",
    ]
    if posterior["calibration"]:
        lines += [
            f"Judged on {posterior['clusters']} clusters of {posterior['halos']} halos that neither trained nor"
            " calibrated it.",
            "",
            "| statistic | largest deviation | of noise, 95 % | calibrated |",
            "| --- | --- | --- | --- |",
        ]
        for name, row in posterior["calibration"].items():
            verdict = "yes" if row["calibrated"] else "no"
            lines += [f"| {name} | {row['deviation']:g} | {row['band']:g} | {verdict} |"]
    else:
        lines += ["No clusters were held out to judge its calibration."]
    lines += ["", "## Provenance", ""]
    for what, record in card["provenance"].items():
        lines += [f"- {what}: {_provenance(record)}"]
    return "\n".join(lines) + "\n"


def _provenance(record: Any) -> str:
    """Return one line on where something comes from."""
    if not isinstance(record, Mapping):
        return str(record)
    parts = [f"rule {record['rule']}"] if "rule" in record else []
    settings = record.get("settings", {})
    parts += [f"{name} {settings[name]}" for name in ("seed", "code") if name in settings]
    inputs = {path: digest for path, digest in record.get("inputs", {}).items() if not Path(path).name.startswith(".")}
    parts += [f"{path} (sha256 {digest[:12]})" for path, digest in inputs.items()]
    return "; ".join(parts)


def _phrases(values: Mapping[str, Any], without: tuple[str, ...] = ()) -> str:
    return "; ".join(f"{name}: {value}" for name, value in values.items() if name not in without) + "."


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
