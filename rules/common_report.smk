"""What the page of all results shows: every artefact that the report lists, made or not; no rules."""

import re

from snakemake.io import get_flag_value
from snakemake.iocontainers import Wildcards

PAGE_TEMPLATE = local(relpath(HERE / "workflow_scripts/clustermass/report/page.html"))


def shown_outputs():
    """Return what `snakemake --report` lists: rule, output and how the report shows it."""
    marked = [(rule, file, get_flag_value(file, "report")) for rule in workflow.rules for file in rule.output]
    return [(rule, file, shown) for rule, file, shown in marked if shown and rule.name != "report_page"]


def shown_params(rule, caption, wildcards):
    """Return those parameters of a rule that a caption speaks of."""
    named = dict(rule.params.items())
    values = {name: named[name] for name in set(re.findall(r"snakemake\.params\.(\w+)", caption))}
    return {name: value(wildcards) if callable(value) else value for name, value in values.items()}


def filled(label, wildcards):
    """Return a label with its wildcards filled in; one that nothing was made for is left out."""
    return re.sub(r"\{(\w+)\}", lambda name: wildcards.get(name[1], ""), label).strip(", ")


def artefact(rule, shown, wildcards, outputs):
    """Return what the page says of an artefact, as plain values; without outputs: that it was not made."""
    caption = (HERE / "rules" / str(shown.caption)).read_text()
    return {
        "rule": rule.name,
        "title": rule.docstring.strip(),
        "category": str(shown.category),
        "labels": {key: filled(str(label), wildcards) for key, label in shown.labels.items()},
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
