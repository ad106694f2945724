"""Paths and names that several rule files share; no rules."""

from functools import partial
from hashlib import sha256
from os.path import relpath
from pathlib import Path

from clustermass.config.base import Cosmology
from clustermass.config.catalogues import Archive, Catalogue
from clustermass.config.nbody import Nbody
from clustermass.config.observed import RedshiftSurvey
from clustermass.provenance import code_version as code_version_of
from clustermass.sources.local import local_file


wildcard_constraints:
    source="simulated|archival",
    catalogue="|".join(config["catalogues"]),
    survey="[a-z0-9_]+",
    reading="[a-z_]+",
    box="[a-z][a-z0-9_]*",
    snapshot="z[0-9.]+",
    mock="|".join(["ho2019", *config["survey_mocks"]]),
    sample="|".join(config["observed"]["samples"]),
    job="[0-9]+",
    cutout="|".join(config["mosaics"]["cutouts"]),
    scaling="global|per_image",
    variant="|".join({**config["image_training"]["variants"], **config["tiles"]["variants"]}),
    model="[a-z0-9_]+",
    trial="[0-9]+",
    part="[0-9]+",
    percent="[0-9.]+",
    dataset="|".join(config["natural"]["datasets"]),


PARENT = config["crossmatch"]["clusters"]
LABEL_CATALOGUES = config["crossmatch"]["priority"]
BOXES = [f"box{number}" for number in range(1, config["universe"]["boxes"] + 1)]  # the last is held out
DYNAMICS = [config["universe"]["ho2019"], config["universe"]["kodiramanah2021"]]
SNAPSHOTS = [f"z{redshift:g}" for redshift in config["nbody"]["redshifts"]]
CONE = {
    "boxes": BOXES,
    "redshifts": config["nbody"]["redshifts"],
    "box_mpc_h": config["nbody"]["box_mpc_h"],
    "lightcone": config["lightcone"],
    "cosmology": config["cosmology"],
}
PUBLISHED = local(relpath(HERE / "workflow_scripts/clustermass/published.yaml"))
SIMULATED = [name for name, stanza in config["catalogues"].items() if stanza.get("simulated")]
IMAGE_MPC = max(cutout["side_mpc"] for cutout in config["mosaics"]["cutouts"].values())  # side of mosaics [Mpc]
MEMBERS = config["image_sample"]["members"]
BLANK_JOB = config["frames"]["jobs"]  # one job more: fields at random places
REALISM_JOBS = range(min(config["realism"]["jobs"], config["frames"]["jobs"]))
CACHED = workflow.enable_cache  # `snakemake --cache`: results of some rules are shared between folders
READINGS = ["projected_proper", "projected_comoving", "three_dimensional", "none"]


def gpu_of(*sections):
    """Return how many GPUs a job asks for whose sections of the configuration say where it computes."""
    return int(any(section["device"] == "cuda" for section in sections))


def code_version(script):
    """Return a function that gives the version of a script's code: asked for by jobs that are made, not by all rules."""
    return lambda wildcards: code_version_of(script)


def stanza(wildcards):
    """Return what reading a catalogue depends on; its titles and how it is matched later are left out."""
    settings = config["catalogues"][wildcards.catalogue]
    other = ("title", "reference", "files", "simulated", "separation")
    return {key: value for key, value in settings.items() if key not in other}


def of_masses(section):
    """Return a function that gives a setting to catalogues with masses, and None to the parent sample."""
    return lambda wildcards: None if wildcards.catalogue == PARENT else config[section]


def published_cosmology(wildcards):
    """Return the cosmology in which the catalogue publishes that a simulated survey stands in for."""
    stanzas = config["catalogues"].values()
    return next(s["cosmology"] for s in stanzas if s.get("simulated") == wildcards.survey)


def local_catalogue(wildcards):
    """Return the local file of a catalogue, or nothing, so that VizieR is asked."""
    path = local_file(Catalogue(**config["catalogues"][wildcards.catalogue]), Archive(**config["archive"]))
    return [] if path is None else local(str(path))


