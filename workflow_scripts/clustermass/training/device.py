"""The state of torch that trainings need, set and put back."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numba
import torch

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # as malloc.h numbers them


@contextmanager
def prepared(device: str, threads: int) -> Iterator[torch.device]:
    """Yield a device on which torch computes the same from run to run; what is set is put back afterwards.

    On a CPU, sums depend on the number of threads in their last digits. Numbers below 1e-38 count as zero there: Adam's
    moments of dead neurons decay through them, and arithmetic with them is a hundred times slower.

    Raises
    ------
    RuntimeError
        A GPU is asked for where there is none.
    """
    if device == "cuda" and not torch.cuda.is_available():
        raise RuntimeError("device: expected a GPU for 'cuda', torch finds none; set device: cpu")
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # without it cuBLAS does not repeat its sums
    numba.get_num_threads()  # starts its threads now: where its OpenMP is torch's, that sets the number for both
    threads_before, mode_before = torch.get_num_threads(), torch.get_deterministic_debug_mode()
    filling: Any = torch.utils.deterministic  # its attribute is not declared
    fill, cudnn = filling.fill_uninitialized_memory, torch.backends.cudnn
    benchmark, tf32 = cudnn.benchmark, cudnn.allow_tf32
    torch.set_num_threads(threads)
    # Not use_deterministic_algorithms, which does the same but imports torch's compiler: seconds at the start.
    torch.set_deterministic_debug_mode("error")
    filling.fill_uninitialized_memory = False
    cudnn.benchmark = False
    cudnn.allow_tf32 = False  # or float32 on a GPU would have ten bits
    torch.set_flush_denormal(True)
    try:
        with torch.random.fork_rng(devices=[torch.cuda.current_device()] if device == "cuda" else []):
            yield torch.device(device)
    finally:
        torch.set_num_threads(threads_before)
        torch.set_deterministic_debug_mode(mode_before)
        filling.fill_uninitialized_memory = fill
        cudnn.benchmark, cudnn.allow_tf32 = benchmark, tf32
        torch.set_flush_denormal(False)


def keep_freed_memory() -> None:
    """Have glibc keep what a step frees for the next one rather than fault it in again: 1.1 to 2 x in time.

    It holds for the rest of the process. Elsewhere than on Linux nothing changes.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        for parameter in (_TRIM_THRESHOLD, _MMAP_THRESHOLD):
            mallopt(parameter, 2**31 - 1)
