"""Scale the images of all clusters for the networks (rule images_inputs)."""

from clustermass import contracts, provenance, runtime
from clustermass.config.frames import Images
from clustermass.images.extinction import CLUSTER_REDDENING, transparency
from clustermass.images.inputs import network_inputs
from clustermass.images.scaling import describe_scaling
from clustermass.images.store import Images as Stored
from clustermass.images.store import write_images

with runtime.logged(snakemake):
    settings, scaling = Images(**snakemake.params.images), snakemake.wildcards.scaling
    mosaics = [Stored(path, snakemake.wildcards.cutout) for path in snakemake.input.images]
    about = {"provenance": provenance.record(snakemake), **describe_scaling(settings, scaling)}
    seen = None
    for path in snakemake.input.reddening:  # one, or none
        dust = contracts.read_table(path, CLUSTER_REDDENING)
        seen = dict(zip(dust["cluster"], transparency(dust["ebv"].to_numpy(float)), strict=True))
    shape = {"images": (settings.pixels, settings.pixels)}
    names = write_images(snakemake.output[0], shape, network_inputs(mosaics, settings, scaling, seen), about)
    clipped = Stored(snakemake.output[0]).numbers("clipped")
    print(f"{len(names)} clusters; share of pixels outside the range, ugriz: {clipped.mean(axis=0).round(5)}")
