"""Flows: densities that integrate to one, recover planted posteriors, train in the common trainer, and are stored."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats
from sklearn.decomposition import PCA

from clustermass.config.base import Cosmology
from clustermass.config.flow import FLOW_TRAINING, FlowNetwork, NeuralFlow
from clustermass.config.networks import CubeNetwork, PhaseSpaceNetwork
from clustermass.config.posterior import Posterior
from clustermass.config.training import Training
from clustermass.estimators import Split
from clustermass.networks import build
from clustermass.posterior.grid import Posteriors, highest_density_level, limits, mean, volume_below
from clustermass.posterior.inference import infer, own_posteriors, predict_posteriors
from clustermass.posterior.joint import fit_joint, make_pairs
from clustermass.posterior.neural import fit_neural, flow_masses, flow_posteriors, neural_density
from clustermass.posterior.prior import calibration_prior, reweight, training_prior
from clustermass.posterior.store import Inference, load_inference, save_inference
from clustermass.training.compression import fit_components, load_components, save_components
from clustermass.training.folds import subset
from clustermass.training.labels import LabelScale
from clustermass.training.trainer import Samples, State, Trained, train, trained

GRID = np.arange(1300, 1601) * 0.01  # 13 to 16
QUICK = FLOW_TRAINING.model_copy(update={"epochs": 20, "learning_rate": 5e-3, "decay": 1e-2, "patience": None})
SETTINGS = Posterior(flow=FlowNetwork(hidden=(16,), bins=4), flow_training=QUICK)


def planted(number, seed):
    """Return summaries and masses: the scatter of the summary falls with mass."""
    rng = np.random.default_rng(seed)
    mass = rng.normal(14.4, 0.3, number)
    return mass + rng.normal(0, 0.12, number), mass


@pytest.fixture(scope="module")
def density():
    summary, mass = planted(2500, 1)
    return fit_neural(make_pairs(summary, mass, np.arange(2500) // 2), SETTINGS, np.random.default_rng(3))


def test_a_flow_is_a_density():
    torch.manual_seed(0)
    flow = build(FlowNetwork(inputs=2, hidden=(8,), bins=5))
    fine = torch.linspace(-9, 9, 18_001).unsqueeze(0).expand(3, -1)
    condition = 3 * torch.randn(3, 2)
    logs = flow.log_prob(flow(condition), fine)
    np.testing.assert_allclose(torch.trapezoid(logs.exp(), fine).detach().numpy(), 1, atol=1e-3)
    labels = torch.tensor([0.1, -0.4, 1.0])
    each = [flow.log_prob(condition[k : k + 1], labels[k].reshape(1, 1)).item() for k in range(3)]
    assert flow.loss(condition, labels).item() == pytest.approx(-np.mean(each), rel=1e-5)
    with pytest.raises(ValueError, match=r"expected the shape \(n, 2\)"):
        flow(torch.zeros(3, 5))


def test_planted_posteriors_are_recovered(density):
    slope = 0.3**2 / (0.3**2 + 0.12**2)
    at = np.array([14.0, 14.4, 14.9])
    posteriors = density.slices(at, GRID).posteriors
    np.testing.assert_allclose(mean(posteriors), 14.4 + slope * (at - 14.4), atol=0.04)
    width = np.diff(limits(posteriors, 0.6827, "equal_tailed"))[:, 0] / 2
    np.testing.assert_allclose(width, 0.3 * 0.12 / np.hypot(0.3, 0.12), rtol=0.2)
    summary, mass = planted(1500, 2)
    posteriors = density.slices(summary, GRID).posteriors
    for level in (volume_below(posteriors, mass[:, None]), highest_density_level(posteriors, mass[:, None])):
        assert stats.kstest(level[:, 0], "uniform").statistic < 0.06


def test_what_lies_beyond_the_pairs_is_flagged(density):
    slices = density.slices(np.array([14.4, 17.0, 30.0]), GRID)
    np.testing.assert_array_equal(slices.extrapolated, [False, True, True])
    assert slices.pairs_effective[0] > 100


def test_the_same_seed_gives_the_same_flow(density):
    summary, mass = planted(2500, 1)
    pairs = make_pairs(summary, mass, np.arange(2500) // 2)
    again = fit_neural(pairs, SETTINGS, np.random.default_rng(3))
    for one, other in zip(density.flow.network.parameters(), again.flow.network.parameters(), strict=True):
        assert torch.equal(one, other)


def test_flows_are_stored_with_their_pairs(density, tmp_path):
    inference = Inference(density, prior := calibration_prior(density.joint, GRID), prior, SETTINGS)
    at = np.linspace(13.8, 15.0, 9)
    save_inference(tmp_path / "joint.safetensors", inference, at, {})
    read = load_inference(tmp_path / "joint.safetensors")
    before, after = inference.posteriors(at), read.posteriors(at)
    np.testing.assert_array_equal(before.posteriors.density, after.posteriors.density)
    marginal = read.on_grid(np.linspace(12.5, 16.5, 400)).sum() * 0.01 * (4 / 399)
    assert marginal == pytest.approx(1, abs=0.01)


def test_pairs_that_no_flow_can_learn_from_are_refused():
    summary, mass = planted(50, 4)
    with pytest.raises(ValueError, match="same weight"):
        fit_neural(make_pairs(summary, mass, weight=np.arange(1.0, 51)), SETTINGS, np.random.default_rng(0))
    with pytest.raises(ValueError, match="got 1 halos"):
        fit_neural(make_pairs(summary, mass, np.zeros(50)), SETTINGS, np.random.default_rng(0))
    state = State({}, 0, LabelScale(14, 1))
    with pytest.raises(RuntimeError, match="Missing key"):
        neural_density(fit_joint(make_pairs(summary, mass), SETTINGS), state, LabelScale(14, 1), SETTINGS)


@pytest.mark.parametrize(
    ("encoder", "shape"),
    [
        (CubeNetwork(voxels=16, dense=(16, 8), input_scale=4096), (16, 16, 16)),
        (PhaseSpaceNetwork(velocity_bins=16, radius_bins=4, filters=(6, 4), dense=(16, 8), input_scale=16), (16, 4)),
    ],
)
def test_flows_train_end_to_end_with_a_network_in_front(encoder, shape):
    rng = np.random.default_rng(5)
    mass = rng.uniform(13.8, 15.0, 120)
    at = np.arange(16) - 7.5
    widths = 1.5 * 10 ** ((mass - 14) / 3)
    density = np.exp(-0.5 * (at / widths[:, None]) ** 2)
    inputs = np.broadcast_to(density.reshape(120, 16, *[1] * (len(shape) - 1)), (120, *shape))
    inputs = (inputs / inputs.sum(tuple(range(1, inputs.ndim)), keepdims=True)).astype(np.float32)
    network = FlowNetwork(encoder=encoder, hidden=(8,), bins=4)
    assert network.condition == 8
    settings = QUICK.model_copy(update={"epochs": 10, "batch": 20, "decay": 0.0, "precision": "bfloat16"})
    samples = Samples(inputs, mass)
    state = train(network, settings, samples, samples, 1)
    losses = [row["validation_loss"] for row in state.curves]
    assert losses[-1] < losses[0] - 0.2
    model = trained(network, state)
    posteriors = flow_posteriors(model, inputs, 120, settings, GRID)
    maker = flow_posteriors(model, lambda rows: torch.from_numpy(inputs)[rows], 120, settings, GRID)
    np.testing.assert_array_equal(posteriors.density, maker.density)
    assert np.corrcoef(mean(posteriors), mass)[0, 1] > 0.7


def test_a_network_without_a_density_is_refused():
    model = Trained(build(PhaseSpaceNetwork()), LabelScale(14, 1), None)
    with pytest.raises(TypeError, match="expected a ConditionalFlow, got PhaseSpaceCNN"):
        flow_posteriors(model, np.zeros((1, 48), np.float32), 1, QUICK, GRID)


def test_the_neural_flow_takes_as_many_inputs_as_there_are_components():
    assert NeuralFlow().network.inputs == NeuralFlow().components
    with pytest.raises(ValueError, match="expected as many inputs as components"):
        NeuralFlow(components=5)


def test_one_mass_for_each_posterior_is_its_mean(density):
    at = np.array([14.0, 14.5])
    inputs = density.inputs(at)
    whole, masses = flow_masses(density.flow, inputs, 2, density.training, GRID)
    np.testing.assert_allclose(masses, mean(whole), atol=1e-6)
    high = np.arange(1550, 1601) * 0.01  # most of both posteriors is below
    cut, masses = flow_masses(density.flow, inputs, 2, density.training, high)
    assert np.isnan(cut.density).all()
    assert ((masses > high[0]) & (masses < high[-1])).all()


def images(number, seed=0):
    """Return densities over 12 velocities and 4 radii that differ in width and lean, and what they differ in."""
    rng = np.random.default_rng(seed)
    width, lean = rng.uniform(1, 3, (number, 1, 1)), rng.uniform(-1, 1, (number, 1, 1))
    v, r = np.mgrid[-5.5:6, 0:4]
    made = np.exp(-0.5 * ((v - lean) / width) ** 2 - 0.3 * r)
    return (made / made.sum((1, 2), keepdims=True)).astype(np.float32), width[:, 0, 0], lean[:, 0, 0]


def test_components_are_those_of_the_square_roots(tmp_path):
    densities, width, _ = images(400)
    components = fit_components(densities, 3)
    both = np.sqrt(np.concatenate([densities, densities[:, ::-1]])).reshape(800, -1)
    expected = PCA(3).fit(both)
    projected = components.project(densities)
    reference = expected.transform(both)[:400] / np.sqrt(expected.explained_variance_ * 799 / 800)
    np.testing.assert_allclose(np.abs(projected), np.abs(reference), atol=2e-4)
    assert components.explained == pytest.approx(expected.explained_variance_ratio_.sum(), abs=1e-5)
    assert max(abs(np.corrcoef(column, width)[0, 1]) for column in projected.T) > 0.9
    save_components(tmp_path / "components.safetensors", components)
    read = load_components(tmp_path / "components.safetensors")
    np.testing.assert_array_equal(read.compress(densities), components.compress(densities))
    assert read.explained == components.explained


def test_components_beyond_the_training_set_are_cut():
    densities, *_ = images(300)
    components = fit_components(densities, 2)
    odd = np.exp(-0.5 * (np.mgrid[-5.5:6, 0:4][:1] - 4) ** 2).astype(np.float32)  # leans more than any of these
    assert (np.abs(components.project(odd)) > np.abs(components.compress(odd)) + 0.1).any()
    assert (
        (components.compress(odd) >= components.low - 1e-5) & (components.compress(odd) <= components.high + 1e-5)
    ).all()
    np.testing.assert_allclose(components.compress(densities), components.project(densities), atol=1e-5)
    with pytest.raises(ValueError, match="expected at most 1, which these densities differ in, got 2"):
        fit_components(np.concatenate([densities[:1], densities[:1, ::-1]]), 2)


def test_own_posteriors_are_taken_by_cluster_and_brought_to_the_calibrations_prior():
    summary, mass = planted(300, 6)
    table = pd.DataFrame({"cluster": np.arange(300) * 2, "group": [str(k) for k in range(300)]})
    table = table.assign(log10_m200c=mass, log10_predicted=summary)
    rng = np.random.default_rng(1)
    inference = infer(table, "kde", SETTINGS, 0.05, Cosmology(), rng, GRID)
    order = rng.permutation(300)
    own, cluster = inference.posteriors(summary[order]).posteriors, table["cluster"].to_numpy()
    slices = own_posteriors(inference, table, own, cluster[order], inference.prior)
    expected = inference.posteriors(summary).posteriors
    known = np.isfinite(mean(slices.posteriors))
    assert known.sum() > 290
    np.testing.assert_array_equal(slices.extrapolated[~known], True)  # most of it where the pairs have no masses
    close = np.abs(mean(slices.posteriors) - mean(expected))[known]
    assert np.median(close) < 1e-4
    other = training_prior(np.random.default_rng(2).normal(14.2, 0.3, 4000), GRID, SETTINGS)
    back = own_posteriors(inference, table, reweight(own, inference.prior, other), cluster[order], other)
    close = np.abs(mean(back.posteriors) - mean(expected))
    assert np.nanmedian(close) < 1e-3
    assert np.nanquantile(close, 0.95) < 0.02
    with pytest.raises(ValueError, match="got none of cluster 6"):
        own_posteriors(inference, table, own, np.where(cluster == 6, 7, cluster)[order], other)
    with pytest.raises(ValueError, match="expected the grid of the inference"):
        own_posteriors(inference, table, Posteriors(GRID + 1, own.density), cluster[order], other)


@pytest.mark.parametrize("density", ["kde", "kde_covariance", "npe"])
def test_predictions_become_posteriors(density):
    summary, mass = planted(600, 7)
    table = pd.DataFrame({"group": [str(k) for k in range(600)], "log10_m200c": mass, "log10_predicted": summary})
    settings = SETTINGS.model_copy(update={"prior": "mass_function"})
    inference = infer(table, density, settings, 0.05, Cosmology(), np.random.default_rng(1))
    assert inference.settings.bandwidth_reading == ("covariance" if density == "kde_covariance" else "deviation")
    flat = infer(table, density, SETTINGS, 0.05, Cosmology(), np.random.default_rng(1))
    at = np.array([14.4])
    assert mean(inference.posteriors(at).posteriors) < mean(flat.posteriors(at).posteriors) - 0.005
    assert flat.target is flat.prior


def test_posteriors_of_all_splits_are_those_of_each_alone() -> None:
    rng = np.random.default_rng(3)
    mass = rng.uniform(13.7, 15.0, 120)
    samples = Samples((mass[:, None] - 14.3 + 0.2 * rng.normal(size=(120, 2))).astype(np.float32), mass)
    names = [f"box1-{k}" for k in range(120)]
    clusters = pd.DataFrame({"cluster": np.arange(120) + 7, "group": names, "log10_m200c": mass})
    learning = np.arange(60), np.arange(60, 80)
    made = [Split(0, 0, *learning, np.arange(80, 95)), Split(0, -1, *learning, np.arange(95, 120))]
    network, training = FlowNetwork(inputs=2, hidden=(8,)), Training(epochs=2, max_norm=None, labels="standardised")
    settings = Posterior(mass_step_dex=0.02)
    model = trained(network, train(network, training, subset(samples, learning[0]), None, 1))
    table, found, prior = predict_posteriors(model, samples, clusters, made, training, settings)
    assert table["cluster"].tolist() == list(range(87, 127))
    assert table["role"].tolist() == ["test"] * 15 + ["heldout"] * 25
    alone, means = flow_masses(model, samples.inputs[95:], 25, training, found.log10_mass)
    np.testing.assert_array_equal(found.density[15:], alone.density)
    np.testing.assert_array_equal(table["log10_predicted"][15:], means)
    assert (prior.low, prior.high) == pytest.approx((mass[:60].min(), mass[:60].max()))
