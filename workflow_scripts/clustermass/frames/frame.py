"""Frames of SDSS: one band of one field, as files.

The layout is that of SDSS' corrected frames since data release 8 (Aihara et al. 2011; data model "frame"): the image
[nanomaggy] with a tangent plane, the calibration of every column [nanomaggy/count], the sky [count] that was taken
away, on a coarser grid, and the astrometry in great-circle coordinates.
"""

from __future__ import annotations

import bz2
import re
import warnings
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS, FITSFixedWarning
from numpy.typing import ArrayLike, NDArray

from clustermass.files import replacing
from clustermass.frames.geometry import COLUMNS, FRAME_LAG, NODE, ROWS, survey_position

Image = NDArray[np.float32]

_BLOCK = 2880
_NAME = re.compile(r"frame-([ugriz])-(\d{6})-([1-6])-(\d{4,})\.fits(\.bz2)?")
_SKY_SHAPE = (191, 256)  # of every eighth pixel
_VECTOR_HEADER = fits.Header(
    {"XTENSION": "IMAGE", "BITPIX": -32, "NAXIS": 1, "NAXIS1": COLUMNS, "PCOUNT": 0, "GCOUNT": 1}
).tostring()


class FrameError(ValueError):
    """A file is not the frame that it should be; the message says what, what was expected and what was found."""


class FrameKey(NamedTuple):
    """What a frame is of."""

    band: str
    run: int
    camcol: int
    field: int


@dataclass(frozen=True)
class Frame:
    """One band of one field.

    Attributes
    ----------
    image : array of float32, shape (1489, 2048)
        Brightness [nanomaggy per pixel], sky taken away; NaN where there is none.
    header : fits.Header
        Of the image.
    wcs : WCS
        Celestial WCS of the header.
    run, camcol, field : int
    rerun, band : str
    """

    image: Image
    header: fits.Header
    wcs: WCS
    run: int
    rerun: str
    camcol: int
    field: int
    band: str


def frame_path(folder: str | Path, rerun: str, key: FrameKey, suffix: str = ".fits") -> Path:
    """Return where a frame lies in a folder that is laid out as the science archive server of SDSS."""
    name = f"frame-{key.band}-{key.run:06d}-{key.camcol}-{key.field:04d}{suffix}"
    return Path(folder) / rerun / str(key.run) / str(key.camcol) / name


def name_key(path: str | Path) -> FrameKey | None:
    """Return what the name of a file says that it is; None: not a name of frames."""
    match = _NAME.fullmatch(Path(path).name)
    return FrameKey(match[1], int(match[2]), int(match[3]), int(match[4])) if match else None


def read_frame(path: str | Path, called: str | Path | None = None) -> Frame:
    """Read a frame, plain or compressed by bzip2.

    Parameters
    ----------
    path : path
    called : path, optional
        Name to judge the file by, if it does not bear it yet.

    Raises
    ------
    FrameError
        Truncated or damaged file, wrong shape, no WCS or one that cannot be inverted, no finite pixel, another band or
        field than the name of the file says.
    OSError
        The file cannot be opened.
    """
    body = _contents(Path(path), Path(called or path).suffix)
    path = called or path
    header, start = _parse_header(body, path)
    _check_shape(header, path)
    key, rerun = frame_key(header, path), str(header["RERUN"]).strip()
    end = start + 4 * ROWS * COLUMNS
    if len(body) < end:
        raise FrameError(f"{path}: expected {end} bytes up to the end of the image, got {len(body)}: cut off")
    wcs = frame_wcs(header, path)
    image = np.frombuffer(body, ">f4", ROWS * COLUMNS, start).reshape(ROWS, COLUMNS).astype(np.float32)
    if not np.isfinite(image).any():
        raise FrameError(f"{path}: expected an image, got no finite pixel")
    return Frame(image, header, wcs, key.run, rerun, key.camcol, key.field, key.band)


def read_frame_header(path: str | Path) -> tuple[fits.Header, FrameKey, str]:
    """Return header, key and rerun of a frame; of a compressed file only the beginning is decompressed.

    Raises
    ------
    FrameError
        As `read_frame`, as far as the header can tell.
    OSError
        The file cannot be opened.
    """
    header, _ = _parse_header(_beginning(Path(path)), path)
    _check_shape(header, path)
    key = frame_key(header, path)
    frame_wcs(header, path)
    return header, key, str(header["RERUN"]).strip()


