# Everything runs in .venv, made on first use. PYTHON picks the interpreter (3.11 or newer).
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
TEST_PROCESSES ?= 2

.PHONY: help install run test lint format types docs check dist images bench-driver bench-peers bench-locust bench-memory clean

help: ## what there is to make
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

$(READY): pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit("wsbench needs Python 3.11 or newer: make PYTHON=python3.12" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $(READY)

install: $(READY) ## make .venv with everything in it

run: $(READY) ## compare direct, HTTP/1.1 and HTTP/2 on real Envoys (RUN_ARGS="--rounds 20" for more)
	$(BIN)/python -m wsbench run $(RUN_ARGS)

test: $(READY) ## all tests, on real Envoys, in two processes
	$(BIN)/python -m pytest -n $(TEST_PROCESSES) --dist loadfile $(TEST_ARGS)

lint: $(READY) ## ruff: rules and format; hadolint: the images
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/hadolint Dockerfile.server Dockerfile.client

format: $(READY) ## let ruff write the format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: $(READY) ## mypy, strict
	$(BIN)/mypy
	$(BIN)/mypy tests bench/benchmarks

docs: $(READY) ## the site, in build/docs: every link and anchor in it must lead somewhere
	$(BIN)/sphinx-build --quiet --fail-on-warning --fresh-env docs build/docs

check: lint types docs test ## all of the above that can fail

# PYTHONS are those that the wheel is tried on: the ones of them that are here.
PYTHONS ?= $(BIN)/python python3.12 python3.13
dist: $(READY) ## sdist and wheel, in dist/; each then installed where nothing else is, and run (PYTHONS="python3.12")
	rm -rf dist
	$(BIN)/python -m build --outdir dist
	WSBENCH_DIST=dist WSBENCH_PYTHONS="$(PYTHONS)" $(BIN)/python -m pytest tests/packaging

images: ## wsbench-server and wsbench-client, by docker, podman or buildah (ENGINE=podman IMAGE_FLAGS="--pull")
	@ENGINE='$(ENGINE)' .ci/images $(IMAGE_FLAGS)

bench-driver: $(READY) ## CPU per round trip of the driver against a bare C loop, and its send lag by rate
	$(BIN)/python bench/benchmarks/driver.py

bench-peers: $(READY) ## messages per CPU second beside k6, Artillery, ws, Locust, websockets, aiohttp
	$(BIN)/python bench/benchmarks/peers.py

bench-locust: $(READY) ## messages per CPU second of Locust's driver user and plain user
	$(BIN)/python bench/benchmarks/locust_users.py

bench-memory: $(READY) ## peak memory of a 10 s and a 10 min run
	$(BIN)/python bench/benchmarks/memory.py

clean: ## remove .venv and caches; results stay
	rm -rf $(VENV) .ruff_cache .mypy_cache .pytest_cache .hypothesis
