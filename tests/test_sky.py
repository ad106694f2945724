"""Places on the sky."""

import numpy as np
import pytest

from clustermass.sky import galactic_latitude, mean_position, unit_vectors


def test_the_middle_of_a_field_at_right_ascension_zero():
    ra, dec = mean_position(np.array([[359.9, 0.1, 0.1, 359.9]]), np.array([[-0.1, -0.1, 0.1, 0.1]]))
    assert min(ra[0], 360 - ra[0]) < 1e-9
    assert abs(dec[0]) < 1e-9


def test_the_middle_around_a_pole_is_the_pole():
    _, dec = mean_position(np.array([[0.0, 90.0, 180.0, 270.0]]), np.full((1, 4), 89.5))
    assert dec[0] == pytest.approx(90)


def test_unit_vectors_point_where_they_should():
    np.testing.assert_allclose(unit_vectors(np.array([0, 90, 17]), np.array([0, 0, 90])), np.eye(3), atol=1e-15)


def test_galactic_latitude_of_the_pole_and_the_centre():
    # J2000 definition of the north Galactic pole, and Sgr A* (Reid & Brunthaler 2004)
    got = galactic_latitude(np.array([192.85948, 266.41684]), np.array([27.12825, -29.00781]))
    np.testing.assert_allclose(got, [90, -0.046], atol=2e-3)
