"""Galaxies in the halos of a simulation: how many, how bright and heavy, where, and how fast."""
