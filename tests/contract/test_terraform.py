"""The real Terraform through the adapter: built-in resources everywhere, Cloud Run's where a provider's schema is."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from brconsole.cli import entry, exit_codes
from brconsole.domain.environment import Environment
from brconsole.domain.infra import Verdict, drift_report
from brconsole.domain.terraform_plan import Action
from brconsole.integrations.terraform import FolderOnDisk
from brconsole.operations.failure import FailureKind, SourceFailure
from brconsole.operations.infra import Infra

HERE = Path(__file__).resolve().parent.parent
FIXTURES = HERE / "fixtures" / "terraform"
IMAGE = "us-central1-docker.pkg.dev/br-stage-4821/bytereview/{}@sha256:{}"
SERVICE = "google_cloud_run_v2_service"

pytestmark = pytest.mark.skipif(shutil.which("terraform") is None, reason="terraform is not installed")


def schema_home() -> Path | None:
    """What `terraform-offline setup` made: the provider's schema for a machine without the registry."""
    named = os.environ.get("TERRAFORM_OFFLINE_HOME")
    homes = [Path(named)] if named else sorted((HERE.parent / ".venv-infra").glob("**/plan.tfrc"))
    found = next((home if home.is_dir() else home.parent for home in homes), None)
    return found if found is not None and (found / "plan.tfrc").exists() else None


SCHEMA_HOME = schema_home()
needs_a_schema = pytest.mark.skipif(
    SCHEMA_HOME is None, reason="no provider schema: run terraform-offline setup and set TERRAFORM_OFFLINE_HOME"
)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project whose staging is the fixture with built-in resources."""
    shutil.copytree(FIXTURES / "builtin", tmp_path / "infra" / "envs" / "staging")
    return tmp_path


def folder(project: Path, **environ: str) -> FolderOnDisk:
    settings = {"PATH": os.environ["PATH"], "HOME": os.environ["HOME"], **environ}
    return FolderOnDisk(project / "infra/envs/staging", "terraform", 120, settings, project)


def terraform(project: Path, *arguments: str, config: str | None = None) -> None:
    """What a person does before."""
    environ = {**os.environ, "CHECKPOINT_DISABLE": "1", **({} if config is None else {"TF_CLI_CONFIG_FILE": config})}
    staging = project / "infra/envs/staging"
    done = subprocess.run(
        ["terraform", *arguments], cwd=staging, env=environ, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


# -- built-in resources -----------------------------------------------------------------------------------------------


def test_a_new_folder_is_initialised_planned_and_in_step_after_an_apply(project: Path) -> None:
    opened = folder(project)
    asyncio.run(opened.initialise())
    fresh = asyncio.run(opened.plan())
    assert fresh.count(Action.CREATE) == 1
    assert fresh.state_is_empty
    assert drift_report("staging", fresh).verdict is Verdict.UNEXPECTED
    terraform(project, "apply", "-auto-approve", "-input=false")
    assert drift_report("staging", asyncio.run(opened.plan())).verdict is Verdict.IN_STEP


def test_a_change_of_the_configuration_is_a_difference_with_both_values(project: Path) -> None:
    terraform(project, "init", "-input=false")
    terraform(project, "apply", "-auto-approve", "-input=false")
    opened = folder(project, TF_VAR_size="large")
    found = {one.path: one for one in drift_report("staging", asyncio.run(opened.plan())).unexpected}
    assert (found["input"].live.data, found["input"].planned.data) == ("small", "large")
    assert found["output"].planned.text == "known after apply"


def test_outputs_come_typed_and_masked(project: Path) -> None:
    terraform(project, "init", "-input=false")
    terraform(project, "apply", "-auto-approve", "-input=false")
    view = asyncio.run(Infra(Environment("staging", "p", "r"), folder(project)).outputs())
    assert [(one.name, one.value, one.sensitive) for one in view.outputs] == [
        ("size", "small", False),
        ("token", None, True),
    ]


def test_looking_leaves_nothing_behind(project: Path) -> None:
    terraform(project, "init", "-input=false")
    terraform(project, "apply", "-auto-approve", "-input=false")
    state = project / "infra/envs/staging/terraform.tfstate"
    before = {file: file.read_bytes() for file in project.rglob("*") if file.is_file()}
    asyncio.run(folder(project, TF_VAR_size="large").plan())
    asyncio.run(folder(project).outputs())
    assert state in before
    assert {file: file.read_bytes() for file in project.rglob("*") if file.is_file()} == before


@pytest.mark.parametrize(
    ("text", "kind", "words"),
    [
        ('terraform {\n  backend "local" {}\n}\n', FailureKind.NOT_CONFIGURED, "not initialised"),
        ('module "x" {\n  source = "./x"\n}\n', FailureKind.NOT_CONFIGURED, "not initialised"),
        ('resource "nobody_knows" "this" {}\n', FailureKind.NOT_CONFIGURED, "provider is missing"),
        ("resource {}\n", FailureKind.INVALID, "extra.tf:1"),
        ('variable "needed" {}\n', FailureKind.NOT_CONFIGURED, "a variable has no value"),
    ],
)
def test_what_terraform_says_is_understood(project: Path, text: str, kind: FailureKind, words: str) -> None:
    (project / "infra/envs/staging/extra.tf").write_text(text)
    with pytest.raises(SourceFailure) as caught:
        asyncio.run(folder(project).plan())
    assert caught.value.kind is kind, str(caught.value)
    assert words in str(caught.value)


# -- Cloud Run, by the provider's schema ------------------------------------------------------------------------------


def instance(name: str, image: str, instances: int, traffic: list[dict[str, object]]) -> dict[str, object]:
    template = {
        "scaling": [{"max_instance_count": instances, "min_instance_count": 1}],
        "containers": [{"image": image}],
    }
    return {
        "module": f'module.service["{name}"]',
        "mode": "managed",
        "type": SERVICE,
        "name": "main",
        "provider": 'provider["registry.terraform.io/hashicorp/google"]',
        "instances": [
            {
                "schema_version": 0,
                "attributes": {
                    "id": name,
                    "name": name,
                    "project": "br-stage-4821",
                    "location": "us-central1",
                    "template": [template],
                    "traffic": traffic,
                },
            }
        ],
    }


def fabricate(project: Path, image: str, instances: int, traffic: list[dict[str, object]]) -> None:
    """A state in which `api` is so, and `frontend` as the configuration wants it."""
    state = {
        "version": 4,
        "terraform_version": "1.8.4",
        "serial": 1,
        "lineage": "5e3b5f0e-0000-4000-8000-000000000000",
        "outputs": {},
        "resources": [
            instance("api", image, instances, traffic),
            instance("frontend", IMAGE.format("first", "0" * 64), 5, []),
        ],
    }
    (project / "infra/envs/staging/terraform.tfstate").write_text(json.dumps(state))


@pytest.fixture(params=["plan.tfrc", "validate.tfrc"], ids=["filesystem mirror", "development override"])
def without_a_cloud(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project whose staging has the shape of Cloud Run services, on a machine with neither registry nor Google."""
    assert SCHEMA_HOME is not None
    config = str(SCHEMA_HOME / request.param)
    staging = tmp_path / "infra/envs/staging"
    shutil.copytree(FIXTURES / "service", staging)
    if request.param == "plan.tfrc":
        (staging / "backend_override.tf").write_text('terraform {\n  backend "local" {}\n}\n')
        terraform(tmp_path, "init", "-input=false", config=config)
    else:
        terraform(tmp_path, "get", config=config)  # with an override an init is neither needed nor possible
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TF_CLI_CONFIG_FILE", config)
    monkeypatch.setenv("BRCONSOLE_ENDPOINT", "127.0.0.1:9")  # nobody listens: no rollout can be read there
    return tmp_path


