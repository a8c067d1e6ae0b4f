# Development entry points. `make setup` needs only Python ≥ 3.11; it uses uv if that is installed.
SHELL := bash
.SHELLFLAGS := -eo pipefail -c
PYTHON ?= python3
BIN := .venv/bin
LOCK := requirements/dev.txt
# How far pip is: a number for each package, and what follows.
STEPS := awk '/^Collecting/ { printf "\r  package %d: %-40s", ++n, $$2; fflush() } /^Installing/ { printf "\n  installing …\n"; fflush() }'

.PHONY: setup demo demo-serve test test-thorough check faults bench servers lock clean

setup: .venv/ready

.venv/ready: $(LOCK) pyproject.toml
	@echo "Setting up .venv: $$(grep -c '==' $(LOCK)) locked packages, about 1 GB on disk. This is done once."
	@if command -v uv >/dev/null 2>&1; then \
	  uv venv --quiet --clear --python "$(if $(filter file,$(origin PYTHON)),>=3.11,$(PYTHON))" .venv && \
	  uv pip install $$([ -t 2 ] || echo --quiet) --python $(BIN)/python --require-hashes -r $(LOCK) && \
	  uv pip install --quiet --python $(BIN)/python --no-deps -e . ; \
	else \
	  $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "AdvertiseX needs Python 3.11 or newer: make setup PYTHON=/path/to/python3")' && \
	  $(PYTHON) -m venv --clear .venv && \
	  $(BIN)/python -m pip install --disable-pip-version-check --require-hashes -r $(LOCK) | $(STEPS) && \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps -e . ; \
	fi
	@touch $@
	@echo "Ready."

demo: setup
	@$(BIN)/advertisex demo

# The demo's data with traffic that goes on, and the dashboard over it, until Ctrl-C.
demo-serve: demo
	@$(BIN)/advertisex simulate --follow --data demo-data >/dev/null & \
	trap "kill $$! 2>/dev/null || true" EXIT; \
	$(BIN)/advertisex run --serve --data demo-data

# The files of tests are in memory, if there are 8 GB for them: waiting for a disk is half of their time.
SCRATCH = $(shell df -Pk /dev/shm 2>/dev/null | awk 'NR == 2 && $$4 > 8000000 { print "/dev/shm" }')

# Compiled modules are kept: compiling the tests takes longer than collecting them.
test: setup
	@.ci/server-tools $(BIN)/python
	@.ci/browser
	@PYTHONDONTWRITEBYTECODE= $(if $(SCRATCH),TMPDIR=$(SCRATCH)) $(BIN)/pytest -n auto --dist worksteal

# The same tests, with more examples for properties, and the real program on every page of the guide.
test-thorough: export TEST_BUDGET = thorough
test-thorough: test

check: setup
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/lint-imports

# Kills and disturbs everything for FAULTS_MINUTES (10), and checks the result: see docs/reliability.md.
faults: setup
	@.ci/server-tools $(BIN)/python
	@.ci/fault-tools
	@exec $(BIN)/python -m tests.faults

bench: setup
	@$(BIN)/python -m bench.simulator
	@$(BIN)/python -m bench.ingest
	@$(BIN)/python -m bench.collector
	@$(BIN)/python -m bench.embedded
	@$(BIN)/python -m bench.analysis
	@.ci/server-tools $(BIN)/python
	@$(BIN)/python -m bench.cluster

# Runs a local Kafka and Elasticsearch until Ctrl-C. KEEP=DIR keeps their data.
servers: setup
	@.ci/server-tools $(BIN)/python
	@exec $(BIN)/python -m tests.servers $(if $(KEEP),--keep $(KEEP))

# The lock file pins versions and hashes, and contains no index URLs.
lock: setup
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	  --no-emit-find-links --custom-compile-command 'make lock' --all-extras --group dev --output-file $(LOCK) pyproject.toml requirements/build.in

clean:
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache dist demo-data
