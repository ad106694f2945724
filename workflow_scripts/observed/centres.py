"""Centres of a sample of clusters, from catalogues or found in the redshifts, and their masses (observed_centres)."""

from clustermass import contracts, provenance, runtime
from clustermass.config.base import Cosmology, PublishedCosmology
from clustermass.config.crossmatch import Labels
from clustermass.config.observed import Observed
from clustermass.observed.centres import Entries, found_centres, in_range, merge_centres, reference_masses
from clustermass.observed.contracts import CENTRES, REDSHIFTS, REFERENCES
from clustermass.observed.finder import find_clusters
from clustermass.observed.footprint import measure_footprint

with runtime.logged(snakemake):
    settings, cosmology = Observed(**snakemake.params.observed), Cosmology(**snakemake.params.cosmology)
    sample, labels = settings.samples[snakemake.wildcards.sample], Labels(**snakemake.params.labels)
    galaxies = contracts.read_table(snakemake.input.redshifts, REDSHIFTS)
    ra, dec, redshift = (galaxies[name].to_numpy(float) for name in ("ra", "dec", "redshift"))
    footprint = measure_footprint(ra, dec, snakemake.params.cell_deg, snakemake.params.closing_cells)
    print(f"footprint: {footprint.area_deg2:.0f} deg2")
    entries = {}
    stanzas = [name for name in sample.centres if name != "finder"]
    for name, path in zip(stanzas, snakemake.input.catalogues, strict=True):
        about = contracts.read_metadata(path)
        kind = contracts.CLUSTERS if snakemake.params.kinds[name] == "clusters" else contracts.LABEL_SOURCES
        own = cosmology if snakemake.params.rescaled else PublishedCosmology(**snakemake.params.published[name])
        entries[name] = Entries(contracts.read_table(path, kind), own, snakemake.params.references[name])
        print(f"{name}: {len(entries[name].frame)} entries {about.get('reason', '')}")
    if "finder" in sample.centres and len(galaxies):
        near = redshift <= 1.3 * sample.redshift[1]
        found = find_clusters(ra[near], dec[near], redshift[near], footprint.area_deg2, settings.q0, settings.finder)
        entries["finder"] = found_centres(found, sample.redshift, cosmology)
        print(f"finder: {len(found)} clusters, {len(entries['finder'].frame)} in the range of redshift")
    ordered = {name: entries[name] for name in sample.centres if name in entries}
    centres, matched = merge_centres(ordered, sample.names, settings, cosmology)
    used = matched[matched["name"].isin(in_range(centres, footprint, sample.redshift)["name"])]
    references = reference_masses(used, ordered, labels, settings, cosmology)
    print(f"{len(centres)} centres, {used['name'].nunique()} in the survey, {len(references)} masses of catalogues")
    metadata = {"provenance": provenance.record(snakemake), "footprint_deg2": footprint.area_deg2}
    contracts.write_table(centres, CENTRES, snakemake.output.centres, metadata)
    contracts.write_table(references, REFERENCES, snakemake.output.references, metadata)
