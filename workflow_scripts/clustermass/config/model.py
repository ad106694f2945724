"""The configuration: every setting with its type, unit, default and meaning; config.yaml is generated from here.

``make config`` (``python -m clustermass.config.model``) rewrites config.yaml. Settings that are unknown or wrong are
reported all together, each with what is allowed and the nearest valid name, before any job starts.
"""

from __future__ import annotations

import difflib
import re
import types
import typing
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, Field, ValidationError, model_validator

from clustermass.config.attribution import Attribution
from clustermass.config.base import Cosmology, Section
from clustermass.config.catalogues import CATALOGUES, Archive, Catalogue
from clustermass.config.checks import Checks
from clustermass.config.crossmatch import Crossmatch, Labels
from clustermass.config.dynamics import Kde, Kde3d, Msigma, Sdm
from clustermass.config.figures import Figures
from clustermass.config.flow import NeuralFlow
from clustermass.config.frames import Frames, Images, ImageSample, Mosaics
from clustermass.config.galaxies import Galaxies
from clustermass.config.image_results import ImagePlan, ImagePosterior
from clustermass.config.image_training import ImageTraining
from clustermass.config.interpretation import Interpretation
from clustermass.config.mock_observation import MockObservation
from clustermass.config.natural import Natural
from clustermass.config.nbody import Nbody
from clustermass.config.networks import Networks
from clustermass.config.observed import GALWCAT19, Observed
from clustermass.config.pictures import Pictures
from clustermass.config.population import Population
from clustermass.config.posterior import Posterior
from clustermass.config.realism import Realism
from clustermass.config.scorecard import Scorecard
from clustermass.config.simulated import Lightcone, Spectroscopy
from clustermass.config.sky import Sky
from clustermass.config.snapshot import Snapshot
from clustermass.config.survey_mock import SURVEY_MOCKS, SurveyMock
from clustermass.config.tiles import Tiles
from clustermass.config.training import CNN3D_TRAINING, Training
from clustermass.config.universe import Universe
from clustermass.config.validation import Validation

DEFAULT_FILE = Path(__file__).resolve().parents[3] / "config.yaml"
Source = Literal["simulated", "archival"]


class ConfigError(ValueError):
    """The configuration holds unknown or wrong settings; the message lists all of them."""


