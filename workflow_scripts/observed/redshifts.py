"""Redshifts around a sample of clusters, those that can be used and those that cannot (rule observed_redshifts).

The input is a local table or the simulated survey; without either, SDSS is asked where the configuration says how.
Redshifts that cannot be had leave an empty table that says why.
"""

from clustermass import contracts, provenance, runtime
from clustermass.config.catalogues import Archive
from clustermass.config.observed import Observed, RedshiftSurvey
from clustermass.files import sha256
from clustermass.observed.contracts import REDSHIFTS
from clustermass.observed.redshifts import usable_redshifts
from clustermass.sources.patience import ArchiveUnavailable
from clustermass.sources.redshifts import read_redshifts, survey_rows
from clustermass.sources.skyserver import fetch_redshifts
from clustermass.sources.spectroscopy import SPECTROSCOPY

with runtime.logged(snakemake):
    settings, survey = Observed(**snakemake.params.observed), snakemake.params.survey
    survey = None if survey is None else RedshiftSurvey(**survey)
    archive = Archive(**snakemake.config["archive"])  # no parameter of the rule: how a file travels changes no result
    files, metadata = list(snakemake.input), {"provenance": provenance.record(snakemake), "available": True}
    try:
        if survey is None:
            table = contracts.read_table(files[0], SPECTROSCOPY)
        elif files:
            table = read_redshifts(files[0], survey)
            metadata["origin"] = {"file": files[0].rpartition("/")[2], "sha256": sha256(files[0])}
        elif survey.skyserver is not None:
            found, metadata["origin"] = fetch_redshifts(survey.skyserver, archive)
            table = survey_rows(found, survey, survey.skyserver.server)
        else:
            looked = f"none of {', '.join(survey.files)} in {archive.folder or 'archive.folder'} or here"
            raise ArchiveUnavailable(f"{survey.title}: no local file ({looked}) and nothing to ask: put one there")
        usable, rejected = usable_redshifts(table, settings)
    except ArchiveUnavailable as error:
        print(f"no redshifts: {error}")
        usable, rejected = REDSHIFTS.empty(), contracts.REJECTED.empty()
        metadata |= {"available": False, "reason": str(error)}
    print(f"{len(usable)} galaxies, {len(rejected)} rows set aside")
    print(rejected["reason"].value_counts().to_string())
    contracts.write_table(usable, REDSHIFTS, snakemake.output.table, metadata)
    contracts.write_table(rejected, contracts.REJECTED, snakemake.output.rejected, metadata)
