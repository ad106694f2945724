"""List the fields of the simulated survey near clusters (rule frames_fields_simulated)."""

from clustermass import contracts, provenance, runtime
from clustermass.config.simulated import Lightcone
from clustermass.frames.contracts import FIELDS, IMAGE_CLUSTERS
from clustermass.frames.geometry import simulated_fields

with runtime.logged(snakemake):
    clusters = contracts.read_table(snakemake.input.clusters, IMAGE_CLUSTERS)
    ra, dec, scale = (clusters[name].to_numpy(float) for name in ("ra", "dec", "arcsec_per_mpc"))
    radius = snakemake.params.search_mpc * scale / 3600 / 2**0.5  # deg: half a diagonal
    fields = simulated_fields(ra, dec, radius, Lightcone(**snakemake.params.lightcone))
    print(f"{len(fields)} fields near {len(clusters)} clusters")
    contracts.write_table(fields, FIELDS, snakemake.output[0], {"provenance": provenance.record(snakemake)})
