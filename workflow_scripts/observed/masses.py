"""Masses of a sample of observed clusters: network with posterior, virial theorem, catalogues (observed_masses)."""

from clustermass import contracts, provenance, runtime
from clustermass.config.base import Cosmology
from clustermass.config.dynamics import Kde3d
from clustermass.config.networks import Networks
from clustermass.config.observed import Observed
from clustermass.config.posterior import Posterior
from clustermass.config.training import Training
from clustermass.mock_observation.survey_contracts import SURVEY_CLUSTERS, SURVEY_MEMBERS
from clustermass.observed.contracts import CLUSTERS_OBSERVED, DOMAIN, MASSES_OBSERVED, MEMBERS_OBSERVED, REFERENCES
from clustermass.observed.domain import mock_domain
from clustermass.observed.inference import CubeInference
from clustermass.observed.masses import domain_table, masses_table, network_masses, virial_masses
from clustermass.observed.sample import read_windows

with runtime.logged(snakemake):
    settings, cosmology = Observed(**snakemake.params.observed), Cosmology(**snakemake.params.cosmology)
    sample = settings.samples[snakemake.wildcards.sample]
    clusters = contracts.read_table(snakemake.input.clusters, CLUSTERS_OBSERVED)
    windows = read_windows(clusters, contracts.read_table(snakemake.input.members, MEMBERS_OBSERVED))
    scale = clusters["scale"].to_numpy(float)
    infer = CubeInference.load(
        snakemake.input.models, snakemake.input.inference, Networks(**snakemake.params.networks).cnn3d,
        Kde3d(**snakemake.params.kde3d), Training(**snakemake.params.training),
        sample, Posterior(**snakemake.params.posterior),
    )  # fmt: skip
    posterior, extrapolated = network_masses(windows, scale, settings.min_galaxies, infer)
    print(f"{posterior['log10_m200c'].notna().sum()} of {len(clusters)} clusters have a posterior")
    aperture = sample.aperture_mpc_h / scale
    redshift, rng = clusters["redshift"].to_numpy(float), runtime.job_generator(snakemake)
    virial = virial_masses(windows, redshift, aperture, settings, cosmology, rng)
    mock = mock_domain(
        contracts.read_table(snakemake.input.mock_clusters, SURVEY_CLUSTERS),
        contracts.read_table(snakemake.input.mock_members, SURVEY_MEMBERS),
        sample.aperture_mpc_h,
        settings.neighbours,
    )
    domain = domain_table(clusters, windows, sample.aperture_mpc_h, mock)
    references = contracts.read_table(snakemake.input.references, REFERENCES)
    table = masses_table(clusters, posterior, extrapolated, virial, references, domain, sample, settings)
    print(table[["few", "uncovered", "extrapolated", "out_of_domain"]].sum().to_string())
    about = contracts.read_metadata(snakemake.input.clusters)
    metadata = {"provenance": provenance.record(snakemake), "redshift": list(sample.redshift)}
    metadata |= {"notes": about["notes"], "reason": about["reason"]}
    contracts.write_table(table, MASSES_OBSERVED, snakemake.output.masses, metadata)
    contracts.write_table(domain, DOMAIN, snakemake.output.domain, metadata)
