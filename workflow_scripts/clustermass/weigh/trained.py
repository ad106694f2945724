"""Trained estimators, read from the results of a run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clustermass.card import read_card
from clustermass.config.base import Cosmology
from clustermass.config.dynamics import Kde3d
from clustermass.config.networks import CubeNetwork
from clustermass.config.observed import Observed, Sample
from clustermass.config.training import Training
from clustermass.contracts import read_table
from clustermass.msigma import RELATIONS, Relation
from clustermass.observed.domain import DOMAIN_SUMMARIES, Domain, domain_of_summaries
from clustermass.observed.inference import CubeInference
from clustermass.posterior.store import Inference, load_inference

SURVEY_MOCK, RELATION_MOCK = "kodiramanah2021", "ho2019"
RELATION = "msigma_contaminated"


class WeightsError(ValueError):
    """A folder of results has no trained estimators; the message says what is missing and how it is made."""


@dataclass(frozen=True)
class Estimators:
    """What a cluster is weighed with.

    Attributes
    ----------
    source : str
        Data that they were trained on: simulated, or archival for snapshots of real simulations.
    network : CubeInference
        CNN3D with its posterior.
    network_card, relation_card : dict
    relation : Relation
        Of mass and velocity dispersion.
    relation_inference : Inference
        Its posterior.
    domain : Domain
        Phase space of the network's mock.
    observed : Observed
        How observed clusters are looked at.
    cosmology : Cosmology
    """

    source: str
    network: CubeInference
    network_card: dict[str, Any]
    relation: Relation
    relation_card: dict[str, Any]
    relation_inference: Inference
    domain: Domain
    observed: Observed
    cosmology: Cosmology

    @property
    def sample(self) -> Sample:
        """Window of the network."""
        return self.network.sample


def needed(results: Path, mock: str) -> dict[str, Path]:
    """Return the files of a run that estimators are read from, by what they are."""
    network, relation = results / f"training/{mock}/cnn3d", results / f"training/{RELATION_MOCK}/{RELATION}"
    return {
        "card": network / "card.yaml",
        "models": network / "models",
        "posterior": network / "posterior.safetensors",
        "domain": results / f"phase_space/{mock}/domain.parquet",
        "relation_card": relation / "card.yaml",
        "relation": relation / "fit.parquet",
        "relation_posterior": relation / "posterior.safetensors",
    }


def load_estimators(results: str | Path, mock: str = SURVEY_MOCK) -> Estimators:
    """Read trained estimators from a run's folder of results, e.g. results/simulated.

    Raises
    ------
    WeightsError
        Some are missing.
    CardError, CheckpointError, StoreError, ContractError
        A file is damaged.
    """
    results = Path(results)
    files = needed(results, mock)
    absent = [str(path) for path in files.values() if not path.exists()]
    if absent:
        extra = "" if mock == SURVEY_MOCK else "".join(f" {files[name]}" for name in ("card", "domain"))
        raise WeightsError(
            f"{results}: expected trained estimators of the mock {mock}; missing: {', '.join(absent)}. A run makes"
            f" them: snakemake --cores all weights{extra}"
        )
    card, relation_card = read_card(files["card"]), read_card(files["relation_card"])
    settings = card["settings"]
    inference = load_inference(files["posterior"])
    network = CubeInference.load(
        files["models"], files["posterior"], CubeNetwork(**settings["network"]), Kde3d(**settings["kde3d"]),
        Training(**{**settings["training"], "device": "cpu"}), Sample(**settings["sample"]), inference.settings,
    )  # fmt: skip
    observed = Observed(**settings["observed"])
    relations = read_table(files["relation"], RELATIONS)
    last = relations.sort_values("fold").iloc[0]  # -1: trained on all that are not held out
    return Estimators(
        card["data"]["source"],
        network,
        card,
        Relation(**{name: last[name].item() for name in Relation.__dataclass_fields__}),
        relation_card,
        load_inference(files["relation_posterior"]),
        domain_of_summaries(read_table(files["domain"], DOMAIN_SUMMARIES), observed.neighbours),
        observed,
        Cosmology(**settings["cosmology"]),
    )