def frame_key(header: fits.Header, path: str | Path = "header") -> FrameKey:
    """Return what the header of a frame says that it is; the name of the file must not contradict it.

    Raises
    ------
    FrameError
        Words are missing, the name says otherwise, or the unit is not nanomaggies.
    """
    try:
        band, run, camcol = str(header["FILTER"]).strip(), int(header["RUN"]), int(header["CAMCOL"])
        key = FrameKey(band, run, camcol, int(header["FRAME"]) - FRAME_LAG[band])
        header["RERUN"]
    except (KeyError, ValueError, TypeError) as error:
        raise FrameError(
            f"{path}: expected FILTER, RUN, CAMCOL, FRAME and RERUN in the header, got {type(error).__name__}: {error}"
        ) from None
    named = name_key(path)
    if named is not None and named != key:
        raise FrameError(f"{path}: expected {_say(named)} as the file is named, got the header of {_say(key)}")
    unit = header.get("BUNIT", "nanomaggy")
    if str(unit).strip() != "nanomaggy":
        raise FrameError(f"{path}: expected BUNIT nanomaggy, got {unit}")
    return key


def frame_wcs(header: fits.Header, path: str | Path = "header") -> WCS:
    """Return the celestial WCS of a header.

    Raises
    ------
    FrameError
        There is none, or it cannot be inverted.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FITSFixedWarning)
            wcs = WCS(header, naxis=2, fix=False)
            scale = wcs.pixel_scale_matrix
            wcs.wcs.set()
    except Exception as error:  # wcslib raises many kinds
        kind = " ".join(str(error).split("\n")[-1].split()) or type(error).__name__
        raise FrameError(f"{path}: expected a WCS that can be inverted, got one that wcslib refuses: {kind}") from None
    if not wcs.has_celestial:
        raise FrameError(f"{path}: expected a WCS of the sky, got axes {', '.join(wcs.wcs.ctype)!r}")
    if not np.isfinite(scale).all() or not abs(np.linalg.det(scale)) > 0:
        raise FrameError(f"{path}: expected a WCS that can be inverted, got the matrix {scale.tolist()}")
    return wcs


def write_frame(
    path: str | Path, image: Image, header: fits.Header, nmgy_per_count: ArrayLike, sky_counts: ArrayLike
) -> None:
    """Write a frame as SDSS does, uncompressed, whole or not at all.

    Parameters
    ----------
    path : path
        Its folder is made.
    image : array of float32, shape (1489, 2048)
        Brightness without sky [nanomaggy per pixel].
    header : fits.Header
        As of `field_header`; it is not changed.
    nmgy_per_count : float or array, shape (2048,)
        Calibration, of all or of every column [nanomaggy/count].
    sky_counts : float or array, shape (191, 256)
        The sky that was taken away [count], everywhere or at every eighth pixel.

    Raises
    ------
    FrameError
        Wrong shape, or a header without a WCS or of another frame than the name of the file says.
    OSError
        The disk is full, for example; no file is left.
    """
    if image.shape != (ROWS, COLUMNS):
        raise FrameError(f"{path}: expected an image of {ROWS} x {COLUMNS} pixels, got {image.shape}")
    key, rerun = frame_key(header, path), str(header["RERUN"]).strip()
    wcs = frame_wcs(header, path)
    calibration = np.broadcast_to(np.asarray(nmgy_per_count, ">f4"), COLUMNS)
    sky = np.broadcast_to(np.asarray(sky_counts, ">f4"), _SKY_SHAPE)
    primary = fits.Header([("SIMPLE", True), ("BITPIX", -32), ("NAXIS", 2), ("NAXIS1", COLUMNS), ("NAXIS2", ROWS)])
    primary["EXTEND"] = True
    primary.extend(header.cards, strip=True, update=True)
    primary["NMGY"] = (float(calibration.mean()), "Calibration factor [nMgy per count]")
    tables = (
        _row({"ALLSKY": sky, "XINTERP": _every_eighth(COLUMNS), "YINTERP": _every_eighth(ROWS)}),
        _row(_astrometry(header, wcs, key, rerun)),
    )
    units = [(primary.tostring(), image.astype(">f4")), (_VECTOR_HEADER, np.ascontiguousarray(calibration))]
    units += [(_table_header(row.dtype), row) for row in tables]
    with replacing(path) as aside, open(aside, "wb") as stream:
        for text, data in units:
            stream.write(text.encode("ascii"))
            stream.write(data.data)
            stream.write(bytes(-data.nbytes % _BLOCK))


def _contents(path: Path, suffix: str) -> bytes:
    """Return the bytes of a file, decompressed."""
    body = path.read_bytes()
    if suffix != ".bz2":
        return body
    try:
        return bz2.decompress(body)
    except (ValueError, OSError) as error:
        raise FrameError(f"{path}: expected a whole bzip2 file, got {len(body)} bytes: {error}") from None


def _beginning(path: Path) -> bytes:
    """Return the first bytes of a file, decompressed: all of the header at least."""
    with open(path, "rb") as stream:
        if path.suffix != ".bz2":
            return stream.read(20 * _BLOCK)
        decompressor, head = bz2.BZ2Decompressor(), b""
        try:
            while len(head) < 20 * _BLOCK and not decompressor.eof and (piece := stream.read(65536)):
                head += decompressor.decompress(piece, 20 * _BLOCK)
        except OSError as error:
            raise FrameError(f"{path}: expected a bzip2 file: {error}") from None
    return head


def _parse_header(body: bytes, path: str | Path) -> tuple[fits.Header, int]:
    """Return the first header and where its data begin."""
    if not body.startswith(b"SIMPLE  ="):
        raise FrameError(f"{path}: expected FITS, got {len(body)} bytes that begin with {body[:16]!r}")
    end = next((k for k in range(0, len(body) - 79, 80) if body[k : k + 8] == b"END     "), None)
    if end is None:
        raise FrameError(f"{path}: expected a whole header, got {len(body)} bytes without its END")
    try:
        header = fits.Header.fromstring(body[: end + 80].decode("ascii"))
    except (UnicodeDecodeError, fits.VerifyError) as error:
        raise FrameError(f"{path}: expected a FITS header: {error}") from None
    if "RADECSYS" in header and "RADESYS" not in header:  # the name that FITS gave up
        header.rename_keyword("RADECSYS", "RADESYS")
    return header, (end // _BLOCK + 1) * _BLOCK


def _check_shape(header: fits.Header, path: str | Path) -> None:
    """Raise unless a header announces the image of a frame."""
    got = [header.get(word) for word in ("BITPIX", "NAXIS", "NAXIS1", "NAXIS2")]
    if got != [-32, 2, COLUMNS, ROWS]:
        raise FrameError(
            f"{path}: expected BITPIX, NAXIS, NAXIS1, NAXIS2 of -32, 2, {COLUMNS}, {ROWS}, got"
            f" {', '.join(map(str, got))}"
        )
    zero, scale = header.get("BZERO", 0), header.get("BSCALE", 1)
    if zero != 0 or scale != 1:
        raise FrameError(f"{path}: expected unscaled numbers, got BZERO {zero}, BSCALE {scale}")


def _say(key: FrameKey) -> str:
    return f"band {key.band}, run {key.run}, column {key.camcol}, field {key.field}"


def _every_eighth(pixels: int) -> NDArray[np.float32]:
    """Return where pixels stand on the grid of the sky."""
    return ((np.arange(pixels) + 0.5) / 8 - 0.5).astype(">f4")


def _row(columns: dict[str, NDArray[np.generic]]) -> NDArray[np.void]:
    """Return a table of one row."""
    row = np.zeros(1, [(name, values.dtype, values.shape) for name, values in columns.items()])
    for name, values in columns.items():
        row[name][0] = values
    return row


@cache
def _table_header(dtype: np.dtype[np.void]) -> str:
    """Return the header of a table of one row."""
    text: str = fits.BinTableHDU(np.zeros(1, dtype)).header.tostring()
    return text


def _astrometry(header: fits.Header, wcs: WCS, key: FrameKey, rerun: str) -> dict[str, NDArray[np.generic]]:
    """Return the linear astrometry of a frame: mu = A + B row + C column, nu = D + E row + F column [deg].

    Rows and columns count from the outer corner of the first pixel. Terms of distortion are zero: frames are planes.
    """
    node, inclination = float(header.get("NODE", NODE)), float(header.get("INCL", 0.0))
    column, row = np.array([COLUMNS / 2] * 3 + [0.0, COLUMNS]), np.array([ROWS / 2, 0.0, ROWS] + [ROWS / 2] * 2)
    ra, dec = wcs.wcs_pix2world(column - 0.5, row - 0.5, 0)
    mu, nu = survey_position(ra, dec, inclination, node)
    mu = mu[0] + (mu - mu[0] + 180) % 360 - 180
    b, e = (mu[2] - mu[1]) / ROWS, (nu[2] - nu[1]) / ROWS
    c, f = (mu[4] - mu[3]) / COLUMNS, (nu[4] - nu[3]) / COLUMNS
    a, d = mu[0] - b * ROWS / 2 - c * COLUMNS / 2, nu[0] - e * ROWS / 2 - f * COLUMNS / 2
    whole, text = np.dtype(">i4"), np.dtype("S3")
    table: dict[str, NDArray[np.generic]] = {
        "RUN": np.array(key.run, whole),
        "RERUN": np.array(rerun, text),
        "CAMCOL": np.array(key.camcol, whole),
        "FILTER": np.array(key.band, "S1"),
        "NODE": np.array(node, ">f8"),
        "INCL": np.array(inclination, ">f8"),
        "NAXIS": np.array([COLUMNS, ROWS], whole),
        "FIELD": np.array(key.field, whole),
    }
    table |= {name: np.array(value, ">f8") for name, value in zip("ABCDEF", (a, b, c, d, e, f), strict=True)}
    zeros = "DROW0 DROW1 DROW2 DROW3 DCOL0 DCOL1 DCOL2 DCOL3 CSROW CSCOL CCROW CCCOL RICUT MJD AIRMASS"
    table |= {name: np.array(0.0, ">f8") for name in zeros.split()}
    return table | {name: np.array(0.0, ">f4") for name in ("MUERR", "NUERR")}
