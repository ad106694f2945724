"""Observe the simulated sky as one survey did, in the columns of its catalogue (rule data_survey)."""

from clustermass import contracts, runtime
from clustermass.config.base import Cosmology, PublishedCosmology
from clustermass.cosmology import flat
from clustermass.files import replacing
from clustermass.sources.lightcone import HALOS
from clustermass.sources.richness import RICHNESS
from clustermass.sources.surveys import SURVEYS

with runtime.logged(snakemake):
    rng, survey = runtime.job_generator(snakemake), snakemake.wildcards.survey
    sky = contracts.read_table(snakemake.input[0], RICHNESS if survey == "redmapper" else HALOS)
    published = flat(PublishedCosmology(**snakemake.params.published))
    table = SURVEYS[survey](sky, Cosmology(**snakemake.params.cosmology), published, rng)
    table.meta["ORIGIN"] = "simulated"
    print(f"{survey}: {len(table)} rows")
    with replacing(snakemake.output[0]) as aside:
        table.write(aside, format="fits", overwrite=True)
