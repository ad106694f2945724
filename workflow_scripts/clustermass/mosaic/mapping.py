"""Where the pixels of a grid lie in a frame.

Two gnomonic (TAN) images of the sky differ by a homography, which is exact. Of any other projection or distortion the
positions are found by wcslib at the nodes of a lattice that is fine enough, and interpolated between them.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from astropy.coordinates import ICRS
from astropy.io import fits
from astropy.wcs import WCS
from astropy.wcs.utils import pixel_to_pixel, wcs_to_celestial_frame
from numpy.typing import NDArray

from clustermass.mosaic.errors import MosaicError

if TYPE_CHECKING:
    from clustermass.mosaic.grid import Grid

Floats = NDArray[np.float64]

_TOLERANCE = 1e-4  # of interpolated positions [pixels of the frame]
_COARSEST = 32  # spacing of nodes to begin with [pixels of the grid]
_EDGE = 64  # pieces into which sides of frames are cut to find their outlines


@dataclass(frozen=True)
class PixelMap:
    """Positions of the pixels of a grid in a frame. Centres of first pixels are 0 in both.

    Attributes
    ----------
    rows, columns : (int, int)
        Part of the grid that the frame may cover, end excluded; empty where the two do not overlap.
    matrix : (3, 3) array
        Homography from (column, row, 1) of the grid to (x w, y w, w) of the frame; unused where there are nodes.
    nodes : (m, n, 2) array
        Positions (x, y) in the frame of every `step`-th pixel from the corner of that part on, both ends within;
        empty for a homography.
    step : int
        Distance of the nodes [pixels of the grid].
    area : float
        Area of a pixel of the grid over that of a pixel of the frame, at the middle of that part.
    """

    rows: tuple[int, int]
    columns: tuple[int, int]
    matrix: Floats
    nodes: Floats
    step: int
    area: float

    @property
    def empty(self) -> bool:
        """Whether frame and grid do not overlap."""
        return self.rows[0] >= self.rows[1] or self.columns[0] >= self.columns[1]


def celestial(header: fits.Header | WCS) -> WCS:
    """Return the celestial world coordinates of a header, SIP included; those that were read before as they are.

    Raises
    ------
    MosaicError
        The header has none, or they are singular.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # old keywords, and dates that nothing here needs
        try:
            world = header if isinstance(header, WCS) else WCS(header)
            codes = list(world.wcs.ctype)
            if not world.has_celestial:
                raise MosaicError(f"header: expected two celestial axes (CTYPE, CRVAL, CRPIX, CD), got {codes}")
            world = world if world.naxis == 2 else world.celestial
            scale = world.pixel_scale_matrix
        except MosaicError:
            raise
        except Exception as error:  # wcslib has a dozen kinds
            raise MosaicError(f"header: expected world coordinates, got {' '.join(str(error).split())}") from error
    if not np.isfinite(scale).all() or abs(np.linalg.det(scale)) < 1e-9 * np.square(scale).sum():
        raise MosaicError(f"header: expected world coordinates that can be inverted, got CD = {scale.tolist()}")
    return world


def _is_gnomonic(world: WCS) -> bool:
    """Return whether coordinates are ICRS on an undistorted tangent plane."""
    world.wcs.set()
    distorted = world.sip or world.cpdis1 or world.cpdis2 or world.det2im1 or world.det2im2 or world.wcs.get_pv()
    codes = sorted(str(name) for name in world.wcs.ctype)
    return (
        not distorted
        and codes == ["DEC--TAN", "RA---TAN"]
        and world.wcs.lonpole == 180
        and isinstance(wcs_to_celestial_frame(world), ICRS)
    )


def _directions(world: WCS) -> Floats:
    """Return the matrix from (column, row, 1) to vectors to the sky, (3, 3), of a gnomonic image."""
    to_plane = np.radians(world.pixel_scale_matrix)[[world.wcs.lng, world.wcs.lat]]
    plane = np.zeros((3, 3))
    plane[:2, :2], plane[:2, 2], plane[2, 2] = to_plane, -to_plane @ (world.wcs.crpix - 1), 1
    ra, dec = np.radians(world.wcs.crval[[world.wcs.lng, world.wcs.lat]])
    east = [-np.sin(ra), np.cos(ra), 0]
    north = [-np.sin(dec) * np.cos(ra), -np.sin(dec) * np.sin(ra), np.cos(dec)]
    centre = [np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)]
    return np.array([east, north, centre]).T @ plane


def homography(source: WCS, target: WCS) -> Floats | None:
    """Return the homography from pixels (column, row, 1) of one image to those of another, (3, 3).

    None where one of them is not gnomonic, undistorted and ICRS. Positive third coordinates are in front of the
    target's plane.
    """
    if not (_is_gnomonic(source) and _is_gnomonic(target)):
        return None
    return np.asarray(np.linalg.solve(_directions(target), _directions(source)))


