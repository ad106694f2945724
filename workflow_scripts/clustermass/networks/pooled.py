"""The first layers of a network of cubes on a CPU: convolution of one channel, pooling by two and ReLU in one step.

They take most of its time. The loss depends on one convolved voxel in eight, and on none where the ReLU gives
zero, so that the gradient of the weights is a sum over few voxels rather than over all of them.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import numpy.typing as npt
import torch
from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.extending import intrinsic
from torch.nn import functional

WIDEST = 8
"""Widest kernel that `pooled_convolution` takes: as many numbers as are multiplied at once."""
_Array = npt.NDArray[Any]


def pooled_convolution(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, partial: bool) -> torch.Tensor:
    """Return cubes convolved without padding, pooled by two, and cut at zero.

    Weights and biases get gradients, the cubes none. Works in bfloat16 under torch's autocast.

    Parameters
    ----------
    x : torch.Tensor
        (n, v, x, y) float32, on a CPU.
    weight : torch.Tensor
        (filters, 1, width, width, width) float32, with a width of at most `WIDEST`.
    bias : torch.Tensor
        (filters,) float32.
    partial : bool
        Whether the last voxels of an odd length are pooled on their own, rather than left out.

    Returns
    -------
    torch.Tensor
        (n, v / 2, x / 2, y / 2, filters)
    """
    result: torch.Tensor = _PooledConvolution.apply(x, weight, bias, partial)
    return result


class _PooledConvolution(torch.autograd.Function):
    """See `pooled_convolution`."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, partial: bool) -> torch.Tensor:
        """Return the result, and keep which of eight voxels it came from."""
        convolved = _convolved(x, weight, bias)
        half = convolved.dtype == torch.bfloat16
        # The bits of positive bfloat16 ascend as integers do, and those of negative ones are negative integers.
        values = (convolved.view(torch.int16) if half else convolved).numpy()
        sides = [(side + partial) // 2 for side in values.shape[1:4]]
        largest = np.zeros((len(x), *sides, len(weight)), values.dtype)
        origin = np.full(largest.shape, -1, np.int8)
        _pool(values, largest, origin)
        ctx.save_for_backward(x)
        ctx.origin, ctx.width = origin, weight.shape[2]
        result = torch.from_numpy(largest)
        return result.view(torch.bfloat16) if half else result

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        """Return the gradients of weights and biases."""
        (x,) = ctx.saved_tensors
        gradient = gradients[0].float().contiguous().numpy()
        width, filters = ctx.width, gradient.shape[-1]
        cubes = functional.pad(x.flatten(), (0, WIDEST)).numpy()  # rows are read beyond their ends
        weight = np.zeros((filters, width**2, WIDEST))
        bias = np.zeros(filters)
        _add_gradients(gradient, ctx.origin, cubes, np.array(x.shape[1:]), width, weight, bias)
        shaped = weight[:, :, :width].reshape(filters, 1, width, width, width)
        return None, torch.from_numpy(shaped).float(), torch.from_numpy(bias).float(), None


def _convolved(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    """Return convolved cubes (n, v, x, y, filters) from images whose channels are neighbours in velocity.

    With one channel only, bfloat16 would be no faster than float32: processors multiply it in pairs of channels.
    """
    dtype = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else x.dtype
    slices = x.to(dtype).unfold(1, weight.shape[2], 1)  # (n, v, x, y, width)
    images = slices.flatten(0, 1).permute(0, 3, 1, 2)  # (n v, width, x, y), channels last in memory
    kernels = weight[:, 0].to(dtype).contiguous(memory_format=torch.channels_last)
    convolved = functional.conv2d(images, kernels, bias.to(dtype)).permute(0, 2, 3, 1).contiguous()
    return convolved.view(*slices.shape[:2], *convolved.shape[1:])


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def _pool(values: _Array, largest: _Array, origin: _Array) -> None:
    """Find the largest positive value of eight voxels, and which it is: 4 dv + 2 dx + dy, or -1 where none is."""
    n, voxels, across, up, filters = values.shape
    for i in range(n):
        for v in range(largest.shape[1]):
            for a in range(largest.shape[2]):
                for k in range(8):
                    at_v, at_a, dy = 2 * v + (k >> 2), 2 * a + (k >> 1 & 1), k & 1
                    if at_v >= voxels or at_a >= across:
                        continue
                    for b in range(min(largest.shape[3], (up + 1 - dy) // 2)):
                        for c in range(filters):
                            value = values[i, at_v, at_a, 2 * b + dy, c]
                            if value > largest[i, v, a, b, c]:
                                largest[i, v, a, b, c] = value
                                origin[i, v, a, b, c] = k


@intrinsic  # type: ignore[untyped-decorator]
def _add_product(_typing: Any, sums: Any, to: Any, factor: Any, values: Any, at: Any) -> Any:
    """Compile `sums[to : to + WIDEST] += factor * values[at : at + WIDEST]` to one multiplication of vectors.

    Written as a loop it is compiled to single numbers, as the arrays might overlap.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        vector, lane = ir.VectorType(ir.FloatType(), WIDEST), ir.IntType(32)
        flags = ("contract",)

        def pointer(array: int) -> Any:
            data = context.make_array(signature.args[array])(context, builder, arguments[array]).data
            return builder.bitcast(builder.gep(data, [arguments[array + 1]]), vector.as_pointer())

        target, source = pointer(0), pointer(3)
        first = builder.insert_element(ir.Constant(vector, ir.Undefined), arguments[2], ir.Constant(lane, 0))
        factors = builder.shuffle_vector(first, first, ir.Constant(ir.VectorType(lane, WIDEST), [0] * WIDEST))
        product = builder.fmul(factors, builder.load(source, align=4), flags=flags)
        builder.store(builder.fadd(product, builder.load(target, align=4), flags=flags), target, align=4)
        return context.get_dummy_value()

    return types.void(sums, types.intp, types.float32, values, types.intp), generate


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def _add_gradients(
    gradient: _Array, origin: _Array, cubes: _Array, sides: _Array, width: int, weight: _Array, bias: _Array
) -> None:
    """Add, for every pooled voxel that lives, its gradient times the part of the cube that it has seen."""
    n, lengths, filters = gradient.shape[0], gradient.shape[1:4], gradient.shape[4]
    sums = np.empty(width * width * WIDEST, np.float32)
    for i in range(n):
        for c in range(filters):
            sums[:] = 0
            for v in range(lengths[0]):
                for a in range(lengths[1]):
                    for b in range(lengths[2]):
                        k = origin[i, v, a, b, c]
                        if k < 0:
                            continue
                        g = gradient[i, v, a, b, c]
                        bias[c] += g
                        plane = i * sides[0] + 2 * v + (k >> 2)
                        first = (plane * sides[1] + 2 * a + (k >> 1 & 1)) * sides[2] + 2 * b + (k & 1)
                        for p in range(width):
                            for q in range(width):
                                row = first + (p * sides[1] + q) * sides[2]
                                _add_product(sums, (p * width + q) * WIDEST, g, cubes, row)
            weight[c] += sums.reshape(width * width, WIDEST)
