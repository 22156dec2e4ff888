# Every target sets up what it needs: a clone, make and Python 3.11 or newer are enough.
.DEFAULT_GOAL := help
.PHONY: help install demo test slow check cover bench torture audit sbom lock clean
SHELL := /bin/sh

# The first interpreter that runs and is new enough: a name on the PATH may be an empty shim.
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3 python; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
AUDIT := build/audit
DEMO := data/demo

help:  ## Say what can be made
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /	/' | awk -F '\t' '{printf "  make %-8s %s\n", $$1, $$2}'

install: $(READY)  ## Make .venv with the pinned, hash-checked packages and this project

$(READY): .ci/constraints.txt pyproject.toml
	@test -n "$(PYTHON)" || { echo "kvk-enrich needs Python 3.11 or newer; none was found. Name one: make PYTHON=/path/to/python3" >&2; exit 1; }
	@echo "Setting up $(VENV) with $$($(PYTHON) --version) (once; one to seven minutes)"
	@$(PYTHON) -m venv --clear $(VENV)
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --only-binary :all: --require-hashes -r .ci/constraints.txt
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

demo: $(READY)  ## Enrich data/samples/suppliers.csv on the practice register: no key, no cost
	@mkdir -p $(DEMO)
	@$(BIN)/kvk-enrich run data/samples/suppliers.csv --source practice --home $(DEMO)/home -o $(DEMO)/suppliers.enriched.parquet --yes

test: $(READY)  ## Run the fast tests
	@$(BIN)/python -m pytest -n auto --dist worksteal

slow: $(READY)  ## Run the slow tests
	@$(BIN)/python -m pytest -n auto --dist worksteal -m "slow and not benchmark and not network"

check: $(READY)  ## Format, lint, types, layers: what CI runs beside the tests
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

cover: $(READY)  ## Run the tests and fail below the branch coverage gate
	@$(BIN)/coverage erase
	@$(BIN)/coverage run -m pytest
	@$(BIN)/coverage combine -q
	@$(BIN)/coverage report

bench: $(READY)  ## Measure pace, resume, warm runs, spreadsheets and start-up against their bars
	@$(BIN)/python -m pytest tests/benchmarks -m benchmark -s -p no:xdist --timeout 1200

torture: $(READY)  ## Prove the promises at full length and renew docs/reliability.md (takes hours)
	@$(BIN)/python -m pytest tests/faults tests/proofs tests/e2e/test_nights.py --torture -m "not benchmark and not network" -p no:xdist
	@$(BIN)/python -m tests.docs.reliability

audit: $(AUDIT)  ## Ask the public list of weaknesses about every pinned package (needs the network)
	@$(PYTHON) .ci/parts.py audit

sbom: $(AUDIT) $(READY)  ## Write the list of all parts that run to build/sbom.json (CycloneDX)
	@$(PYTHON) .ci/parts.py sbom

$(AUDIT): .ci/audit.txt
	@$(PYTHON) -m venv --clear $@
	@$@/bin/python -m pip install -qq --disable-pip-version-check --only-binary :all: --require-hashes -r .ci/audit.txt
	@touch $@

LOCK := uv pip compile -q --universal --python-version 3.11 --generate-hashes --upgrade --custom-compile-command "make lock"

lock: pyproject.toml  ## Renew the pinned versions (for maintainers; needs uv)
	$(LOCK) --group dev --extra otel pyproject.toml -o .ci/constraints.txt
	$(LOCK) --group audit -o .ci/audit.txt

clean:  ## Remove the environment, the demo, and what tests and builds left
	rm -rf $(VENV) $(DEMO) .coverage* htmlcov build dist
