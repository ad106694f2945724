"""Mosaics of frames on one grid: Lanczos-3 resampling and median, as SWarp does it."""
