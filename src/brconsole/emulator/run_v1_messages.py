"""The simulated services and revisions as the Knative objects of Cloud Run Admin v1, and back.

The names are those of the v1 REST reference (https://cloud.google.com/run/docs/reference/rest/v1); what a `replace`
may not ask for is refused by its path, as in v2.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterable, Mapping
from typing import Any

from brconsole.emulator.clock import rfc3339
from brconsole.emulator.errors import invalid_argument, unimplemented
from brconsole.emulator.run_checks import REJECTED_PREFIXES
from brconsole.simulation.model import Condition, Project, Revision, Service, Target, Template

GROUP = "serving.knative.dev/v1"
SERVICE_LABEL = "serving.knative.dev/service"
_CONFIGURATION_LABEL = "serving.knative.dev/configuration"
LOCATION_LABEL = "cloud.googleapis.com/location"
CREATOR = "serving.knative.dev/creator"
MODIFIER = "serving.knative.dev/lastModifier"
_MIN_SCALE = "autoscaling.knative.dev/minScale"
_MAX_SCALE = "autoscaling.knative.dev/maxScale"
_AFFINITY = "run.googleapis.com/sessionAffinity"
UNUSED = frozenset(
    {
        MODIFIER,
        "run.googleapis.com/client-name",
        "run.googleapis.com/client-version",
        "run.googleapis.com/operation-id",
    }
)
"""What the server writes anew with each change, and what clients write about themselves: Google keeps the latter, the
simulation has no use for it.
"""

_TIMEOUT_S = 300
_LIMITS = {"cpu": "1000m", "memory": "512Mi"}
_STATUS = {"succeeded": "True", "failed": "False"}


def version_number(service: Service) -> int:
    """The version of a service as its conflicts tell it: Google's look like microseconds since the epoch."""
    return int(service.updated) * 1_000_000 + service.generation % 1_000_000


def resource_version(service: Service) -> str:
    """The version as an object shows it: opaque, and not the number of the conflicts (facts §2)."""
    return opaque_version(version_number(service))


def opaque_version(number: int) -> str:
    """A version as an object shows it."""
    return base64.urlsafe_b64encode(number.to_bytes(8, "big")).decode().rstrip("=")


def shown_version(text: str) -> str:
    """A `resourceVersion` as a conflict tells it; one that was never given out is told as it came."""
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return text
    return str(int.from_bytes(raw, "big")) if len(raw) == 8 else text


# --------------------------------------------------------------------------------------------------------------- out


def service_document(project: Project, service: Service) -> dict[str, Any]:
    """A service: `spec` is asked for, `status` is observed."""
    latest = {
        "latestReadyRevisionName": service.latest_ready,
        "latestCreatedRevisionName": service.latest_created,
    }
    return {
        "apiVersion": GROUP,
        "kind": "Service",
        "metadata": {
            "name": service.name,
            "namespace": str(project.number),
            "selfLink": f"/apis/{GROUP}/namespaces/{project.number}/services/{service.name}",
            "uid": service.uid,
            "resourceVersion": resource_version(service),
            "generation": service.generation,
            "creationTimestamp": rfc3339(service.created),
            "labels": {**service.labels, LOCATION_LABEL: project.region},
            "annotations": {**service.annotations, **_system_annotations(service)},
        },
        # The template shows no name: as after a change in the Cloud console (facts §2).
        "spec": {"template": template_document(service.template), "traffic": traffic_document(service.traffic)},
        "status": {
            # Knative counts a generation as observed once it was worked on, whether that succeeded or not.
            "observedGeneration": service.observed_generation if service.reconciling else service.generation,
            "conditions": [condition_document(condition) for condition in service.conditions],
            **{name: revision for name, revision in latest.items() if revision is not None},
            "traffic": [_status_document(target, service) for target in service.serving],
            "url": service.uri,
            "address": {"url": service.uri},
        },
    }


