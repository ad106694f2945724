"""Resampling and medians, row by row, on the CPU.

The inner loop is the sum over the 6 x 6 pixels of a Lanczos-3 kernel. Compilers do not find its vectors: six rows of
eight pixels, the last two of weight zero. They are therefore written out (`_patch`), for whatever processor there is.
The order of all sums is fixed, whatever the number of threads.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba
import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.extending import intrinsic
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Float32s = NDArray[np.float32]
_Function = TypeVar("_Function", bound=Callable[..., Any])

TAPS = 6  # pixels of a kernel along an axis
_LANES = 8  # with two of weight zero
# Kernels are tabulated at so many places of a pixel, with their differences, and straight lines drawn between: 7e-6
# of the pixel's value is the error of a weight at most, their sum stays one, and the table fits into the nearest cache.
_CELLS = 256
_TILE = 128  # columns that are made at once, so that the part of the frame below them stays in the nearest cache
NONE = np.float32(np.inf)  # value of a pixel that a frame does not cover


def _compiled() -> Callable[[_Function], _Function]:
    """Return numba's decorator, typed."""
    return cast(Callable[[_Function], _Function], numba.njit(cache=True, nogil=True, error_model="numpy"))


def lanczos3(x: Floats) -> Floats:
    """Return the Lanczos-3 kernel, sinc(x) sinc(x / 3) within three pixels; x [pixels].

    Notes
    -----
    Source: Duchon (1979, J. Appl. Meteor. 18, 1016).
    """
    return np.where(np.abs(x) < 3, np.sinc(x) * np.sinc(x / 3), 0.0)


def kernel_table(power: int = 1) -> Float32s:
    """Return the weights of six pixels about places between the third and the fourth of them.

    Parameters
    ----------
    power : int
        1: weights with sum one; 2: their squares, for variances.

    Returns
    -------
    array, shape (cells * 2 * 8,)
        For each place the weights of the pixels, two zeros, and the same of the difference to the next place.
    """
    places = np.arange(_CELLS + 1)[:, None] / _CELLS
    weights = np.zeros((_CELLS + 1, _LANES))
    weights[:, :TAPS] = lanczos3(places - (np.arange(TAPS) - 2))
    weights = (weights / weights.sum(1, keepdims=True)) ** power
    return np.stack([weights[:-1], np.diff(weights, axis=0)], axis=1).astype(np.float32).ravel()


def _patch_code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    """Write the vectors of `_patch`."""
    real, place, index = ir.FloatType(), ir.IntType(64), ir.IntType(32)
    vector = ir.VectorType(real, _LANES)
    undefined = ir.Constant(vector, ir.Undefined)
    image, table = (context.make_array(signature.args[i])(context, builder, arguments[i]).data for i in (0, 3))
    start, width, column, column_part, row, row_part = (arguments[i] for i in (1, 2, 4, 5, 6, 7))

    def load(array: Any, offset: Any) -> Any:
        pointer = builder.bitcast(builder.gep(array, [offset]), vector.as_pointer())
        return builder.load(pointer, align=4)

    def lanes(source: Any, which: list[int]) -> Any:
        mask = ir.Constant(ir.VectorType(index, len(which)), which)
        return builder.shuffle_vector(source, ir.Constant(source.type, ir.Undefined), mask)

    def multiply_add(a: Any, b: Any, c: Any) -> Any:
        return builder.fadd(builder.fmul(a, b, flags=("contract",)), c, flags=("contract",))

    def weights(cell: Any, part: Any) -> Any:
        offset = builder.mul(cell, ir.Constant(place, 2 * _LANES))
        slope = load(table, builder.add(offset, ir.Constant(place, _LANES)))
        parts = lanes(builder.insert_element(undefined, part, index(0)), [0] * _LANES)
        return multiply_add(slope, parts, load(table, offset))

    across, down = weights(column, column_part), weights(row, row_part)
    total = ir.Constant(vector, [0.0] * _LANES)
    for tap in range(TAPS):
        total = multiply_add(load(image, start), lanes(down, [tap] * _LANES), total)
        start = builder.add(start, width)
    total = builder.fmul(total, across)
    half = _LANES
    while half > 1:
        half //= 2
        total = builder.fadd(lanes(total, list(range(half))), lanes(total, list(range(half, 2 * half))))
    return builder.extract_element(total, index(0))


