"""The page that shows all results of a run side by side (rule report_page)."""

from pathlib import Path

from clustermass import provenance, runtime
from clustermass.config.model import Config
from clustermass.files import replacing
from clustermass.report.artefacts import load_artefacts
from clustermass.report.page import changed, natures, outside_inputs, read_scores, render_page
from clustermass.style import stamp

with runtime.logged(snakemake):
    source, config = snakemake.wildcards.source, dict(snakemake.params.config)
    made = [str(path) for path in snakemake.input.made]
    scorecard, checks = (
        next((path for path in made if path.endswith(name)), None)
        for name in ("/scorecard.csv", "validation/summary.csv")
    )
    artefacts = load_artefacts(snakemake.params.artefacts, source)
    record = provenance.record(snakemake, without=("made",))
    about = {"source": source, "stamp": stamp(source), "commit": provenance.commit(), "seed": config["seed"]}
    about |= {"changed": changed(config, Config().model_dump(mode="json")), "software": record["software"]}
    about["inputs"] = outside_inputs(path for item in snakemake.params.artefacts for path in item["inputs"])
    template = Path(snakemake.input.template).read_text()
    text = render_page(template, artefacts, read_scores(scorecard), natures(checks), about)
    with replacing(snakemake.output[0]) as aside:
        aside.write_text(text)
    print(f"{sum(each.made for each in artefacts)} of {len(artefacts)} artefacts, {len(text) / 1e6:.1f} MB")
