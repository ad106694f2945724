"""Collect the galaxies of the light cone near the fields that each job draws (rule frames_galaxies)."""

import numpy as np

from clustermass import contracts, provenance, runtime
from clustermass.config.base import Cosmology
from clustermass.config.population import Population
from clustermass.config.simulated import Lightcone
from clustermass.frames.contracts import FIELDS, NEEDED
from clustermass.frames.plan import field_centres
from clustermass.population.cells import cells_near, cells_of
from clustermass.population.sky import REACH_DEG, near_galaxies
from clustermass.sources.lightcone import CONE_GALAXIES, HALOS
from clustermass.sources.lightcone_geometry import TILES, build_cone
from clustermass.sources.snapshot import SNAPSHOT_GALAXIES, SNAPSHOT_HALOS, load_snapshots

with runtime.logged(snakemake):
    params, inputs = snakemake.params, snakemake.input
    needed, fields = contracts.read_table(inputs.needed, NEEDED), contracts.read_table(inputs.fields, FIELDS)
    tiles, halos = contracts.read_table(inputs.tiles, TILES), contracts.read_table(inputs.halos, HALOS)
    lightcone, cosmology = Lightcone(**params.lightcone), Cosmology(**params.cosmology)
    cone = build_cone(lightcone, cosmology, params.box_mpc_h, params.redshifts, tiles)
    load_halos = load_snapshots(inputs.snapshot_halos, params.boxes, params.redshifts, SNAPSHOT_HALOS)
    load_galaxies = load_snapshots(inputs.snapshot_galaxies, params.boxes, params.redshifts, SNAPSHOT_GALAXIES)
    galaxies = near_galaxies(
        cone, load_halos, load_galaxies, halos, *field_centres(fields, needed), REACH_DEG,
        Population(**params.population), params.seed, runtime.Progress("tile"),
    )  # fmt: skip
    print(f"{len(galaxies)} galaxies near {len(fields)} fields")
    cells = cells_of(galaxies["ra"].to_numpy(float), galaxies["dec"].to_numpy(float))
    metadata = {"provenance": provenance.record(snakemake)}
    for job, path in zip(params.jobs, snakemake.output, strict=True):
        here = np.isin(cells, cells_near(*field_centres(fields, needed[needed["job"] == job]), REACH_DEG))
        contracts.write_table(galaxies[here], CONE_GALAXIES, path, metadata)
