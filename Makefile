# make: the five-peaks experiment from nothing; make test: everything that is checked, make test-all: on every Python.
# PYTHON=python3.12: another Python. TORCH_INDEX=address: where torch comes from, without CUDA for example (the selector
# on pytorch.org shows the address). CONSTRAINTS=constraints/oldest.txt: the oldest dependencies that are allowed. Each of
# the three wants an environment of its own: VENV=.venv-other.
PYTHON ?= python3
VENV ?= .venv
CONSTRAINTS ?=
TORCH_INDEX ?=
# one process a core; modules stay together as far as that keeps all of them busy
PYTEST = $(BIN)/python -m pytest --numprocesses auto --maxprocesses 8 --dist worksteal
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet $(addprefix --constraint ,$(CONSTRAINTS))

.PHONY: run test test-short test-all lint constraints clean

run: $(VENV)/.installed
	$(BIN)/python -m scripts.train +experiment=five_peaks

test: $(VENV)/.tested lint
	$(PYTEST)

test-short: $(VENV)/.tested lint
	$(PYTEST) --short

test-all:
	.ci/all

lint: $(VENV)/.tested
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

constraints: $(VENV)/.tested
	$(PIP) --editable '.[dev]'
	$(BIN)/uv pip compile pyproject.toml --extra test --extra parallel --universal --python-version 3.10 \
		--resolution lowest-direct --only-binary :all: --no-binary antlr4-python3-runtime --no-annotate --quiet \
		--upgrade --custom-compile-command 'make constraints' --output-file constraints/oldest.txt

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13) and "Python 3.10 to 3.13 is needed, this is " + sys.version.split()[0] + "; try: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)

# torch first, and alone: pip prefers the default index's build with CUDA otherwise, or falls back on it without a word
$(VENV)/.installed: $(VENV)/bin/python pyproject.toml $(CONSTRAINTS)
	$(if $(TORCH_INDEX),$(PIP) --no-deps --index-url $(TORCH_INDEX) "$$(sed -n 's/^ *"\(torch[<>=!][^"]*\)".*/\1/p' pyproject.toml)")
	$(PIP) --editable .
	touch $@

$(VENV)/.tested: $(VENV)/.installed
	$(PIP) --editable '.[test]'
	touch $@

clean:
	rm -rf $(VENV) .venv-3.* .import_linter_cache .mypy_cache .pytest_cache .ruff_cache .hypothesis
