"""Posteriors of cluster masses from simulated pairs of an estimator's summary and the true mass."""
