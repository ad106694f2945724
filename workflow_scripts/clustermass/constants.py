"""Constants of nature in the units of simulations."""

from __future__ import annotations

G = 4.30091e-9  # Mpc (km/s)^2 / Msun: CODATA 2018, IAU 2015
CRITICAL_DENSITY = 2.77536627e11  # h^2 Msun / Mpc^3 at z = 0: 3 (100 km/s/Mpc)^2 / (8 pi G)
