"""What Cloud Run refuses in an update of a service, in Google's words (reference/google-cloud-facts.md §1.1, §1.3).

Where the facts have no wording, the sentence is ours and says the rule.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import grpc
from google.cloud import run_v2

from brconsole.emulator.cloud import Cloud
from brconsole.emulator.errors import ApiError, error_info, invalid_argument, not_found, unimplemented
from brconsole.emulator.run_messages import is_to_latest, is_to_revision
from brconsole.simulation.jobs import TaskTemplate
from brconsole.simulation.model import Project, Template

REJECTED_PREFIXES = (
    "run.googleapis.com",
    "cloud.googleapis.com",
    "serving.knative.dev",
    "autoscaling.knative.dev",
)
"""Key prefixes that v2 does not take in annotations and labels."""

_OUTPUT_ONLY = frozenset(
    {
        "uid", "generation", "create_time", "update_time", "delete_time", "expire_time", "creator",
        "last_modifier", "urls", "observed_generation", "terminal_condition", "conditions",
        "latest_ready_revision", "latest_created_revision", "traffic_statuses", "uri", "satisfies_pzs",
        "threat_detection_enabled", "reconciling",
    }
)  # fmt: skip
"""Fields of Service that only the server writes; a mask may name them, without effect (AIP-134)."""

_FIELDS = run_v2.Service.pb().DESCRIPTOR.fields_by_name
_TAG = re.compile(r"[a-z](?:[-a-z0-9]*[a-z0-9])?")
_TAG_LENGTH = 46
_KEY_NAME = re.compile(r"[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
_KEY_PREFIX = re.compile(r"[a-z0-9](?:[-a-z0-9.]{0,251}[a-z0-9])?")
_LABEL_KEY = re.compile(r"[a-z][-_a-z0-9]{0,62}")
_LABEL_VALUE = re.compile(r"[-_a-z0-9]{0,63}")
_ANNOTATIONS_BYTES = 256 * 1024

WRITABLE = ("traffic", "annotations", "labels", "template")
"""The parts of a service that the simulation can change."""


def written_paths(mask: Sequence[str]) -> frozenset[str]:
    """The parts that a mask asks to write, such as `traffic` or `template.service_account`.

    An empty mask and `*` write the whole object. A path that is no field of Service is INVALID_ARGUMENT; one that
    Google knows and the simulation cannot change is UNIMPLEMENTED.
    """
    if not mask or "*" in mask:
        return frozenset(WRITABLE)
    paths = set()
    for path in mask:
        parts = path.split(".")
        _check_path(path, parts)
        if parts[0] in _OUTPUT_ONLY or parts[0] in ("name", "etag"):
            continue
        if parts[0] not in WRITABLE:
            raise unimplemented(f"Updating {path!r} is not part of the embedded Google Cloud.")
        paths.add(path)
    return frozenset(paths)


def _check_path(path: str, parts: Sequence[str]) -> None:
    fields: Mapping[str, Any] | None = _FIELDS
    for part in parts:
        if fields is None or part not in fields:
            raise invalid_argument(
                f"Invalid update mask: {path!r} does not match any field of google.cloud.run.v2.Service.", "update_mask"
            )
        message = fields[part].message_type
        # A mask cannot reach into the elements of a list or a map.
        fields = None if message is None or fields[part].is_repeated else message.fields_by_name


def check_traffic(traffic: Sequence[Any]) -> None:
    """Refuse a split that Cloud Run refuses. Whether the revisions exist is for the world to say."""
    tags: dict[str, int] = {}
    for index, target in enumerate(traffic):
        where = f"traffic[{index}]"
        if not (is_to_latest(target) or is_to_revision(target)):
            raise invalid_argument(f"Missing required field: {where}.type.", f"{where}.type")
        if is_to_revision(target) and not target.revision:
            raise invalid_argument(f"Missing required field: {where}.revision.", f"{where}.revision")
        if is_to_latest(target) and target.revision:
            raise invalid_argument(
                f"Invalid value at {where}.revision: a target of type LATEST must not name a revision.",
                f"{where}.revision",
            )
        if not 0 <= target.percent <= 100:
            raise invalid_argument(f"expected 0 <= {target.percent} <= 100: {where}.percent", f"{where}.percent")
        if target.tag:
            check_tag(target.tag, where)
            if target.tag in tags:
                raise invalid_argument(
                    f'Multiple definitions for "{target.tag}": traffic[{tags[target.tag]}].tag, {where}.tag',
                    f"{where}.tag",
                )
            tags[target.tag] = index
    total = sum(target.percent for target in traffic)
    # No target at all means all traffic to the latest ready revision.
    if traffic and total != 100:
        raise invalid_argument(f"Traffic targets sum to {total}, want 100", "traffic")


def check_tag(tag: str, where: str) -> None:
    """Refuse a tag that cannot be part of a host name."""
    if len(tag) > _TAG_LENGTH or not _TAG.fullmatch(tag):
        raise invalid_argument(
            f"Invalid value {tag!r} at {where}.tag: a traffic tag starts with a letter, holds only lower case letters, "
            f"digits and hyphens, does not end with a hyphen and has at most {_TAG_LENGTH} characters.",
            f"{where}.tag",
        )


def check_annotations(annotations: Mapping[str, str], present: Mapping[str, str]) -> None:
    """Refuse keys of Google's own, unless they were there before, and what breaks Kubernetes' rules."""
    for key, value in annotations.items():
        _check_prefix("annotations", key, present.get(key) == value)
        prefix, slash, name = key.rpartition("/")
        if not _KEY_NAME.fullmatch(name) or (slash and not _KEY_PREFIX.fullmatch(prefix)):
            raise invalid_argument(
                f"Invalid annotation key {key!r}: name part must be a qualified name.", "annotations"
            )
    size = sum(len(key.encode()) + len(value.encode()) for key, value in annotations.items())
    if size > _ANNOTATIONS_BYTES:
        text = f"annotations: Too long: must have at most {_ANNOTATIONS_BYTES} bytes, got {size}."
        raise invalid_argument(text, "annotations")


def check_labels(labels: Mapping[str, str], present: Mapping[str, str]) -> None:
    """Refuse labels that Google Cloud refuses."""
    for key, value in labels.items():
        _check_prefix("labels", key, present.get(key) == value)
        if present.get(key) != value and not (_LABEL_KEY.fullmatch(key) and _LABEL_VALUE.fullmatch(value)):
            raise invalid_argument(
                f"Invalid label {key!r}={value!r}: keys and values hold lower case letters, digits, _ and -, up to 63.",
                "labels",
            )


def _check_prefix(field: str, key: str, unchanged: bool) -> None:
    prefix = key.partition("/")[0]
    if "/" in key and not unchanged and any(prefix == one or prefix.endswith(f".{one}") for one in REJECTED_PREFIXES):
        raise invalid_argument(
            f"Invalid value {key!r} in {field}: Cloud Run API v2 does not support the prefix {prefix!r}.",
            field,
        )


def unknown_revision(revision: str) -> ApiError:
    """A target that does not exist. The sentence is Google's; that it comes with INVALID_ARGUMENT at once is not
    verified.
    """
    return invalid_argument(
        f"Revision '{revision}' does not exist or is deleted. "
        "Update all traffic to route to currently available revisions.",
        "traffic",
    )


def other_configuration(revision: str) -> ApiError:
    """The trap of every whole-object update that echoes a template (facts §1.3)."""
    return ApiError(
        grpc.StatusCode.ALREADY_EXISTS, f"Revision named '{revision}' with different configuration already exists."
    )


def conflict(service: str, specified: str, current: str) -> ApiError:
    """The version that a write is based on is not the live one."""
    return ApiError(
        grpc.StatusCode.ABORTED,
        f"Conflict for resource '{service}': version '{specified}' was specified but current version is '{current}'.",
    )


def missing(kind: str, name: str, region: str, project: str) -> ApiError:
    """A resource that does not exist."""
    return not_found(f"Resource '{name}' of kind '{kind}' in region '{region}' in project '{project}' does not exist.")


def in_region(project: Project | None, region: str) -> Project | None:
    """The project, where the region is the one it runs in; another region holds nothing."""
    return project if project is not None and project.region == region else None


def may_run(cloud: Cloud, project: Project, template: Template | TaskTemplate) -> None:
    """Who changes a service or a job acts as its runtime account and reads its image; each update checks both (facts
    §4).
    """
    if "iam.serviceAccounts.actAs" in cloud.denied:
        account = template.service_account
        raise ApiError(
            grpc.StatusCode.PERMISSION_DENIED,
            f"Permission 'iam.serviceaccounts.actAs' denied on service account {account} (or it may not exist).",
            [
                error_info(
                    "IAM_PERMISSION_DENIED",
                    "iam.googleapis.com",
                    permission="iam.serviceAccounts.actAs",
                    resource=f"projects/{project.id}/serviceAccounts/{account}",
                )
            ],
        )
    cloud.require("artifactregistry.repositories.downloadArtifacts", template.image)
