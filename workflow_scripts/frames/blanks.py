"""Choose fields of the simulated survey at random places, clusters or not (rule frames_blanks)."""

from clustermass import contracts, provenance, runtime
from clustermass.config.simulated import Lightcone
from clustermass.frames.contracts import FIELDS, NEEDED
from clustermass.frames.geometry import random_fields

with runtime.logged(snakemake):
    params = snakemake.params
    lightcone, rng = Lightcone(**params.lightcone), runtime.job_generator(snakemake)
    fields = random_fields(params.number, lightcone, params.min_latitude_deg, rng)
    names = [f"blank {number}" for number in range(1, len(fields) + 1)]
    needed = fields[list(NEEDED.names[1:5])].assign(cluster=names, job=params.job, in_image=True)
    metadata = {"provenance": provenance.record(snakemake)}
    contracts.write_table(fields, FIELDS, snakemake.output.fields, metadata)
    contracts.write_table(needed, NEEDED, snakemake.output.needed, metadata)
