"""Observed clusters: centres, redshifts around them, phase space, virial masses, distance to the mock, abundance."""
