"""Bring one cluster catalogue into its contract, whatever its source.

Rules data_catalogue_simulated and data_catalogue_archival: a local file or the simulated survey is the input; without
either, VizieR is asked. A label catalogue that cannot be had leaves an empty table that says why.
"""

from clustermass import contracts, provenance, runtime
from clustermass.config.base import Cosmology
from clustermass.config.catalogues import Archive, Catalogue
from clustermass.sources.catalogues import standardise
from clustermass.sources.locate import cannot_be_had, locate
from clustermass.sources.tables import read_catalogue

with runtime.logged(snakemake):
    stanza = Catalogue(**snakemake.config["catalogues"][snakemake.wildcards.catalogue])
    archive = Archive(**snakemake.config["archive"])  # no parameter of the rule: how a file travels changes no result
    contract = contracts.CLUSTERS if stanza.kind == "clusters" else contracts.LABEL_SOURCES
    metadata = {"provenance": provenance.record(snakemake)}
    try:
        path, origin = locate(stanza, list(snakemake.input), archive, snakemake.wildcards.source)
        cosmology = Cosmology(**(snakemake.params.cosmology or {}))
        rescaled = snakemake.params.masses == "rescaled"
        result = standardise(read_catalogue(path), stanza, path, rescaled=rescaled, target=cosmology)
    except cannot_be_had(stanza, list(snakemake.input), snakemake.wildcards.source) as error:
        print(f"{stanza.title} is left out: {error}")
        frame, rejected = contract.empty(), contracts.REJECTED.empty()
        metadata |= {"available": False, "reason": str(error)}
    else:
        frame, rejected = result.frame, result.rejected
        metadata |= {"available": True, "origin": origin, **result.notes}
        print(f"{stanza.title}: {metadata['rows']}")
    contracts.write_table(frame, contract, snakemake.output.table, metadata)
    contracts.write_table(rejected, contracts.REJECTED, snakemake.output.rejected, metadata)
