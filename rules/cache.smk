"""Cache of results between folders (docs/deployment.md): which rules share theirs stands in them; last of all."""

for each in workflow.rules if CACHED else []:
    if each.cache.output:
        each._benchmark = None  # Snakemake refuses to cache what it times
