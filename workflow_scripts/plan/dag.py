"""What the whole run takes by rule: jobs, hours of cores and GPUs, bytes, before anything is made (rule plan_dag)."""

import json
import subprocess
from pathlib import Path

import pandas as pd

from clustermass import runtime, style
from clustermass.config.image_results import ImagePlan
from clustermass.plan import COSTS, dag_plan, jobs_of

with runtime.logged(snakemake):
    params, output = snakemake.params, snakemake.output
    plan = ImagePlan(**params.config["image_plan"])
    overlay = Path(output.csv).with_suffix(".config.json")
    overlay.write_text(json.dumps(params.config))
    command = [params.python, "-m", "snakemake", "--snakefile", params.snakefile, "--configfile", str(overlay)]
    command += ["--dry-run", "--forceall", "--nolock", "--", "all"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    overlay.unlink()
    if done.returncode:
        raise RuntimeError(f"a dry run failed:\n{done.stdout}\n{done.stderr}")
    costs = COSTS.validate(pd.read_csv(snakemake.input.costs), snakemake.input.costs)
    trainings = pd.read_csv(snakemake.input.trainings, comment="#").query("rule != 'all'")
    cores = plan.cuda.images_per_second / plan.cpu.images_per_second
    table = dag_plan(jobs_of(done.stdout + done.stderr), params.config, costs, trainings, cores)
    caption = (
        "Jobs of the whole run, what they take and leave. Measured: as the rule took with two shared cores at the size"
        " of the run whose benchmarks were kept; scaled: from there, as the law says; estimated: the plan of trainings"
        f" on images; guessed: no benchmark, or on a GPU, of which one does what {cores:g} cores do, a guess."
    )
    runtime.announce(f"{table.nlargest(12, 'core_hours').to_string(index=False, float_format='%.3g')}")
    runtime.announce(f"{table.iloc[[-1]].to_string(index=False, float_format='%.4g')}")
    print(table.to_string())
    style.write_paper_table(
        table, {kind: output[kind] for kind in ("csv", "md", "tex")}, snakemake.wildcards.source, caption
    )
