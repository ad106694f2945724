"""Masses of galaxy clusters by machine learning: the library behind the workflow.

Pure functions over arrays and data frames; only `sources`, `contracts`, `config` and `style` touch files.
Units are stated on every argument; masses carry their definition and their h (`M500c [Msun]`, `M200c [Msun/h]`).
"""
