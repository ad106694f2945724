"""Paths and names that rules on images share; no rules."""

from clustermass.config.image_training import LiangTraining
from clustermass.transfer.shares import parts


def of_blanks(wildcards):
    """Return the beginning of names of tables of fields at random places, for the job that draws them."""
    return "blank_" if int(wildcards.job) == BLANK_JOB else ""


def reddening_table(source):
    """Return the table of reddening where images are corrected for dust; the simulated sky has none."""
    corrected = source == "archival" and config["images"]["extinction"] != "none"
    return ["results/archival/images/reddening.parquet"] if corrected else []


def realism_settings(*without):
    """Return how frames are measured, without what a rule does not depend on."""
    return {key: value for key, value in config["realism"].items() if key not in ("jobs", "targets", *without)}


def frame_folders():
    """Return the folders of local frames that exist, in the archive's folder first."""
    places = [Path(config["archive"]["folder"]).expanduser()] if config["archive"]["folder"] else []
    folders = [place / name for place in [*places, Path()] for name in config["frames"]["folders"]]
    return [str(folder) for folder in folders if folder.is_dir()]


def has_frames(source):
    """Return whether frames are at hand: `all` asks no archive for them; the targets images and liang2020 do."""
    return source == "simulated" or bool(frame_folders())


def frame_listing():
    """Return a checksum of names and sizes of local frames, so that a change of them is seen."""
    files = sorted(file for folder in frame_folders() for file in Path(folder).rglob("frame-*"))
    text = "\n".join(f"{file} {file.stat().st_size}" for file in files)
    return sha256(text.encode()).hexdigest()


def local_fields(source):
    """Return the table of fields that local frames show, which bounds the sample where nothing is downloaded."""
    bounded = source == "archival" and not config["frames"]["download"]
    return "results/archival/frames/local_fields.parquet" if bounded else []


def frame_files(source):
    """Return the folder of simulated frames, which is deleted after use; real ones stay where they are."""
    return "results/simulated/frames/{job}/files" if source == "simulated" else []


def mosaic_jobs(kind):
    """Return one kind of file of all jobs of mosaics."""
    return expand(f"results/{{{{source}}}}/mosaics/{{job}}.{kind}", job=range(config["frames"]["jobs"]))


def job_stars(source):
    """Return the tables of stars around clusters that have images: simulated ones, none for real images."""
    path = "results/simulated/frames/{job}/stars.parquet"
    return expand(path, job=range(config["frames"]["jobs"])) if source == "simulated" else []


def member_files(source):
    """Return the parent sample's catalogue and its members: simulated ones, local ones, or none."""
    if source == "simulated":
        folder = "results/simulated/data"
        return {"catalogue": f"{folder}/surveys/redmapper.fits", "members": f"{folder}/redmapper_members.fits"}
    places = [Path(config["archive"]["folder"]).expanduser()] if config["archive"]["folder"] else []
    pairs = [{key: place / name for key, name in MEMBERS.items()} for place in [*places, Path()]]
    found = next((pair for pair in pairs if all(path.is_file() for path in pair.values())), {})
    return {key: local(str(path)) for key, path in found.items()}


def measured_frames(source):
    """Return the frames that the realism page measures, and the folder of simulated ones."""
    if source == "archival":
        return {"frames": ["results/archival/frames/local_frames.parquet"]}
    folders = expand(frame_files(source), job=BLANK_JOB)
    return {"frames": expand("results/simulated/frames/{job}/frames.parquet", job=BLANK_JOB), "folders": folders}


IMAGES = config["image_training"]
ON_GPU = gpu_of(IMAGES)
CLUSTERS_WITH_IMAGES = config["image_sample"]["clusters"] or config["image_plan"]["clusters"]
IMAGE_TABLES = {
    "clusters": "results/{source}/frames/clusters.parquet",
    "labels": "results/{source}/crossmatch/labels.parquet",
    "splits": "results/{source}/crossmatch/splits.parquet",
}


def image_memory(megabytes):
    """Return the memory of a job [MB] that takes so much with 300 clusters of 64 pixels, all of them being read."""
    pixels = CLUSTERS_WITH_IMAGES * config["images"]["pixels"] ** 2
    return round(megabytes + 50e-6 * max(0, pixels - 300 * 64**2))


def model_memory(wildcards):
    """Return the memory of a training of masses [MB]: the baselines read images, others features."""
    if IMAGES["lin2022"]["models"][wildcards.model]["kind"] == "baseline":
        return image_memory(5000)
    return 5000 + round(0.3 * max(0, CLUSTERS_WITH_IMAGES - 300))


def compared_variants(source):
    """Return the variants of band classification that are trained; without a catalogue of stars none can be masked."""
    kept = {name: IMAGES["variants"][name] for name in IMAGES["compared"]}
    return [name for name, each in kept.items() if source == "simulated" or each["stars"] == "as_observed"]


def variant_stars(wildcards):
    """Return the tables of stars, where a variant masks them."""
    masked = IMAGES["variants"][wildcards.variant]["stars"] == "masked"
    return job_stars(wildcards.source) if masked else []


def start_file(network):
    """Return the file of weights that an extractor starts from, where it is one: another file reruns what follows."""
    return network["extractor"]["file"] or []


