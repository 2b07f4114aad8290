"""checkov, on the configuration and on the plans; each exception with its reason."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from offline import HOME, TIMEOUT_S, plan
from tree import Tree, configuration

SKIP = re.compile(r"checkov:skip=(\w+)(?::(.*))?")

ACCEPTED = {
    "CKV_GCP_63": "takes a bucket without usage logs for one that logs to itself",
}
# What one of the two forms hides from checkov; the other is checked.
ONLY_IN_PLANS = {
    "CKV_GCP_43": "the rotation period is a variable",
    "CKV_GCP_51": "flags are a dynamic block",
    "CKV_GCP_52": "flags are a dynamic block",
    "CKV_GCP_53": "flags are a dynamic block",
    "CKV_GCP_54": "flags are a dynamic block",
    "CKV_GCP_73": "rules are a dynamic block",
    "CKV_GCP_108": "flags are a dynamic block",
    "CKV_GCP_109": "flags are a dynamic block",
    "CKV_GCP_110": "flags are a dynamic block",
    "CKV_GCP_111": "flags are a dynamic block",
}
ONLY_IN_CONFIGURATION = {
    "CKV_GCP_81": "the key's id is known after the apply only",
    "CKV_GCP_15": "who has access to the dataset is known after the apply only",
    "CKV_GCP_83": "the key's id is known after the apply only",
    "CKV_GCP_84": "the key's id is known after the apply only",
}

Json = dict[str, Any]


def failures(*arguments: str | Path) -> list[tuple[str, str]]:
    """(check, resource) of what checkov says is wrong. A file that it cannot read is wrong as well."""
    checkov = HOME / "checkov" / "bin" / "checkov"
    command = [checkov, *arguments, "--skip-download", "--compact", "--output", "json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=TIMEOUT_S)
    try:
        parsed = json.loads(done.stdout)
    except ValueError:
        pytest.fail(f"checkov gave no report:\n{done.stdout}{done.stderr}")
    reports: list[Json] = parsed if isinstance(parsed, list) else [parsed]
    found = []
    for report in reports:
        assert report["summary"]["passed"] > 0
        assert report["results"]["parsing_errors"] == []
        found += [(failed["check_id"], failed["resource"]) for failed in report["results"]["failed_checks"]]
    return sorted(set(found))


@pytest.fixture(scope="module")
def in_configuration(tree: Tree) -> list[tuple[str, str]]:
    return failures("--directory", tree.infra, "--framework", "terraform", "--skip-path", "/tests/")


@pytest.fixture(scope="module")
def in_plans(tree: Tree) -> list[tuple[str, str]]:
    plans = [plan(root) for root in tree.roots] + [plan(tree.environment("dr"), variables=("active=true",))]
    files: list[str | Path] = []
    for planned in plans:
        files += ["--file", planned.state.with_name("plan.json")]
    # Plans know nothing of comments: the configuration beside them says what is skipped there.
    return failures(*files, "--framework", "terraform_plan", "--repo-root-for-plan-enrichment", tree.infra)


@pytest.mark.xdist_group("checkov")
def test_checkov_finds_nothing_in_the_configuration(in_configuration: list[tuple[str, str]]) -> None:
    excepted = ACCEPTED.keys() | ONLY_IN_PLANS.keys()
    assert [failure for failure in in_configuration if failure[0] not in excepted] == []


@pytest.mark.xdist_group("checkov")
def test_checkov_finds_nothing_in_the_plans(in_plans: list[tuple[str, str]]) -> None:
    excepted = ACCEPTED.keys() | ONLY_IN_CONFIGURATION.keys()
    assert [failure for failure in in_plans if failure[0] not in excepted] == []


@pytest.mark.xdist_group("checkov")
def test_no_exception_outlives_its_reason(
    in_configuration: list[tuple[str, str]], in_plans: list[tuple[str, str]]
) -> None:
    configured, planned = {check for check, _ in in_configuration}, {check for check, _ in in_plans}
    assert ACCEPTED.keys() - configured - planned == set()
    assert ONLY_IN_PLANS.keys() - configured == set()
    assert ONLY_IN_CONFIGURATION.keys() - planned == set()


def test_every_skip_has_a_reason(tree: Tree) -> None:
    files = [file for folder in tree.directories for file in configuration(folder)]
    skips = [(tree.named(file), *match) for file in files for match in SKIP.findall(file.read_text("utf-8"))]
    assert [skip for skip in skips if len(skip[2].split()) < 5] == []
