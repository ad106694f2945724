"""Spectroscopic survey of the light cone's bright galaxies, and its truth apart (rule data_spectroscopy)."""

import numpy as np
import pandas as pd

from clustermass import contracts, provenance, runtime
from clustermass.config.base import Cosmology
from clustermass.config.simulated import Lightcone, Spectroscopy
from clustermass.sources.lightcone import CONE_GALAXIES, HALOS, cone_galaxies
from clustermass.sources.lightcone_geometry import TILES, build_cone
from clustermass.sources.richness import RICHNESS
from clustermass.sources.snapshot import SNAPSHOT_GALAXIES, SNAPSHOT_HALOS, load_snapshots
from clustermass.sources.spectroscopy import SPECTROSCOPY, SPECTROSCOPY_TRUTH, survey_redshifts

with runtime.logged(snakemake):
    options = Spectroscopy(**snakemake.params.spectroscopy)
    lightcone, cosmology = Lightcone(**snakemake.params.lightcone), Cosmology(**snakemake.params.cosmology)
    boxes, redshifts, side = snakemake.params.boxes, snakemake.params.redshifts, snakemake.params.box_mpc_h
    tiles = contracts.read_table(snakemake.input.tiles, TILES)
    halos = contracts.read_table(snakemake.input.halos, HALOS)
    clusters = contracts.read_table(snakemake.input.clusters, RICHNESS)
    cone = build_cone(lightcone, cosmology, side, redshifts, tiles)
    load_halos = load_snapshots(snakemake.input.snapshot_halos, boxes, redshifts, SNAPSHOT_HALOS)
    load_galaxies = load_snapshots(snakemake.input.snapshot_galaxies, boxes, redshifts, SNAPSHOT_GALAXIES)
    bright = lambda redshift: np.full_like(redshift, options.faintest_r)  # noqa: E731
    chunks = cone_galaxies(cone, load_halos, load_galaxies, halos, bright, snakemake.params.seed)
    parts = [CONE_GALAXIES.empty(), *chunks]
    galaxies = pd.concat([part for part in parts if len(part)] or parts[:1], ignore_index=True)
    table, truth = survey_redshifts(galaxies, clusters, options, runtime.job_generator(snakemake))
    print(f"{len(table)} targets, {int(table['redshift'].notna().sum())} redshifts")
    metadata = {"provenance": provenance.record(snakemake)}
    contracts.write_table(table, SPECTROSCOPY, snakemake.output.table, metadata)
    contracts.write_table(truth, SPECTROSCOPY_TRUTH, snakemake.output.truth, metadata)
