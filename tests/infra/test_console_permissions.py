"""The roles that Terraform makes hold what the console asks for, and nothing else.

The console's side is read from its source rather than imported: its Google clients are not installed here.
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from tree import Tree, blocks

# Cloud Run itself looks the image up while traffic moves, so this is in none of the console's lists.
BESIDES = {"artifactregistry.repositories.downloadArtifacts"}
READING = ("get", "list", "getData")
ON_THE_PROJECT = "viewer"


def calls(file: Path, name: str) -> list[ast.Call]:
    """Every call of a class by its bare name in a source file."""
    found = ast.walk(ast.parse(file.read_text("utf-8")))
    return [node for node in found if isinstance(node, ast.Call) and getattr(node.func, "id", "") == name]


def text(node: ast.expr) -> str:
    assert isinstance(node, ast.Constant), ast.dump(node)
    assert isinstance(node.value, str)
    return node.value


def asked_by_doctor(tree: Tree) -> set[str]:
    """The permissions of `brconsole doctor`: Want(permission, purpose)."""
    return {text(call.args[0]) for call in calls(tree.root / "src/brconsole/gcp/access.py", "Want")}


def needed_by_a_call(tree: Tree) -> set[str]:
    """What the methods ask for that the console calls: Method(api, name, permission), and actAs."""
    apis = tree.root / "src/brconsole/gcp/apis.py"
    needed = {text(call.args[2]) for call in calls(apis, "Method") if len(call.args) > 2}
    (act_as,) = [
        text(node.value)
        for node in ast.parse(apis.read_text("utf-8")).body
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "ACT_AS"
    ]
    return (needed | {act_as}) - {""}


def custom_roles(tree: Tree) -> dict[str, list[str]]:
    roles: dict[str, list[str]] = blocks(tree.infra / "modules/console_iam", "locals")["permissions"]
    return roles


def predefined(tree: Tree) -> dict[str, str]:
    granted: dict[str, str] = blocks(tree.infra / "modules/console_iam", "locals")["predefined"]
    return granted


def granted(tree: Tree) -> set[str]:
    return {permission for held in custom_roles(tree).values() for permission in held} | set(predefined(tree))


def test_the_lists_were_found(tree: Tree) -> None:
    assert "run.services.update" in asked_by_doctor(tree)
    assert "iam.serviceAccounts.actAs" in needed_by_a_call(tree)
    assert sorted(custom_roles(tree)) == ["agent", "operator", "releaser", "viewer"]


def test_everything_that_the_console_asks_for_is_in_a_role(tree: Tree) -> None:
    assert (asked_by_doctor(tree) | needed_by_a_call(tree)) - granted(tree) == set()


def test_no_role_holds_what_the_console_does_not_ask_for(tree: Tree) -> None:
    assert granted(tree) - (asked_by_doctor(tree) | needed_by_a_call(tree)) - BESIDES == set()


def test_a_viewer_reads_everything_and_changes_nothing(tree: Tree) -> None:
    viewer = set(custom_roles(tree)[ON_THE_PROJECT])
    reads = {p for p in asked_by_doctor(tree) if p.rpartition(".")[2] in READING} - set(predefined(tree))
    assert viewer == reads | {"bigquery.jobs.create"}  # a query is a job


@pytest.mark.parametrize("role", ["agent", "operator"])
def test_only_a_releaser_runs_migrations(tree: Tree, role: str) -> None:
    held = custom_roles(tree)
    assert not any(permission.startswith(("run.jobs.", "run.executions.")) for permission in held[role])
    assert {"run.jobs.run", "run.jobs.runWithOverrides"} <= set(held["releaser"])


@pytest.mark.parametrize("role", ["agent", "operator", "releaser"])
def test_whoever_moves_traffic_may_do_all_that_it_takes(tree: Tree, role: str) -> None:
    takes = {"run.services.get", "run.services.update", "iam.serviceAccounts.actAs", *BESIDES}
    assert takes <= set(custom_roles(tree)[role])


def test_lists_are_sorted_and_without_repetition(tree: Tree) -> None:
    unsorted = {role for role, held in custom_roles(tree).items() if held != sorted(set(held))}
    assert unsorted == set()