def _system_annotations(service: Service) -> dict[str, str]:
    return {
        CREATOR: service.creator,
        MODIFIER: service.last_modifier,
        "run.googleapis.com/ingress": "all",
        "run.googleapis.com/ingress-status": "all",
        "run.googleapis.com/urls": json.dumps([service.uri]),
    }


def template_document(template: Template) -> dict[str, Any]:
    """What a revision runs, as a RevisionTemplate."""
    annotations = {_MAX_SCALE: str(template.max_instances)}
    if template.min_instances:
        annotations[_MIN_SCALE] = str(template.min_instances)
    if template.session_affinity:
        annotations[_AFFINITY] = "true"
    return {"metadata": {"annotations": annotations}, "spec": _revision_spec(template)}


def _revision_spec(template: Template) -> dict[str, Any]:
    return {
        "containerConcurrency": template.concurrency,
        "timeoutSeconds": _TIMEOUT_S,
        "serviceAccountName": template.service_account,
        "containers": [
            {
                "image": template.image,
                "ports": [{"name": "http1", "containerPort": 8080}],
                "env": [{"name": name, "value": value} for name, value in template.env.items()],
                "resources": {"limits": dict(_LIMITS)},
            }
        ],
    }


def traffic_document(targets: Iterable[Target]) -> list[dict[str, Any]]:
    """Desired traffic; a percent of 0 is left out, as Google does."""
    return [
        {
            **({"latestRevision": True} if target.revision is None else {"revisionName": target.revision}),
            **({"percent": target.percent} if target.percent else {}),
            **({"tag": target.tag} if target.tag else {}),
        }
        for target in targets
    ]


def _status_document(target: Target, service: Service) -> dict[str, Any]:
    (document,) = traffic_document([target])
    if target.revision is None and service.latest_ready is not None:
        document["revisionName"] = service.latest_ready
    if target.tag:
        document["url"] = service.uri.replace("https://", f"https://{target.tag}---", 1)
    return document


def revision_document(project: Project, revision: Revision, *, active: bool) -> dict[str, Any]:
    """A revision; `active` is whether traffic or a tag leads to it."""
    template = template_document(revision.template)
    return {
        "apiVersion": GROUP,
        "kind": "Revision",
        "metadata": {
            "name": revision.name,
            "namespace": str(project.number),
            "selfLink": f"/apis/{GROUP}/namespaces/{project.number}/revisions/{revision.name}",
            "uid": revision.uid,
            "resourceVersion": revision.uid,
            "generation": 1,
            "creationTimestamp": rfc3339(revision.created),
            "labels": {
                **revision.labels,
                SERVICE_LABEL: revision.service,
                _CONFIGURATION_LABEL: revision.service,
                LOCATION_LABEL: project.region,
            },
            "annotations": {**template["metadata"]["annotations"]},
        },
        "spec": template["spec"],
        "status": {
            "observedGeneration": 1,
            "imageDigest": revision.template.image,
            "serviceName": revision.service,
            "conditions": [
                *(condition_document(condition) for condition in revision.conditions),
                {
                    "type": "Active",
                    "status": "True" if active else "False",
                    "severity": "Info",
                    "lastTransitionTime": rfc3339(revision.created),
                    **({} if active else {"reason": "Retired", "message": "Revision retired."}),
                },
            ],
        },
    }


def condition_document(condition: Condition) -> dict[str, Any]:
    """A condition."""
    document = {
        "type": condition.type,
        "status": _STATUS.get(condition.state, "Unknown"),
        "lastTransitionTime": rfc3339(condition.changed),
    }
    if condition.reason:
        # v1 writes HealthCheckContainerError where v2 has HEALTH_CHECK_CONTAINER_ERROR.
        document["reason"] = "".join(word.capitalize() for word in condition.reason.split("_"))
    if condition.message:
        document["message"] = condition.message
    return document


# ---------------------------------------------------------------------------------------------------------------- in


