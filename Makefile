# One target per chore. `make demo` and `make test` set up all they need.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO := build/demo
CODE := latkit tests benchmarks examples docs/site_hooks.py docs/screenshots.py
# twice the cores of a small machine: many tests wait for servers, phones and deadlines
JOBS ?= 4
# the fast tests wait for nothing
FAST_JOBS ?= 2
# some containers set it: every process would compile latkit anew
export PYTHONDONTWRITEBYTECODE :=
INSTALL := $(BIN)/python tests/system/install.py

.PHONY: help demo test test-fast lint types tests format docs constraints system-packages clean

help:
	@echo "make demo         the whole of latkit on this machine, in under four minutes"
	@echo "make test         lint, types and tests"
	@echo "make test-fast    the tests without devices, browsers and slow ones, in under a minute"
	@echo "make docs         the documentation site, in build/site"
	@echo "make format       put the code into shape"
	@echo "make constraints  write constraints.txt anew from what is installed"

$(BIN)/python:
	@sh tests/system/make-venv.sh $(PYTHON) $(VENV)

$(VENV)/.installed: $(BIN)/python pyproject.toml constraints.txt
	$(INSTALL) -e '.[all]'
	@touch $@

$(VENV)/.installed-dev: $(BIN)/python pyproject.toml constraints.txt
	$(INSTALL) -e '.[all,tflite,hub,dev]'
	@touch $@ $(VENV)/.installed

demo: $(VENV)/.installed
	rm -rf $(DEMO)
	$(BIN)/latkit demo $(DEMO)

test:
	@$(MAKE) --no-print-directory -j2 $(VENV)/.installed-dev system-packages
	@$(MAKE) --no-print-directory lint
	@$(MAKE) --no-print-directory -j2 types tests  # side by side: mypy keeps one core busy for a minute

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check $(CODE)
	$(BIN)/ruff format --check $(CODE)

types: $(VENV)/.installed-dev
	$(BIN)/mypy
	$(BIN)/python -m pytest -q tests/typing  # here, as mypy has just read all that these scripts import

tests: $(VENV)/.installed-dev system-packages
	$(BIN)/python -m pytest -n $(JOBS) --dist worksteal --ignore tests/typing

test-fast: $(VENV)/.installed-dev
	$(BIN)/python -m pytest -n $(FAST_JOBS) --dist worksteal -m "not device and not browser and not slow"

system-packages: | $(BIN)/python  # which installs venv by apt, too: one at a time
	@sh tests/system/packages.sh

docs: $(VENV)/.installed-dev
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

format: $(VENV)/.installed-dev
	$(BIN)/ruff check --fix $(CODE)
	$(BIN)/ruff format $(CODE)

constraints: $(VENV)/.installed-dev
	@{ echo "# Exact versions of everything latkit is built and tested with; made by: make constraints"; \
	   $(BIN)/python -m pip freeze --exclude-editable | sed 's/+cpu//'; } > constraints.part
	@mv constraints.part constraints.txt

clean:
	rm -rf $(VENV) build .mypy_cache .ruff_cache .pytest_cache .hypothesis
