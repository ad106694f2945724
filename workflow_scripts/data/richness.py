"""Clusters and richness, measured from the galaxies of the light cone (rule data_richness)."""

import pandas as pd

from clustermass import contracts, provenance, runtime
from clustermass.config.base import Cosmology
from clustermass.config.simulated import Lightcone
from clustermass.galaxies.colours import assign_colours, build_colours
from clustermass.sources.lightcone import HALOS, cone_galaxies, magnitude_offset
from clustermass.sources.lightcone_geometry import TILES, build_cone, solid_angle
from clustermass.sources.richness import MEMBERS, RICHNESS, faintest, measure_richness, red_galaxies
from clustermass.sources.snapshot import SNAPSHOT_GALAXIES, SNAPSHOT_HALOS, load_snapshots

with runtime.logged(snakemake):
    lightcone, cosmology = Lightcone(**snakemake.params.lightcone), Cosmology(**snakemake.params.cosmology)
    boxes, redshifts, side = snakemake.params.boxes, snakemake.params.redshifts, snakemake.params.box_mpc_h
    tiles = contracts.read_table(snakemake.input.tiles, TILES)
    halos = contracts.read_table(snakemake.input.halos, HALOS)
    cone = build_cone(lightcone, cosmology, side, redshifts, tiles)
    load_halos = load_snapshots(snakemake.input.snapshot_halos, boxes, redshifts, SNAPSHOT_HALOS)
    load_galaxies = load_snapshots(snakemake.input.snapshot_galaxies, boxes, redshifts, SNAPSHOT_GALAXIES)
    names, colours, parts, galaxies = pd.Index(halos["id"]), build_colours(cosmology), [], 0
    columns = ("abs_mag_r", "redshift_observed", "colour_rank", "colour_noise")
    progress, visits = runtime.Progress("tile"), sum(len(tiles) for _, _, tiles in cone.visits())
    limit = lambda redshift: magnitude_offset(redshift, cosmology) + faintest(redshift)  # noqa: E731
    chunks = cone_galaxies(cone, load_halos, load_galaxies, halos, limit, snakemake.params.seed)
    for number, chunk in enumerate(chunks, 1):
        magnitude, redshift, rank, noise = (chunk[name].to_numpy(float) for name in columns)
        _, g_r = assign_colours(colours, magnitude, redshift, chunk["central"].to_numpy(), rank, noise)
        parts.append(red_galaxies(chunk, g_r, names))
        galaxies += len(chunk)
        progress(number, visits)
    red = pd.concat(parts, ignore_index=True)
    del parts
    print(f"{galaxies} galaxies, {len(red)} on the red sequence")
    clusters, members = measure_richness(red, halos, solid_angle(lightcone), cosmology)
    print(f"{len(clusters)} clusters with {len(members)} members")
    metadata = {"provenance": provenance.record(snakemake)}
    contracts.write_table(clusters, RICHNESS, snakemake.output.clusters, metadata)
    contracts.write_table(members, MEMBERS, snakemake.output.members, metadata)
