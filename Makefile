# `make demo` and `make test` do all the set-up themselves, on a machine with only Python >= 3.11 and pip.
# VENV=folder uses another virtual environment, PYTHON=python3.x another interpreter than the newest that runs.

VENV ?= .venv
PYTHON ?=
export PYTHON

SETUP_RUN = @sh scripts/setup $(VENV) requirements.lock
SETUP_DEV = @sh scripts/setup $(VENV) requirements-dev.lock
SETUP_INFRA = @sh scripts/setup-infra .venv-infra
# One resolution for every supported Python and platform: the older ones' extra packages stand there with a marker.
PIN = $(VENV)/bin/uv pip compile --quiet --universal --python-version 3.11 \
	--generate-hashes --no-annotate --no-header --no-emit-index-url --no-emit-find-links --upgrade
COMPILE = $(PIN) pyproject.toml --group build

# What follows `make test` as TESTS= goes to pytest: make test TESTS="tests/unit -k traffic"
TESTS ?=
PYTEST_INFRA = @.venv-infra/checks/bin/python -m pytest -c tests/infra/pytest.ini -n 2 \
	$(if $(findstring tests/,$(TESTS)),,tests/infra) $(TESTS)

.DEFAULT_GOAL := help
.PHONY: help setup demo test check bench lock infra-test infra-mutations

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-15s %s\n", $$1, $$2}' Makefile

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

infra-test: ## infra/, .github/ and the recovery scripts, without a cloud account
	$(SETUP_INFRA)
	$(PYTEST_INFRA)

infra-mutations: ## that infra-test turns red: each of its table of mistakes, in a copy
	$(SETUP_INFRA)
	$(PYTEST_INFRA) -m mutation

bench: ## ratios: first paint, status, key presses, calls, memory
	$(SETUP_DEV)
	@$(VENV)/bin/python -m bench

lock: ## the newest pins that suit pyproject.toml and tests/infra/*.in, into all locks
	$(SETUP_DEV)
	$(COMPILE) --output-file requirements.lock
	$(COMPILE) --extra dev --constraints requirements.lock --output-file requirements-dev.lock
	$(PIN) tests/infra/requirements.in --output-file tests/infra/requirements.lock
	$(PIN) tests/infra/requirements-checkov.in --output-file tests/infra/requirements-checkov.lock
	$(PIN) tests/infra/requirements-provider.in --output-file tests/infra/requirements-provider.lock
