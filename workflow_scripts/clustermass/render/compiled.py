"""Numba's decorator, typed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba

_Function = TypeVar("_Function", bound=Callable[..., Any])


def compiled(function: _Function) -> _Function:
    """Compile a function for one thread, in IEEE arithmetic: division by zero is no error, and no term is regrouped."""
    return cast(_Function, numba.njit(cache=True, error_model="numpy")(function))
