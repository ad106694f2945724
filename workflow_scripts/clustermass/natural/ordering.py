"""The channel-ordering task: to tell in which order the colours of an image stand."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import torch

from clustermass.natural.images import Ints

ORDERS = tuple(permutations(range(3)))
"""The six orders of red, green and blue; an order's number is its class. 0 is red, green, blue."""


def reorder(images: torch.Tensor, orders: torch.Tensor) -> torch.Tensor:
    """Return images with their channels in other orders.

    Parameters
    ----------
    images : tensor, shape (n, 3, h, w)
        Red, green, blue.
    orders : tensor of int, shape (n,)
        Numbers in `ORDERS`; channel c of the result is channel `ORDERS[order][c]` of the image.

    Returns
    -------
    tensor, shape (n, 3, h, w)

    Raises
    ------
    ValueError
        Images of other than three channels; not one order an image, or one that there is not.

    Notes
    -----
    *Source*: Liang et al. (2020), section S1.1.
    """
    if images.ndim != 4 or images.shape[1] != 3:
        raise ValueError(f"images: expected (n, 3, h, w), got shape {tuple(images.shape)}")
    if orders.shape != images.shape[:1] or bool(((orders < 0) | (orders >= len(ORDERS))).any()):
        raise ValueError(f"orders: expected {len(images)} numbers from 0 to {len(ORDERS) - 1}, got {orders!r:.100}")
    channels = torch.tensor(ORDERS, device=images.device)[orders]  # (n, 3)
    return images[torch.arange(len(images), device=images.device)[:, None], channels]


def balanced_order(labels: Ints, rng: np.random.Generator) -> Ints:
    """Return a random order of samples in which every beginning has all classes in proportion.

    Beginnings are nested subsets for label fractions, the same for all who are given the same generator; an end is a
    validation set.

    Parameters
    ----------
    labels : array of int, shape (n,)
        Classes.
    rng : numpy Generator

    Returns
    -------
    array of int, shape (n,)
        Numbers of samples.
    """
    places = np.empty(len(labels))
    for kind in np.unique(labels):
        rows = rng.permutation(np.nonzero(labels == kind)[0])
        places[rows] = (np.arange(len(rows)) + rng.random()) / len(rows)
    return np.argsort(places, kind="stable")
