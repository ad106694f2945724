"""Particle-mesh N-body simulation: LambdaCDM initial conditions, FastPM steps, power spectra.

Lengths are comoving Mpc/h, velocities peculiar km/s, wave numbers h/Mpc. Inside, time is counted in 1 / H0: momenta are
a^2 dx/dt [Mpc/h, H0 = 1], so that a linear mode moves as x = q + D psi with momentum a^3 E (dD/da) psi.
"""
