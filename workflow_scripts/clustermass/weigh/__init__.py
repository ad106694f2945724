"""One mass, asked for: members or redshifts of one cluster in, posteriors of trained estimators out."""