@intrinsic  # type: ignore[untyped-decorator, unused-ignore]
def _patch(
    context: Any, image: Any, start: Any, width: Any, table: Any, column: Any, column_part: Any, row: Any, row_part: Any
) -> Any:
    """Return the weighted sum of six rows of eight pixels, the last two of weight zero.

    The first is pixel `start` of a flat image of rows of `width`; weights are those of the table's cells `column` and
    `row`, `column_part` and `row_part` of the way to the next.
    """
    whole, real = types.int64, types.float32
    return real(image, whole, whole, table, whole, real, whole, real), _patch_code


@_compiled()
def _plain_patch(
    image: Float32s,
    start: int,
    width: int,
    table: Float32s,
    column: int,
    column_part: np.float32,
    row: int,
    row_part: np.float32,
) -> np.float32:
    """Return the same sum over six rows of six pixels, which reads no pixel that has no part in it."""
    a, b = 2 * _LANES * column, 2 * _LANES * row
    total = np.float32(0)
    for i in range(TAPS):
        line = np.float32(0)
        for k in range(TAPS):
            line += image[start + i * width + k] * (table[a + k] + column_part * table[a + _LANES + k])
        total += line * (table[b + i] + row_part * table[b + _LANES + i])
    return total


@_compiled()
def _along_row(
    row: int, column: int, corner: tuple[int, int], matrix: Floats, nodes: Floats, step: int, x: Floats, y: Floats
) -> None:
    """Fill x and y with the positions in a frame of pixels of the grid, from (row, column) on; as in `PixelMap`."""
    if nodes.shape[0] == 0:
        px, py, pw = matrix[:, 1] * row + matrix[:, 2]
        for i in range(len(x)):
            scale = 1 / (matrix[2, 0] * (column + i) + pw)
            x[i] = (matrix[0, 0] * (column + i) + px) * scale
            y[i] = (matrix[1, 0] * (column + i) + py) * scale
        return
    above = (row - corner[0]) // step
    down = (row - corner[0]) / step - above
    for i in range(len(x)):
        left = (column - corner[1] + i) // step
        right = (column - corner[1] + i) / step - left
        for axis, out in ((0, x), (1, y)):
            a = nodes[above, left, axis] * (1 - down) + nodes[above + 1, left, axis] * down
            b = nodes[above, left + 1, axis] * (1 - down) + nodes[above + 1, left + 1, axis] * down
            out[i] = a * (1 - right) + b * right


@_compiled()
def resample(
    image: Float32s,
    rows: tuple[int, int],
    columns: tuple[int, int],
    corner: tuple[int, int],
    matrix: Floats,
    nodes: Floats,
    step: int,
    table: Float32s,
    scale: np.float32,
    out: Float32s,
) -> None:
    """Resample a frame onto a part of the grid.

    Parameters
    ----------
    image : (ny, nx) array
        Frame; pixels that are not finite are masked.
    rows, columns : (int, int)
        Part of the grid, end excluded.
    corner : (int, int)
        Row and column of the grid where nodes begin.
    matrix, nodes, step
        Where pixels of the grid lie in the frame, as in `PixelMap`.
    table : array
        `kernel_table`
    scale : float
        Factor for all values.
    out : (rows, all columns of the grid) array
        `NONE` where the kernel reaches over the edge of the frame or to a masked pixel, and beside `columns`.
    """
    out[:, : columns[0]] = NONE
    out[:, columns[1] :] = NONE
    x, y = np.empty(_TILE), np.empty(_TILE)
    left, top, cells = np.empty(_TILE, np.int32), np.empty(_TILE, np.int32), np.empty((2, _TILE), np.int32)
    parts = np.empty((2, _TILE), np.float32)
    for first in range(columns[0], columns[1], _TILE):
        n = min(_TILE, columns[1] - first)
        for j in range(rows[0], rows[1]):
            _along_row(j, first, corner, matrix, nodes, step, x[:n], y[:n])
            _split(x[:n], y[:n], image.shape, left, top, cells, parts)
            line = out[j - rows[0], first : first + n]
            _sum_row(image, left, top, cells, parts, table, scale, line)


