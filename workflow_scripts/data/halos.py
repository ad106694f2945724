"""Tiles and halos of the light cone, from the snapshots of all boxes (rule data_halos)."""

from clustermass import contracts, provenance, runtime
from clustermass.config.base import Cosmology
from clustermass.config.simulated import Lightcone
from clustermass.sources.lightcone import HALOS, cone_halos
from clustermass.sources.lightcone_geometry import TILES, build_cone, draw_tiles
from clustermass.sources.snapshot import SNAPSHOT_HALOS, load_snapshots

with runtime.logged(snakemake):
    tiling, order = runtime.job_generator(snakemake).spawn(2)
    boxes, redshifts, side = snakemake.params.boxes, snakemake.params.redshifts, snakemake.params.box_mpc_h
    sky = Lightcone(**snakemake.params.lightcone), Cosmology(**snakemake.params.cosmology), side
    tiles = draw_tiles(*sky, boxes, tiling)
    load = load_snapshots(snakemake.input, boxes, redshifts, SNAPSHOT_HALOS)
    halos = cone_halos(build_cone(*sky, redshifts, tiles), load, order)
    print(f"{len(halos)} halos in {len(tiles)} tiles")
    metadata = {"provenance": provenance.record(snakemake)}
    contracts.write_table(tiles, TILES, snakemake.output.tiles, metadata)
    contracts.write_table(halos, HALOS, snakemake.output.halos, metadata)
