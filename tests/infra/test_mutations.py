"""Mistakes that somebody could make in infra/, each in a copy, and the check that must turn red.

`make infra-mutations` runs them. A check that never fails looks like one that always passes.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from tree import REPOSITORY, Tree

HERE = Path(__file__).parent
INVARIANTS, STYLE, OBSERVED = "test_invariants.py", "test_style.py", "test_observability.py"
MODULES, ENVIRONMENTS = "infra/modules", "infra/envs"
SERVICE = f"{MODULES}/cloud_run_service/main.tf"
DATABASE = f"{MODULES}/cloud_sql_postgres/main.tf"


@dataclass(frozen=True)
class Mistake:
    """``old`` becomes ``new`` where it stands first in ``file``; then a test called ``test`` in ``checks`` fails."""

    name: str
    file: str
    old: str
    new: str
    checks: str
    test: str


MISTAKES = [
    Mistake(
        "a public bucket",
        f"{MODULES}/storage/main.tf",
        '= "enforced"',
        '= "inherited"',
        INVARIANTS,
        "no_bucket_can_become_public",
    ),
    Mistake(
        "rights an object",
        f"{MODULES}/storage/main.tf",
        "uniform_bucket_level_access = true",
        "uniform_bucket_level_access = false",
        INVARIANTS,
        "no_bucket_can_become_public",
    ),
    Mistake("no key", DATABASE, "encryption_key_name = var.kms_key_id", "", INVARIANTS, "encrypted_by_our_key"),
    Mistake(
        "an enumeration misspelt",
        f"{MODULES}/alerts/workers.tf",
        '"COMPARISON_GT"',
        '"GT"',
        "test_terraform.py",
        "a_directory_is_valid and alerts and google-7.43",
    ),
    Mistake(
        "traffic by Terraform",
        SERVICE,
        "  lifecycle {",
        '  traffic {\n    type    = "TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST"\n    percent = 100\n  }\n\n  lifecycle {',
        STYLE,
        "terraform_manages_no_traffic",
    ),
    Mistake(
        "the image by Terraform",
        SERVICE,
        "      template[0].containers[0].image,\n",
        "",
        "test_one_writer.py",
        "what_pipeline_and_console_write and deploy",
    ),
    Mistake(
        "another threshold",
        f"{MODULES}/alerts/api.tf",
        "= 0.02\n",
        "= 0.05\n",
        OBSERVED,
        "api_errors_page",
    ),
    Mistake(
        "a nought too many",
        f"{ENVIRONMENTS}/dev/operations.auto.tfvars",
        "monthly_budget_usd = 500\n",
        "monthly_budget_usd = 5000\n",
        INVARIANTS,
        "the_budget_is_the_specifications",
    ),
    Mistake(
        "an owner",
        f"{MODULES}/cloud_run_service/iam.tf",
        '"roles/logging.logWriter"',
        '"roles/owner"',
        INVARIANTS,
        "role_over_everything",
    ),
    Mistake(
        "a shared state",
        f"{ENVIRONMENTS}/dev/backend.tf",
        "tf-state-dev",
        "tf-state-prod",
        STYLE,
        "state_in_a_bucket_of_its_own",
    ),
    Mistake(
        "a database that can be deleted",
        DATABASE,
        "deletion_protection = true",
        "deletion_protection = false",
        INVARIANTS,
        "databases_are_protected_from_deletion",
    ),
    Mistake(
        "unsigned images in prod",
        f"{ENVIRONMENTS}/prod/main.tf",
        "binary_authorization  = true",
        "binary_authorization  = false",
        INVARIANTS,
        "production_runs_only_what_was_attested",
    ),
    Mistake(
        "no word on a variable",
        f"{MODULES}/kms_key/variables.tf",
        '  description = "Members by role on the key. Members must be known at plan."\n',
        "",
        STYLE,
        "every_variable_says_what_it_is",
    ),
    Mistake(
        "another continent",
        f"{ENVIRONMENTS}/dev/main.tfvars",
        '"us-central1"',
        '"europe-west1"',
        INVARIANTS,
        "everything_is_where_it_may_be",
    ),
    Mistake(
        "a worker for everybody",
        f"{ENVIRONMENTS}/staging/main.tf",
        "    public       = false",
        "    public       = true",
        INVARIANTS,
        "no_one_unknown_is_given_anything",
    ),
    Mistake(
        "no way back to a moment",
        DATABASE,
        "point_in_time_recovery_enabled = true",
        "point_in_time_recovery_enabled = false",
        INVARIANTS,
        "any_moment_of_seven_days",
    ),
    Mistake(
        "a tile on another",
        f"{MODULES}/monitoring_dashboards/templates/api_slo.json.tftpl",
        '"xPos": 24',
        '"xPos": 20',
        OBSERVED,
        "tiles_lie_inside_the_grid",
    ),
    Mistake(
        "a metric that does not exist",
        f"{MODULES}/monitoring_dashboards/templates/workers.json.tftpl",
        "arq/queue_depth",
        "arq/queue_dept",
        OBSERVED,
        "dashboards_show_metrics_that_exist",
    ),
    Mistake(
        "a runbook that does not exist",
        f"{MODULES}/alerts/main.tf",
        "redis-memory.md",
        "redis.md",
        OBSERVED,
        "every_alert_says_what_to_do",
    ),
    Mistake(
        "every repository of GitHub",
        "infra/bootstrap/identity.tf",
        "  attribute_condition = ",
        "  description         = ",
        INVARIANTS,
        "known_by_ids_that_cannot_be_taken_over",
    ),
    Mistake(
        "a newer Terraform",
        f"{MODULES}/kms_key/versions.tf",
        '">= 1.8"',
        '">= 1.12"',
        STYLE,
        "a_module_works_from_terraform_1_8_on",
    ),
    Mistake(
        "an action by its tag",
        ".github/workflows/infra.yml",
        "3d3c42e5aac5ba805825da76410c181273ba90b1 # v7.0.1",
        "v7",
        "test_workflows.py",
        "pinned_to_a_commit",
    ),
    Mistake(
        "a write that is not read back",
        "infra/scripts/dr_cutover.sh",
        '    read_back "$target"',
        '    : "$target"',
        "test_scripts.py",
        "a_record_that_does_not_change_stops_the_others",
    ),
]


@pytest.fixture
def copied(tmp_path: Path) -> Tree:
    for folder in ("infra", "docs", ".github", "scripts"):
        shutil.copytree(REPOSITORY / folder, tmp_path / folder, ignore=shutil.ignore_patterns(".terraform", "*.png"))
    return Tree(tmp_path)


@pytest.mark.mutation
@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.name)
def test_a_mistake_turns_its_check_red(copied: Tree, mistake: Mistake) -> None:
    file = copied.root / mistake.file
    text = file.read_text("utf-8")
    assert mistake.old in text, f"{mistake.file} has changed: this mistake needs another place"
    file.write_text(text.replace(mistake.old, mistake.new, 1), "utf-8")
    command = [sys.executable, "-m", "pytest", "-c", HERE / "pytest.ini", "--tree", copied.root]
    command += [HERE / mistake.checks, "-k", mistake.test, "-p", "no:cacheprovider"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=REPOSITORY)
    assert done.returncode == 1, done.stdout + done.stderr
    # It is the check that failed, by what it says, and not Terraform or the test's own making.
    failed = re.findall(r"^FAILED \S+::(\w+)", done.stdout, re.MULTILINE)
    assert any(mistake.test.split(" and ")[0] in name for name in failed), done.stdout
    assert "terraform plan of" not in done.stdout, done.stdout
