"""Run one N-body box; keep its particles, halos and power spectra (rule universe_box)."""

import numpy as np

from clustermass import contracts, provenance, runtime
from clustermass.config.base import Cosmology
from clustermass.config.nbody import Nbody
from clustermass.halofinder import HALOS_SNAPSHOT
from clustermass.nbody.store import write_particles
from clustermass.universe import make_box
from clustermass.validation.modes import POWER


def keep(snapshot):
    """Store the particles of a snapshot, or a random eighth where only the light cone uses it."""
    place = settings.redshifts.index(snapshot.redshift)
    whole = snapshot.redshift in snakemake.params.whole
    rows = slice(None) if whole else np.flatnonzero(thin.random(len(snapshot.positions)) < 1 / 8)
    positions, velocities = snapshot.positions[rows], snapshot.velocities[rows]
    write_particles(snakemake.output.particles[place], positions, velocities, settings.box_mpc_h, snapshot.redshift)


with runtime.logged(snakemake):
    settings, cosmology = Nbody(**snakemake.params.nbody), Cosmology(**snakemake.params.cosmology)
    rng = runtime.job_generator(snakemake)
    thin = runtime.generator(snakemake.params.seed, "universe_box_thin", dict(snakemake.wildcards.items()))
    made = make_box(settings, cosmology, rng, keep, runtime.Progress("step"))
    metadata = {"provenance": provenance.record(snakemake)}
    for place, snapshot in enumerate(made):
        contracts.write_table(snapshot.halos, HALOS_SNAPSHOT, snakemake.output.found[place], metadata)
        contracts.write_table(snapshot.power, POWER, snakemake.output.power[place], metadata)
