"""Images through the workflow: frames from a server as the archive is, and real frames of a folder."""

import bz2

import numpy as np
import pandas as pd
import pytest
import yaml
from sas_server import field_answer, sas
from test_skyserver import skyserver
from workflow_copy import Workflow

from clustermass import contracts
from clustermass.config.simulated import Lightcone
from clustermass.config.sky import Sky
from clustermass.frames import geometry
from clustermass.frames.contracts import BANDS, FIELD_KEY, FRAMES, IMAGE_CLUSTERS, MOSAICS, SKY_GALAXIES, SKY_STARS
from clustermass.frames.frame import FrameKey, frame_path, frame_wcs, read_frame_header, write_frame
from clustermass.images.store import Images
from clustermass.render.frame import render_field

CUTOUTS = {"lin2022": {"side_mpc": 0.4, "pixels": 64}, "liang2020": {"side_mpc": 0.2, "pixels": 32}}
ONE_EPOCH = {"epochs": 1}
SMALL = {"percents": [100], "trials": 1, "pretraining": ONE_EPOCH, "training": ONE_EPOCH}
SMALL |= {"datasets": {"cifar10": {"images": {"per_class": 4}}}, "substitute": {"per_class": 4}}
STANZA = {
    "title": "mine",
    "kind": "clusters",
    "files": ["clusters.csv"],
    "layouts": [{"id": "name", "ra": "ra [deg]", "dec": "dec [deg]", "redshift": "z", "richness": "lambda"}],
}


def workflow(folder, clusters, **settings):
    """Return a copy of the workflow on clusters of one's own, without label catalogues that could be had."""
    flow = Workflow(folder, ["--configfile", "configs/mine.yaml"])
    clusters.to_csv(folder / "clusters.csv", index=False)
    overlay = {
        "source": "archival",
        "archive": {"vizier_server": "http://127.0.0.1:9", "attempts": 1, "pause_s": 0.0},
        "catalogues": {"mine": STANZA},
        "crossmatch": {"clusters": "mine", "priority": ["planck"]},
        "images": {"pixels": 16},
        "natural": SMALL,
    }
    overlay |= settings
    (folder / "configs/mine.yaml").write_text(yaml.safe_dump(overlay))
    return flow


def products(flow, cutout="lin2022", scaling="global"):
    """Return images, table of mosaics and frames that a run made."""
    results = flow.folder / "results/archival"
    frames = [contracts.read_table(path, FRAMES) for path in sorted(results.glob("frames/[0-9]*/frames.parquet"))]
    return (
        Images(results / f"images/{cutout}_{scaling}.zarr.zip"),
        contracts.read_table(results / "mosaics/mosaics.parquet", MOSAICS),
        pd.concat(frames),
    )


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """Two clusters, frames of the first in five bands and of the second in four, on a server; the list of fields too."""
    there = tmp_path_factory.mktemp("there")
    clusters = pd.DataFrame({"name": ["A", "B"], "ra": [185.0, 186.5], "dec": [30.0, 30.5], "z": 0.4, "lambda": 40.0})
    sky = Lightcone(ra_deg=(100, 270), dec_deg=(0, 60))
    fields = geometry.simulated_fields(clusters["ra"].to_numpy(), clusters["dec"].to_numpy(), 0.03, sky)
    star = pd.DataFrame({"ra": [185.0], "dec": [30.0], **dict.fromkeys(BANDS, 16.0)})
    for row in fields.itertuples():
        headers = {band: geometry.field_header(row.run, row.camcol, row.field, band) for band in BANDS}
        for band, made in render_field(SKY_GALAXIES.empty(), star, headers, Sky(), 1).items():
            path = frame_path(there, "301", FrameKey(band, row.run, row.camcol, row.field))
            if band != "z" or abs(float(headers[band]["CRVAL1"]) - 185) < 0.6:
                write_frame(path, made.image, headers[band], made.nmgy_per_count, made.sky_counts)
                path.with_suffix(".fits.bz2").write_bytes(bz2.compress(path.read_bytes(), 1))
                path.unlink()
    SKY_STARS.validate(star, "star")
    return there, clusters, fields


