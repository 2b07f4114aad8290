"""Plans as `terraform show -json` prints them, made by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

STABLE, CANARY = "api-00041-abc", "api-00042-def"
REPOSITORY = "us-central1-docker.pkg.dev/br-stage-4821/bytereview"
FIRST = f"{REPOSITORY}/first@sha256:{'0' * 64}"
DEPLOYED = f"{REPOSITORY}/api@sha256:{'9' * 64}"
SERVICE = "google_cloud_run_v2_service"
ADDRESS = f'module.service["api"].{SERVICE}.main'
SPLIT = [
    {"type": "TRAFFIC_TARGET_ALLOCATION_TYPE_REVISION", "revision": STABLE, "percent": 95, "tag": ""},
    {"type": "TRAFFIC_TARGET_ALLOCATION_TYPE_REVISION", "revision": CANARY, "percent": 5, "tag": "canary"},
]
LATEST = [{"type": "TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST", "revision": "", "percent": 100, "tag": ""}]


def service(
    *,
    image: str = FIRST,
    instances: int = 20,
    traffic: Sequence[Mapping[str, Any]] = (),
    env: Sequence[Mapping[str, Any]] = (),
    template: Mapping[str, Any] | None = None,
    **attributes: Any,
) -> dict[str, Any]:
    """A Cloud Run service as the provider holds it."""
    return {
        "name": "api",
        "project": "br-stage-4821",
        "ingress": "INGRESS_TRAFFIC_ALL",
        "etag": "e1",
        "annotations": None,
        "effective_annotations": {},
        "traffic": list(traffic),
        "template": [
            {
                "revision": None,
                "labels": None,
                "service_account": "api@br-stage-4821.iam.gserviceaccount.com",
                "scaling": [{"max_instance_count": instances, "min_instance_count": 1}],
                "containers": [{"name": None, "image": image, "env": list(env)}],
                **(template or {}),
            }
        ],
        **attributes,
    }


def change(
    before: Any,
    after: Any,
    *,
    address: str = ADDRESS,
    kind: str = SERVICE,
    actions: Sequence[str] | None = None,
    before_sensitive: Any = None,
    after_sensitive: Any = None,
    after_unknown: Any = None,
) -> dict[str, Any]:
    """An entry of `resource_changes` or `resource_drift`."""
    if actions is None:
        actions = ["create"] if before is None else ["delete"] if after is None else ["update"]
        actions = ["no-op"] if before == after and not after_unknown else actions
    return {
        "address": address,
        "mode": "managed",
        "type": kind,
        "name": "main",
        "change": {
            "actions": list(actions),
            "before": before,
            "after": after,
            "before_sensitive": before_sensitive if before_sensitive is not None else {},
            "after_sensitive": after_sensitive if after_sensitive is not None else {},
            "after_unknown": after_unknown if after_unknown is not None else {},
        },
    }


def document(
    *changes: Mapping[str, Any], drift: Sequence[Mapping[str, Any]] = (), image: str | None = FIRST, **fields: Any
) -> dict[str, Any]:
    """A plan; the configuration names `image` for every service, None names none."""
    expression = {"references": ["var.image"]}
    call = {
        "expressions": {"image": expression},
        "for_each_expression": {},
        "module": {
            "resources": [
                {
                    "address": f"{SERVICE}.main",
                    "expressions": {"template": [{"containers": [{"image": expression}]}]},
                }
            ],
            "variables": {"image": {}},
        },
    }
    return {
        "format_version": "1.2",
        "terraform_version": "1.11.4",
        "timestamp": "2026-11-27T12:00:00Z",
        "variables": {} if image is None else {"image": {"value": image}},
        "resource_changes": list(changes),
        "resource_drift": list(drift),
        "configuration": {"root_module": {"module_calls": {"service": call}}},
        **fields,
    }
