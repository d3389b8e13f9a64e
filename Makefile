# Every target does its own set-up. `make` alone says what there is. ARGS goes to the program that a target runs.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
ARGS ?=

INSTALLED := .venv/.installed
VENDOR := src/openlockbox/web/portal/static/vendor/manifest.json
CATALOGUES := $(patsubst %.po,%.mo,$(wildcard src/openlockbox/web/locales/*/LC_MESSAGES/*.po))
# Contracts may not name packages that do not exist; a tree without the gateway has nothing to hold apart yet.
LAYERS := $(wildcard src/openlockbox/gateway/__init__.py)
FAST_TESTS := $(wildcard tests/unit tests/property)
BENCHMARKS := $(sort $(wildcard bench/bench_*.py))

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:
.PHONY: help setup assets demo walkthrough test test-long check bench format lock clean packages packages-if-possible

help:
	@echo "make demo         run everything on this machine and look at it"
	@echo "make walkthrough  the demo, step by step, by itself"
	@echo "make test         the whole test suite"
	@echo "make test-long    the suite with the tests that take minutes"
	@echo "make check        lint, format, types, layers, translations, fast tests"
	@echo "make format       format the code and fix what can be fixed"
	@echo "make bench        every benchmark"
	@echo "make lock         make the lock files again (ARGS=--upgrade for new versions)"
	@echo "make clean        remove everything that make made"

# ---- set-up ----

setup: $(INSTALLED) $(CATALOGUES)

assets: $(VENDOR)

$(INSTALLED): requirements-dev.lock requirements.in pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "OpenLockbox needs Python 3.11 or newer")'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(VENDOR): package.json package-lock.json tools/build_assets.mjs LICENSE
	npm ci --ignore-scripts --loglevel=error
	node tools/build_assets.mjs

%.mo: %.po | $(INSTALLED)
	$(BIN)/pybabel --quiet compile --input-file=$< --output-file=$@

packages:
	@tools/setup_debian.sh required

packages-if-possible:
	@tools/setup_debian.sh optional

# ---- use ----

# The portal works without its scripts, except where a desktop or a terminal is drawn: a demo without npm is still a demo.
demo walkthrough: packages-if-possible setup
	@$(MAKE) --no-print-directory assets || echo "No browser desktop in this demo: its scripts could not be built." >&2
	$(BIN)/lockbox demo $(if $(filter walkthrough,$@),--walkthrough) $(ARGS)

# ---- development ----

test: packages setup assets
	$(BIN)/pytest $(ARGS)

# An empty -m takes back the "not long" of pyproject.toml.
test-long: packages setup assets
	$(BIN)/pytest -m "" $(ARGS)

check: setup
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(if $(LAYERS),$(BIN)/lint-imports --no-logo --cache-dir build/import-linter)
	$(if $(FAST_TESTS),$(BIN)/pytest --quiet $(FAST_TESTS) $(ARGS))

format: setup
	$(BIN)/ruff check --fix-only
	$(BIN)/ruff format

bench: packages setup assets
	@set -e; for script in $(BENCHMARKS); do echo "== $$script"; $(BIN)/python -m "bench.$$(basename $$script .py)" $(ARGS); done

# Locks name versions and hashes, never the index they came from: each machine has its own.
PIP_COMPILE := CUSTOM_COMPILE_COMMAND="make lock" $(BIN)/pip-compile --quiet --no-config --generate-hashes --strip-extras \
	--allow-unsafe --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --newline=lf

lock: $(INSTALLED)
	$(PIP_COMPILE) --output-file=requirements.lock $(ARGS) requirements.in
	$(PIP_COMPILE) --output-file=requirements-dev.lock $(ARGS) requirements-dev.in
	npm install --package-lock-only --ignore-scripts --loglevel=error
	@! grep -nE '://|--index|--find-links|"resolved"' requirements.lock requirements-dev.lock package-lock.json

clean:
	rm -rf .venv build node_modules .hypothesis src/openlockbox.egg-info $(dir $(VENDOR)) $(CATALOGUES)
	find src tests tools bench examples -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true
