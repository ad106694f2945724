"""Tables and choices behind the figures of Ho et al. (2019), and the tables of the stage interpretation."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from clustermass import comparison, interpretation, msigma
from clustermass.abundance import abundance_systematic
from clustermass.config.interpretation import Interpretation
from clustermass.predictions import PREDICTIONS, headline_role
from clustermass.published import published
from clustermass.wojtak import PARAMETERS, Posterior

SETTINGS = Interpretation(bootstrap_draws=40, rates=[0.5, 0.7, 1.0])


def predictions(scatter, roles=("test", "heldout"), clusters=600, seed=1):
    """Return predictions whose residuals are lognormal; each role has its own clusters, three views a halo."""
    rng, parts = np.random.default_rng(seed), []
    for place, role in enumerate(roles):
        mass = rng.uniform(14, 15, clusters)
        parts.append(
            pd.DataFrame(
                {
                    "cluster": np.arange(clusters) + place * clusters,
                    "role": role,
                    "fold": -1 if role == "heldout" else 0,
                    "group": [f"{role}{row // 3}" for row in range(clusters)],
                    "log10_m200c": mass,
                    "log10_predicted": mass + scatter * rng.normal(size=clusters),
                }
            )
        )
    return PREDICTIONS.validate(pd.concat(parts, ignore_index=True), "predictions")


def generators():
    return np.random.default_rng(5)


def test_headlines_come_from_the_held_out_box_where_there_is_one():
    both = predictions(0.1)
    assert headline_role(both) == "heldout"
    assert headline_role(both[both["role"] == "test"]) == "test"
    found = comparison.headline_residuals(both)
    held = both[both["role"] == "heldout"]
    np.testing.assert_allclose(found["residual"], held["log10_predicted"] - held["log10_m200c"])
    clusters = pd.DataFrame({"heldout": [False, True, False], "test": [True, False, False]})
    assert comparison.headline_clusters(clusters).index.tolist() == [1]
    assert comparison.headline_clusters(clusters.assign(heldout=False)).index.tolist() == [0]


def fits(folds, sigma15):
    columns = {"fold": folds, "sigma15": sigma15, "alpha": 0.3, "scatter": 0.05, "expansion": 1.06, "clusters": 50}
    return msigma.RELATIONS.validate(pd.DataFrame(columns), "fits")


def test_headline_relation_is_that_of_all_folds_or_their_mean():
    assert comparison.headline_relation(fits([0, 1, -1], [900.0, 1100.0, 950.0])).sigma15 == 950
    relation = comparison.headline_relation(fits([0, 1], [900.0, 1100.0]))
    assert (relation.sigma15, relation.expansion, relation.clusters) == (1000, 1.06, 50)


def test_jackknife_of_means_gives_their_standard_error():
    values = np.random.default_rng(2).normal(1000, 30, 40)
    left_out = (values.sum() - values) / (len(values) - 1)  # the mean without each of them
    errors = comparison.jackknife_errors(fits(list(range(40)), left_out))
    assert errors["sigma15"] == pytest.approx(values.std(ddof=1) / np.sqrt(40))
    assert errors["alpha"] == pytest.approx(0, abs=1e-12)
    assert np.isnan(comparison.jackknife_errors(fits([-1, 0], [900.0, 900.0]))["sigma15"])


def test_mass_histogram_counts_per_volume_and_dex():
    found = comparison.mass_histogram(np.array([14.3, 14.05, 14.09, 14.31]), 1000.0, 0.1)
    np.testing.assert_allclose(found["low"], [14.0, 14.1, 14.2, 14.3])
    assert found["count"].tolist() == [2, 0, 0, 2]
    np.testing.assert_allclose(found["density"], np.array([2, 0, 0, 2]) / 100)


def test_one_cluster_of_every_bin_is_drawn():
    mass = np.random.default_rng(3).permutation(np.linspace(14, 15, 601))
    rows = comparison.one_per_bin(mass, 6, np.random.default_rng(4))
    assert np.floor((mass[rows] - 14) * 6 - 1e-9).tolist() == [0, 1, 2, 3, 4, 5]
    assert comparison.one_per_bin(mass, 6, np.random.default_rng(4)).tolist() == rows.tolist()
    assert comparison.one_per_bin(mass, 6, np.random.default_rng(5)).tolist() != rows.tolist()


def test_an_empty_bin_gives_the_nearest_cluster_not_yet_taken():
    mass = np.array([14.0, 14.01, 14.02, 14.9, 15.0])
    rows = comparison.one_per_bin(mass, 4, np.random.default_rng(0))
    assert len(set(rows.tolist())) == 4
    assert (np.diff(mass[rows]) > 0).all()
    with pytest.raises(ValueError, match="at least 6 clusters, got 5"):
        comparison.one_per_bin(mass, 6, np.random.default_rng(0))


def test_tables_show_every_number_beside_the_published_one():
    measured = interpretation.residual_table(
        {"sdm1d": predictions(0.2, ("heldout",)), "cnn1d": predictions(0.1)}, SETTINGS, generators
    )
    table = comparison.beside(measured, lambda model, name: {("cnn1d", "sigma"): 0.174}.get((model, name)))
    assert table["model"].unique().tolist() == ["CNN1D", "SDM1D"]
    row = table[(table["model"] == "CNN1D") & (table["statistic"] == "sigma")].iloc[0]
    assert row["published"] == 0.174
    assert row["held-out box low"] < row["held-out box"] < row["held-out box high"]
    assert row["cross-validation"] == pytest.approx(0.1, rel=0.1)
    counts = table[table["statistic"] == "clusters"].set_index("model")
    assert counts["held-out box"].tolist() == [600, 600]
    assert np.isnan(counts.loc["SDM1D", "cross-validation"])
    assert table["published"].notna().sum() == 1
    assert set(comparison.beside(measured, lambda *_: None, ["skew"])["statistic"]) == {"skew", "clusters"}


def test_gains_are_those_of_the_scatter_and_share_their_draws():
    table = {"cnn1d": predictions(0.2), "cnn2d": predictions(0.1)}  # one seed: residuals are proportional
    measured = interpretation.residual_table(table, SETTINGS, generators)
    measured = interpretation.MEASURED.validate(measured, "measured")
    gains = measured[measured["statistic"] == "sigma_gain_over_cnn1d"]
    assert gains["role"].tolist() == ["heldout", "test"]
    np.testing.assert_allclose(gains[["value", "low", "high"]], 50)


def test_abundances_are_in_percent():
    table = {"cnn1d": predictions(0.2)}
    measured = interpretation.residual_table(table, SETTINGS, generators)
    held = measured[measured["role"] == "heldout"].set_index("statistic")["value"]
    expected = 100 * abundance_systematic(held["sigma"], held["skew"], held["kurtosis"], 2.0)
    found = interpretation.MEASURED.validate(interpretation.abundances(table, SETTINGS, generators), "found")
    assert found["value"].iloc[0] == pytest.approx(expected)


def test_robustness_has_both_readings_of_the_mean_and_the_gain_in_width():
    full = {"cnn2d": predictions(0.1), "msigma_pure": predictions(0.1)}
    held = full["cnn2d"][full["cnn2d"]["role"] == "heldout"]
    subsampled = {}
    for model, width in (("cnn2d", 0.05), ("msigma_pure", 0.1)):
        rng, parts = np.random.default_rng(6), []
        for rate in SETTINGS.rates:
            shift = width * (1 - rate) * rng.normal(size=len(held))
            about = {"cluster": held["cluster"], "rate": rate, "draw": 0, "galaxies": 9}
            parts.append(pd.DataFrame(about | {"log10_predicted": held["log10_predicted"] + shift}))
        subsampled[model] = pd.concat(parts, ignore_index=True)
    measured, drifts = interpretation.robustness_tables(subsampled, full, SETTINGS, generators)
    interpretation.MEASURED.validate(measured, "measured")
    drifts = interpretation.DRIFTS.validate(drifts, "drifts")
    gain = measured[measured["statistic"] == "width_gain_over_msigma_pure"]
    assert gain["reading"].tolist() == ["mass", "logarithm"]
    np.testing.assert_allclose(gain[["value", "low", "high"]], 50, rtol=1e-6)  # the same halos in every draw
    assert len(drifts) == 2 * 2 * 3
    whole = drifts[drifts["rate"] == 1]
    np.testing.assert_allclose(whole[["p16", "median", "p84"]], 0, atol=1e-12)


def test_posteriors_and_chains_keep_their_contracts():
    draws = np.random.default_rng(7).normal([0.01, 0.15, 0.05, 1.0, 0.001], 1e-4, (500, 5))
    ones = np.ones(len(PARAMETERS))
    posterior = Posterior(draws, 100, 400, 20 * ones, 30 * ones, 0.5, converged=False)
    rows = interpretation.posterior_rows(posterior, "cnn1d", "test", 40.0)
    rows = interpretation.POSTERIORS.validate(rows, "posteriors").set_index("parameter")
    assert rows.loc["sigma0", "median"] == pytest.approx(0.15, abs=1e-4)
    assert rows.loc["intrinsic share, linear", "median"] == pytest.approx(0.55, abs=0.005)  # Ho et al., section 5.3
    assert rows.loc["intrinsic share, variance", "median"] == pytest.approx(0.78, abs=0.005)
    chain = interpretation.chain_row(posterior, np.array([14.0, 14.2, 14.6]), np.array([10, 40, 50]), 5)
    chain = interpretation.CHAINS.validate(pd.DataFrame([chain | {"model": "cnn1d", "role": "test"}]), "chains")
    assert chain.loc[0, ["clusters", "left_out", "median_richness", "autocorrelation"]].tolist() == [3, 2, 40, 20]


def test_every_number_of_the_paper_has_its_place():
    assert published("ho2019", "table1", "contaminated_sigma15") == 971
    for model in comparison.LOOKS:
        for statistic in ("median", "plus", "minus", "sigma", "skew", "kurtosis"):
            assert published("ho2019", "table2", f"{model}_{statistic}") is not None
        for statistic in ("median", "plus", "minus", "width"):
            assert published("ho2019", "table4", f"{model}_{statistic}") is not None
        assert published("ho2019", "abundance", model) is not None
    for model, reference in interpretation.GAINS:
        sigma = [published("ho2019", "table2", f"{name}_sigma") for name in (model, reference)]
        gain = published("ho2019", "table2", f"{model}_sigma_gain_over_{reference}")
        assert gain == pytest.approx(100 * (1 - sigma[0] / sigma[1]), abs=0.6)


def test_bands_are_drawn_as_wide_as_asked_for():
    bands = msigma.mass_bands(np.repeat([14.05, 14.15], 50), np.tile(np.arange(50.0), 2), msigma.Msigma())
    figure, axes = plt.subplots()
    comparison.draw_bands(axes, bands, "k", "a")
    comparison.draw_bands(axes, bands, "k", wide=False)
    assert len(axes.collections) == 3
    assert axes.get_legend_handles_labels()[1] == ["a"]
    plt.close(figure)
