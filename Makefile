# `make paper` makes every figure and table; `make test` runs the tests. Both make .venv first, once.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/requirements.lock
# Settings of the run, e.g. make paper ARGS="--configfile configs/archival.yaml"
ARGS ?=
export PYTHONNOUSERSITE := 1

.PHONY: paper test check config lock clean
.DEFAULT_GOAL := paper

paper: ready
	@$(BIN)/snakemake --cores all $(ARGS)

test: ready
	@$(BIN)/python -m pytest -n 2 $(ARGS)

# Format, lint and types, as CI checks them.
check: ready
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/snakefmt --check --compact-diff Snakefile rules workflow/Snakefile
	@$(BIN)/mypy
	@$(BIN)/snakemake --lint

config: ready
	@cd workflow_scripts && ../$(BIN)/python -m clustermass.config.model

# Resolve envs/requirements.in anew: in a fresh environment, so that nothing else gets into the lock.
lock:
	rm -rf $(VENV)
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --requirement envs/requirements.in
	$(BIN)/python envs/lock.py
	cp requirements.lock $(READY)

# The environment is ready when it holds a copy of the lock, written after everything was installed.
.PHONY: ready
ready:
	@cmp -s requirements.lock $(READY) || $(MAKE) --no-print-directory install

.PHONY: install
install:
	@$(PYTHON) -c 'import sys; v = sys.version_info; v >= (3, 11) or sys.exit(f"Python 3.11 or newer is needed, $(PYTHON) is {v[0]}.{v[1]}; say which to use: make PYTHON=python3.12 ...")'
	@echo "Setting up $(VENV) from requirements.lock (once; a few minutes, 6 GB)"
	@$(PYTHON) -m venv --clear $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement requirements.lock
	@cp requirements.lock $(READY)

clean:
	rm -rf $(VENV) .snakemake .pytest_cache .mypy_cache .ruff_cache