def simulated_catalogue(wildcards):
    """Return the simulated survey that stands in for a catalogue, or nothing where there is none."""
    survey = config["catalogues"][wildcards.catalogue].get("simulated")
    return [] if survey is None else f"results/simulated/data/surveys/{survey}.fits"


def smallest_halo():
    """Return the smallest M200c that the N-body boxes resolve [Msun/h]."""
    mass = Nbody(**config["nbody"]).particle_mass(Cosmology(**config["cosmology"]))
    return config["universe"]["min_particles"] * mass


def box_memory(megabytes):
    """Return the memory of a job [MB] that takes so much with 320^3 particles, for boxes of the configuration."""
    return max(2000, round(megabytes * (config["nbody"]["particles_per_side"] / 320) ** 3))


def galaxy_options(wildcards):
    """Return how galaxies are made: snapshots that only the light cone uses need bright ones, without particles."""
    if wildcards.snapshot in [f"z{redshift:g}" for redshift in DYNAMICS]:
        return config["galaxies"]
    bright = {
        "max_abs_mag_r": config["universe"]["cone_max_abs_mag_r"],
        "min_halo_mass": config["universe"]["cone_min_halo_mass"],
    }
    return config["galaxies"] | {"structure": "analytic", "min_log10_mstar": 12} | bright


def of_job(wildcards):
    """Return a job's wildcards: the cache of results tells jobs of one rule apart by parameters alone."""
    return dict(wildcards.items())


def of_snapshots(kind, suffix):
    """Return one kind of file of all snapshots of a box, each with a name of its own, as the cache of results wants."""
    path = "results/simulated/universe/{{box}}/{snapshot}/{kind}.{suffix}"
    return {f"{kind}_{s}": path.format(snapshot=s, kind=kind, suffix=suffix) for s in SNAPSHOTS}


def cone_tables(table):
    """Return a table of every box and snapshot, in the order that the light cone's scripts expect."""
    return expand(f"results/simulated/universe/{{box}}/{{snapshot}}/{table}.parquet", box=BOXES, snapshot=SNAPSHOTS)


def universe_products():
    """Return what the target `universe` makes: everything simulated, or the snapshots of real simulations."""
    if config["source"] == "archival":
        named = {name: f"z{stanza['redshift']:g}" for name, stanza in config["snapshots"].items()}
        return [f"results/archival/universe/{name}/{snapshot}/halos.parquet" for name, snapshot in named.items()]
    return [
        *cone_tables("galaxies"),
        *expand("results/simulated/data/{table}.parquet", table=["spectroscopy", "members"]),
        *expand("results/simulated/data/catalogues/{catalogue}.parquet", catalogue=SIMULATED),
        *rules.validation.input,
    ]


def snapshot_files(name):
    """Return the files of a snapshot of a real simulation."""
    stanza = config["snapshots"][name]
    folder = Path(config["archive"]["folder"] or ".")
    return [local(str(folder / file)) for file in stanza["files"] + stanza["host_files"]]


def boxes_at(source, redshift):
    """Return the boxes of a snapshot, the held-out one last: simulated ones, or snapshots of real simulations."""
    if source == "simulated":
        return BOXES
    stanzas = config["snapshots"].items()
    return [name for name, s in stanzas if s["redshift"] == redshift and s["format"] != "kodi_ramanah_mock"]


def cosmology_at(redshift):
    """Return a function that gives the cosmology of a snapshot: the configuration's, or that of the real simulation."""

    def cosmology(wildcards):
        if wildcards.source == "simulated":
            return config["cosmology"]
        stanza = config["snapshots"][boxes_at("archival", redshift)[0]]
        densities = {key: stanza[key] for key in ("Om0", "Ob0", "sigma8", "ns")}
        return {"H0": 100 * stanza["h"], **densities}

    return cosmology


