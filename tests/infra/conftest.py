"""What the checks of infra/ share, and the last line of their output: what was counted.

A test counts as one, unless it says that it stands for more: a module's `terraform test` counts as its runs.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import offline
import pytest
from tree import REPOSITORY, Tree

COUNT = "stands for"
RUNS = "terraform runs"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--tree", default=str(REPOSITORY), help="check this copy of the repository's files instead")


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput") and config.getoption("--tree") == str(REPOSITORY):
        shutil.rmtree(offline.HOME / "plans", ignore_errors=True)  # those of files as they were


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """``environment``, ``module``, ``root`` and ``directory`` are each of them; ``toolchain`` is each that there is.

    ``planned`` is the plan of each environment, ``planned_root`` that of bootstrap as well.
    """
    tree = Tree(Path(metafunc.config.getoption("--tree")).resolve())
    kinds = {
        "environment": tree.environments,
        "module": tree.modules,
        # A module without tests is a failure; a root may be without.
        "tested": [*tree.modules, *(root for root in tree.roots if (root / "tests").is_dir())],
        "root": tree.roots,
        "directory": tree.directories,
        "script_file": tree.scripts,
        "workflow": tree.workflows,
    }
    for kind, folders in kinds.items():
        if kind in metafunc.fixturenames:
            metafunc.parametrize(kind, folders, ids=[tree.named(folder) for folder in folders])
    for kind, roots in (("planned", tree.environments), ("planned_root", tree.roots)):
        if kind in metafunc.fixturenames:
            # The cold environment is planned as it waits, and as it takes over.
            cases = [(root, ()) for root in roots] + [(root, ("active=true",)) for root in roots if root.name == "dr"]
            ids = [" ".join([tree.named(root), *variables]) for root, variables in cases]
            metafunc.parametrize(kind, cases, ids=ids, indirect=True)
    if "toolchain" in metafunc.fixturenames:
        metafunc.parametrize("toolchain", offline.toolchains().values(), ids=str)


@pytest.fixture(scope="session")
def tree(request: pytest.FixtureRequest) -> Tree:
    return Tree(Path(request.config.getoption("--tree")).resolve())


@pytest.fixture
def planned(request: pytest.FixtureRequest) -> offline.Plan:
    root, variables = request.param
    return offline.plan(root, variables=variables)


@pytest.fixture
def planned_root(request: pytest.FixtureRequest) -> offline.Plan:
    root, variables = request.param
    return offline.plan(root, variables=variables)


@pytest.fixture
def counts_for(record_property: Callable[[str, Any], None]) -> Callable[[int], None]:
    """How much a test stands for, once it has passed."""
    return lambda number: record_property(COUNT, number)


# -- the last line --------------------------------------------------------------------------------------------------


class Tally:
    """What the workers' reports add up to."""

    def __init__(self) -> None:
        self.passed = 0
        self.failed = 0
        self.runs: dict[str, int] = {}
        self.status = 1  # until the summary says otherwise: an internal error never gets there

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.failed += 1
        elif report.when == "call" and report.passed:
            properties = dict(report.user_properties)
            self.passed += int(properties.get(COUNT, 1))  # type: ignore[call-overload]  # pytest types it as object
            for key, value in properties.items():
                if str(key).startswith(RUNS):
                    self.runs[str(key).removeprefix(RUNS).strip()] = int(value)  # type: ignore[call-overload]

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        self.failed += report.failed

    def pytest_terminal_summary(self, terminalreporter: Any, exitstatus: int) -> None:
        self.status = exitstatus
        write = terminalreporter.write_line
        if self.runs:
            write("terraform test runs: " + ", ".join(f"{name} {number}" for name, number in sorted(self.runs.items())))
            write(f"terraform test runs in all: {sum(self.runs.values())}")
        write("schema only: Terraform's own checks against the provider's schema; no provider, no Google Cloud.")

    def pytest_unconfigure(self) -> None:
        # A run that ended otherwise than in passed and failed tests (nothing found, interrupted) has failed as well.
        if self.status and not self.failed:
            self.failed = 1
        print(f"{self.passed} passed, {self.failed} failed", flush=True)  # noqa: T201  # the last line, after pytest's


@pytest.hookimpl(trylast=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    if not hasattr(session.config, "workerinput"):
        session.config.pluginmanager.register(Tally(), "tally")
