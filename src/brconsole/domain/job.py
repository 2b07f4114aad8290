"""Cloud Run jobs and their executions, as read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class ExecutionState(StrEnum):
    """How far an execution of a job is."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class LiveJob:
    """A job as read for a write."""

    name: str
    version: str
    """The v1 `resourceVersion`: opaque, never parsed, never ordered."""
    image: str
    """As configured, with its digest where it is pinned (`…@sha256:…`)."""
    annotations: Mapping[str, str] = field(hash=False)
    server_time: datetime
    """The Date of the answer."""
    service_account: str = ""
    max_retries: int | None = None


@dataclass(frozen=True, slots=True)
class Execution:
    """One execution of a job."""

    name: str
    """The short one, such as `migrate-db-x7k2p`."""
    job: str
    state: ExecutionState
    image: str
    args: tuple[str, ...]
    env: Mapping[str, str] = field(hash=False)
    """The plain variables of its container; secrets are references and not among them."""
    created: datetime | None = None
    completed: datetime | None = None
    succeeded_count: int = 0
    task_count: int = 1
    message: str = ""
    log_uri: str = ""

    @property
    def mode(self) -> str:
        """What the migration job was asked for (`status`, `plan`, `run`), empty where it was not told."""
        return self.args[0] if self.args else ""

    @property
    def under_way(self) -> bool:
        """Whether it may still do something: what is not known to have ended has not."""
        return self.state is ExecutionState.RUNNING or (self.state is ExecutionState.UNKNOWN and self.completed is None)

    @property
    def succeeded(self) -> bool:
        """Whether every task of it succeeded; its state alone is no proof."""
        return self.state is ExecutionState.SUCCEEDED and self.succeeded_count == self.task_count


@dataclass(frozen=True, slots=True)
class JobLine:
    """One line that an execution logged. `fields` is the JSON object where it is one, else empty."""

    at: datetime
    severity: str
    text: str
    fields: Mapping[str, object] = field(default_factory=dict, hash=False)
    id: str = ""
    """The insertId, by which a line read twice is known."""


def digest_of(image: str) -> str | None:
    """The digest that an image is pinned to, None where it is not."""
    name, found, digest = image.rpartition("@")
    return digest if found and name and digest.startswith("sha256:") else None


def repository_of(image: str) -> str:
    """An image without its tag and digest."""
    name = image.partition("@")[0]
    head, slash, last = name.rpartition("/")
    return f"{head}{slash}{last.partition(':')[0]}"