def child(document: Mapping[str, Any], key: str, kind: type[Any], path: str) -> Any:
    """A part of a JSON object, empty where it is missing or null; raises where it is of another kind."""
    value = document.get(key)
    if value is None:
        return kind()
    if not isinstance(value, kind) or isinstance(value, bool) is not (kind is bool):
        raise invalid_argument(f"Invalid value at '{path}.{key}': {json.dumps(value)[:80]}", f"{path}.{key}")
    return value


def checked_head(wanted: Mapping[str, Any], group: str, kind: str, name: str, project: Project) -> Mapping[str, Any]:
    """The metadata of a document, once it is sure that it is of this kind and of the object of the path."""
    path = kind.lower()
    for key, value in (("apiVersion", group), ("kind", kind)):
        if wanted.get(key) != value:
            raise invalid_argument(f"Invalid value at '{path}.{key}': want {value!r}.", key)
    metadata: Mapping[str, Any] = child(wanted, "metadata", dict, path)
    for key, allowed in (("name", {name}), ("namespace", {project.id, str(project.number), ""})):
        found = child(metadata, key, str, "metadata")
        if found not in allowed:
            raise invalid_argument(
                f"metadata.{key} {found!r} does not match the name in the request path.", f"metadata.{key}"
            )
    return metadata


def texts(document: Mapping[str, Any], key: str, path: str) -> dict[str, str]:
    """A map of texts."""
    found = child(document, key, dict, path)
    for name, value in found.items():
        if not isinstance(value, str):
            raise invalid_argument(f"Invalid value at '{path}.{key}[{name}]' (TYPE_STRING)", f"{path}.{key}")
    return dict(found)


def user_annotations(project: Project, service: Service, given: Mapping[str, str]) -> dict[str, str]:
    """The annotations of a replace without Google's own; raises where it wants to change one of those."""
    present = service_document(project, service)["metadata"]["annotations"]
    return own_keys(given, present, "metadata.annotations")


def user_labels(project: Project, service: Service, given: Mapping[str, str]) -> dict[str, str]:
    """The labels of a replace without Google's own."""
    present = service_document(project, service)["metadata"]["labels"]
    return own_keys(given, present, "metadata.labels")


def own_keys(given: Mapping[str, str], present: Mapping[str, str], path: str) -> dict[str, str]:
    """The keys of a caller's own; raises where Google's are not as they are present."""
    own = {}
    for key, value in given.items():
        prefix, slash, _ = key.partition("/")
        if not slash or not any(prefix == one or prefix.endswith(f".{one}") for one in REJECTED_PREFIXES):
            own[key] = value
        elif key == CREATOR and present.get(key) != value:
            raise invalid_argument(f"annotation value is immutable: {path}.{key}", path)
        elif key not in UNUSED and present.get(key) != value:
            raise unimplemented(f"{path}[{key}]: this value is not part of the embedded Google Cloud.")
    return own


def template_from(document: Mapping[str, Any]) -> tuple[Template, str]:
    """What a RevisionTemplate asks for and the revision name it gives; raises for what the simulation has not."""
    path = "spec.template"
    metadata, spec = child(document, "metadata", dict, path), child(document, "spec", dict, path)
    annotations = texts(metadata, "annotations", f"{path}.metadata")
    containers = child(spec, "containers", list, f"{path}.spec")
    if not containers or not isinstance(containers[0], dict):
        raise invalid_argument(f"missing field(s): {path}.spec.containers", f"{path}.spec.containers")
    first = f"{path}.spec.containers[0]"
    image = child(containers[0], "image", str, first)
    if not image:
        raise invalid_argument(f"missing field(s): {first}.image", f"{first}.image")
    template = Template(
        image=image,
        digest=image.partition("@")[2],
        service_account=child(spec, "serviceAccountName", str, f"{path}.spec"),
        min_instances=_whole(annotations.get(_MIN_SCALE, "0"), _MIN_SCALE),
        max_instances=_whole(annotations.get(_MAX_SCALE, "100"), _MAX_SCALE),
        concurrency=child(spec, "containerConcurrency", int, f"{path}.spec") or 80,
        session_affinity=annotations.get(_AFFINITY) == "true",
        env=dict(_variable(one, first) for one in child(containers[0], "env", list, first)),
    )
    rendered = template_document(template)
    wanted = {
        "metadata": {"annotations": {key: value for key, value in annotations.items() if key not in UNUSED}},
        "spec": spec,
    }
    for where in differences(wanted, rendered, path):
        raise unimplemented(f"{where}: this value is not part of the embedded Google Cloud.")
    return template, child(metadata, "name", str, f"{path}.metadata")


