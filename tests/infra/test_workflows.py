"""The workflows: what GitHub would refuse, and what it would not but an attacker would thank for."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from tree import Tree

PROGRAMS = Path(sys.executable).parent
USES = re.compile(r"^\s*(?:- )?uses:\s*(\S+)(.*)$", re.MULTILINE)
PINNED = re.compile(r"[\w.-]+(?:/[\w.-]+)+@[0-9a-f]{40}")
VERSION = re.compile(r"\s+# v\d+\.\d+\.\d+$")


def run(program: str, *arguments: str | Path, cwd: Path | None = None) -> None:
    # actionlint lints the shell in `run:` where it finds shellcheck.
    environment = {**os.environ, "PATH": f"{PROGRAMS}{os.pathsep}{os.environ['PATH']}", "NO_COLOR": "1"}
    command = [PROGRAMS / program, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, cwd=cwd)
    assert done.returncode == 0, done.stdout + done.stderr


def is_ours(used: str) -> bool:
    return used.startswith("./")


def test_the_platform_has_its_workflows(tree: Tree) -> None:
    assert {workflow.name for workflow in tree.workflows} >= {"infra.yml", "drift.yml"}


def test_a_workflow_has_the_form_that_github_reads(workflow: Path) -> None:
    run("check-jsonschema", "--builtin-schema", "vendor.github-workflows", workflow)
    run("check-jsonschema", "--builtin-schema", "custom.github-workflows-require-timeout", workflow)


def test_the_updates_of_dependencies_have_the_form_that_github_reads(tree: Tree) -> None:
    run("check-jsonschema", "--builtin-schema", "vendor.dependabot", tree.root / ".github" / "dependabot.yml")


def test_zizmor_finds_nothing(tree: Tree) -> None:
    run("zizmor", "--offline", "--quiet", tree.root / ".github")


def test_actionlint_finds_nothing(workflow: Path) -> None:
    run("actionlint", workflow)


def test_actions_take_the_inputs_that_they_are_given(workflow: Path, tmp_path: Path) -> None:
    """actionlint knows an action's inputs by its tag, not by a commit: so it reads a copy with tags."""
    text = re.sub(r"@[0-9a-f]{40}\s+# (v\d+)[\d.]*", r"@\1", workflow.read_text("utf-8"))
    assert not re.search(r"@[0-9a-f]{40}", text)
    copy = tmp_path / ".github" / "workflows" / workflow.name
    copy.parent.mkdir(parents=True)
    copy.write_text(text, "utf-8")
    run("actionlint", copy, cwd=tmp_path)


def test_actions_are_pinned_to_a_commit_that_says_its_version(workflow: Path) -> None:
    """A tag can be moved to another commit, and has been: CVE-2026-33634."""
    used = [match for match in USES.findall(workflow.read_text("utf-8")) if not is_ours(match[0])]
    assert [name for name, rest in used if not PINNED.fullmatch(name) or not VERSION.fullmatch(rest)] == []


def test_a_workflow_starts_with_no_rights(workflow: Path) -> None:
    assert yaml.safe_load(workflow.read_text("utf-8"))["permissions"] == {}


def test_a_checkout_leaves_no_token_behind(workflow: Path) -> None:
    for name, job in yaml.safe_load(workflow.read_text("utf-8"))["jobs"].items():
        for step in job.get("steps", []):
            if str(step.get("uses", "")).startswith("actions/checkout@"):
                assert step.get("with", {}).get("persist-credentials") is False, name


def test_an_identity_is_asked_for_only_after_the_code_is_there(workflow: Path) -> None:
    for name, job in yaml.safe_load(workflow.read_text("utf-8"))["jobs"].items():
        used = [str(step.get("uses", "")).split("@")[0] for step in job.get("steps", [])]
        if "google-github-actions/auth" in used:
            assert used.index("actions/checkout") < used.index("google-github-actions/auth"), name
            assert job["permissions"]["id-token"] == "write", name


def test_terraforms_exit_status_is_seen(workflow: Path) -> None:
    """The wrapper of setup-terraform turns the 2 of -detailed-exitcode into 0."""
    for name, job in yaml.safe_load(workflow.read_text("utf-8"))["jobs"].items():
        for step in job.get("steps", []):
            if str(step.get("uses", "")).startswith("hashicorp/setup-terraform@"):
                assert step.get("with", {}).get("terraform_wrapper") is False, name


@pytest.mark.parametrize("name", ["infra.yml", "drift.yml"])
def test_what_only_looks_has_no_deployer(tree: Tree, name: str) -> None:
    text = (tree.root / ".github" / "workflows" / name).read_text("utf-8")
    assert "deployer" not in text
    assert not re.search(r"terraform\s+(-chdir=\S+\s+)?(apply|destroy|import|state)", text)
