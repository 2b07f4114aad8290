# `make demo` and `make test` do all the set-up themselves, on a machine with only Python >= 3.11 and pip.
# VENV=folder uses another virtual environment, PYTHON=python3.x another interpreter than the newest that runs.

VENV ?= .venv
PYTHON ?=
export PYTHON

SETUP_RUN = @sh scripts/setup $(VENV) requirements.lock
SETUP_DEV = @sh scripts/setup $(VENV) requirements-dev.lock
# One resolution for every supported Python and platform: the older ones' extra packages stand there with a marker.
COMPILE = $(VENV)/bin/uv pip compile pyproject.toml --quiet --universal --python-version 3.11 --group build \
	--generate-hashes --no-annotate --no-header --no-emit-index-url --no-emit-find-links --upgrade

# What follows `make test` as TESTS= goes to pytest: make test TESTS="tests/unit -k traffic"
TESTS ?=

.DEFAULT_GOAL := help
.PHONY: help setup demo test check bench lock

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-7s %s\n", $$1, $$2}' Makefile

setup: ## the virtual environment with everything for developing
	$(SETUP_DEV)

demo: ## the console on a simulated production
	$(SETUP_RUN)
	@$(VENV)/bin/brconsole prod --simulate

test: ## the test suite
	$(SETUP_DEV)
	@$(VENV)/bin/python -m pytest -n 2 $(TESTS)

check: ## style, types, who imports whom, dependencies, security
	$(SETUP_DEV)
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports
	$(VENV)/bin/deptry src
	$(VENV)/bin/bandit --quiet --configfile pyproject.toml --recursive src scripts

bench: ## ratios: first paint, status, key presses, calls, memory
	$(SETUP_DEV)
	@$(VENV)/bin/python -m bench

lock: ## the newest pins that suit pyproject.toml, into both locks
	$(SETUP_DEV)
	$(COMPILE) --output-file requirements.lock
	$(COMPILE) --extra dev --constraints requirements.lock --output-file requirements-dev.lock