def test_frames_from_an_archive_become_inputs(served, tmp_path, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    there, clusters, fields = served
    with sas(there) as archive, skyserver([(200, field_answer(fields))]) as list_server:
        settings = {"server": archive.address, "skyserver": list_server.address, "jobs": 2, "search_mpc": 0.6}
        flow = workflow(tmp_path / "run", clusters, frames=settings, mosaics={"cutouts": CUTOUTS})
        flow.snakemake("--", "images", "liang2020")
        asked = len(archive.asked)
        images, mosaics, frames = products(flow)
        assert flow.planned("--", "images", "liang2020") == {}
        # the frames stay in the cache: mosaics of another size ask for none
        flow.snakemake("--forcerun", "frames_archival", "--", "images")
        assert len(archive.asked) - asked == (frames["status"] == "absent").sum()
    assert images.clusters == ["A"]
    aside = mosaics[mosaics["reason"] != ""]
    assert set(aside["cluster"]) == {"B"}
    assert "coverage in band z: expected 0.98, got 0.000" in aside["reason"].iloc[0]
    assert "404" in aside["reason"].iloc[0]
    assert set(frames["status"]) == {"ready", "absent"}
    inside = frames.merge(fields[FIELD_KEY], on=FIELD_KEY)
    assert len(inside) == len(frames)
    # the star in the middle is the brightest of each band
    picture = images.read([0])[0]
    for band in picture:
        assert np.hypot(*(np.array(np.unravel_index(band.argmax(), band.shape)) - 7.5)) < 1.5
    flux = products_flux(flow)
    share = flux / 10 ** (0.4 * (22.5 - 16.0))
    assert ((share > 0.94) & (share < 1)).all(), (
        "a few per cent of the light lie in wings and spikes outside the square"
    )


def products_flux(flow):
    """Return the flux of the star in the mosaics' cutouts [nanomaggy], in ugriz."""
    stored = next(
        file
        for path in sorted((flow.folder / "results/archival/mosaics").glob("*.zarr.zip"))
        if len(file := Images(path, "lin2022"))
    )
    image = stored.read([0])[0]
    clusters = contracts.read_table(flow.folder / "results/archival/frames/clusters.parquet", IMAGE_CLUSTERS)
    side = CUTOUTS["lin2022"]["side_mpc"] * clusters.set_index("id").at["A", "arcsec_per_mpc"]
    rest = image - np.median(image, axis=(1, 2), keepdims=True)
    return rest[:, 22:42, 22:42].sum(axis=(1, 2)) * (side / 64) ** 2


@pytest.mark.archival
def test_real_fields_become_inputs_without_any_network(archive, tmp_path):
    rows = []
    for number, path in enumerate(sorted((archive / "sdss_frames").glob("frame-r-*"))):
        header, _, _ = read_frame_header(path)
        ra, dec = frame_wcs(header).all_pix2world(1023.5, 744, 0)
        rows.append({"name": f"F{number}", "ra": float(ra), "dec": float(dec), "z": 0.45, "lambda": 40.0})
    rows.append({"name": "edge", "ra": rows[0]["ra"] + 0.1, "dec": rows[0]["dec"], "z": 0.45, "lambda": 40.0})
    rows.append({"name": "elsewhere", "ra": 120.0, "dec": 40.0, "z": 0.45, "lambda": 40.0})
    options = {"folder": str(archive), "vizier_server": "http://127.0.0.1:9", "attempts": 1}
    flow = workflow(
        tmp_path / "run", pd.DataFrame(rows), archive=options, frames={"download": False, "jobs": 2},
        mosaics={"cutouts": {"lin2022": {"pixels": 64}, "liang2020": {"pixels": 64}}},
    )  # fmt: skip
    flow.snakemake("--", "images", "liang2020")
    images, mosaics, frames = products(flow)
    assert sorted(images.clusters) == ["F0", "F1", "F2", "F3"]
    assert set(mosaics["cluster"]) == {"F0", "F1", "F2", "F3", "edge"}  # no local frame shows the other
    assert mosaics.loc[mosaics["cluster"] == "edge", "coverage"].between(0.2, 0.9).all()
    assert (frames["status"] == "ready").all()
    noise = mosaics[mosaics["reason"] == ""].groupby("band")["noise"].median() * 0.396**2
    for band, expected in {"u": 0.0441, "g": 0.0165, "r": 0.028, "i": 0.0434, "z": 0.177}.items():
        assert noise[band] == pytest.approx(expected, rel=0.25)  # resampling takes about a tenth of it
    assert 0 <= images.read(range(4)).min() < images.read(range(4)).max() <= 1
    about = images.about
    assert about["scaling"] == "global"
    assert (flow.folder / "figures/archival/images/pictures.pdf").stat().st_size > 10_000
    assert (flow.folder / "figures/archival/liang2020/figS1.png").is_file()
