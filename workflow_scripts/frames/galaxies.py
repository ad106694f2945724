"""Collect the galaxies of the light cone near the clusters that have images (rule frames_galaxies)."""

from clustermass import contracts, provenance, runtime
from clustermass.config.base import Cosmology
from clustermass.config.population import Population
from clustermass.config.simulated import Lightcone
from clustermass.frames.contracts import IMAGE_CLUSTERS
from clustermass.population.sky import near_galaxies
from clustermass.sources.lightcone import CONE_GALAXIES, HALOS
from clustermass.sources.lightcone_geometry import TILES, build_cone
from clustermass.sources.snapshot import SNAPSHOT_GALAXIES, SNAPSHOT_HALOS, load_snapshots

FIELD_DEG = 0.15  # radius of a field is 0.14 deg: whole fields are drawn, of which the image needs a corner

with runtime.logged(snakemake):
    params, inputs = snakemake.params, snakemake.input
    clusters = contracts.read_table(inputs.clusters, IMAGE_CLUSTERS)
    tiles, halos = contracts.read_table(inputs.tiles, TILES), contracts.read_table(inputs.halos, HALOS)
    cone = build_cone(
        Lightcone(**params.lightcone), Cosmology(**params.cosmology), params.box_mpc_h, params.redshifts, tiles
    )
    load_halos = load_snapshots(inputs.snapshot_halos, params.boxes, params.redshifts, SNAPSHOT_HALOS)
    load_galaxies = load_snapshots(inputs.snapshot_galaxies, params.boxes, params.redshifts, SNAPSHOT_GALAXIES)
    ra, dec, scale = (clusters[name].to_numpy(float) for name in ("ra", "dec", "arcsec_per_mpc"))
    radius = params.side_mpc * scale / 3600 / 2**0.5 + 2 * FIELD_DEG
    galaxies = near_galaxies(
        cone, load_halos, load_galaxies, halos, ra, dec, radius, Population(**params.population), params.seed,
        runtime.Progress("tile"),
    )  # fmt: skip
    print(f"{len(galaxies)} galaxies near {len(clusters)} clusters")
    contracts.write_table(galaxies, CONE_GALAXIES, snakemake.output[0], {"provenance": provenance.record(snakemake)})
