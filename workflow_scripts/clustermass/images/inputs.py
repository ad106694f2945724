"""From mosaics to what networks read: cutouts of all sizes, then scaled images of one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import numpy as np

from clustermass.config import frames as config
from clustermass.images.resize import Pixels, resize
from clustermass.images.scaling import Floats, Scaling, scale
from clustermass.images.store import ClusterImages, ImageError, Images


def cutouts(
    mosaic: Pixels, pixel_arcsec: float, arcsec_per_mpc: float, kinds: Mapping[str, config.Cutout]
) -> dict[str, Pixels]:
    """Return the cutouts of one cluster by name, each a square about the centre of its mosaic.

    Parameters
    ----------
    mosaic : array of float32, shape (5, ny, nx)
        Surface brightness, NaN where nothing was observed.
    pixel_arcsec : float
        Pixels of the mosaic [arcsec].
    arcsec_per_mpc : float
        Angle of a proper Mpc at the cluster [arcsec].
    kinds : mapping of str to config.Cutout

    Returns
    -------
    dict of str to array of float32, shape (5, pixels, pixels)
        NaN where no observed pixel is.
    """
    scale_px = arcsec_per_mpc / pixel_arcsec
    return {name: resize(mosaic, kind.pixels, kind.side_mpc * scale_px) for name, kind in kinds.items()}


def network_inputs(
    mosaics: Iterable[Images],
    settings: config.Images,
    scaling: Scaling,
    transparency: Mapping[str, Floats] | None = None,
) -> Iterator[ClusterImages]:
    """Yield the inputs of networks for all clusters of files of mosaics, one by one, in array 'images'.

    Their numbers: `low`, `high` and `clipped` of `Scaled`, in every band.

    Parameters
    ----------
    mosaics : iterable of Images
        Surface brightness [nanomaggy/arcsec2]; all of one cutout.
    settings : config.Images
    scaling : {'global', 'per_image'}
    transparency : mapping of str to array, shape (5,), optional
        Share of light that dust lets through, by cluster: images are divided by it before they are scaled.

    Raises
    ------
    ImageError
        A cluster whose transparency is not given.
    """
    for file in mosaics:
        for row, name in enumerate(file.clusters):
            image = resize(file.read([row])[0], settings.pixels)
            if transparency is not None:
                if name not in transparency:
                    raise ImageError(f"{file.path}: expected the reddening of cluster {name}, got none")
                image = (image / np.asarray(transparency[name])[:, None, None]).astype(np.float32)
            scaled = scale(image, settings, scaling)
            numbers = {"low": scaled.low, "high": scaled.high, "clipped": scaled.clipped}
            yield ClusterImages(name, {"images": scaled.images}, numbers)
