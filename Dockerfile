# Everything that the workflow needs, on CPU and on NVIDIA GPUs: PyTorch brings its own CUDA, the host the driver.
#   docker build -t clustermass . && docker run --rm --gpus all -v "$PWD/run:/run/clustermass" clustermass --cores all
FROM python:3.12-slim-bookworm
ENV PYTHONNOUSERSITE=1 PYTHONDONTWRITEBYTECODE=1 PIP_NO_CACHE_DIR=1 \
    NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility
COPY requirements.lock /opt/clustermass/
RUN pip install --requirement /opt/clustermass/requirements.lock
COPY Snakefile config.yaml /opt/clustermass/
COPY rules /opt/clustermass/rules
COPY envs /opt/clustermass/envs
COPY configs /opt/clustermass/configs
COPY profiles /opt/clustermass/profiles
COPY workflow_scripts /opt/clustermass/workflow_scripts
# Caches of compiled code and of Snakemake lie where any user may write.
ENV HOME=/tmp NUMBA_CACHE_DIR=/tmp/numba MPLCONFIGDIR=/tmp/matplotlib
RUN useradd --uid 1000 --create-home --home-dir /run/clustermass weigher
USER weigher
WORKDIR /run/clustermass
ENTRYPOINT ["snakemake", "--snakefile", "/opt/clustermass/Snakefile"]
CMD ["--help"]
