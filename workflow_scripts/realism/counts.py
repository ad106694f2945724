"""Richness of clusters, measured on the red-sequence galaxies of their frames (rule realism_counts)."""

from clustermass import contracts, provenance, runtime
from clustermass.config.base import Cosmology
from clustermass.config.realism import Realism
from clustermass.frames.contracts import IMAGE_CLUSTERS
from clustermass.frames.sample import with_masses
from clustermass.realism.contracts import COVERAGE, OBJECTS, RED_COUNTS
from clustermass.realism.field import gather
from clustermass.realism.red_sequence import red_sequence_counts

with runtime.logged(snakemake):
    settings = Realism(**snakemake.params.realism)
    labels = contracts.read_table(snakemake.input.labels, contracts.LABELS)
    clusters = with_masses(contracts.read_table(snakemake.input.clusters, IMAGE_CLUSTERS), labels)
    clusters = clusters[clusters["job"].isin(snakemake.params.jobs)]
    objects = gather([contracts.read_table(path, OBJECTS) for path in snakemake.input.objects], OBJECTS)
    covered = gather([contracts.read_table(path, COVERAGE) for path in snakemake.input.coverage], COVERAGE)
    h = Cosmology(**snakemake.params.cosmology).H0 / 100
    counts = red_sequence_counts(objects, covered, clusters, h, settings.red_sequence)
    print(counts.describe().to_string())
    contracts.write_table(counts, RED_COUNTS, snakemake.output[0], {"provenance": provenance.record(snakemake)})