def tables_at(table, redshift):
    """Return a function that gives a table of every box of a snapshot."""
    path = f"results/{{source}}/universe/{{box}}/z{redshift:g}/{table}.parquet"
    return lambda wildcards: expand(path, source=wildcards.source, box=boxes_at(wildcards.source, redshift))


Z_HO2019, Z_SURVEY = DYNAMICS  # redshifts of the snapshots that mock clusters are cut from
ho2019_boxes = partial(boxes_at, redshift=Z_HO2019)


def simulation(source):
    """Return where estimators of observed clusters were trained: real snapshots where there are, else simulated ones."""
    return "archival" if source == "archival" and boxes_at("archival", Z_SURVEY) else "simulated"


def on_simulations(source, artefacts):
    """Return artefacts that mock clusters make, or none where a source has no simulation."""
    return artefacts if simulation(source) == source else []


def trained_on(path):
    """Return a function that gives a file of the mock that a sample's estimators were trained on."""

    def file(wildcards):
        sample = config["observed"]["samples"][wildcards.sample]
        return path.format(simulation=simulation(wildcards.source), mock=sample["mock"])

    return file


def observed_samples(source):
    """Return the names of the samples of observed clusters of a source."""
    return [name for name, sample in config["observed"]["samples"].items() if sample["source"] == source]


def observed_masses(wildcards):
    """Return the masses of all samples of a source."""
    path = "results/{source}/observed/{sample}/masses.parquet"
    return expand(path, source=wildcards.source, sample=observed_samples(wildcards.source))


def observed_settings(wildcards):
    """Return what observed clusters of one sample depend on; what other samples are is left out."""
    sample = config["observed"]["samples"][wildcards.sample]
    surveys = {name: survey for name, survey in config["observed"]["surveys"].items() if name == sample["redshifts"]}
    return {**config["observed"], "samples": {wildcards.sample: sample}, "surveys": surveys}


def redshift_survey(wildcards):
    """Return the survey that a sample's redshifts are from; None: the simulated one."""
    return config["observed"]["surveys"].get(config["observed"]["samples"][wildcards.sample]["redshifts"])


def redshift_file(wildcards):
    """Return the table of a sample's redshifts, simulated or local, or nothing, so that the archive is asked."""
    survey = redshift_survey(wildcards)
    if survey is None:
        return "results/simulated/data/spectroscopy.parquet"
    path = local_file(RedshiftSurvey(**survey), Archive(**config["archive"]))
    return [] if path is None else local(str(path))


def has_redshifts(source):
    """Return whether redshifts are at hand: `all` asks no archive for a survey; the target kodiramanah2021 does."""
    surveys = [config["observed"]["samples"][name]["redshifts"] for name in observed_samples(source)]
    stanzas = [RedshiftSurvey(**config["observed"]["surveys"][name]) for name in surveys if name != "simulated"]
    return source == "simulated" or any(local_file(stanza, Archive(**config["archive"])) for stanza in stanzas)


def footprint_cells(key):
    """Return a function that gives how the footprint of a sample's survey is measured."""
    default = RedshiftSurvey(title="simulated").model_dump()
    return lambda wildcards: (redshift_survey(wildcards) or default)[key]


def centre_catalogues(wildcards):
    """Return the catalogues that a sample's centres are from."""
    centres = config["observed"]["samples"][wildcards.sample]["centres"]
    return [name for name in centres if name != "finder"]


def of_centres(key, default=None):
    """Return a function that gives a setting of each catalogue of centres."""
    stanzas = config["catalogues"]
    return lambda wildcards: {name: stanzas[name].get(key, default) for name in centre_catalogues(wildcards)}


def variant_words():
    """Return what each of the checks' trainings changes, in words."""
    named = config["checks"]["variants"].items()
    return {
        name: ", ".join(f"{k} {v}" for k, v in stanza.items() if v not in (None, "validation"))
        for name, stanza in named
    }


