"""Observe the simulated halos as one survey did, in the columns of its catalogue (rule data_survey)."""

from clustermass import contracts, runtime
from clustermass.config.base import Cosmology, PublishedCosmology
from clustermass.cosmology import flat
from clustermass.files import replacing
from clustermass.sources.simulated import HALOS
from clustermass.sources.surveys import SURVEYS

with runtime.logged(snakemake):
    rng = runtime.job_generator(snakemake)
    halos = contracts.read_table(snakemake.input.halos, HALOS)
    published = flat(PublishedCosmology(**snakemake.params.published))
    table = SURVEYS[snakemake.wildcards.survey](halos, Cosmology(**snakemake.params.cosmology), published, rng)
    table.meta["ORIGIN"] = "simulated"
    print(f"{snakemake.wildcards.survey}: {len(table)} rows")
    with replacing(snakemake.output[0]) as aside:
        table.write(aside, format="fits", overwrite=True)
