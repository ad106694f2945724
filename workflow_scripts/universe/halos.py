"""Resolved halos of a snapshot, with masses matched and concentrations (rule universe_halos)."""

from clustermass import contracts, provenance, runtime
from clustermass.config.base import Cosmology
from clustermass.halofinder import HALOS_SNAPSHOT
from clustermass.halofinder.matching import MASS_MATCHING
from clustermass.sources.snapshot import SNAPSHOT_HALOS
from clustermass.universe import snapshot_halos

with runtime.logged(snakemake):
    found = contracts.read_table(snakemake.input.found, HALOS_SNAPSHOT)
    matching = contracts.read_table(snakemake.input.matching, MASS_MATCHING)
    redshift = float(snakemake.wildcards.snapshot.removeprefix("z"))
    smallest, cosmology = snakemake.params.smallest, Cosmology(**snakemake.params.cosmology)
    halos = snapshot_halos(found, matching, smallest, redshift, cosmology, runtime.job_generator(snakemake))
    print(f"{len(halos)} of {len(found)} halos are above {smallest:.3g} Msun/h")
    metadata = {"provenance": provenance.record(snakemake), "box_mpc_h": snakemake.params.box_mpc_h}
    contracts.write_table(halos, SNAPSHOT_HALOS, snakemake.output[0], metadata)