def cube_aperture(mock):
    """Return the half-side of the window that networks of cubes see in a mock [Mpc/h]."""
    if mock == "ho2019":
        return config["mock_observation"]["aperture_mpc_h"]
    return config["survey_mocks"][mock]["counted_mpc_h"]


def mock_table(table):
    """Return a function that gives a table of mock clusters, by the wildcard `mock`: a survey's, or that of Ho et al."""
    path = "results/{{source}}/phase_space/{mock}/{table}.parquet"
    folders = {"ho2019": "ho2019/contaminated"}
    return lambda wildcards: path.format(mock=folders.get(wildcards.mock, wildcards.mock), table=table).format(
        **wildcards
    )


def mock_redshift(wildcards):
    """Return the redshift of the snapshot that a mock was cut from."""
    return Z_HO2019 if wildcards.mock == "ho2019" else Z_SURVEY


def mock_cosmology(wildcards):
    """Return the cosmology of the boxes that a mock was cut from."""
    return cosmology_at(mock_redshift(wildcards))(wildcards)


def own_posteriors(wildcards):
    """Return the posteriors that an estimator gives by itself, where these are asked for."""
    path = "results/{source}/training/{mock}/{model}/posteriors.safetensors"
    return path.format(**wildcards) if wildcards.density == "own" else []


WEIGHING = {"kodiramanah2021": "cnn3d", "ho2019": "msigma_contaminated"}  # mocks and estimators of `clustermass weigh`
CARDS = [*WEIGHING.items(), ("kodiramanah2021", "end_to_end")]
CARDS += [("ho2019", model) for model in ("cnn1d", "cnn2d", "cnn3d", "flow")]


def card_clusters(wildcards):
    """Return the mock clusters that an estimator was trained on."""
    if wildcards.model == "msigma_pure":
        return f"results/{wildcards.source}/phase_space/ho2019/pure/clusters.parquet"
    return mock_table("clusters")(wildcards)


def trained_files(wildcards):
    """Return what an estimator is, on disk: its networks, or the relation that was fitted."""
    file = "fit.parquet" if wildcards.model.startswith("msigma") else "models"
    return f"results/{wildcards.source}/training/{wildcards.mock}/{wildcards.model}/{file}"


def card_settings(wildcards):
    """Return the settings with which an estimator is used on observed clusters."""
    own = {"redshift": mock_redshift(wildcards), "cosmology": mock_cosmology(wildcards)}
    own["aperture_mpc_h"] = cube_aperture(wildcards.mock)
    own["velocity_cut_km_s"] = config["mock_observation"]["velocity_cut_km_s"]
    if wildcards.mock in config["survey_mocks"]:
        samples = [one for one in config["observed"]["samples"].values() if one["mock"] == wildcards.mock]
        own["sample"] = (
            samples[0] if samples else {"redshifts": "simulated", "centres": ["finder"], "mock": wildcards.mock}
        )
        own["velocity_cut_km_s"] = own["sample"].get("velocity_cut_km_s", config["kde3d"]["velocity_cut_km_s"])
        own["observed"] = {**config["observed"], "samples": {}, "surveys": {}}
    return own


def weights_of(source):
    """Return what `clustermass weigh` reads of a source's trained estimators."""
    results = f"results/{source}"
    needed = [f"{results}/phase_space/{mock}/domain.parquet" for mock in WEIGHING if mock in config["survey_mocks"]]
    for mock, model in WEIGHING.items():
        needed += [f"{results}/training/{mock}/{model}/card.yaml"]
    return needed


def posterior_settings(*keys):
    """Return those settings of posteriors that a rule depends on."""
    return {key: config["posterior"][key] for key in keys}


def checked_variant(wildcards):
    """Return what a training of the checks changes; None: the main training."""
    name = wildcards.model.removeprefix("cnn3d").removeprefix("_")
    return config["checks"]["variants"][name] if name else None