class Config(Section):
    """Everything that a user can set."""

    seed: Annotated[int, Field(ge=0)] = Field(
        20190101, description="the one seed; every rule derives its own generator from it"
    )
    source: Source = Field("simulated", description="simulated: made here by physics; archival: real catalogues")
    cosmology: Cosmology = Cosmology()
    masses: Literal["as_published", "rescaled"] = Field(
        "as_published",
        description="rescaled: masses of label catalogues brought to `cosmology`, by each one's observable",
    )
    archive: Archive = Archive()
    universe: Universe = Universe()
    nbody: Nbody = Nbody()
    galaxies: Galaxies = Galaxies()
    lightcone: Lightcone = Lightcone()
    spectroscopy: Spectroscopy = Spectroscopy()
    crossmatch: Crossmatch = Crossmatch()
    labels: Labels = Labels()
    image_sample: ImageSample = ImageSample()
    population: Population = Population()
    sky: Sky = Sky()
    frames: Frames = Frames()
    mosaics: Mosaics = Mosaics()
    images: Images = Images()
    pictures: Pictures = Pictures()
    realism: Realism = Realism()
    validation: Validation = Validation()
    mock_observation: MockObservation = MockObservation()
    survey_mocks: dict[str, SurveyMock] = Field(
        SURVEY_MOCKS, description="mock clusters of spectroscopic surveys by name; add a stanza for one's own survey"
    )
    kde: Kde = Kde()
    kde3d: Kde3d = Kde3d()
    msigma: Msigma = Msigma()
    sdm: Sdm = Sdm()
    networks: Networks = Networks()
    training: Training = Training()
    training_cnn3d: Training = Field(
        CNN3D_TRAINING, description="How CNN3D is trained (Kodi Ramanah et al. 2021, section 3.4)."
    )
    neural_flow: NeuralFlow = NeuralFlow()
    posterior: Posterior = Posterior()
    image_training: ImageTraining = ImageTraining()
    image_posterior: ImagePosterior = ImagePosterior()
    image_plan: ImagePlan = ImagePlan()
    tiles: Tiles = Tiles()
    natural: Natural = Natural()
    attribution: Attribution = Attribution()
    checks: Checks = Checks()
    interpretation: Interpretation = Interpretation()
    observed: Observed = Observed()
    figures: Figures = Figures()
    scorecard: Scorecard = Scorecard()
    catalogues: dict[str, Catalogue] = Field(
        {**CATALOGUES, "galwcat19": GALWCAT19},
        description="cluster catalogues by name; add a stanza to add a label catalogue",
    )
    snapshots: dict[str, Snapshot] = Field(
        {}, description="snapshots of real simulations by name, read from files where source is archival"
    )

    @model_validator(mode="after")
    def _snapshots_are_made(self) -> Config:
        for name in ("ho2019", "kodiramanah2021"):
            redshift = getattr(self.universe, name)
            if redshift not in self.nbody.redshifts:
                raise ValueError(f"universe.{name}: {redshift} is not among nbody.redshifts, {self.nbody.redshifts}")
        return self

    @model_validator(mode="after")
    def _images_fit(self) -> Config:
        cutouts = self.mosaics.cutouts
        if missing := [name for name in ("lin2022", "liang2020", self.pictures.sheet_cutout) if name not in cutouts]:
            raise ValueError(
                f"mosaics.cutouts: expected {missing[0]} among {', '.join(cutouts)}: figures are made of it"
            )
        if self.population.cone_abs_mag_r > self.universe.cone_max_abs_mag_r:
            raise ValueError(
                f"population.cone_abs_mag_r: expected at most universe.cone_max_abs_mag_r ="
                f" {self.universe.cone_max_abs_mag_r:g}, where galaxies of the light cone end, got"
                f" {self.population.cone_abs_mag_r:g}"
            )
        return self

    @model_validator(mode="after")
    def _mocks_exist(self) -> Config:
        for name in self.survey_mocks:
            if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or name == "ho2019":
                raise ValueError(f"survey_mocks.{name}: expected a name of small letters, digits and _, not ho2019")
        for name, sample in self.observed.samples.items():
            if sample.mock not in self.survey_mocks:
                known = ", ".join(self.survey_mocks)
                raise ValueError(
                    f"observed.samples.{name}.mock: expected one of survey_mocks, {known}, got {sample.mock}"
                )
            if sample.aperture_mpc_h != self.survey_mocks[sample.mock].counted_mpc_h:
                raise ValueError(
                    f"observed.samples.{name}.aperture_mpc_h: expected that of its mock, counted_mpc_h ="
                    f" {self.survey_mocks[sample.mock].counted_mpc_h}, got {sample.aperture_mpc_h}"
                )
            if not sample.velocity_cut_km_s == self.kde3d.velocity_cut_km_s:
                raise ValueError(
                    f"observed.samples.{name}.velocity_cut_km_s: expected that of the cubes, kde3d.velocity_cut_km_s ="
                    f" {self.kde3d.velocity_cut_km_s}, got {sample.velocity_cut_km_s}"
                )
            if sample.velocity_cut_km_s > self.survey_mocks[sample.mock].velocity_cut_km_s:
                raise ValueError(
                    f"observed.samples.{name}.velocity_cut_km_s: expected at most that of its mock,"
                    f" {self.survey_mocks[sample.mock].velocity_cut_km_s}, got {sample.velocity_cut_km_s}"
                )
            if unknown := [centre for centre in sample.centres if centre not in {*self.catalogues, "finder"}]:
                raise ValueError(
                    f"observed.samples.{name}.centres: expected 'finder' or one of catalogues, got {', '.join(unknown)}"
                )
        return self


def load(settings: dict[str, Any]) -> dict[str, Any]:
    """Validate settings and return them complete, as plain values that YAML and JSON can hold.

    Parameters
    ----------
    settings : dict
        What config.yaml, overlays and the command line together say.

    Raises
    ------
    ConfigError
        Listing every unknown or wrong setting.
    """
    problems = _wrong_names(settings)
    try:
        checked = Config(**settings).model_dump(mode="json")
    except ValidationError as error:
        problems = [_problem(details) for details in error.errors()] + problems
    if problems:
        count = f"{len(problems)} setting{'s' if len(problems) > 1 else ''}"
        raise ConfigError("\n".join([f"The configuration has {count} to mend:", *problems]))
    result: dict[str, Any] = checked
    return result


