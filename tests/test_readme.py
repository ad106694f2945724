"""The examples of the README, as they stand there: settings load, tables are read, a network of one's own trains."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from snakemake.utils import update_config
from test_house import JOBS

from clustermass.config.base import Cosmology, Section
from clustermass.config.catalogues import Catalogue
from clustermass.config.model import DEFAULT_FILE, ConfigError, load
from clustermass.config.networks import Networks, OwnNetwork, PhaseSpaceNetwork
from clustermass.config.observed import Observed
from clustermass.config.training import Training
from clustermass.networks import build
from clustermass.networks.describe import describe_layers
from clustermass.observed.redshifts import usable_redshifts
from clustermass.sources.catalogues import standardise
from clustermass.sources.redshifts import read_redshifts
from clustermass.sources.tables import read_catalogue
from clustermass.training.checkpoint import load_trained
from clustermass.training.folds import Fold, train_folds
from clustermass.training.trainer import Samples, predict_log10_mass

README = (Path(__file__).resolve().parents[1] / "README.md").read_text()


@cache
def blocks(kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```", README, re.DOTALL | re.MULTILINE)


def example(kind: str, word: str) -> str:
    (found,) = (block for block in blocks(kind) if word in block)
    return found


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Run in a folder that holds the example's network."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my_network.py").write_text(example("python", "nn.Module"))
    return tmp_path


def settings_with(text: str) -> dict[str, object]:
    settings = yaml.safe_load(DEFAULT_FILE.read_text())
    update_config(settings, yaml.safe_load(text))
    return load(settings)


@pytest.mark.parametrize("text", blocks("yaml"), ids=lambda text: text.split(":")[0])
def test_settings_of_every_example_are_accepted(text: str) -> None:
    assert settings_with(text)


def test_a_catalogue_of_ones_own_is_read(folder: Path) -> None:
    act = Catalogue(**yaml.safe_load(example("yaml", "act.csv"))["catalogues"]["act"])
    (folder / "act.csv").write_text("name,RA,Dec,z,M200m,dM\nJ1,10,-5,0.3,8.0,1.0\nJ2,11,-5,,8.0,1.0\n")
    found = standardise(read_catalogue(folder / "act.csv"), act, "act.csv", target=Cosmology())
    assert found.frame["id"].tolist() == ["J1"]
    assert found.rejected["reason"].str.contains("redshift").all()
    assert 3e14 < found.frame["m500c"][0] < 6e14  # an overdensity of 500 critical holds about half of 200 mean
    assert 0.09 < found.frame["m500c_err_low"][0] / found.frame["m500c"][0] < 0.16


def test_a_survey_of_ones_own_is_read(folder: Path) -> None:
    survey = Observed(**yaml.safe_load(example("yaml", "redshifts.csv"))["observed"]).surveys["mine"]
    (folder / "redshifts.csv").write_text("RA,Dec,z\n150.0,2.0,0.1\n150.1,2.1,0.2\n150.2,2.2,nan\n")
    usable, rejected = usable_redshifts(read_redshifts(folder / "redshifts.csv", survey), Observed())
    assert usable["redshift"].tolist() == [0.1, 0.2]
    assert len(rejected) == 1


def own() -> PhaseSpaceNetwork:
    return PhaseSpaceNetwork(radius_bins=48, own=OwnNetwork(file="my_network.py", name="Square"))


def test_a_network_of_ones_own_trains_in_folds_and_is_read_again(folder: Path) -> None:
    networks = Networks(**settings_with(example("yaml", "my_network.py"))["networks"])
    assert networks.cnn2d == own()
    rng = np.random.default_rng(1)
    label = rng.uniform(14, 15, 300)
    wide = np.exp(-0.5 * (np.linspace(-3, 3, 48) / (10 ** ((label[:, None] - 14.5) / 3))) ** 2)  # wider, the heavier
    inputs = np.repeat((wide / wide.sum(1, keepdims=True) / 48)[:, :, None], 48, axis=2).astype(np.float32)
    folds = [Fold(0, np.arange(250), np.arange(250, 300)), Fold(1, np.arange(50, 300), np.arange(50))]
    training = Training(epochs=12, batch=25, learning_rate=3e-3)
    models = train_folds(networks.cnn2d, training, Samples(inputs, label), folds, rng, 2, folder="models")
    predicted = predict_log10_mass(models[-1], inputs, 300, training)
    assert np.corrcoef(predicted[:50], label[:50])[0, 1] > 0.9
    again = predict_log10_mass(load_trained("models", networks.cnn2d), inputs, 300, training)
    np.testing.assert_array_equal(again, predicted)
    layers = describe_layers(build(networks.cnn2d), (48, 48))
    assert layers["parameters"].sum() == sum(p.numel() for p in build(networks.cnn2d).parameters())


def test_an_edit_of_the_file_is_another_network(folder: Path) -> None:
    before = own()
    with open("my_network.py", "a") as file:
        file.write("\n")
    assert own() != before


@pytest.mark.parametrize(
    ("file", "name", "said"),
    [
        ("none.py", "Square", "file: expected a Python file, got none at .*none.py"),
        ("my_network.py", "Other", r"my_network.py: expected a class Other of torch.nn.Module, got None"),
        ("my_network.py", "nn", r"expected a class nn of torch.nn.Module, got <module"),
    ],
)
def test_a_network_that_is_not_there(file: str, name: str, said: str) -> None:
    with pytest.raises((ConfigError, ValueError), match=said):
        build(PhaseSpaceNetwork(own=OwnNetwork(file=file, name=name)))


def test_other_sections_have_no_network_of_ones_own() -> None:
    with pytest.raises(TypeError, match="expected one of"):
        build(Section())


def test_random_weights_come_from_torchs_generator() -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        one = build(own())
        torch.manual_seed(3)
        other = build(own())
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))


def test_the_index_names_rule_script_and_data_of_all_that_the_report_shows():
    rows = re.findall(r"^\| .+ \| `(\w+)` \| `([\w/.]+)` \| `([^`]+)` \|$", README, re.MULTILINE)
    shown = {name for name, (_, body) in JOBS.items() if "report(" in body}
    assert sorted(rule for rule, _, _ in rows) == sorted(shown)
    for rule, script, data in rows:
        body = JOBS[rule][1]
        assert f'"../workflow_scripts/{script}"' in body
        assert f'"{data}"' in body
