"""Bring one cluster catalogue into its contract, whatever its source.

Rules data_catalogue_simulated and data_catalogue_archival: a local file or the simulated survey is the input; without
either, VizieR is asked. A label catalogue that cannot be had leaves an empty table that says why.
"""

from clustermass import contracts, provenance, runtime
from clustermass.config.base import Cosmology
from clustermass.config.catalogues import Archive, Catalogue
from clustermass.sources import vizier
from clustermass.sources.catalogues import standardise
from clustermass.sources.locate import locate
from clustermass.sources.tables import read_catalogue

with runtime.logged(snakemake):
    stanza = Catalogue(**snakemake.params.stanza)
    contract = contracts.CLUSTERS if stanza.kind == "clusters" else contracts.LABEL_SOURCES
    metadata = {"provenance": provenance.record(snakemake), "title": stanza.title, "reference": stanza.reference}
    try:
        archive = Archive(
            **snakemake.config["archive"]
        )  # no parameter of the rule: how a file travels changes no result
        path, origin = locate(stanza, list(snakemake.input), archive, snakemake.wildcards.source)
    except vizier.ArchiveUnavailable as error:
        if stanza.kind == "clusters":
            raise  # nothing can be matched without the parent sample
        print(f"{stanza.title} is left out: {error}")
        frame, rejected = contract.empty(), contracts.REJECTED.empty()
        metadata |= {"available": False, "reason": str(error)}
    else:
        cosmology = Cosmology(**snakemake.params.cosmology)
        rescaled = snakemake.params.masses == "rescaled"
        result = standardise(read_catalogue(path), stanza, path, rescaled=rescaled, target=cosmology)
        frame, rejected = result.frame, result.rejected
        metadata |= {"available": True, "origin": origin, **result.notes}
        print(f"{stanza.title}: {metadata['rows']}")
    contracts.write_table(frame, contract, snakemake.output.table, metadata)
    contracts.write_table(rejected, contracts.REJECTED, snakemake.output.rejected, metadata)