def _wrong_names(settings: dict[str, Any]) -> list[str]:
    """Return a line for every name of a catalogue in `crossmatch` that does not fit `catalogues`."""
    catalogues, crossmatch = settings.get("catalogues", CATALOGUES), settings.get("crossmatch", {})
    if not isinstance(catalogues, dict) or not isinstance(crossmatch, dict):
        return []  # told as wrong types
    problems = [
        f"  catalogues.{name}: expected a name of small letters, digits and _"
        for name in catalogues
        if not re.fullmatch(r"[a-z][a-z0-9_]*", str(name))
    ]
    default = Crossmatch()
    priority = crossmatch.get("priority", default.priority)
    priority = priority if isinstance(priority, list) else []
    for key, name in [("clusters", crossmatch.get("clusters", default.clusters)), *(("priority", n) for n in priority)]:
        stanza = catalogues.get(name, None) if isinstance(name, str) else None
        kind = stanza.get("kind", "labels") if isinstance(stanza, dict) else getattr(stanza, "kind", None)
        if stanza is None:
            near = difflib.get_close_matches(str(name), list(catalogues), n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            problems.append(f"  crossmatch.{key}: {name!r} is not among catalogues: {', '.join(catalogues)}{hint}")
        elif (kind == "clusters") != (key == "clusters"):
            problems.append(f"  crossmatch.{key}: catalogue {name!r} is of kind {kind!r}")
    if len({str(name) for name in priority}) < len(priority):
        problems.append("  crossmatch.priority: a catalogue is named twice")
    return problems


def _problem(details: Any) -> str:
    """Return one line on one wrong setting: its key, what was got, what is allowed, the nearest valid name."""
    location = [part for part in details["loc"]]
    key = ".".join(str(part) for part in location) or "configuration"
    if details["type"] == "extra_forbidden":
        allowed = _fields_at(location[:-1])
        near = difflib.get_close_matches(str(location[-1]), allowed, n=1, cutoff=0.5)
        hint = f"; did you mean {'.'.join([*map(str, location[:-1]), near[0]])}?" if near else ""
        return f"  {key}: unknown{hint} Allowed here: {', '.join(allowed)}."
    message = details["msg"].removeprefix("Value error, ")
    if details["type"] == "missing":
        return f"  {key}: must be given."
    got = "" if isinstance(details["input"], dict | BaseModel) else f", got {details['input']!r}"
    hint = ""
    if details["type"] == "literal_error":
        choices = [choice.strip(" '") for choice in details["ctx"]["expected"].replace(" or ", ", ").split(",")]
        near = difflib.get_close_matches(str(details["input"]), choices, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
    return f"  {key}: {message}{got}{hint}"


def _fields_at(location: list[Any]) -> list[str]:
    """Return the keys that are allowed at a place of the configuration."""
    model: Any = Config
    for part in location:
        if isinstance(model, type) and issubclass(model, BaseModel) and part in model.model_fields:
            model = model.model_fields[part].annotation
        args = [arg for arg in typing.get_args(model) if arg is not type(None)]
        if typing.get_origin(model) in (typing.Union, types.UnionType):
            model = args[0]
        elif typing.get_origin(model) in (dict, list) and part not in Config.model_fields:
            model = args[-1]
    return list(model.model_fields) if isinstance(model, type) and issubclass(model, BaseModel) else []


def render() -> str:
    """Return the text of config.yaml: every default under a comment that explains it."""
    lines = [
        "# Every setting of the workflow, with its default. Generated from workflow_scripts/clustermass/config/ by",
        "# `make config`: change single settings in an overlay (configs/) or by --config, not here.",
    ]
    return "\n".join([*lines, *_render(Config(), 0), ""])


def _render(section: Section, depth: int) -> list[str]:
    """Return the YAML lines of one section."""
    pad, lines = "  " * depth, []
    for name, field in type(section).model_fields.items():
        value = getattr(section, name)
        if field.description or depth == 0 or isinstance(value, Section):
            text = field.description or (type(value).__doc__ or "").strip().splitlines()[0]
            lines += ([""] if depth == 0 else []) + [f"{pad}# {text}"]
        if isinstance(value, Section):
            lines += [f"{pad}{name}:", *_render(value, depth + 1)]
        elif name == "catalogues":
            plain = {key: item.model_dump(mode="json", exclude_defaults=True) for key, item in value.items()}
            text = yaml.safe_dump(plain, sort_keys=False, allow_unicode=True, width=120)
            lines += [f"{pad}{name}:", *(f"{pad}  {line}" for line in text.splitlines())]
        elif isinstance(value, dict) and any(isinstance(item, Section) for item in value.values()):
            lines.append(f"{pad}{name}:")
            for key, item in value.items():
                lines += [f"{pad}  {key}:", *_render(item, depth + 2)]
        else:
            listed = list(value) if isinstance(value, tuple) else value
            text = yaml.safe_dump(listed, default_flow_style=True, width=1000, sort_keys=False).splitlines()[0]
            lines.append(f"{pad}{name}: {text}")
    return lines


if __name__ == "__main__":
    DEFAULT_FILE.write_text(render())
    print(f"wrote {DEFAULT_FILE.name}")
