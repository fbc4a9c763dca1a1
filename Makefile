# Every command a person needs; each sets up what it uses and can be run again at any time.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/installed-$(shell { $(PYTHON) -V || true; cat requirements/dev.txt pyproject.toml; } 2>&1 | cksum | cut -d' ' -f1)
CLUSTER_NAME ?= download-operator

.PHONY: help demo test chaos bench bench-worker bench-api lint format generate verify requirements cluster cluster-down images deploy

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

demo: $(STAMP) ## a cluster, the product on it, and a file downloaded by a real CronJob
	@$(BIN)/python -m tools.demo '$(CLUSTER_NAME)'

test: $(STAMP) ## unit, integration (control plane) and end-to-end (real pods) tests, with coverage
	@$(BIN)/python -m tools.prepare
	@$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest --numprocesses=2 --no-loadscope-reorder $(ARGS)
	@$(BIN)/coverage combine --quiet
	$(BIN)/coverage report $(if $(ARGS),--fail-under=0)

chaos: $(STAMP) ## 2,000 runs while operator and API server are killed and connections cut
	@$(BIN)/python -m tests.chaos $(ARGS)

bench: $(STAMP) ## the operator beside a Go controller and the bare API server
	@$(BIN)/python -m tools.bench $(ARGS)

bench-worker: $(STAMP) ## the worker beside curl, its uploads beside rclone
	@$(BIN)/python -m tools.bench.worker $(ARGS)

bench-api: $(STAMP) ## the HTTP API beside the API server, with 100 and 10,000 schedules
	@$(BIN)/python -m tools.bench.api $(ARGS)

lint: $(STAMP) ## ruff, mypy strict, import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(STAMP) ## put the code into the one format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

generate: $(STAMP) ## write everything that is made from something else
	@$(BIN)/python -m tools.generate.manifests write

verify: $(STAMP) ## fail if something generated is not what it would be now
	@$(BIN)/python -m tools.generate.manifests check
	@$(BIN)/python -m tools.generate.requirements check

requirements: $(STAMP) ## pin the Python packages anew
	@$(BIN)/python -m tools.generate.requirements write

cluster: $(STAMP) ## a Kubernetes of your own, with a node (CLUSTER=current, kind or local)
	@$(BIN)/python -m tools.cluster up --node --name='$(CLUSTER_NAME)'

cluster-down: $(STAMP) ## remove that cluster and every trace of it
	@$(BIN)/python -m tools.cluster down --name='$(CLUSTER_NAME)'

images: $(STAMP) ## build the three images (TARGETS=worker-pdf: the one with a browser)
	@$(BIN)/python -m tools.images $(TARGETS)

deploy: $(STAMP) ## install the chart with these images on that cluster
	@$(BIN)/python -m tools.demo.deploy '$(CLUSTER_NAME)'