def transform(source: WCS, target: WCS, x: Floats, y: Floats) -> Floats:
    """Return the positions in one image of pixels (x, y) of another, (2, ...); NaN where there are none."""
    matrix = homography(source, target)
    if matrix is not None:
        px, py, w = np.tensordot(matrix, np.stack([x, y, np.ones_like(x)]), 1)
        return np.asarray(np.stack([px, py]) / np.where(w > 0, w, np.nan))
    with warnings.catch_warnings(), np.errstate(invalid="ignore"):
        warnings.simplefilter("ignore")  # positions that do not converge are found below
        found = np.stack(pixel_to_pixel(source, target, x, y))
        back = np.stack(pixel_to_pixel(target, source, *found))
    return np.where(np.hypot(*(back - np.stack([x, y]))) < 10 * _TOLERANCE, found, np.nan)


def outline(world: WCS, shape: tuple[int, int], target: WCS) -> Floats:
    """Return points around the edge of an image of some shape as positions in another, (2, n)."""
    along = np.linspace(0, 1, _EDGE, endpoint=False)
    zero, one = np.zeros(_EDGE), np.ones(_EDGE)
    x = np.concatenate([along, one, 1 - along, zero]) * shape[1] - 0.5
    y = np.concatenate([zero, along, one, 1 - along]) * shape[0] - 0.5
    return transform(world, target, x, y)


def pixel_map(header: fits.Header | WCS, shape: tuple[int, int], grid: Grid) -> PixelMap:
    """Return where the pixels of a grid lie in a frame.

    Parameters
    ----------
    header : fits.Header or WCS
        Of the frame.
    shape : (int, int)
        Rows and columns of the frame.

    Raises
    ------
    MosaicError
        The header has no world coordinates, or singular ones.
    """
    frame, target = celestial(header), grid.wcs()
    edge = outline(frame, shape, target)
    nothing = PixelMap((0, 0), (0, 0), np.eye(3), np.empty((0, 0, 2)), 1, 1.0)
    if not np.isfinite(edge).all():  # beyond the horizon of the tangent plane
        return nothing
    low, high = np.floor(edge.min(1)).astype(int), np.ceil(edge.max(1)).astype(int) + 1
    columns, rows = ((int(max(a, 0)), int(min(b, n))) for a, b, n in zip(low, high, (grid.nx, grid.ny), strict=True))
    if columns[0] >= columns[1] or rows[0] >= rows[1]:
        return nothing
    matrix = homography(target, frame)
    nodes, step = (np.empty((0, 0, 2)), 1) if matrix is not None else _nodes(target, frame, rows, columns)
    area = _area(frame, target, shape, rows, columns)
    return PixelMap(rows, columns, np.eye(3) if matrix is None else matrix, nodes, step, area)


def _nodes(grid: WCS, frame: WCS, rows: tuple[int, int], columns: tuple[int, int]) -> tuple[Floats, int]:
    """Return positions in the frame on a lattice of the grid, and its step, between which lines are good enough."""
    step = _COARSEST
    while True:
        lattice = [first + step * np.arange((last - first - 1) // step + 2) for first, last in ((*rows,), (*columns,))]
        y, x = np.meshgrid(*(axis.astype(float) for axis in lattice), indexing="ij")
        nodes = np.moveaxis(transform(grid, frame, x, y), 0, -1)
        if step == 1:
            return nodes, step
        middle = (nodes[1:, 1:] + nodes[:-1, 1:] + nodes[1:, :-1] + nodes[:-1, :-1]) / 4
        true = np.moveaxis(transform(grid, frame, x[:-1, :-1] + step / 2, y[:-1, :-1] + step / 2), 0, -1)
        if not (np.abs(middle - true) > _TOLERANCE / 2).any():
            return nodes, step
        step //= 2


def _area(frame: WCS, grid: WCS, shape: tuple[int, int], rows: tuple[int, int], columns: tuple[int, int]) -> float:
    """Return the area of a pixel of the grid over that of the frame in the middle of a part of the grid."""
    middle = [np.array([sum(ends) / 2 - 0.5]) for ends in (columns, rows)]
    inside = transform(grid, frame, *middle)[:, 0]
    inside = np.clip(np.nan_to_num(inside), 0, [shape[1] - 1, shape[0] - 1])
    # by the way from the frame to the grid, which needs no iteration
    x, y = inside[:, None] + 0.5 * np.array([[1, -1, 0, 0], [0, 0, 1, -1]])
    right, left, up, down = transform(frame, grid, x, y).T
    area = abs(float(np.linalg.det(np.array([right - left, up - down]))))
    if not 0 < area < np.inf:
        raise MosaicError(f"header: expected pixels of a positive area, got {area} pixels of the grid")
    return 1 / area
