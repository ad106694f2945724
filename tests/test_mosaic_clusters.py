"""Mosaics of many clusters: each frame read once, faults recorded."""

import numpy as np
import pandas as pd
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from clustermass.config.frames import Cutout, Mosaics
from clustermass.frames.contracts import BANDS, FRAMES, IMAGE_CLUSTERS, MOSAICS, NEEDED
from clustermass.frames.frame import Frame, FrameError
from clustermass.mosaic.clusters import mosaic_clusters

SETTINGS = Mosaics(cutouts={"small": Cutout(side_mpc=0.1, pixels=16)}, pixel_arcsec=0.5)
SCALE = 200.0  # arcsec/Mpc: images of 20 arcsec, 40 pixels


def header(ra=150.0, dec=20.0):
    words = {
        "CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": ra, "CRVAL2": dec, "CRPIX1": 40.5, "CRPIX2": 40.5,
        "CD1_1": -0.5 / 3600, "CD1_2": 0.0, "CD2_1": 0.0, "CD2_2": 0.5 / 3600,
    }  # fmt: skip
    return fits.Header(words)


class Sky:
    """Frames of constant brightness, which counts how often each is read."""

    def __init__(self, faults=(), elsewhere=()):
        self.reads, self.faults, self.elsewhere = [], faults, elsewhere

    def __call__(self, path):
        self.reads.append(path)
        if path in self.faults:
            raise FrameError(f"{path}: expected a whole file")
        field, band = int(path[1:]), path[0]
        dec = 20.1 if path in self.elsewhere else 20.0
        image = np.full((80, 80), 0.25 * (BANDS.index(band) + 1), np.float32)
        return Frame(image, header(dec=dec), WCS(header(dec=dec)), 1000, "301", 3, field, band)


def tables(clusters=("A", "B"), fields=(7, 8), bands=BANDS):
    place = {"group": "g", "ra": 150.0, "dec": 20.0, "redshift": 0.2, "richness": 30.0, "kind": "weak"}
    place |= {"arcsec_per_mpc": SCALE, "job": 0, "picture": False}
    key = {"run": 1000, "rerun": "301", "camcol": 3}
    chosen = pd.DataFrame([{"id": name, **place} for name in clusters])
    needed = [{"cluster": c, **key, "field": f, "job": 0, "in_image": True} for c in clusters for f in fields]
    needed += [{"cluster": c, **key, "field": 9, "job": 0, "in_image": False} for c in clusters]
    files = [{**key, "field": f, "band": b, "path": f"{b}{f}"} for f in (*fields, 9) for b in bands]
    frames = pd.DataFrame(files).assign(bytes=1, sha256="", status="ready", reason="")
    return (
        IMAGE_CLUSTERS.validate(chosen, "c"),
        NEEDED.validate(pd.DataFrame(needed), "n"),
        FRAMES.validate(frames, "f"),
    )


def test_frames_are_read_once_and_only_those_of_the_image():
    sky = Sky()
    made = list(mosaic_clusters(*tables(), sky, SETTINGS))
    assert sorted(sky.reads) == sorted(f"{b}{f}" for b in BANDS for f in (7, 8))
    assert [m.cluster for m in made] == ["A", "B"]
    for mosaic in made:
        MOSAICS.validate(mosaic.bands, "mosaics")
        assert mosaic.images.shape == (5, 40, 40)
        # 0.25 nanomaggies on a pixel of 0.25 arcsec2 are one in an arcsec2
        assert mosaic.images.mean(axis=(1, 2)) == pytest.approx([1, 2, 3, 4, 5], rel=1e-5)
        assert mosaic.bands["frames"].eq(2).all()
        assert mosaic.bands["depth"].eq(2).all()
        assert mosaic.bands["reason"].eq("").all()


def test_a_damaged_frame_is_left_out_and_another_one_serves(capsys):
    (first, second) = mosaic_clusters(*tables(), Sky(faults=("g7",)), SETTINGS)
    assert first.images.shape == (5, 40, 40)
    assert first.bands.set_index("band").at["g", "frames"] == 1
    assert second.bands["coverage"].eq(1).all()
    assert "g7: expected a whole file" in capsys.readouterr().out


def test_a_cluster_without_a_band_is_set_aside_with_the_reason():
    clusters, needed, frames = tables(fields=(7,))
    absent = (frames["band"] == "u") & (frames["field"] == 7)
    frames.loc[absent, ["status", "reason"]] = ["absent", "HTTP 404"]
    for made in mosaic_clusters(clusters, needed, frames, Sky(), SETTINGS):
        assert made.images.size == 0
        reason = made.bands["reason"].iloc[0]
        assert "coverage in band u: expected 0.98, got 0.000" in reason
        assert "frame u of run 1000, camcol 3, field 7: HTTP 404" in reason


def test_a_band_that_points_elsewhere_is_told_from_the_others():
    sky = Sky(elsewhere=("i7",))
    (made,) = mosaic_clusters(*tables(clusters=("A",), fields=(7,)), sky, SETTINGS)
    assert made.images.size == 0
    assert "frame i of run 1000, camcol 3, field 7: expected the pointing" in made.bands["reason"].iloc[0]
    assert "got 360 arcsec" in made.bands["reason"].iloc[0]


def test_a_cluster_beyond_the_survey_is_set_aside():
    clusters, needed, frames = tables(clusters=("A",))
    (made,) = mosaic_clusters(clusters, needed.iloc[:0], frames, Sky(), SETTINGS)
    assert made.bands["coverage"].eq(0).all()
    assert made.images.size == 0


def test_a_cluster_at_the_edge_has_its_share(capsys):
    clusters, needed, frames = tables(clusters=("A",))
    clusters["dec"] = 20.0 + 20 / 3600  # half of the image is north of the frames
    (made,) = mosaic_clusters(clusters, needed, frames, Sky(), SETTINGS.model_copy(update={"min_coverage": 0.3}))
    assert made.bands["coverage"].between(0.4, 0.5).all()
    assert np.isnan(made.images).mean() == pytest.approx(1 - made.bands["coverage"].mean(), abs=1e-6)
