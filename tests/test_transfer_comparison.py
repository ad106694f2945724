"""Masses from images beside labels, each other and richness."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from scipy import stats

from clustermass.config.image_networks import LIN_MASS, RegressorNetwork
from clustermass.networks.describe import describe_regressor
from clustermass.transfer import comparison
from clustermass.transfer.contracts import MASS_PREDICTIONS
from clustermass.transfer.scores import richness_masses

FOLDS = 5


def predictions(seed=0, scatter=0.2, trials=2, clusters=60):
    """Return tests and validations of clusters, two of which share a halo, in folds by halo."""
    rng = np.random.default_rng(seed)
    labels = np.random.default_rng(7)  # the same for all models
    group = np.repeat(np.arange(clusters // 2), 2)[:clusters]
    mass = labels.uniform(13.6, 15.0, clusters)
    err = labels.uniform(0.05, 0.2, clusters)
    err[::7] = np.nan
    table = pd.DataFrame(
        {
            "cluster": [f"c{i:03d}" for i in range(clusters)],
            "group": [f"g{i}" for i in group],
            "catalogue": np.where(np.arange(clusters) % 3 == 0, "planck", "mcxc"),
            "redshift": labels.uniform(0.1, 0.5, clusters),
            "log10_m500c": mass,
            "log10_m500c_err": err,
            "log10_m500c_richness": 14.2 + 0.7 * (mass - 14.3) + labels.normal(0, 0.1, clusters),
        }
    )
    parts = []
    for trial in range(trials):
        predicted = mass + rng.normal(0, scatter, clusters)
        for role, fold in (("test", group % FOLDS), ("validation", (group - 1) % FOLDS)):
            parts.append(
                table.assign(role=role, fold=fold, trial=trial, training_clusters=36, log10_predicted=predicted)
            )
    return MASS_PREDICTIONS.validate(pd.concat(parts, ignore_index=True)[MASS_PREDICTIONS.names], "made up")


def test_tests_are_means_over_trials():
    table = predictions()
    found = comparison.tested(table.sample(frac=1, random_state=1))
    assert found["cluster"].tolist() == [f"c{i:03d}" for i in range(60)]
    for row in found.iloc[::9].to_dict("records"):
        mine = table[(table["cluster"] == row["cluster"]) & (table["role"] == "test")]
        residual = mine["log10_predicted"] - mine["log10_m500c"]
        assert len(mine) == 2
        assert row["log10_predicted"] == pytest.approx(mine["log10_predicted"].mean())
        assert row["residual"] == pytest.approx(residual.mean())
        assert row["absolute"] == pytest.approx(residual.abs().mean())
        assert row["absolute"] >= abs(row["residual"])
    assert found["log10_m500c_err"].isna().sum() == 9
    with pytest.raises(ValueError, match="role test"):
        comparison.tested(table[table["role"] == "validation"])


def test_no_skill_is_the_median_of_the_labels_that_train():
    table = predictions()
    found = comparison.median_masses(table)
    assert found["trial"].unique().tolist() == [0]
    tests = found[found["role"] == "test"]
    for fold in range(FOLDS):
        train = tests[~tests["fold"].isin([fold, (fold + 1) % FOLDS])]  # validation tests in the fold after
        assert len(train) == 36
        mine = tests.loc[tests["fold"] == fold, "log10_predicted"]
        assert (mine == train["log10_m500c"].median()).all()


def test_no_skill_knows_nothing_of_the_label_that_it_is_held_against():
    table = predictions()
    own = (table["cluster"] == "c000") & (table["role"] == "test")
    changed = table.assign(log10_m500c=table["log10_m500c"].where(table["cluster"] != "c000", 16.9))
    for function in (comparison.median_masses, comparison.fitted_richness_masses):
        one, other = (function(t).loc[lambda f: own[f.index], "log10_predicted"] for t in (table, changed))
        pd.testing.assert_series_equal(one, other)


def test_masses_from_richness_are_fitted_to_those_that_train():
    table = predictions()
    found = comparison.fitted_richness_masses(table)
    tests = found[found["role"] == "test"]
    train, mine = tests[~tests["fold"].isin([2, 3])], tests[tests["fold"] == 2]
    line = stats.linregress(train["log10_m500c_richness"], train["log10_m500c"])
    expected = line.intercept + line.slope * mine["log10_m500c_richness"]
    np.testing.assert_allclose(mine["log10_predicted"], expected, atol=1e-10)
    published = comparison.tested(richness_masses(table))["absolute"].mean()
    assert comparison.tested(found)["absolute"].mean() < published  # whose zero point is off by a tenth


def test_folds_in_which_nobody_trains_are_refused():
    table = predictions()
    with pytest.raises(ValueError, match="train in every fold, got 0"):
        comparison.median_masses(table.assign(fold=0))


def test_grouped_error_of_single_clusters_is_the_usual_one():
    rng = np.random.default_rng(2)
    values = rng.normal(size=30)
    found = comparison.grouped_error(values, np.arange(30))
    assert found == pytest.approx(stats.sem(values))
    assert np.isnan(comparison.grouped_error(values, np.zeros(30)))


def test_grouped_error_is_the_scatter_of_means_of_resampled_groups():
    rng = np.random.default_rng(3)
    group = np.repeat(np.arange(40), 3)
    values = rng.normal(size=40)[group] + 0.1 * rng.normal(size=120)
    found = comparison.grouped_error(values, group)
    draws = rng.integers(40, size=(4000, 40))
    means = values.reshape(40, 3).mean(axis=1)[draws].mean(axis=1)
    assert found == pytest.approx(means.std() * np.sqrt(40 / 39), rel=0.05)
    assert found > 1.6 * stats.sem(values)  # three of a halo are no three measurements


@pytest.mark.parametrize(("x", "width"), [("log10_m500c", 0.25), ("redshift", 0.05)])
def test_bins_hold_what_they_should(x, width):
    tests = comparison.tested(predictions())
    found = comparison.binned_errors(tests, x, width, 4)
    assert found.columns[0] == x
    expected = []
    for low in np.arange(0, 20, width):
        part = tests[(tests[x] >= low - 1e-12) & (tests[x] < low + width - 1e-12)]
        if len(part) >= 4:
            errors = part["log10_m500c_err"].dropna()
            expected.append(
                (low + width / 2, part["absolute"].mean(), part["residual"].mean(), part["residual"].std(ddof=0),
                 np.sqrt(2 / np.pi) * errors.mean(), len(part))
            )  # fmt: skip
    names = [x, "mae", "residual", "sigma", "floor", "clusters"]
    np.testing.assert_allclose(found[names].to_numpy(float), np.array(expected), rtol=1e-9)
    first = tests[np.floor(tests[x] / width).astype(int) == round(found[x].iloc[0] / width - 0.5)]
    assert found["mae_error"].iloc[0] == comparison.grouped_error(
        first["absolute"].to_numpy(), first["group"].to_numpy()
    )


def test_bins_on_an_edge_and_with_too_few():
    tests = comparison.tested(predictions()).iloc[:3].assign(redshift=[0.15, 0.1499, 0.3])
    assert comparison.binned_errors(tests, "redshift", 0.05, 1)["redshift"].tolist() == pytest.approx(
        [0.125, 0.175, 0.325]
    )
    empty = comparison.binned_errors(tests, "redshift", 0.05, 2)
    assert empty.empty
    assert list(empty)[:2] == ["redshift", "mae"]
    figure, (above, below) = plt.subplots(2, 1)
    comparison.draw_performance(above, below, {"ss_trans": empty, "constant": empty}, 0.01)
    assert "no bin holds enough clusters" in [text.get_text() for text in above.texts]
    plt.close(figure)


def test_densities_are_sums_of_gaussians():
    rng = np.random.default_rng(4)
    x, y = rng.normal(14, 0.3, 12), rng.normal(14.2, 0.2, 12)
    grid, other = np.linspace(12, 16, 161), np.linspace(12.5, 16, 141)
    found = comparison.kernel_density(x, grid, 0.1)
    np.testing.assert_allclose(found, np.mean([stats.norm.pdf(grid, value, 0.1) for value in x], axis=0))
    assert np.trapezoid(found, grid) == pytest.approx(1)
    joint = comparison.joint_density(x, y, grid, other, 0.1)
    expected = np.mean(
        [stats.norm.pdf(other, b, 0.1)[:, None] * stats.norm.pdf(grid, a, 0.1) for a, b in zip(x, y, strict=True)],
        axis=0,
    )
    np.testing.assert_allclose(joint, expected, atol=1e-12)


def test_contours_enclose_their_shares():
    grid = np.linspace(-5, 5, 201)
    density = comparison.joint_density(np.zeros(1), np.zeros(1), grid, grid, 1.0)
    low, high = comparison.enclosing_levels(density, (0.68, 0.95))
    peak = 1 / (2 * np.pi)
    assert (low, high) == pytest.approx(
        (0.05 * peak, 0.32 * peak), rel=0.02
    )  # 1 - share of the peak, in two dimensions
    assert density[density >= low].sum() / density.sum() == pytest.approx(0.95, abs=0.002)


@pytest.fixture(scope="module")
def standings():
    tables = {"ss_trans": predictions(1, 0.1), "trans": predictions(2, 0.1), "baseline": predictions(3, 0.9, trials=1)}
    printed = {
        "ss_trans_mae": 0.232,
        "ss_trans_sigma": 0.292,
        "ss_trans_mae_best": 0.214,
        "baseline_mae": 1.069,
        "richness_mae": 0.192,
    }
    return tables, comparison.standings(tables, lambda: np.random.default_rng(5), 200, printed.get)


def test_standings_hold_models_floor_and_pairs(standings):
    tables, found = standings
    models = found[found["compared_with"] == ""].set_index("model")
    assert models.index.tolist() == [
        "S.S.+Trans.", "Trans., strong labels alone", "Baseline", "richness-based",
        "richness-based, fitted to training labels", "median of training labels", "labels' own errors",
    ]  # fmt: skip
    ours = comparison.tested(tables["ss_trans"])
    assert models.loc["S.S.+Trans.", "mae"] == pytest.approx(ours["absolute"].mean())
    folds = [part["absolute"].mean() for _, part in ours.groupby(ours["group"].str[1:].astype(int) % FOLDS)]
    assert models.loc["S.S.+Trans.", "fold_std"] == pytest.approx(np.std(folds, ddof=1))
    assert models.loc["S.S.+Trans.", "best_fold"] == pytest.approx(min(folds))
    assert models.loc["S.S.+Trans.", ["published_mae", "published_sigma", "published_best_fold"]].tolist() == [
        0.232,
        0.292,
        0.214,
    ]
    assert models["published_fold_std"].isna().all()
    assert np.isnan(models.loc["Baseline", "trial_std"])  # one trial
    floor = np.sqrt(2 / np.pi) * ours["log10_m500c_err"].mean()
    assert models.loc["labels' own errors", "mae"] == pytest.approx(floor)


def test_standings_tell_which_of_two_is_better(standings):
    _, found = standings
    pairs = found[found["compared_with"] != ""].set_index(["model", "compared_with"])
    assert len(pairs) == 3 + 3 * 3  # models, and each with three references
    mae = found[found["compared_with"] == ""].set_index("model")["mae"]
    for (model, other), row in pairs.iterrows():
        assert row["mae"] == pytest.approx(mae[model] - mae[other])
        assert row["verdict"] == ("better" if row["high"] < 0 else "worse" if row["low"] > 0 else "undecided")
    assert pairs.loc[("Baseline", "S.S.+Trans."), "verdict"] == "worse"
    assert pairs.loc[("Baseline", "S.S.+Trans."), "published_mae"] == pytest.approx(1.069 - 0.232)
    assert pairs.loc[("Trans., strong labels alone", "S.S.+Trans."), "verdict"] == "undecided"
    assert pairs.loc[("S.S.+Trans.", "median of training labels"), "verdict"] == "better"


def test_models_of_other_configurations_go_by_their_names():
    assert comparison.look_of("convnext").title == "convnext"
    assert comparison.look_of("ss_trans").title == "S.S.+Trans."
    assert comparison.begun_from("file") == "extractor from weights from a file"
    words = comparison.made_from(149, 64, "random", strong=150, folds=10, trials=1)
    assert words == "149 clusters (strong labels over-sampled), 10 folds × 1, 64 × 64 pixels, random weights"
    words = comparison.made_from(1500, 256, "imagenet", strong=0, folds=10, trials=3)
    assert words == "1500 clusters, 10 folds × 3, 256 × 256 pixels, ImageNet weights"


def test_layers_stand_beside_those_of_the_published_shapes():
    published = describe_regressor(LIN_MASS)
    same = comparison.layers_beside(published, published)
    assert same["layer"].tolist() == published["layer"].tolist()
    assert (same["weights"] == same["published_weights"]).all()
    other = describe_regressor(RegressorNetwork(hidden=(8, 4, 2), redshift=False))
    found = comparison.layers_beside(other, published)
    assert found["weights"].sum() == other["weights"].sum()
    assert found["published_weights"].sum() == 33_829_257
    assert found["layer"].iloc[:3].tolist() == ["2D Conv 1", "BN", "ReLU"]
    assert found["layer"].iloc[-5:].tolist() == ["FC 2", "ReLU", "FC 3", "ReLU", "FC 4"]
    assert found.loc[found["layer"] == "ReLU", "output_size"].tolist()[-3:] == ["8", "4", "2"]
    assert found.loc[found["layer"] == "ReLU", "published_output_size"].tolist()[-4:] == ["1 x 1", "1024", "512", ""]
    assert found.set_index("layer").loc["1D Conv", "output_size"] == ""
    assert found.set_index("layer").loc["FC 4", "published_output_size"] == ""


def test_panels_show_every_model_beside_the_references():
    table = predictions()
    models = {"ss_trans": table, "richness": richness_masses(table), "constant": comparison.median_masses(table)}
    bins = {n: comparison.binned_errors(comparison.tested(t), "log10_m500c", 0.25, 4) for n, t in models.items()}
    figure, (above, below) = plt.subplots(2, 1)
    comparison.draw_performance(above, below, bins, 0.03)
    labels = [text.get_text() for text in above.get_legend().get_texts()]
    assert set(labels) == {"labels' own errors", "median of labels", "S.S.+Trans.", "richness-based"}
    network, richness = (np.asarray(line[0].get_xdata(), float) for line in above.containers)
    np.testing.assert_allclose(richness - network, 0.03)
    heights = np.asarray(below.containers[0][0].get_ydata(), float)
    np.testing.assert_allclose(heights, bins["ss_trans"]["residual"])
    plt.close(figure)


def test_errors_in_bins_share_the_axis_that_is_named():
    empty = comparison.binned_errors(comparison.tested(predictions()), "redshift", 0.1, 10_000)
    figure = comparison.draw_in_bins({"ss_trans": empty, "constant": empty}, 0.01, "9 clusters", "redshift")
    above, below = figure.axes
    assert (above.get_xlabel(), below.get_xlabel()) == ("", "redshift")
    assert above.get_shared_x_axes().joined(above, below)
    assert [text.get_text() for text in figure.texts] == ["9 clusters"]
