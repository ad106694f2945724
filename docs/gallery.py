"""Join four figures of a finished run to the picture of the README: python docs/gallery.py [SOURCE] (in its folder)."""

import sys
from pathlib import Path

from PIL import Image

FIGURES = ("ho2019/fig07", "kodiramanah2021/fig05", "lin2022/fig03", "scorecard/leaderboard")
WIDTH, GAP = 1100, 30  # of a column; between pictures [pixels]


def main(source="simulated"):
    """Write docs/gallery.png: two columns, each picture below the one that ends first."""
    ends, places = [0, 0], []
    for figure in FIGURES:
        picture = Image.open(Path("figures") / source / f"{figure}.png").convert("RGB")
        picture = picture.resize((WIDTH, round(picture.height * WIDTH / picture.width)), Image.LANCZOS)
        column = ends.index(min(ends))
        places.append((picture, column * (WIDTH + GAP), ends[column]))
        ends[column] += picture.height + GAP
    page = Image.new("RGB", (2 * WIDTH + GAP, max(ends) - GAP), "white")
    for picture, x, y in places:
        page.paste(picture, (x, y))
    page.quantize(128).save(Path(__file__).with_name("gallery.png"), optimize=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