@needs_a_schema
def test_drift_in_image_traffic_and_scaling_is_told_apart(
    without_a_cloud: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    split = [
        {"type": "TRAFFIC_TARGET_ALLOCATION_TYPE_REVISION", "revision": "api-00041-abc", "percent": 95, "tag": ""},
        {"type": "TRAFFIC_TARGET_ALLOCATION_TYPE_REVISION", "revision": "api-00042-def", "percent": 5, "tag": "canary"},
    ]
    fabricate(without_a_cloud, IMAGE.format("api", "9" * 64), 77, split)
    assert entry.run(["infra", "drift", "staging", "--json"]) == exit_codes.FAILED
    verdict, *changes = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert verdict["summary"] == "unexpected drift: 1 change, 2 more expected"
    assert [(one["name"], one["path"], one["expected"], one["writer"]) for one in changes] == [
        ("api", "template.scaling.max_instance_count", False, "terraform"),
        ("api", "template.containers.image", True, "pipeline"),
        ("api", "traffic", True, "release engine"),
    ]
    assert changes[0]["live"]["value"] == 77
    assert changes[0]["after_apply"]["value"] == 20


@needs_a_schema
def test_a_deploy_and_a_canary_alone_are_expected(without_a_cloud: Path) -> None:
    latest = [{"type": "TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST", "revision": "", "percent": 100, "tag": ""}]
    fabricate(without_a_cloud, IMAGE.format("api", "9" * 64), 20, latest)
    assert entry.run(["infra", "drift", "staging"]) == exit_codes.DONE


@needs_a_schema
def test_a_state_as_configured_is_in_step(without_a_cloud: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fabricate(without_a_cloud, IMAGE.format("first", "0" * 64), 20, [])
    assert entry.run(["infra", "drift", "staging"]) == exit_codes.DONE
    assert "in step: 2 resources as configured" in capsys.readouterr().out
