"""Paths and names that rules of the scorecard share; no rules."""

import pandas as pd
import yaml

from clustermass.scorecard.choices import load_choices
from clustermass.scorecard.counterparts import load_counterparts, settings_at


def made_artefacts(source):
    """Return every figure and table of the papers that a run makes without asking an archive for more than it has."""
    return [
        *(rules.ho2019.input if ho2019_boxes(source) else []),
        *(rules.kodiramanah2021.input if has_redshifts(source) else []),
        *rules.lin2022.input,
        *(rules.liang2020.input if has_frames(source) else []),
    ]


def made_tables(names):
    """Return a function that gives those tables below results/{source}/ that a run makes, of some."""

    def tables(wildcards):
        artefacts = [Path(path).with_suffix("").parts[1:] for path in made_artefacts(config["source"])]
        made = {"/".join(parts) for parts in artefacts}  # a figure's numbers stand below results/ by the same name
        kept = [name for name in names if f"{wildcards.source}/{name}".rpartition(".")[0] in made]
        return [f"results/{wildcards.source}/{name}" for name in kept]

    return tables


def made_names(names):
    """Return a function that gives the names of the tables that `made_tables` gives."""

    def kept(wildcards):
        return [path.removeprefix(f"results/{wildcards.source}/") for path in made_tables(names)(wildcards)]

    return kept


def published_data(wildcards):
    """Return whether the run reads what the papers measured on; without a real simulation mocks are of a simulated one."""
    real = wildcards.source == "archival"
    return {"observation": real, "simulation": real and bool(ho2019_boxes("archival")), "none": True}


def leaderboard_entries(source):
    """Return the estimators that a run trains, each with its files."""
    entries = []

    def add(kind, sample, name, predictions, timing, calibration=(), needs=None):
        files = {"predictions": predictions, "timing": timing, "calibration": list(calibration)}
        entries.append({"kind": kind, "sample": sample, "name": name, "needs": needs, **files})

    training = f"results/{source}/training"
    if ho2019_boxes(source):
        for name in [*ESTIMATORS, *(["cnn3d", "flow"] if has_redshifts(source) else [])]:
            folder = f"{training}/ho2019/{name}"
            files = [f"{folder}/predictions.parquet"], [f"{folder}/timing.parquet"]
            add("mock", "mock of Ho et al. (2019)", name, *files)
    if has_redshifts(source) and simulation(source) == source:
        for name, density in {"cnn3d": "kde", "end_to_end": "own"}.items():
            folder = f"{training}/kodiramanah2021/{name}"
            files = [f"{folder}/predictions.parquet"], [f"{folder}/timing.parquet"]
            calibration = f"results/{source}/posteriors/kodiramanah2021/{name}/{density}/calibration.parquet"
            add("mock", "mock of Kodi Ramanah et al. (2021)", name, *files, [calibration])
    lin2022 = IMAGES["lin2022"]
    for name, model in lin2022["models"].items() if trained_images(source, [True]) else ():
        predictions = [path.format(source=source) for path in masses_of(name)]
        folders = [f"mass/{name}/0", *([f"weak/{name}/0"] if model["weak"] else [])]
        folders += ["bands/lin2022/published"] if model["start"] == "bands" or model["kind"] == "transfer" else []
        timing = [f"results/{source}/transfer/{folder}/timing.parquet" for folder in folders]
        redshift = (lin2022["regressor"] if model["kind"] == "transfer" else lin2022["baseline"])["redshift"]
        add("images", "clusters with images", name, predictions, timing, needs="images" + ", redshift" * redshift)
    return entries


def leaderboard_files(wildcards):
    """Return all files of the leaderboard, each once."""
    keys = ("predictions", "timing", "calibration")
    found = [path for entry in leaderboard_entries(wildcards.source) for key in keys for path in entry[key]]
    return list(dict.fromkeys(found))


def verdicts(source):
    """Return what a finished run says of the published numbers; nothing where no scorecard is made."""
    folder = Path(f"results/{source}/scorecard")
    if not (folder / "summary.csv").is_file():
        return ""
    table = pd.read_csv(folder / "summary.csv").drop(columns="data").to_string(index=False)
    return f"\nPublished numbers, one by one in {folder}/scorecard.md\n{table}\n"


def scorecard_shown(artefact):
    """Return where the report lists an artefact."""
    return {"category": "Across the papers", "labels": {"artefact": artefact, "data": "{source}"}}


COUNTERPARTS = local(relpath(HERE / "workflow_scripts/clustermass/scorecard/counterparts.yaml"))
CHOICES = local(relpath(HERE / "workflow_scripts/clustermass/scorecard/choices.yaml"))
COMPARED = load_counterparts(Path(COUNTERPARTS))
CHOSEN = load_choices(Path(CHOICES))
OPTIONS = [choice.option for choice in CHOSEN if choice.option]
CHOICE_TABLES = list(dict.fromkeys(choice.worth.file for choice in CHOSEN if choice.worth))
PAPER_SIZES = yaml.safe_load((HERE / "configs/paper.yaml").read_text())
