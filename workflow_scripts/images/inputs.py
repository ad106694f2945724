"""Scale the images of all clusters for the networks (rule images_inputs)."""

from clustermass import provenance, runtime
from clustermass.config.frames import Images
from clustermass.images.inputs import network_inputs
from clustermass.images.scaling import describe_scaling
from clustermass.images.store import Images as Stored
from clustermass.images.store import write_images

with runtime.logged(snakemake):
    settings, scaling = Images(**snakemake.params.images), snakemake.wildcards.scaling
    mosaics = [Stored(path, snakemake.wildcards.cutout) for path in snakemake.input.images]
    about = {"provenance": provenance.record(snakemake), **describe_scaling(settings, scaling)}
    shape = {"images": (settings.pixels, settings.pixels)}
    names = write_images(snakemake.output[0], shape, network_inputs(mosaics, settings, scaling), about)
    clipped = Stored(snakemake.output[0]).numbers("clipped")
    print(f"{len(names)} clusters; share of pixels outside the range, ugriz: {clipped.mean(axis=0).round(5)}")
