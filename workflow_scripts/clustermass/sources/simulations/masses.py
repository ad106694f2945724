"""Masses of halos in the cosmology of a snapshot: M200c from Mvir, and how many halos to expect above a mass."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from clustermass.config.base import Cosmology
from clustermass.config.snapshot import Snapshot
from clustermass.cosmology import use_colossus
from clustermass.sources.simulations.sieve import Floats

_CHECK_MASS = 10**13.5  # Msun/h; above it halos are counted against the mass function


def _cosmology(snapshot: Snapshot) -> Cosmology:
    """Return the cosmology of a snapshot."""
    densities = {"Om0": snapshot.Om0, "Ob0": snapshot.Ob0}
    return Cosmology(H0=100 * snapshot.h, sigma8=snapshot.sigma8, ns=snapshot.ns, **densities)


@lru_cache(maxsize=4)
def _m200c_over_mvir(redshift: float, cosmology: Cosmology) -> tuple[Floats, Floats]:
    """Return masses Mvir [Msun/h] and M200c / Mvir: NFW, concentration of Diemer & Joyce (2019), no scatter."""
    from colossus.halo.mass_adv import changeMassDefinitionCModel

    use_colossus(cosmology)
    nodes = np.geomspace(1e10, 1e16, 61)  # the relation is smooth: 1e-4 between nodes
    m200c = changeMassDefinitionCModel(nodes, redshift, "vir", "200c", c_model="diemer19", profile="nfw")[0]
    return nodes, m200c / nodes


def m200c_from_mvir(mvir: Floats, snapshot: Snapshot) -> Floats:
    """Return M200c [Msun/h] of halos of a virial mass [Msun/h], shape (n,)."""
    nodes, ratio = _m200c_over_mvir(snapshot.redshift, _cosmology(snapshot))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(mvir * np.interp(np.log(mvir), np.log(nodes), ratio))


@lru_cache(maxsize=4)
def _tinker08(redshift: float, cosmology: Cosmology) -> tuple[Floats, Floats]:
    """Return masses M200c [Msun/h] and the number density of halos above them [h3/Mpc3], Tinker et al. (2008)."""
    from colossus.lss.mass_function import massFunction

    use_colossus(cosmology)
    mass = np.geomspace(1e12, 1e16, 1200)
    density = massFunction(mass, redshift, mdef="200c", model="tinker08", q_in="M", q_out="dndlnM")
    above = np.cumsum((density * np.log(mass[1] / mass[0]))[::-1])[::-1]
    return mass, above


def abundance(m200c: Floats, snapshot: Snapshot) -> tuple[dict[str, float], list[str]]:
    """Compare the number of halos with Tinker et al. (2008) in the box, and with what a mix-up of h would give."""
    least, (mass, above) = (
        max(_CHECK_MASS, snapshot.min_m200c_msun_h),
        _tinker08(snapshot.redshift, _cosmology(snapshot)),
    )
    factors = np.array([1, snapshot.h, 1 / snapshot.h])
    number = np.exp(np.interp(np.log(least * factors), np.log(mass), np.log(above))) * snapshot.box_mpc_h**3
    found = int((m200c >= least).sum())
    counts = {"above_msun_h": float(least), "found": found, "tinker08": float(number[0])}
    if number[0] < 50:  # too few to tell
        return counts, []
    what = ("", "are the masses in Msun?", "were the masses multiplied by h twice?")
    off = np.abs(np.log(max(found, 1) / number))
    best = int(off.argmin())
    text = f"{found} halos above {least:.3g} Msun/h, Tinker et al. (2008) give {number[0]:.0f}"
    if off[best] > 0.3:
        return counts, [f"{text}: is it a part of the box, another redshift or another unit?"]
    return counts, [f"{text}, and {number[best]:.0f} with masses off by h: {what[best]}"] if best else []
