# Two commands on a fresh machine: `make run` and `make test`. Everything else is listed by `make help`.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
SHELL := /bin/bash

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
PYTEST := $(BIN)/python -m pytest
# More arguments for what a target runs: make bench-cli ARGS='--rounds 3', make test ARGS=tests/cli, make docs ARGS=README.md
ARGS ?=
# Tests at a time, one more than cores: many wait, for servers and for what is stuck on purpose. Each takes about 1 GB.
WORKERS ?= $(shell $(PYTHON) -c 'import os; print(min(os.cpu_count() + 1, 8))')

.PHONY: help
help:  ## List the targets
	@grep -hE '^[a-z][a-z-]*:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

# --- setting up -------------------------------------------------------------------------------------------------------

$(VENV)/.made:
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.installed: pyproject.toml constraints.txt | $(VENV)/.made
	@echo "installing torch-zoo into $(VENV) (several GB the first time) ..." >&2
	$(INSTALL) --editable '.[plot]'
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	@echo "installing what the tests and checks need ..." >&2
	$(INSTALL) --editable '.[plot,export,mirror,bucket,bench,openvino,train,tensorboard,ray,dev]'
	@touch $@

.PHONY: install packages
install: $(VENV)/.installed  ## Set up .venv with the project

packages:
	@scripts/install_system_packages.sh

# --- the main job -----------------------------------------------------------------------------------------------------

.PHONY: run
run: $(VENV)/.installed  ## Set up, then run a short real session
	@scripts/session.sh $(BIN)

# --- tests and checks -------------------------------------------------------------------------------------------------

.PHONY: test test-fast test-thorough check format
test: $(VENV)/.installed-dev packages  ## Set up, then run all tests
	$(PYTEST) --numprocesses $(WORKERS) --dist worksteal $(ARGS)

test-fast: $(VENV)/.installed-dev  ## Run the tests that take less than ten seconds each
	$(PYTEST) --numprocesses $(WORKERS) --dist worksteal -m 'not slow' $(ARGS)

test-thorough: $(VENV)/.installed-dev packages  ## Run all tests with every case, before a release
	ZOO_TEST_THOROUGH=1 $(PYTEST) --numprocesses $(WORKERS) --dist worksteal $(ARGS)

check: $(VENV)/.installed-dev  ## Lint, types, import rule, docstrings, registry and generated docs
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/interrogate --quiet zoo tests scripts hubconf.py
	$(BIN)/zoo registry check
	$(BIN)/python -m scripts.make_docs --check
	$(BIN)/python -m scripts.build_site $$(mktemp -d)

format: $(VENV)/.installed-dev  ## Let ruff fix what it can
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

.PHONY: registry docs wheel site
registry: $(VENV)/.installed-dev  ## Build registry.json and the layer tables again
	$(BIN)/zoo registry build

docs: $(VENV)/.installed-dev  ## Renew the reference, figures and printed output; build site/
	$(BIN)/python -m scripts.make_docs
	$(BIN)/python -m scripts.make_figures
	$(BIN)/python -m scripts.make_site_figure
	$(BIN)/python scripts/update_docs_output.py $(ARGS)
	$(BIN)/python -m scripts.build_site

site: $(VENV)/.installed  ## Build the registry's web site into build/catalog/
	$(BIN)/zoo site build build/catalog $(ARGS)

wheel: $(VENV)/.installed-dev  ## Build the wheel and the source archive into dist/
	$(BIN)/python -m build $(ARGS)

# --- measurements, side by side in one run ----------------------------------------------------------------------------

.PHONY: bench-cli bench-models bench-evaluate bench-load bench-download bench-mirror bench-mirror-scale
bench-cli: $(VENV)/.installed-dev  ## Start-up of the commands against bare Typer programs
	$(BIN)/python -m scripts.bench_cli $(ARGS)

bench-models: $(VENV)/.installed-dev  ## Our NASNet, PNASNet and MobileNet against timm's
	$(BIN)/python scripts/bench_models.py $(ARGS)

bench-evaluate: $(VENV)/.installed-dev  ## zoo evaluate against a plain torchvision loop
	$(BIN)/python scripts/bench_evaluate.py $(ARGS)

bench-load: $(VENV)/.installed-dev  ## zoo.load_model against torchvision's get_model
	$(BIN)/python scripts/bench_load.py $(ARGS)

bench-download: $(VENV)/.installed-dev packages  ## zoo download against curl, aria2c, torch.hub and huggingface_hub
	$(BIN)/python scripts/bench_download.py $(ARGS)

bench-mirror: $(VENV)/.installed-dev packages  ## The mirror's server against nginx
	$(BIN)/python scripts/bench_mirror.py $(ARGS)

bench-mirror-scale: $(VENV)/.installed-dev  ## A mirror of 200, 2,000 and 20,000 items: sync, serve, ask, list
	$(BIN)/python scripts/bench_mirror_scale.py $(ARGS)
