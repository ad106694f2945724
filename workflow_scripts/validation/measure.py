"""Measure one box at one redshift (rule validation_measure)."""

from clustermass import contracts, provenance, runtime
from clustermass.config.base import Cosmology
from clustermass.config.galaxies import Galaxies
from clustermass.config.nbody import Nbody
from clustermass.config.validation import Validation
from clustermass.halofinder.catalogue import HALOS_SNAPSHOT
from clustermass.nbody.store import read_particles
from clustermass.sources.snapshot import SNAPSHOT_GALAXIES, SNAPSHOT_HALOS
from clustermass.validation.measure import Box, measure
from clustermass.validation.modes import POWER
from clustermass.validation.table import STATISTICS

with runtime.logged(snakemake):
    cosmology = Cosmology(**snakemake.params.cosmology)
    positions, _, side, redshift = read_particles(snakemake.input.particles)
    box = Box(
        side,
        redshift,
        Nbody(**snakemake.params.nbody).particle_mass(cosmology),
        positions,
        contracts.read_table(snakemake.input.power, POWER),
        contracts.read_table(snakemake.input.found, HALOS_SNAPSHOT),
        contracts.read_table(snakemake.input.halos, SNAPSHOT_HALOS),
        contracts.read_table(snakemake.input.galaxies, SNAPSHOT_GALAXIES),
    )
    settings, options = Validation(**snakemake.params.validation), Galaxies(**snakemake.params.galaxies)
    table = measure(box, cosmology, options, settings, snakemake.threads)
    print(table.to_string())
    contracts.write_table(table, STATISTICS, snakemake.output[0], {"provenance": provenance.record(snakemake)})
