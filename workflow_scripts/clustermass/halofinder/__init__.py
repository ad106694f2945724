"""Halos of an N-body snapshot in a periodic box: friends-of-friends groups, spherical-overdensity masses, members."""

from clustermass.halofinder.catalogue import DEFINITIONS, HALOS_SNAPSHOT, find_halos, hosts
from clustermass.halofinder.grid import ParticleGrid, particle_grid
from clustermass.halofinder.groups import friends_of_friends, group_centres, linking_length
from clustermass.halofinder.members import Members, members
from clustermass.halofinder.overdensity import Overdensity, spherical_overdensity, threshold

__all__ = [
    "DEFINITIONS",
    "HALOS_SNAPSHOT",
    "Members",
    "Overdensity",
    "ParticleGrid",
    "find_halos",
    "friends_of_friends",
    "group_centres",
    "hosts",
    "linking_length",
    "members",
    "particle_grid",
    "spherical_overdensity",
    "threshold",
]
