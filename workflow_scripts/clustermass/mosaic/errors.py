"""What is wrong with frames that should become a mosaic."""

from __future__ import annotations


class MosaicError(ValueError):
    """Frames or a grid from which no mosaic can be made."""
