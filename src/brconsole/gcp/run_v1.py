"""Cloud Run Admin API v1 over REST: one service read, and replaced under its `resourceVersion`.

Facts: reference/google-cloud-facts.md §2. Google serves it on a host of the region. Field names are those of
https://cloud.google.com/run/docs/reference/rest/v1/namespaces.services.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from brconsole.domain.service import Service
from brconsole.domain.text import clean
from brconsole.domain.traffic import TrafficTarget
from brconsole.gcp.apis import GET_SERVICE_V1, REPLACE_SERVICE_V1
from brconsole.gcp.caller import Caller
from brconsole.gcp.errors import UnreadableReplyError
from brconsole.gcp.run_v1_objects import V1Objects

if TYPE_CHECKING:
    import httpx

_GOOGLES_OWN = ("run.googleapis.com", "cloud.googleapis.com", "serving.knative.dev", "autoscaling.knative.dev")
_AFFINITY = "run.googleapis.com/sessionAffinity"
_VERDICTS = {"True": True, "False": False}
_WORD_START = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


@dataclass(frozen=True, slots=True)
class ServiceDocument:
    """A service as v1 showed it, whole, and when that was by the server's Date (None where it told none)."""

    content: Mapping[str, Any]
    at: datetime | None

    @property
    def version(self) -> str:
        """The opaque `resourceVersion`."""
        return str(self.content["metadata"]["resourceVersion"])

    @property
    def runtime_account(self) -> str:
        """The service account that its revisions run as."""
        return str(self.content["spec"]["template"]["spec"].get("serviceAccountName") or "")

    def service(self) -> Service:
        """The same service as v2 shows it. v1 does not tell when it was last written."""
        return _service(self.content)

    def replaced(self, traffic: Iterable[TrafficTarget], annotations: Mapping[str, str | None]) -> dict[str, Any]:
        """What to send in its place: only traffic and annotations are others, and there is no status.

        A template without a name would mint a revision, so it is pinned to the newest one (facts §2).
        """
        fresh: dict[str, Any] = copy.deepcopy(dict(self.content))
        status = fresh.pop("status", None) or {}
        kept = fresh["metadata"]["annotations"] = fresh["metadata"].get("annotations") or {}
        for key, value in annotations.items():
            if value is None:
                kept.pop(key, None)
            else:
                kept[key] = value
        fresh["spec"]["traffic"] = [_target_document(target) for target in traffic]
        template = fresh["spec"]["template"]
        template["metadata"] = template.get("metadata") or {}
        if not template["metadata"].get("name") and (newest := status.get("latestCreatedRevisionName")):
            template["metadata"]["name"] = newest
        return fresh


class RunV1(V1Objects[ServiceDocument]):
    """The services of one region."""

    def __init__(self, caller: Caller, project: str, region: str) -> None:
        folder = f"/apis/serving.knative.dev/v1/namespaces/{quote(project, safe='')}/services/"
        super().__init__(caller, region, folder, GET_SERVICE_V1, REPLACE_SERVICE_V1, _document)


def _document(response: httpx.Response) -> ServiceDocument:
    content = json.loads(response.content)
    if not isinstance(content, dict) or content.get("kind") != "Service":
        raise UnreadableReplyError("it is no service")
    found = ServiceDocument(content, server_date(response.headers.get("date")))
    # Read once, so that what a service lacks is told while it is known whose answer it was.
    found.service()
    if not found.version:
        raise UnreadableReplyError("the service has no resourceVersion")
    return found


def server_date(text: str | None) -> datetime | None:
    """The Date of an answer."""
    try:
        found = parsedate_to_datetime(text) if text else None
    except ValueError:
        return None
    return found if found is not None and found.tzinfo is not None else None


def _service(content: Mapping[str, Any]) -> Service:
    metadata, spec, status = content["metadata"], content["spec"], content.get("status") or {}
    annotations: Mapping[str, str] = metadata.get("annotations") or {}
    template = spec["template"]
    ready: Mapping[str, Any] = next((one for one in status.get("conditions") or () if one["type"] == "Ready"), {})
    generation, observed = int(metadata["generation"]), int(status.get("observedGeneration") or 0)
    # Knative says "Unknown" while it works.
    reconciling = generation != observed or ready.get("status") not in _VERDICTS
    verdict = None if reconciling else _VERDICTS[ready["status"]]
    return Service(
        name=str(metadata["name"]),
        uri=clean(str(status.get("url") or "")) or None,
        ready=verdict,
        reason=_why(ready) if verdict is not True else None,
        reconciling=reconciling,
        generation=generation,
        observed_generation=observed,
        etag="",
        created=datetime.fromisoformat(metadata["creationTimestamp"]),
        updated=_changed(ready) if generation == observed else None,
        last_modifier=clean(annotations.get("serving.knative.dev/lastModifier", "")) or None,
        latest_ready=status.get("latestReadyRevisionName") or None,
        latest_created=status.get("latestCreatedRevisionName") or None,
        desired=tuple(_target(one) for one in spec.get("traffic") or ()),
        serving=tuple(_target(one) for one in status.get("traffic") or ()),
        labels=users_own(metadata.get("labels") or {}),
        annotations=users_own(annotations),
        session_affinity=((template.get("metadata") or {}).get("annotations") or {}).get(_AFFINITY) == "true",
    )


def _changed(ready: Mapping[str, Any]) -> datetime | None:
    """When the service last began or ended to reconcile: v1 tells no time of the change itself."""
    try:
        return datetime.fromisoformat(ready["lastTransitionTime"])
    except (KeyError, TypeError, ValueError):
        return None


def users_own(values: Mapping[str, str]) -> dict[str, str]:
    """Without Google's own, which v2 shows as fields."""
    return {key: value for key, value in values.items() if not _is_googles(key)}


def _is_googles(key: str) -> bool:
    prefix, slash, _ = key.partition("/")
    return bool(slash) and any(prefix == own or prefix.endswith(f".{own}") for own in _GOOGLES_OWN)


def _target(document: Mapping[str, Any]) -> TrafficTarget:
    # An observed entry on the latest revision names that revision too.
    revision = None if document.get("latestRevision") else document.get("revisionName")
    return TrafficTarget(revision or None, int(document.get("percent") or 0), document.get("tag") or None)


def _target_document(target: TrafficTarget) -> dict[str, Any]:
    document: dict[str, Any] = (
        {"latestRevision": True} if target.revision is None else {"revisionName": target.revision}
    )
    if target.percent:
        document["percent"] = target.percent
    if target.tag:
        document["tag"] = target.tag
    return document


def _why(condition: Mapping[str, Any]) -> str | None:
    """Reason and message as v2 words them: HealthCheckContainerError is HEALTH_CHECK_CONTAINER_ERROR there."""
    reason = _WORD_START.sub("_", clean(str(condition.get("reason") or ""))).upper()
    words = clean(str(condition.get("message") or ""))
    return f"{reason}: {words}" if reason and words else reason or words or None
