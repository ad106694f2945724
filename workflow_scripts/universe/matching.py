"""Fit the masses of halos to the mass function, on the boxes that are not held out (rule universe_matching)."""

import pandas as pd

from clustermass import contracts, provenance, runtime
from clustermass.config.base import Cosmology
from clustermass.config.nbody import Nbody
from clustermass.halofinder import HALOS_SNAPSHOT
from clustermass.halofinder.matching import MASS_MATCHING, SMALLEST_PARTICLES, fit_matching

with runtime.logged(snakemake):
    settings, cosmology = Nbody(**snakemake.params.nbody), Cosmology(**snakemake.params.cosmology)
    redshift = float(snakemake.wildcards.snapshot.removeprefix("z"))
    frame = MASS_MATCHING.empty()
    if snakemake.params.mass_matching == "tinker08":
        raw = [contracts.read_table(path, HALOS_SNAPSHOT)["m200c"].to_numpy() for path in snakemake.input]
        smallest = SMALLEST_PARTICLES * settings.particle_mass(cosmology)
        columns = fit_matching(raw, settings.box_mpc_h**3, smallest, redshift, cosmology)
        frame = pd.DataFrame(dict(zip(MASS_MATCHING.names, columns, strict=True)))
    print(frame.to_string())
    contracts.write_table(frame, MASS_MATCHING, snakemake.output[0], {"provenance": provenance.record(snakemake)})
