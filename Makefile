# Needs make and Python 3.11 or newer, nothing else: no root, no system packages.
# The environment lives in .venv and follows pyproject.toml.

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help demo test e2e chaos bench bench-sizes fuzz lint types fmt clean

PYTHON ?=
BIN := .venv/bin
READY := .venv/.ready
# Names are tried in this order; a pyenv shim may exist and not run, so each one is started.
CANDIDATES := python3.13 python3.12 python3.11 python3
PROBE := import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' Makefile

demo: $(READY) ## a relay, a sender and a receiver on this machine, with a real folder
	@$(BIN)/tallow demo

test: lint types ## everything that needs no root and no terminal: lint, types, contracts, tests
	$(BIN)/python -m pytest -n 2 -m "not e2e"

e2e: $(READY) ## tests with tmux, root or the network lab; skipped with a reason where absent
	@$(BIN)/python -m pytest -m e2e || { \
	  code=$$?; \
	  if [ $$code -eq 5 ] && ! grep -rqE 'mark[.]e2e' tests --include='test_*.py'; then \
	    echo "make e2e: this tree has no end-to-end tests."; exit 0; \
	  fi; \
	  exit $$code; }

CHAOS_ROUNDS ?= 500
CHAOS_SEED ?= $(shell date +%s)
chaos: $(READY) ## kill sender, receiver and relay at random, 500 times (CHAOS_ROUNDS, CHAOS_SEED)
	@echo "CHAOS_SEED=$(CHAOS_SEED) CHAOS_ROUNDS=$(CHAOS_ROUNDS)"
	@CHAOS_SEED=$(CHAOS_SEED) CHAOS_ROUNDS=$(CHAOS_ROUNDS) HALF_BYTES=1073741824 \
	  $(BIN)/python -m pytest tests/chaos -q

bench-sizes: $(READY) ## a large file, a sparse one, a million small ones, five pairs; half an hour
	$(BIN)/python -m bench.sizes

bench: $(READY) ## every measurement, in a row; peers on PATH take part (docs/benchmarks.md)
	$(BIN)/python -m bench.startup
	$(BIN)/python -m bench.transfer
	$(BIN)/python -m bench.relay_load
	$(BIN)/python -m bench.handshake

FUZZ_SECONDS ?= 30
fuzz: $(READY) ## every decoder under mutated bytes, ten minutes in all (FUZZ_SECONDS=30 for each)
	$(BIN)/python -m tests.fuzz.run --seconds $(FUZZ_SECONDS)

lint: $(READY) ## ruff, formatting, import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: $(READY) ## mypy --strict over program and tests
	$(BIN)/mypy

fmt: $(READY) ## format and sort imports
	$(BIN)/ruff check --select I --fix .
	$(BIN)/ruff format .

clean: ## remove the environment and every cache
	rm -rf .venv build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(READY): pyproject.toml
	@if ! $(BIN)/python -c '$(PROBE)' >/dev/null 2>&1; then \
	  found=; \
	  for python in "$(PYTHON)" $(CANDIDATES); do \
	    if [ -n "$$python" ] && "$$python" -c '$(PROBE)' >/dev/null 2>&1; then \
	      found=$$python; break; \
	    fi; \
	  done; \
	  if [ -z "$$found" ]; then \
	    echo "No Python 3.11 or newer with venv was found (tried: $(PYTHON) $(CANDIDATES))." >&2; \
	    echo "Install one (Debian: python3-venv), or name it:  make PYTHON=/path/to/python" >&2; \
	    exit 1; \
	  fi; \
	  echo "Making .venv with $$found ..."; \
	  rm -rf .venv; \
	  "$$found" -m venv .venv || { \
	    echo "Could not make .venv with $$found; name another:  make PYTHON=/path/to/python" >&2; \
	    exit 1; }; \
	fi
	@echo "Installing Tallow and its tools into .venv (once, about a minute) ..."
	@$(BIN)/python -m pip install --quiet --no-input --disable-pip-version-check -e '.[dev]' || { \
	  echo "The packages could not be installed: pip's own words are above." >&2; \
	  echo "Check the network (behind a proxy set HTTPS_PROXY), then run make again;" >&2; \
	  echo "if .venv itself is broken, run  make clean  first." >&2; \
	  exit 1; }
	@touch $(READY)
