"""Frames of an imaging survey: where fields lie, which a cluster needs, how they are read and written."""
