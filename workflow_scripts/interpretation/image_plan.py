"""How long trainings on images take, before anything is made (rule interpretation_image_plan)."""

from pathlib import Path

from clustermass import contracts, runtime, style
from clustermass.config.crossmatch import Labels
from clustermass.config.frames import Images, ImageSample
from clustermass.config.image_results import ImagePlan
from clustermass.config.image_training import ImageTraining
from clustermass.config.natural import Natural
from clustermass.config.tiles import Tiles
from clustermass.predictions import TIMING
from clustermass.transfer.plan import cluster_work, estimate, measured_speed, natural_work, sizes_of, tile_work

with runtime.logged(snakemake):
    params = snakemake.params
    plan, training = ImagePlan(**params.plan), ImageTraining(**params.image_training)
    sizes = sizes_of(ImageSample(**params.image_sample), Images(**params.images), Labels(**params.labels), plan)
    results = Path(snakemake.output.csv).parents[1]
    paths = sorted((results / "transfer").glob("**/timing.parquet"))  # of trainings that are done, if any
    timings = [
        (contracts.read_table(path, TIMING), contracts.read_metadata(path).get("provenance", {})) for path in paths
    ]
    cpu, cuda = (measured_speed(timings, device, getattr(plan, device)) for device in ("cpu", "cuda"))
    works = (
        cluster_work(training, sizes) + tile_work(Tiles(**params.tiles), plan) + natural_work(Natural(**params.natural))
    )
    table = estimate(works, cpu, cuda)
    short = table.groupby("rule", sort=False, as_index=False)[table.columns[2:].tolist()].sum()
    caption = (
        f"Trainings on images of {sizes.clusters} clusters, {sizes.strong} with strong labels, {sizes.pixels} pixels"
        " along a side, and how long they take on a core, or a GPU, that trains ResNet-18 on"
        f" {cpu.images_per_second:.3g}, or {cuda.images_per_second:.3g}, images of 256 pixels a second, and the"
        f" published regressor on {cpu.clusters_per_second:.3g}, or {cuda.clusters_per_second:.3g}, clusters: numbers"
        " of the configuration, which are guesses, or of trainings that are done. Tiles and natural images"
        " count where they are not at hand too."
    )
    runtime.announce(f"{caption}\n{short.to_string(index=False, float_format='%.4g')}")
    runtime.announce(f"Configured: {training.device}.")
    print(table.to_string())
    outputs = {kind: snakemake.output[kind] for kind in ("csv", "md", "tex")}
    style.write_paper_table(table, outputs, snakemake.wildcards.source, caption)
