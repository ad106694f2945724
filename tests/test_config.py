"""The configuration: config.yaml is what the models say, and wrong settings are all named at once."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from snakemake.utils import update_config

from clustermass.config import model
from clustermass.config.model import Config, ConfigError, load, render

ROOT = Path(__file__).resolve().parents[1]
LAYOUT = {"id": "n", "ra": "r", "dec": "d"}


def default():
    return yaml.safe_load((ROOT / "config.yaml").read_text())


def problems(settings):
    with pytest.raises(ConfigError) as caught:
        load(settings)
    return str(caught.value)


def test_config_yaml_is_in_sync_with_the_models():
    assert (ROOT / "config.yaml").read_text() == render(), "config.yaml is out of date: run `make config`"


def test_config_yaml_says_every_default():
    assert load(default()) == load({})
    assert Config(**default()) == Config()


@pytest.mark.parametrize("overlay", sorted((ROOT / "configs").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_overlay_is_valid(overlay):
    settings = default()
    update_config(settings, yaml.safe_load(overlay.read_text()))
    load(settings)


def test_every_setting_is_described():
    for line_before, line in zip(render().splitlines(), render().splitlines()[1:], strict=False):
        if line.startswith("  ") and not line.startswith(("    ", "  -", "  #")) and "catalogues" not in line:
            key = line.split(":")[0].strip()
            assert "#" in line_before or key in {*Config().catalogues, *Config().survey_mocks}, (
                f"{key} has no description"
            )


def test_all_wrong_settings_are_named_together():
    text = problems(
        {
            "sed": 1,
            "source": "archivel",
            "crossmatch": {"max_kcp": 400, "max_dz": -1, "separation": "projected"},
            "lightcone": {"redshift": [0.1]},
            "cosmology": {"H0": "seventy"},
        }
    )
    assert "has 7 settings to mend" in text
    assert "sed: unknown; did you mean seed?" in text
    assert "source: " in text
    assert "'simulated' or 'archival', got 'archivel'; did you mean archival?" in text
    assert "crossmatch.max_kcp: unknown; did you mean crossmatch.max_kpc? Allowed here: clusters, priority" in text
    assert "crossmatch.max_dz: Input should be greater than 0, got -1" in text
    assert "crossmatch.separation" in text
    assert "did you mean projected_proper?" in text
    assert "lightcone.redshift" in text
    assert "cosmology.H0: Input should be a valid number" in text


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"catalogues": {"act": {"title": "ACT", "layout": []}}}, "catalogues.act.layout: unknown; did you mean"),
        ({"catalogues": {"act": {"title": "ACT"}}}, "catalogues.act.layouts: must be given"),
        (
            {"catalogues": {"act": {"title": "A", "layouts": [{**LAYOUT, "mas": "m", "redshift": "z"}]}}},
            "catalogues.act.layouts.0.mas: unknown; did you mean catalogues.act.layouts.0.mass?",
        ),
        (
            {"catalogues": {"act": {"title": "A", "layouts": [{**LAYOUT, "mass": "m"}]}}},
            "a layout needs spectroscopic_redshift, redshift or photometric_redshift",
        ),
        (
            {"catalogues": {"act": {"title": "A", "layouts": [{**LAYOUT, "redshift": "z"}]}}},
            "layout 1 has no mass",
        ),
        ({"catalogues": {"x": {"title": "A", "mass_definition": "500x", "layouts": []}}}, "mass_definition"),
    ],
)
def test_a_wrong_stanza_is_explained(settings, expected):
    settings["catalogues"] = {**default()["catalogues"], **settings["catalogues"]}
    assert expected in problems(settings)


@pytest.mark.parametrize(
    ("crossmatch", "expected"),
    [
        ({"priority": ["planck", "pluto"]}, "crossmatch.priority: 'pluto' is not among catalogues: redmapper, planck"),
        ({"priority": ["redmapper"]}, "catalogue 'redmapper' is of kind 'clusters'"),
        ({"priority": ["plank"]}, "redmapper, planck, mcxc, xcs, rass_dr7; did you mean planck?"),
        ({"priority": []}, "crossmatch.priority: List should have at least 1 item"),
        ({"max_arcmin": 1e6}, "crossmatch.max_arcmin: Input should be less than or equal to 600"),
        ({"clusters": "mcxc"}, "crossmatch.clusters: catalogue 'mcxc' is of kind 'labels'"),
        ({"priority": ["mcxc", "mcxc"]}, "a catalogue is named twice"),
    ],
)
def test_names_must_fit_together(crossmatch, expected):
    assert expected in problems({"crossmatch": crossmatch})


def test_names_and_wrong_values_are_told_together():
    text = problems({"seeed": 1, "crossmatch": {"priority": ["plank", "pluto"]}, "catalogues": {"a/b c": {}}})
    for part in ("did you mean seed?", "'plank'", "'pluto'", "catalogues.a/b c: expected a name of small letters"):
        assert part in text


@pytest.mark.parametrize(
    ("lightcone", "expected"),
    [
        ({"redshift": [0.6, 0.05]}, "redshift: expected a rising range inside 0.001 to 3, got 0.6 to 0.05"),
        ({"ra_deg": [0, 800]}, "ra_deg: expected a rising range inside 0 to 360, got 0 to 800"),
        ({"dec_deg": [70, -100]}, "dec_deg: expected a rising range inside -90 to 90"),
        ({"min_mass_msun": 1e17}, "lightcone.min_mass_msun: Input should be less than"),
    ],
)
def test_impossible_skies_are_refused(lightcone, expected):
    assert expected in problems({"lightcone": lightcone})


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"cosmology": {"Ob0": 0.4}}, "Ob0: expected less than Om0 = 0.3089, got 0.4"),
        ({"cosmology": {"sigma8": 8.2}}, "cosmology.sigma8"),
        ({"galaxies": {"min_halo_mass": 1e14}}, "galaxies.min_halo_mass"),
        ({"universe": {"ho2019": 0.2}}, "universe.ho2019: 0.2 is not among nbody.redshifts"),
        ({"universe": {"boxes": 1}}, "universe.boxes"),
        ({"snapshots": {"mdpl2": {"format": "rockstar"}}}, "did you mean rockstar_csv?"),
    ],
)
def test_impossible_universes_are_refused(settings, expected):
    with pytest.raises(ConfigError) as refused:
        load(settings)
    assert expected in str(refused.value)


def test_sections_cannot_be_changed():
    with pytest.raises(ValueError, match="frozen"):
        Config().seed = 3


def test_module_writes_config_yaml(tmp_path, monkeypatch):
    code = "import runpy, clustermass.config.model as m; from pathlib import Path; print(m.DEFAULT_FILE.name)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT / "workflow_scripts", capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "config.yaml"
    assert model.DEFAULT_FILE == ROOT / "config.yaml"
