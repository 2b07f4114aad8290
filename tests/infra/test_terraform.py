"""Terraform's own verdict: form, schema, the modules' tests. Schema only: no provider, no Google Cloud."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from offline import Plan, Toolchain, plan, toolchains
from tree import Tree

from conftest import RUNS

SPECIFIED_MODULES = {
    "arq_cron",
    "cloud_run_service",
    "cloud_sql_postgres",
    "kms_key",
    "monitoring_dashboards",
    "pubsub_topic",
    "redis_memorystore",
}


def test_the_layout_is_the_specifications(tree: Tree) -> None:
    assert {module.name for module in tree.modules} >= SPECIFIED_MODULES
    assert {environment.name for environment in tree.environments} >= {"dev", "staging", "prod", "dr"}
    assert (tree.infra / "bootstrap") in tree.roots


def test_every_file_is_formatted(tree: Tree) -> None:
    command = [toolchains()["current"].terraform, "fmt", "-check", "-recursive", "-diff", "-no-color", tree.infra]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_stand_in_finds_the_mistakes_that_it_is_there_for(counts_for: Callable[[int], None]) -> None:
    done = toolchains()["current"].run("selftest")
    counted = re.findall(r"^(\d+) passed, 0 failed$", done.stdout, re.MULTILINE)
    assert done.returncode == 0, done.stdout + done.stderr
    assert counted, done.stdout
    counts_for(int(counted[-1]))


def test_a_directory_is_valid(toolchain: Toolchain, directory: Path) -> None:
    done = toolchain.run("validate", directory)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_oldest_terraform_is_there_to_validate_with() -> None:
    if "floor" not in toolchains():
        pytest.skip("Terraform 1.8 as a library needs CPython 3.11 or 3.12, and there is none: the floor is unchecked")


def test_a_directorys_own_tests_pass(
    tested: Path, tree: Tree, counts_for: Callable[[int], None], record_property: Callable[[str, Any], None]
) -> None:
    done = toolchains()["current"].run("test", tested)
    assert done.returncode == 0, done.stdout + done.stderr
    runs = int(done.stdout.rsplit("\n", 2)[-2].split(" ")[0])
    assert runs > 0, done.stdout  # Terraform calls a module without tests a success
    counts_for(runs)
    record_property(f"{RUNS} {tree.named(tested).removeprefix('infra/').removeprefix('modules/')}", runs)


def test_every_root_can_be_planned(planned_root: Plan) -> None:
    assert planned_root.resources


def test_a_second_plan_is_empty(root: Path) -> None:
    """What an apply leaves is what the configuration says: nothing flaps between two applies."""
    assert plan(root, plan(root).state).changes() == []