def _variable(document: Any, path: str) -> tuple[str, str]:
    if not isinstance(document, dict):
        raise invalid_argument(f"Invalid value at '{path}.env'", f"{path}.env")
    return child(document, "name", str, f"{path}.env"), child(document, "value", str, f"{path}.env")


def _whole(text: str, key: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise invalid_argument(f"invalid value: {text}: {key}", "spec.template.metadata.annotations")
    return int(text)


def differences(given: Any, rendered: Any, path: str) -> Iterable[str]:
    """The paths of what is asked for and not to be had. What is empty asks for nothing."""
    if given in (None, "", 0, [], {}):
        return
    if isinstance(given, dict) and isinstance(rendered, dict):
        for key, value in given.items():
            yield from differences(value, rendered.get(key), f"{path}.{key}")
    elif isinstance(given, list) and isinstance(rendered, list) and len(given) == len(rendered):
        for index, (one, two) in enumerate(zip(given, rendered, strict=True)):
            yield from differences(one, two, f"{path}[{index}]")
    elif given != rendered:
        yield path


def traffic_from(documents: Iterable[Any]) -> tuple[Target, ...]:
    """Desired traffic, refused in Knative's words where it is no split (TrafficTarget.Validate and
    validateTrafficList, knative.dev/serving pkg/apis/serving/v1).

    Whether the revisions exist is for the world to say. No target at all is all traffic to the latest ready revision.
    """
    targets = [_target(document, f"spec.traffic[{index}]") for index, document in enumerate(documents)]
    seen: dict[str, int] = {}
    for index, target in enumerate(targets):
        if target.tag in seen:
            paths = f"spec.traffic[{index}].tag, spec.traffic[{seen[target.tag]}].tag"
            raise invalid_argument(f'Multiple definitions for "{target.tag}": {paths}', f"spec.traffic[{index}].tag")
        if target.tag is not None:
            seen[target.tag] = index
    total = sum(target.percent for target in targets)
    if targets and total != 100:
        raise invalid_argument(f"Traffic targets sum to {total}, want 100: spec.traffic", "spec.traffic")
    return tuple(targets)


def _target(document: Any, path: str) -> Target:
    if not isinstance(document, dict):
        raise invalid_argument(f"Invalid value at '{path}'", path)
    for key in document:
        if key not in ("revisionName", "latestRevision", "percent", "tag", "configurationName", "url"):
            raise invalid_argument(
                f"Invalid JSON payload received. Unknown name \"{key}\" at 'service.{path}': Cannot find field.", path
            )
    for key in ("configurationName", "url"):
        if document.get(key):
            raise invalid_argument(f"must not set the field(s): {path}.{key}", f"{path}.{key}")
    revision, tag = child(document, "revisionName", str, path), child(document, "tag", str, path)
    if document.get("latestRevision") is not None:
        latest = child(document, "latestRevision", bool, path)
        if latest is bool(revision):
            raise invalid_argument(
                f'may not set revisionName "{revision}" when latestRevision is {str(latest).lower()}: '
                f"{path}.latestRevision",
                f"{path}.latestRevision",
            )
    percent = child(document, "percent", int, path)
    if not 0 <= percent <= 100:
        raise invalid_argument(f"expected 0 <= {percent} <= 100: {path}.percent", f"{path}.percent")
    return Target(revision or None, percent, tag or None)
