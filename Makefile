# Every command a person needs; each sets up what it uses and can be run again at any time.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/installed-$(shell cat requirements/dev.txt pyproject.toml | cksum | cut -d' ' -f1)
CLUSTER_NAME ?= download-operator

.PHONY: help demo test lint verify cluster cluster-down images deploy bench format

help: ## list the commands
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' Makefile

$(STAMP):
	@command -v $(PYTHON) >/dev/null || { echo "Python 3.11 or later is missing: install python3 (or say PYTHON=...)."; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or later is needed, this is $$($(PYTHON) -V): say PYTHON=python3.11 or later."; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { echo "Python's venv module is missing: install python3-venv."; exit 1; }
	@echo "==> Python packages into .venv (hash-pinned, about a minute cold)"
	@$(PYTHON) -m venv --clear .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

lint: $(STAMP) ## ruff, mypy strict, import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(STAMP) ## put the code into the one format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

test: $(STAMP) ## unit, integration (control plane) and end-to-end (real pods) tests, with coverage
	@$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest $(ARGS)
	@$(BIN)/coverage combine --quiet
	$(BIN)/coverage report
