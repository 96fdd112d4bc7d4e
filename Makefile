# Two commands do everything from a bare clone: `make demo` and `make test`. A second call installs nothing again.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV   ?= .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --disable-pip-version-check -qq install
WORKERS ?= 2

.PHONY: help demo test lint types imports suite bench docs format clean

help:
	@echo "make demo   install the core, train examples/digits.nn on the NumPy backend, print its test accuracy"
	@echo "make test   install what the tests need; lint, types, import rules, the whole suite"
	@echo "make bench  training throughput beside hand-written programs, under 20 minutes; QUICK=1 make bench under 3"
	@echo "make docs   print docs/layers.md and docs/errors.md anew from the compiler's tables"
	@echo "make format rewrite the sources as ruff formats them"
	@echo "make clean  remove the virtual environment, runs and caches"

demo: $(VENV)/.demo
	$(BIN)/nnspec train examples/digits.nn --backend numpy

test: lint types imports suite

lint: $(VENV)/.dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: $(VENV)/.dev
	$(BIN)/mypy

imports: $(VENV)/.dev
	$(BIN)/lint-imports

suite: $(VENV)/.dev
	$(BIN)/pytest -n $(WORKERS)

bench: $(VENV)/.dev
	$(BIN)/python benchmarks/run.py $(if $(QUICK),--quick) $(BENCH)

docs: $(VENV)/.dev
	$(BIN)/python -c 'from nnspec.views.reference import reference; print(reference(), end="")' > docs/layers.md
	$(BIN)/python -c 'from nnspec.views.errors import errors; print(errors(), end="")' > docs/errors.md

format: $(VENV)/.dev
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

# pip compiles what it installs, but not an editable checkout: compileall does, so that the first command starts as
# quickly as the second.
#
# The digits are a csv inside scikit-learn's wheel; reading it needs none of what scikit-learn depends on.
$(VENV)/.demo: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) -c constraints.txt -e .
	$(PIP) -c constraints.txt --no-deps scikit-learn
	$(BIN)/python -m compileall -q nnspec
	@touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) -c constraints.txt -e '.[all,dev]'
	$(BIN)/python -m compileall -q nnspec
	@touch $@ $(VENV)/.demo

clean:
	rm -rf $(VENV) runs build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