def checked_sizes(wildcards):
    """Return the sizes of the checks' trainings; None: the main training."""
    return None if wildcards.model == "cnn3d" else {**config["checks"], "variants": {}}


def subsampling():
    """Return the statistics' settings that decide which galaxies are drawn; the others rerun no training."""
    keys = ("rates", "draws_per_rate", "subsampled_clusters", "cumulative_low", "cumulative_high")
    return {key: config["interpretation"][key] for key in keys}


PHASE_SPACE_TRAINING = {
    "kde": config["kde"],
    "networks": config["networks"],
    "training": config["training"],
    "interpretation": subsampling(),
    "velocity_cut_km_s": config["mock_observation"]["velocity_cut_km_s"],
    "aperture_mpc_h": config["mock_observation"]["aperture_mpc_h"],
    "seed": config["seed"],
}


def universe_benchmarks():
    """Return the benchmark of every job that the two snapshots of the dynamics need, by rule and wildcards."""
    logs, snapshots = "logs/simulated/universe", [f"z{redshift:g}" for redshift in DYNAMICS]
    jobs = {f"universe_box: {box}": f"{logs}/{box}" for box in BOXES}
    jobs |= {f"universe_matching: {snapshot}": f"{logs}/matching_{snapshot}" for snapshot in snapshots}
    for table in ("halos", "galaxies"):
        jobs |= {f"universe_{table}: {b}, {s}": f"{logs}/{b}/{s}/{table}" for b in BOXES for s in snapshots}
    jobs |= {f"validation_measure: {b}, {s}": f"logs/simulated/validation/{s}/{b}" for b in BOXES for s in snapshots}
    return {job: f"{path}.benchmark.tsv" for job, path in jobs.items()}


def ho2019_trained(table, models):
    """Return one table of several estimators, by their names."""
    return {model: f"results/{{source}}/training/ho2019/{model}/{table}.parquet" for model in models}


def mass_matching(source):
    """Return how masses of halos were matched; those of real simulations are their own."""
    return config["universe"]["mass_matching"] if source == "simulated" else "none"


def ho2019_shown(artefact):
    """Return where the report lists an artefact."""
    return {"category": "Ho et al. (2019)", "labels": {"artefact": artefact, "data": "{source}"}}


def kodiramanah2021_shown(artefact):
    """Return where the report lists an artefact."""
    return {"category": "Kodi Ramanah et al. (2021)", "labels": {"artefact": artefact, "data": "{source}"}}


def figure_choices(paper):
    """Return the choices of drawing of one paper's figures; a change of another paper's redraws nothing."""
    return {key: value for key, value in config["figures"].items() if key.startswith(paper)}


def limits():
    """Return the limits of the match; how many chance matches are expected is another question."""
    return {key: config["crossmatch"][key] for key in ("max_dz", "max_arcmin", "max_kpc")}


def readings(reading):
    """Return the reading of the 500 kpc for every label catalogue, as configured or one for all."""
    general = config["crossmatch"]["separation"]
    own = {name: config["catalogues"][name].get("separation") or general for name in LABEL_CATALOGUES}
    return own if reading == "configured" else dict.fromkeys(LABEL_CATALOGUES, reading)


FIRST = {
    "report/page.html": "everything on one page, beside the published numbers",
    "scorecard/scorecard.md": "every published number beside the regenerated one",
    "scorecard/leaderboard.md": "all estimators of masses beside each other",
    "lin2022/counts.md": "matches and labels beside the published numbers",
    "validation/summary.md": "how far the simulated universe can be trusted",
}


def summary(source):
    """Return what a finished run says: where to look first, of what is there."""
    paths = {f"results/{source}/{name}": meaning for name, meaning in FIRST.items()}
    there = [f"  {path}   {meaning}\n" for path, meaning in paths.items() if Path(path).exists()]
    return "".join([f"\nDone, on {source} data. Look first at\n" if there else "", *there]) + verdicts(source)


include: "common_images.smk"
include: "common_scorecard.smk"