@_compiled()
def _split(
    x: Floats,
    y: Floats,
    shape: tuple[int, int],
    left: NDArray[np.int32],
    top: NDArray[np.int32],
    cells: NDArray[np.int32],
    parts: Float32s,
) -> None:
    """Split positions into the corner pixels of kernels, -1 where these leave the frame, and places in the table."""
    for i in range(len(x)):
        inside = (x[i] >= 2) & (y[i] >= 2) & (x[i] < shape[1] - 3) & (y[i] < shape[0] - 3)
        px, py = (x[i], y[i]) if inside else (2.0, 2.0)
        ix, iy = np.int32(px), np.int32(py)
        left[i], top[i] = (ix - 2, iy - 2) if inside else (-1, -1)
        across, down = (px - ix) * _CELLS, (py - iy) * _CELLS
        cells[0, i], cells[1, i] = np.int32(across), np.int32(down)
        parts[0, i], parts[1, i] = across - np.int32(across), down - np.int32(down)


@_compiled()
def _sum_row(
    image: Float32s,
    left: NDArray[np.int32],
    top: NDArray[np.int32],
    cells: NDArray[np.int32],
    parts: Float32s,
    table: Float32s,
    scale: np.float32,
    line: Float32s,
) -> None:
    """Fill a line with the sums over the kernels that `_split` has placed."""
    height, width = image.shape
    flat = image.reshape(-1)
    last = (height - TAPS + 1) * width - _LANES  # where eight pixels a row stay within the frame
    for i in range(len(line)):
        if left[i] < 0:
            line[i] = NONE
            continue
        start = np.int64(top[i]) * width + left[i]
        value = NONE
        if start <= last:
            value = _patch(flat, start, width, table, cells[0, i], parts[0, i], cells[1, i], parts[1, i])
        if not abs(value) < NONE:  # a masked pixel, or only one beside the kernel, or the end of the frame
            value = _plain_patch(flat, start, width, table, cells[0, i], parts[0, i], cells[1, i], parts[1, i])
        line[i] = value * scale if abs(value) < NONE else NONE


@_compiled()
def median(stack: Float32s, image: Float32s, depth: NDArray[np.int16]) -> None:
    """Take the median of frames pixel by pixel; of an even number the mean of the two in the middle.

    Parameters
    ----------
    stack : (frames, rows, columns) array
        `NONE` where a frame does not cover a pixel. It is sorted along the frames.
    image : (rows, columns) array
        Filled with the median; NaN where no frame covers.
    depth : (rows, columns) array
        Filled with the number of frames that cover.
    """
    frames, rows, columns = stack.shape
    for j in range(rows):
        depth[j] = 0
        for k in range(frames):
            for i in range(columns):
                depth[j, i] += stack[k, j, i] < NONE
        for end in range(frames - 1, 0, -1):  # a network: the same exchanges in every pixel
            for k in range(end):
                for i in range(columns):
                    a, b = stack[k, j, i], stack[k + 1, j, i]
                    stack[k, j, i], stack[k + 1, j, i] = (a, b) if a < b else (b, a)
        for i in range(columns):
            n = depth[j, i]
            if n == 0:
                image[j, i] = np.nan
            else:
                image[j, i] = np.float32(0.5) * (stack[(n - 1) // 2, j, i] + stack[n // 2, j, i])


@_compiled()
def total(stack: Float32s, out: Float32s) -> None:
    """Fill out, (rows, columns), with the sums of what is not `NONE` in a stack, (frames, rows, columns)."""
    out[:] = 0
    for k in range(stack.shape[0]):
        for j in range(stack.shape[1]):
            for i in range(stack.shape[2]):
                if stack[k, j, i] < NONE:
                    out[j, i] += stack[k, j, i]
