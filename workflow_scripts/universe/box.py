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
    whole = snapshot.redshift in snakemake.params.whole
    rows = slice(None) if whole else np.flatnonzero(thin.random(len(snapshot.positions)) < 1 / 8)
    positions, velocities = snapshot.positions[rows], snapshot.velocities[rows]
    path = snakemake.output[f"particles_z{snapshot.redshift:g}"]
    write_particles(path, positions, velocities, settings.box_mpc_h, snapshot.redshift)


with runtime.logged(snakemake):
    settings, cosmology = Nbody(**snakemake.params.nbody), Cosmology(**snakemake.params.cosmology)
    rng = runtime.job_generator(snakemake)
    thin = runtime.generator(snakemake.params.seed, "universe_box_thin", dict(snakemake.wildcards.items()))
    made = make_box(settings, cosmology, rng, keep, runtime.Progress("step"))
    metadata = {"provenance": provenance.record(snakemake)}
    for snapshot in made:
        name = f"z{snapshot.redshift:g}"
        contracts.write_table(snapshot.halos, HALOS_SNAPSHOT, snakemake.output[f"found_{name}"], metadata)
        contracts.write_table(snapshot.power, POWER, snakemake.output[f"power_{name}"], metadata)
