# Every command of the project. Each installs what it needs and can be repeated at any time.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/installed-$(shell { $(PYTHON) -V || true; cat requirements/uv.txt requirements/dev.txt pyproject.toml; } 2>&1 | cksum | cut -d' ' -f1)
CLUSTER_NAME ?= download-operator

.PHONY: help demo test prepare unit chaos bench bench-worker bench-api lint format generate verify requirements cluster cluster-down images deploy \
	check-tag chart install-manifest checksums publish sign release-notes

help: ## list the commands
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' Makefile

$(STAMP):
	@command -v $(PYTHON) >/dev/null || { echo "Python 3.11 or later is missing: install python3, or set PYTHON."; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or later is needed, this is $$($(PYTHON) -V): set PYTHON=python3.11 or later."; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { echo "Python's venv module is missing: install python3-venv."; exit 1; }
	@echo "==> installing the Python packages into .venv"
	@$(PYTHON) -m venv --clear .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt
	@# uv does not read pip's settings: where only pip knows a way to the packages, pip installs them.
	@$(BIN)/python -m uv pip install --quiet --python=$(BIN)/python --require-hashes -r requirements/dev.txt \
	|| $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

demo: $(STAMP) ## create a cluster, install the product, and let real CronJobs download files
	@$(BIN)/python -m tools.demo '$(CLUSTER_NAME)'

test: $(STAMP) ## run all tests and check their coverage (ARGS: only these, such as tests/unit)
	@$(BIN)/python -m tools.suite $(ARGS)

prepare: $(STAMP) ## compile and build what the tests need
	@$(BIN)/python -m tools.prepare

unit: $(STAMP) ## run the unit tests alone, without coverage
	$(BIN)/python -m pytest tests/unit $(ARGS)

chaos: $(STAMP) ## 2,000 runs while operator and API server are killed and connections cut
	@$(BIN)/python -m tests.chaos $(ARGS)

bench: $(STAMP) ## compare the operator with a Go controller and the bare API server
	@$(BIN)/python -m tools.bench $(ARGS)

bench-worker: $(STAMP) ## compare the worker with curl, and its uploads with rclone
	@$(BIN)/python -m tools.bench.worker $(ARGS)

bench-api: $(STAMP) ## compare the HTTP API with the API server, with 100 and 10,000 schedules
	@$(BIN)/python -m tools.bench.api $(ARGS)

lint: $(STAMP) ## check style, types, import contracts and the files for the forge
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yaml
	$(BIN)/check-jsonschema --builtin-schema vendor.github-issue-forms .github/ISSUE_TEMPLATE/*.yaml
	$(BIN)/check-jsonschema --builtin-schema vendor.github-issue-config .github/ISSUE_TEMPLATE/config.yml
	$(BIN)/check-jsonschema --builtin-schema vendor.dependabot .github/dependabot.yaml

format: $(STAMP) ## format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

generate: $(STAMP) ## write all generated files
	@$(BIN)/python -m tools.generate.manifests write

verify: $(STAMP) ## fail if a generated file is out of date
	@$(BIN)/python -m tools.generate.manifests check
	@$(BIN)/python -m tools.generate.requirements check

requirements: $(STAMP) ## pin the newest Python packages that pyproject.toml allows
	@$(BIN)/python -m tools.generate.requirements write

cluster: $(STAMP) ## create a cluster with a node (CLUSTER=current, kind or local)
	@$(BIN)/python -m tools.cluster up --node --name='$(CLUSTER_NAME)'

cluster-down: $(STAMP) ## remove that cluster and every trace of it
	@$(BIN)/python -m tools.cluster down --name='$(CLUSTER_NAME)'

images: $(STAMP) ## build the three images (TARGETS=worker-pdf: the one with a browser)
	@$(BIN)/python -m tools.images $(TARGETS)

deploy: $(STAMP) ## install the chart and the images of these sources on that cluster
	@$(BIN)/python -m tools.demo.deploy '$(CLUSTER_NAME)'

# The steps of a release, in this order; docs/releasing.md. They need REGISTRY, and check-tag needs TAG.
check-tag: $(STAMP) ## fail unless TAG is the version's, and the changelog has it
	@$(BIN)/python -m tools.release check-tag '$(TAG)'

chart: $(STAMP) ## dist/download-operator-VERSION.tgz, with images from REGISTRY
	@$(BIN)/python -m tools.release chart '$(REGISTRY)'

install-manifest: $(STAMP) ## dist/install.yaml, with images from REGISTRY
	@$(BIN)/python -m tools.release install-manifest '$(REGISTRY)'

checksums: $(STAMP) ## dist/SHA256SUMS of what is in dist
	@$(BIN)/python -m tools.release checksums

publish: $(STAMP) ## push the images and the chart to REGISTRY (skopeo, helm)
	@$(BIN)/python -m tools.release publish '$(REGISTRY)'

sign: $(STAMP) ## sign what was published, and the checksums (cosign)
	@$(BIN)/python -m tools.release sign '$(REGISTRY)'

release-notes: $(STAMP) ## build/release-notes.md, from the changelog
	@$(BIN)/python -m tools.release release-notes
