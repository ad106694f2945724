"""Stage report: one page that reads as the papers' results side by side."""

import re

from snakemake.io import get_flag_value
from snakemake.iocontainers import Wildcards


report: "captions/workflow.rst"


PAGE_TEMPLATE = "workflow_scripts/clustermass/report/page.html"


def shown_outputs():
    """Return what `snakemake --report` lists: rule, output and how the report shows it."""
    marked = [(rule, file, get_flag_value(file, "report")) for rule in workflow.rules for file in rule.output]
    return [(rule, file, shown) for rule, file, shown in marked if shown and rule.name != "report_page"]


def shown_params(rule, caption, wildcards):
    """Return those parameters of a rule that a caption speaks of."""
    named = dict(rule.params.items())
    values = {name: named[name] for name in set(re.findall(r"snakemake\.params\.(\w+)", caption))}
    return {name: value(wildcards) if callable(value) else value for name, value in values.items()}


def artefact(rule, shown, wildcards, outputs):
    """Return what the page says of an artefact, as plain values; without outputs: that it was not made."""
    caption = (Path(workflow.basedir) / "rules" / str(shown.caption)).read_text()
    return {
        "rule": rule.name,
        "title": rule.docstring.strip(),
        "category": str(shown.category),
        "labels": {key: str(label).format(**wildcards) for key, label in shown.labels.items()},
        "caption": caption,
        "params": shown_params(rule, caption, wildcards) if outputs else {},
        "wildcards": dict(wildcards.items()),
        "outputs": outputs,
        "inputs": [str(file) for file in rule.expand_input(wildcards)[0]] if outputs else [],
    }


def artefacts(wildcards, input):
    """Return every artefact that the report can show, made or not, in the order of the rules."""
    found = []
    for rule, file, shown in shown_outputs():
        known = [file.match(str(path)) for path in input.made]
        for match in [
            one for one in known if one and one.groupdict().get("source", wildcards.source) == wildcards.source
        ]:
            own = Wildcards(fromdict=match.groupdict())
            found.append(artefact(rule, shown, own, [str(one.apply_wildcards(own)) for one in rule.output]))
        if not any(known):
            found.append(artefact(rule, shown, Wildcards(fromdict={"source": wildcards.source}), []))
    return found


rule papers:
    """Every figure and table of every paper."""
    input:
        rules.universe.input,
        rules.ho2019.input if ho2019_boxes(config["source"]) else [],
        rules.kodiramanah2021.input if has_redshifts(config["source"]) else [],
        rules.lin2022.input,
        rules.images.input if has_frames(config["source"]) else [],
        rules.realism.input if config["source"] == "simulated" else [],
        rules.liang2020.input if has_frames(config["source"]) else [],


rule report_page:
    """One page (HTML, self-contained) of all papers: published numbers beside regenerated ones, with provenance."""
    input:
        made=rules.papers.input,
        template=PAGE_TEMPLATE,
    output:
        report(
            "results/{source}/report/page.html",
            caption="captions/report_page.rst",
            category="All papers on one page",
            labels={"artefact": "page", "data": "{source}"},
        ),
    log:
        "logs/{source}/report/page.log",
    benchmark:
        "logs/{source}/report/page.benchmark.tsv"
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        artefacts=artefacts,
        config=config,
        code=code_version("report/page.py"),
    script:
        "../workflow_scripts/report/page.py"
