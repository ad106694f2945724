"""Simulated frames: galaxies, stars, sky and faults of the detector, in nanomaggies."""
