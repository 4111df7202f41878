# Everything a developer does: set up, run, check, test, measure.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.set-up
ARGS   ?=

# The tests that compare what sources render to, and how their files are read.
RENDERED := tests/rooms/kustomize tests/rooms/render tests/rooms/sops tests/rooms/kube/test_documents.py tests/families/flux

.PHONY: up down test check lint types contracts bench corpora oracle conformance setup clean

setup: $(STAMP)

$(STAMP): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'
	$(BIN)/python -m pip install --quiet --editable . --group dev
	touch $(STAMP)

up: setup  ## the example repository in a cluster of its own
	$(BIN)/trueup up examples/shop --map https://git.example.com/shop.git=examples/shop $(ARGS)

down: setup
	$(BIN)/trueup down

lint: setup
	$(BIN)/ruff check src tests benchmarks
	$(BIN)/ruff format --check src tests benchmarks

types: setup
	$(BIN)/mypy

contracts: setup
	$(BIN)/lint-imports

check: lint types contracts

test: check
	$(BIN)/python -m pytest -n 2 $(ARGS)

bench: setup
	$(BIN)/python -m benchmarks $(ARGS)

corpora: setup  ## what holds of other projects' test data, N of N; the renderers' alone: make corpora ARGS=tests/rooms/render
	$(BIN)/python -m pytest --corpora -q -n 2 $(ARGS)

oracle: setup  ## that sources render as the originals render them: N of N for every corpus of renderers; programs count where they are installed
	$(BIN)/python -m pytest --corpora -q -n 2 $(RENDERED) $(ARGS)

conformance: setup  ## Kubernetes' own suite: make conformance E2E_TEST=path/of/e2e.test [KUBECONFIG=...] [ARGS=...]
	$(BIN)/python scripts/conformance.py $(E2E_TEST) $(if $(KUBECONFIG),--kubeconfig $(KUBECONFIG)) $(ARGS)

clean:
	rm -rf $(VENV) .trueup
