"""Galaxies of a snapshot: in its halos, and in halos that it does not resolve (rule universe_galaxies)."""

from clustermass import contracts, provenance, runtime
from clustermass.config.base import Cosmology
from clustermass.config.galaxies import Galaxies
from clustermass.galaxies.populate import populate
from clustermass.galaxies.surroundings import surroundings
from clustermass.nbody.store import read_particles
from clustermass.sources.snapshot import SNAPSHOT_GALAXIES, SNAPSHOT_HALOS

with runtime.logged(snakemake):
    options, cosmology = Galaxies(**snakemake.params.galaxies), Cosmology(**snakemake.params.cosmology)
    halos = contracts.read_table(snakemake.input.halos, SNAPSHOT_HALOS)
    positions, velocities, box, redshift = read_particles(snakemake.input.particles)
    particles, field = surroundings(
        halos, positions, velocities, box, redshift, cosmology, snakemake.params.smallest,
        around=options.structure == "particles", threads=snakemake.threads,
    )  # fmt: skip
    del positions, velocities
    rng = runtime.job_generator(snakemake)
    galaxies, applied = populate(halos, cosmology, redshift, box, options, rng, particles, field)
    print(f"{len(galaxies)} galaxies; {applied}")
    metadata = {"provenance": provenance.record(snakemake), "applied": applied, "box_mpc_h": box}
    contracts.write_table(galaxies, SNAPSHOT_GALAXIES, snakemake.output[0], metadata)
