"""Draw the halos of the simulated light cone (rule data_halos)."""

from clustermass import contracts, provenance, runtime
from clustermass.config.base import Cosmology
from clustermass.config.simulated import Lightcone
from clustermass.sources.simulated import HALOS, halo_lightcone

with runtime.logged(snakemake):
    rng = runtime.job_generator(snakemake)
    halos = halo_lightcone(Lightcone(**snakemake.params.lightcone), Cosmology(**snakemake.params.cosmology), rng)
    print(f"{len(halos)} halos")
    contracts.write_table(halos, HALOS, snakemake.output[0], {"provenance": provenance.record(snakemake)})
