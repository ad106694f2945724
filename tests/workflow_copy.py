"""A copy of the workflow in a temporary folder, to run and to tamper with."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd

from clustermass import contracts

ROOT = Path(__file__).resolve().parents[1]
PARTS = ("Snakefile", "config.yaml", "rules", "configs", "envs", "profiles", "workflow_scripts", "workflow")


class Workflow:
    """The workflow, copied to a folder of its own.

    Parameters
    ----------
    folder : Path
        Where to copy it to.
    options : sequence of str
        What every call of Snakemake gets.
    """

    def __init__(self, folder, options=()):
        self.folder, self.options = Path(folder), list(options)
        self.folder.mkdir(parents=True, exist_ok=True)
        for part in PARTS:
            copy = shutil.copytree if (ROOT / part).is_dir() else shutil.copy
            copy(ROOT / part, self.folder / part)

    def snakemake(self, *arguments, check=True):
        """Run Snakemake and return its finished process; output and errors together in stdout."""
        command = [sys.executable, "-m", "snakemake", "--cores", "2", *self.options, *arguments]
        done = subprocess.run(
            command, cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
        )
        assert not check or done.returncode == 0, done.stdout
        return done

    def planned(self, *arguments):
        """Return how many jobs of each rule a run would do now, without those that follow from everything."""
        output = self.snakemake("--dry-run", *arguments).stdout
        table = re.search(r"Job stats:\njob +count\n[- ]+\n(.*?)\ntotal", output, re.DOTALL)
        rows = [line.split() for line in table[1].splitlines()] if table else []
        follow = "all", "report_page", "training_card", "transfer_card"
        return {name: int(count) for name, count in rows if name not in follow and not name.startswith("scorecard")}

    def edit(self, file, old, new):
        """Replace a text that stands in a file."""
        path = self.folder / file
        text = path.read_text()
        assert old in text, f"{file} does not hold {old!r}"
        path.write_text(text.replace(old, new))


RESULTS = [
    "results/{source}/lin2022/fig01.csv",
    "figures/{source}/lin2022/fig01.pdf",
    "figures/{source}/lin2022/fig01.png",
    "results/{source}/lin2022/counts.csv",
    "results/{source}/lin2022/counts.md",
    "results/{source}/lin2022/counts.tex",
]

IMAGES = [
    *(
        f"results/{{source}}/images/{cutout}_{scaling}.zarr.zip"
        for cutout in ("lin2022", "liang2020")
        for scaling in ("global", "per_image")
    ),
    "results/{source}/mosaics/mosaics.parquet",
    *(f"figures/{{source}}/images/{name}.{kind}" for name in ("pictures", "sheet") for kind in ("pdf", "png")),
    *(f"figures/{{source}}/liang2020/figS1.{kind}" for kind in ("pdf", "png")),
    "results/{source}/liang2020/figS1.csv",
    *(f"figures/simulated/realism/{name}.{kind}" for name in ("realism", "fields") for kind in ("pdf", "png")),
    *(f"results/simulated/realism/{name}" for name in ("realism.csv", "verdicts.csv", "verdicts.md", "verdicts.tex")),
]
IMAGES += [
    *(f"figures/{{source}}/lin2022/fig{n:02d}.{kind}" for n in range(2, 8) for kind in ("pdf", "png")),
    *(f"results/{{source}}/lin2022/fig{n:02d}.csv" for n in range(2, 8)),
    *(
        f"figures/{{source}}/liang2020/{n}.{kind}"
        for n in ("fig01", "fig02", "figS2", "figS3")
        for kind in ("pdf", "png")
    ),
    *(f"results/{{source}}/liang2020/{n}.csv" for n in ("fig01", "fig02", "figS2", "figS3")),
    *(
        f"results/{{source}}/{table}.{kind}"
        for table in ("lin2022/table1", "lin2022/table2", "liang2020/table1", "liang2020/tableS1", "liang2020/tableS2")
        for kind in ("csv", "md", "tex")
    ),
    *(f"results/{{source}}/interpretation/image_{n}.csv" for n in ("uncertainty", "variants", "controls", "epochs")),
]
HO2019 = [
    *(f"figures/{{source}}/ho2019/fig{n:02d}.{kind}" for n in range(1, 11) for kind in ("pdf", "png")),
    *(f"results/{{source}}/ho2019/fig{n:02d}.csv" for n in range(1, 11) if n != 4),
    *(
        f"results/{{source}}/ho2019/{table}.{kind}"
        for table in ("table1", "table2", "abundance", "table3", "table4", "timing")
        for kind in ("csv", "md", "tex")
    ),
]


KODIRAMANAH2021 = [
    *(f"figures/{{source}}/kodiramanah2021/{n}.{kind}" for n in ("fig10", "figA1") for kind in ("pdf", "png")),
    *(f"results/{{source}}/kodiramanah2021/{n}.csv" for n in ("fig10", "figA1")),
    *(f"results/{{source}}/kodiramanah2021/masses.{kind}" for kind in ("csv", "md", "tex")),
]
ON_MOCKS = [
    *(f"figures/{{source}}/kodiramanah2021/fig{n:02d}.{kind}" for n in range(1, 10) for kind in ("pdf", "png")),
    *(f"results/{{source}}/kodiramanah2021/fig{n:02d}.csv" for n in range(1, 10)),
    *(f"results/{{source}}/kodiramanah2021/checks.{kind}" for kind in ("csv", "md", "tex")),
]


SCORECARD = [
    *(
        f"results/{{source}}/scorecard/{table}.{kind}"
        for table in ("scorecard", "summary", "leaderboard", "discrepancies")
        for kind in ("csv", "md", "tex")
    ),
    *(f"figures/{{source}}/scorecard/leaderboard.{kind}" for kind in ("pdf", "png")),
]


def check_products(workflow, source, results=(*RESULTS, *SCORECARD)):
    """All artefacts are there, and say what they were made on."""
    for result in (*results, *(HO2019 + ON_MOCKS + KODIRAMANAH2021 + IMAGES if source == "simulated" else [])):
        assert (workflow.folder / result.format(source=source)).stat().st_size > 0
    counts = pd.read_csv(workflow.folder / f"results/{source}/lin2022/counts.csv")
    assert counts["data"].unique().tolist() == ["simulated data" if source == "simulated" else "real data"]
    folder = workflow.folder / f"results/{source}/crossmatch"
    labels = contracts.read_table(folder / "labels.parquet", contracts.LABELS)
    splits = contracts.read_table(folder / "splits.parquet", contracts.SPLITS)
    assert set(labels["cluster"]) == set(splits["cluster"])
    assert (splits.groupby("group")["fold"].nunique() == 1).all()
    total = counts.set_index("quantity")["regenerated"]
    assert total["strong labels"] + total["weak labels"] == len(labels)
    return counts, labels
