"""Look up the reddening towards the clusters that have images (rule images_reddening)."""

from clustermass import contracts, provenance, runtime
from clustermass.config.catalogues import Archive
from clustermass.frames.contracts import IMAGE_CLUSTERS
from clustermass.images.extinction import CLUSTER_REDDENING
from clustermass.sources.irsa import fetch_reddening, read_reddening

with runtime.logged(snakemake):
    clusters = contracts.read_table(snakemake.input.clusters, IMAGE_CLUSTERS)
    table = read_reddening(snakemake.input.table) if snakemake.input.table else None
    place = (clusters["ra"].to_numpy(float), clusters["dec"].to_numpy(float))
    ebv, note = fetch_reddening(*place, table, Archive(**snakemake.config["archive"]))
    metadata = {"provenance": provenance.record(snakemake), "origin": note}
    result = clusters[["id"]].rename(columns={"id": "cluster"}).assign(ebv=ebv)
    contracts.write_table(result, CLUSTER_REDDENING, snakemake.output[0], metadata)
