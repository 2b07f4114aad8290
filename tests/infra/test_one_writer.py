"""One writer a field: a deploy, a canary step and a rollback leave nothing for Terraform to do; a change of shape does.

The plan of an environment is made against the state that applying it would leave, with one thing changed in it: what
another writer wrote. Schema only: what the provider itself would echo back is not seen here.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from offline import plan

Json = dict[str, Any]
SERVICE = "google_cloud_run_v2_service"
REVISION = "TRAFFIC_TARGET_ALLOCATION_TYPE_REVISION"


def deploy(service: Json) -> None:
    """gcloud run deploy --image=… --no-traffic."""
    service["template"][0]["containers"][0]["image"] += "0" * 8
    service["template"][0]["labels"] = {"client.knative.dev/nonce": "deployed"}
    service["client"], service["client_version"] = "gcloud", "528.0.0"


def split(service: Json) -> None:
    name = service["name"]
    service["traffic"] = [
        {"type": REVISION, "revision": f"{name}-00002-new", "percent": 5, "tag": ""},
        {"type": REVISION, "revision": f"{name}-00001-old", "percent": 95, "tag": ""},
    ]


def tag(service: Json) -> None:
    split(service)
    service["traffic"][0]["tag"] = "canary"


def roll_back(service: Json) -> None:
    service["traffic"] = [{"type": REVISION, "revision": f"{service['name']}-00001-old", "percent": 100, "tag": ""}]


def annotate(service: Json) -> None:
    """The console's record of a running rollout."""
    service["effective_annotations"] = {**(service.get("effective_annotations") or {}), "brconsole.dev/rollout": "{}"}
    service["etag"], service["generation"] = "changed", "7"


def everything(service: Json) -> None:
    for change in (deploy, tag, annotate):
        change(service)


def scale(service: Json) -> None:
    service["template"][0]["scaling"][0]["max_instance_count"] += 1


def _state_after(root: Path, change: Callable[[Json], None], into: Path, *, only_one: bool = False) -> list[str]:
    """Writes the environment's state with each service changed; the addresses of those changed."""
    document = json.loads(plan(root).state.read_text())
    changed = []
    for resource in document["resources"]:
        if resource["type"] != SERVICE or resource["mode"] != "managed":
            continue
        for instance in resource["instances"]:
            if only_one and changed:
                continue
            change(instance["attributes"])
            index = instance.get("index_key")
            module = f"{resource['module']}." if "module" in resource else ""
            changed.append(
                f"{module}{SERVICE}.{resource['name']}" + (f"[{json.dumps(index)}]" if index is not None else "")
            )
    into.write_text(json.dumps(document))
    return changed


@pytest.mark.parametrize("change", [deploy, split, tag, roll_back, annotate], ids=lambda change: change.__name__)
def test_what_pipeline_and_console_write_is_not_terraforms(
    tree: Any, tmp_path: Path, change: Callable[[Json], None]
) -> None:
    staging = tree.environment("staging")
    assert _state_after(staging, change, tmp_path / "state.json")
    assert plan(staging, tmp_path / "state.json").changes() == []


def test_the_same_in_every_environment(environment: Path, tmp_path: Path) -> None:
    assert _state_after(environment, everything, tmp_path / "state.json")
    assert plan(environment, tmp_path / "state.json").changes() == []


def test_a_change_of_shape_is_terraforms(environment: Path, tmp_path: Path) -> None:
    """The proof that the plans above would have shown something: one service's scaling gives exactly one update."""
    (changed,) = _state_after(environment, scale, tmp_path / "state.json", only_one=True)
    assert plan(environment, tmp_path / "state.json").changes() == [(changed, "update")]
