"""Model card of a trained estimator, and its posterior, beside its weights (rule training_card)."""

import numpy as np

from clustermass import contracts, provenance, runtime
from clustermass.card import model_card, posterior_section, write_card
from clustermass.config.base import Cosmology
from clustermass.config.posterior import Posterior
from clustermass.cubes import mock_of
from clustermass.posterior.calibration import calibrate
from clustermass.posterior.inference import infer
from clustermass.posterior.store import save_inference
from clustermass.predictions import PREDICTIONS

with runtime.logged(snakemake):
    names = tuple(snakemake.wildcards[key] for key in ("source", "mock", "model"))
    settings, use = Posterior(**snakemake.params.posterior), snakemake.params.use
    fits, draws = runtime.job_generator(snakemake).spawn(2)
    clusters = contracts.read_table(snakemake.input.clusters, mock_of(snakemake.wildcards.mock).clusters)
    predictions = contracts.read_table(snakemake.input.predictions, PREDICTIONS)
    about = contracts.read_metadata(snakemake.input.predictions)["provenance"]
    pairs, judged = (predictions[predictions["role"] == role].reset_index(drop=True) for role in ("test", "heldout"))
    inference = infer(pairs, "kde", settings, use["redshift"], Cosmology(**use["cosmology"]), fits)
    calibration = None
    if len(judged):
        slices, mass = inference.posteriors(judged["log10_predicted"].to_numpy()), judged["log10_m200c"].to_numpy()
        calibration = calibrate(slices.posteriors, mass, judged["group"], settings, draws)
    section = posterior_section(snakemake.params.posterior, inference.joint.pairs.log10_mass, calibration)
    records = {"training": about, "commit": provenance.commit(), "card": provenance.record(snakemake)}
    trained = {key: value for key, value in about["settings"].items() if key != "code"}
    card = model_card(names, clusters, predictions, section, {**trained, **use}, records)
    write_card(card, snakemake.output.yaml, snakemake.output.md)
    seen = predictions["log10_predicted"]
    save_inference(snakemake.output.posterior, inference, np.linspace(seen.min(), seen.max(), 400), records)
    print(f"{names}: {card['accuracy']}")
