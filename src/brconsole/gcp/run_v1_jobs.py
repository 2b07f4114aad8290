"""Cloud Run Admin API v1 over REST: one job read, and replaced under its `resourceVersion`.

Facts: reference/google-cloud-facts.md §2, §9. Field names are those of
https://cloud.google.com/run/docs/reference/rest/v1/namespaces.jobs.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from brconsole.gcp.apis import GET_JOB_V1, REPLACE_JOB_V1
from brconsole.gcp.caller import Caller
from brconsole.gcp.errors import UnreadableReplyError
from brconsole.gcp.run_v1 import server_date, users_own
from brconsole.gcp.run_v1_objects import V1Objects

if TYPE_CHECKING:
    import httpx


@dataclass(frozen=True, slots=True)
class JobDocument:
    """A job as v1 showed it, whole, and when that was by the server's Date (None where it told none)."""

    content: Mapping[str, Any]
    at: datetime | None

    @property
    def name(self) -> str:
        """The short name."""
        return str(self.content["metadata"]["name"])

    @property
    def version(self) -> str:
        """The opaque `resourceVersion`."""
        return str(self.content["metadata"]["resourceVersion"])

    @property
    def annotations(self) -> dict[str, str]:
        """The users' own; Google's are left out, as v2 does."""
        return users_own(self.content["metadata"].get("annotations") or {})

    @property
    def image(self) -> str:
        """What its container runs, as configured."""
        return str(_container(_task(self.content))["image"])

    @property
    def runtime_account(self) -> str:
        """The service account that its executions run as."""
        return str(_task(self.content).get("serviceAccountName") or "")

    @property
    def max_retries(self) -> int | None:
        """None where the document leaves it to Google's default (facts §9: 3)."""
        value = _task(self.content).get("maxRetries")
        return None if value is None else int(value)

    def asks_the_same(self, other: JobDocument) -> bool:
        """Whether only the status is another one, and with it the version."""
        return bool(_asked(self.content) == _asked(other.content))

    def replaced(self, image: str | None, annotations: Mapping[str, str | None]) -> dict[str, Any]:
        """What to send in its place: only the image, the annotations and the retries (none) are others, and there is
        no status.
        """
        fresh: dict[str, Any] = copy.deepcopy(dict(self.content))
        fresh.pop("status", None)
        kept = fresh["metadata"]["annotations"] = fresh["metadata"].get("annotations") or {}
        for key, value in annotations.items():
            if value is None:
                kept.pop(key, None)
            else:
                kept[key] = value
        task = _task(fresh)
        task["maxRetries"] = 0
        if image is not None:
            _container(task)["image"] = image
        return fresh


class RunV1Jobs(V1Objects[JobDocument]):
    """The jobs of one region."""

    def __init__(self, caller: Caller, project: str, region: str) -> None:
        folder = f"/apis/run.googleapis.com/v1/namespaces/{quote(project, safe='')}/jobs/"
        super().__init__(caller, region, folder, GET_JOB_V1, REPLACE_JOB_V1, _document)


def _document(response: httpx.Response) -> JobDocument:
    content = json.loads(response.content)
    if not isinstance(content, dict) or content.get("kind") != "Job":
        raise UnreadableReplyError("it is no job")
    found = JobDocument(content, server_date(response.headers.get("date")))
    if not found.version:
        raise UnreadableReplyError("the job has no resourceVersion")
    # Read once, so that what a job lacks is told while it is known whose answer it was.
    _ = found.name, found.image, found.annotations, found.max_retries
    return found


def _asked(content: Mapping[str, Any]) -> Any:
    metadata = {key: value for key, value in content["metadata"].items() if key != "resourceVersion"}
    return {**{key: value for key, value in content.items() if key != "status"}, "metadata": metadata}


def _task(content: Mapping[str, Any]) -> Any:
    """The TaskSpec within the templates of a JobSpec."""
    return content["spec"]["template"]["spec"]["template"]["spec"]


def _container(task: Any) -> Any:
    containers = task["containers"]
    if len(containers) != 1:
        raise UnreadableReplyError(f"its job has {len(containers)} containers where one is wanted")
    return containers[0]