def band_weights(wildcards):
    """Return what a model of masses starts from: features of an extractor, its weights, or nothing."""
    model = IMAGES["lin2022"]["models"][wildcards.model]
    folder = f"results/{wildcards.source}/transfer/bands/lin2022"
    variant = "published" if model["start"] == "bands" else "start"
    if model["kind"] == "transfer":
        return f"{folder}/{variant}/features.safetensors"
    return f"{folder}/published/models" if model["start"] == "bands" else []


def weak_weights(wildcards):
    """Return the network that weak labels trained, where a model has one."""
    if not IMAGES["lin2022"]["models"][wildcards.model]["weak"]:
        return []
    return "results/{source}/transfer/weak/{model}/{trial}/models".format(**wildcards)


def mass_settings(wildcards):
    """Return how one model of masses is trained; what the others are is left out."""
    lin2022 = IMAGES["lin2022"]
    used = {name: value for name, value in lin2022.items() if name not in ("models", "trials")}
    return used | {"models": {wildcards.model: lin2022["models"][wildcards.model]}}


def masses_of(model):
    """Return what all trainings of a model of masses predict."""
    path = "results/{{source}}/transfer/mass/{model}/{trial}/predictions.parquet"
    return expand(path, model=model, trial=range(IMAGES["lin2022"]["trials"]))


TABLE2_MODELS = list(IMAGES["lin2022"]["models"])[:3]  # the last of them is the paper's
MADE_FROM = {  # what masses from images were made from: stands on every figure
    "pixels": config["images"]["pixels"],
    "weights": IMAGES["lin2022"]["bands"]["network"]["extractor"]["weights"],
    "strong": config["image_sample"]["strong"],
    "folds": config["labels"]["folds"],
    "trials": IMAGES["lin2022"]["trials"],
}


def trained_images(source, artefacts):
    """Return artefacts that trainings on images make; on real images these are made where it is asked for."""
    return artefacts if source == "simulated" or IMAGES["archival"] else []


def richness_parts(percent):
    """Return into how many jobs the fits of a share of the training set are batched."""
    settings = LiangTraining(**IMAGES["liang2020"])
    return parts(settings, float(percent), CLUSTERS_WITH_IMAGES, config["labels"]["folds"])


def richness_settings():
    """Return how richness is trained; which shares there are is left out."""
    return {**IMAGES["liang2020"], "percents": [100]}


def richness_tables(model):
    """Return what all fits of Base or Ours predict."""
    path = f"results/{{{{source}}}}/transfer/richness/{model}/{{percent}}/{{part}}/predictions.parquet"
    shares = [f"{percent:g}" for percent in IMAGES["liang2020"]["percents"]]
    return [file for share in shares for file in expand(path, percent=share, part=range(richness_parts(share)))]


def tile_settings(wildcards):
    """Return how tiles are told apart in one variant; what the others are is left out."""
    tiles = config["tiles"]
    return tiles | {"variants": {wildcards.variant: tiles["variants"][wildcards.variant]}}


REAL_VARIANTS = list(config["tiles"]["variants"]) if frame_folders() else []  # trained where real frames are at hand


def real_tiles(table):
    """Return a table of trainings on tiles of real frames, where there are any."""
    return expand("results/archival/transfer/tiles/{variant}/{table}.parquet", variant=REAL_VARIANTS, table=table)


def of_variants(wildcards, stage, table):
    """Return a table of every variant that is compared."""
    path = f"results/{wildcards.source}/transfer/{stage}/{{variant}}/{table}.parquet"
    return expand(path, variant=compared_variants(wildcards.source))


def band_controls(source):
    """Return the controls of band classification: on the simulated sky, and on tiles of real frames."""
    simulated = ["results/simulated/transfer/controls/controls.parquet"] if source == "simulated" else []
    return simulated + real_tiles("controls")


def watched_curves(source):
    """Return trainings whose test score was watched: name, learning curves, and what they learn."""
    folder = f"results/{source}/transfer"
    bands = [
        (f"bands, {cutout}", f"{folder}/bands/{cutout}/published/curves.parquet", "bands")
        for cutout in ("lin2022", "liang2020")
    ]
    masses = [(f"masses, {model}", f"{folder}/mass/{model}/0/curves.parquet", "mass") for model in TABLE2_MODELS]
    return bands + masses


def natural_settings(wildcards):
    """Return how natural images are trained on; what other datasets are is left out."""
    natural = config["natural"]
    return natural | {"datasets": {wildcards.dataset: natural["datasets"][wildcards.dataset]}}


def natural_file(dataset):
    """Return where a dataset of natural images is, in the archive's folder or here; None: nowhere."""
    places = [Path(config["archive"]["folder"]).expanduser()] if config["archive"]["folder"] else []
    paths = [place / config["natural"]["datasets"][dataset]["images"]["path"] for place in [*places, Path()]]
    return next((str(path) for path in paths if path.exists()), None)


def natural_images(wildcards):
    """Return the natural images of a dataset, or none."""
    found = natural_file(wildcards.dataset)
    return {"images": local(found)} if found else {}


def natural_datasets():
    """Return the datasets of natural images that are at hand, may be downloaded, or have a substitute."""
    named = config["natural"]["datasets"].items()
    return [name for name, each in named if natural_file(name) or each["images"]["download"] or each["substitute"]]
