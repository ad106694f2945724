"""Jobs that go wrong in all the ways of a cluster, for tests/test_slurm.py."""

STEPS = range(4)


rule all:
    input:
        expand("gpu_{step}.txt", step=STEPS),
        expand("small_{step}.txt", step=STEPS),
        "memory.txt",
        "time.txt",
        "after_memory.txt",


rule gpu:
    output:
        "gpu_{step}.txt",
    resources:
        gpu=1,
        mem_mb=1000,
        runtime=5,
    shell:
        "(date +%s.%N; echo $CUDA_VISIBLE_DEVICES; sleep 5; date +%s.%N) > {output}"


rule data_survey:
    output:
        temp("begun_{step}.txt"),
    resources:
        mem_mb=500,
        runtime=5,
    shell:
        "echo $SLURM_JOB_ID > {output}"


rule data_catalogue_simulated:
    input:
        "begun_{step}.txt",
    output:
        "small_{step}.txt",
    resources:
        mem_mb=500,
        runtime=5,
    shell:
        "cp {input} {output}"


rule memory:
    output:
        "memory.txt",
    log:
        "logs/memory.log",
    resources:
        mem_mb=800,
        runtime=5,
    shell:
        "echo try >> tries_memory; python -c 'import time; held = bytearray(2**31); time.sleep(60)' 2> {log}; touch {output}"


rule after_memory:
    input:
        "memory.txt",
    output:
        "after_memory.txt",
    resources:
        mem_mb=500,
        runtime=5,
    shell:
        "touch {output}"


rule time:
    output:
        "time.txt",
    log:
        "logs/time.log",
    retries: 0
    resources:
        mem_mb=800,
        runtime=1,
    shell:
        "sleep 300 2> {log}; touch {output}"


rule training_cnn3d:
    output:
        "trained.txt",
    log:
        "logs/training.log",
    retries: 0
    resources:
        mem_mb=2000,
        runtime=6,  # warned five minutes before the end
    params:
        library=config["library"],
    shell:
        "echo try >> tries_training; python {params.library}/slurm_training.py {log} {output}"


rule slow:
    output:
        "slow_{name}.txt",
    retries: 0
    resources:
        mem_mb=800,
        runtime=10,
    shell:
        "echo try >> tries_{wildcards.name}; touch begun_{wildcards.name}; "
        "until test -e go; do sleep 0.2; done; touch {output}"
