"""Channel ordering, then classification, on natural images or what stands in for them (rule transfer_natural)."""

from clustermass import contracts, provenance, runtime
from clustermass.config.base import Cosmology
from clustermass.config.natural import Natural
from clustermass.config.pictures import Pictures
from clustermass.config.sky import Sky
from clustermass.natural.read import read_natural_images
from clustermass.natural.scores import NATURAL_CURVES, NATURAL_SCORES, summarise
from clustermass.natural.substitute import TITLE, galaxy_images
from clustermass.natural.train import train_natural
from clustermass.networks.weights import weights_note

with runtime.logged(snakemake):
    settings, name = Natural(**snakemake.params.natural), snakemake.wildcards.dataset
    dataset, rng = settings.datasets[name], runtime.job_generator(snakemake)
    path = snakemake.input.get("images") or (dataset.images.path if dataset.images.download else None)
    if path:
        images, title = read_natural_images(dataset.images.model_copy(update={"path": str(path)})), dataset.title
    else:
        sky, cosmology = Sky(**snakemake.params.sky), Cosmology(**snakemake.params.cosmology)
        pictures, seed = Pictures(**snakemake.params.pictures), int(rng.integers(2**62))
        images, title = galaxy_images(settings.substitute, sky, cosmology, pictures, seed), TITLE
    shapes = {split: part.pixels.shape for split, part in images.items()}
    runtime.announce(f"{name}: {title}, {len(images['train'].classes)} classes, {shapes}")
    scores, curves = train_natural(images, settings, rng, snakemake.threads, folder=snakemake.output.models)
    scores = scores.assign(dataset=name, title=title, substitute=not path)
    print(summarise(scores).to_string())
    about = {"provenance": provenance.record(snakemake), "weights": weights_note(settings.network.extractor)}
    contracts.write_table(scores, NATURAL_SCORES, snakemake.output.scores, about)
    contracts.write_table(curves, NATURAL_CURVES, snakemake.output.curves, about)
