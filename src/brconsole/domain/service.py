"""Cloud Run services and their revisions, as read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from brconsole.domain import traffic
from brconsole.domain.traffic import TrafficRow, TrafficTarget


@dataclass(frozen=True, slots=True)
class Revision:
    """A revision. `ready` is None while Cloud Run has not decided; `reason` says why it is not ready."""

    name: str
    service: str
    image: str
    digest: str | None
    created: datetime | None
    ready: bool | None
    reason: str | None = None
    message: str | None = None
    service_account: str | None = None
    min_instances: int = 0


@dataclass(frozen=True, slots=True)
class Service:
    """A Cloud Run service: intent (`desired`) and truth (`serving`) are two things."""

    name: str
    uri: str | None
    ready: bool | None
    """Whether the latest revision's terminal condition succeeded; None while reconciling."""
    reason: str | None
    reconciling: bool
    generation: int
    observed_generation: int
    etag: str
    created: datetime | None
    updated: datetime | None
    last_modifier: str | None
    latest_ready: str | None
    """Short name of the latest ready revision."""
    latest_created: str | None
    desired: tuple[TrafficTarget, ...]
    serving: tuple[TrafficTarget, ...]
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    session_affinity: bool = False

    @property
    def is_worker(self) -> bool:
        """Workers take no requests: they are Cloud Run services named `worker-*` or labelled `role=worker` (DESIGN
        §8.10).
        """
        return self.name.startswith("worker-") or self.labels.get("role") == "worker"

    def traffic(self) -> tuple[TrafficRow, ...]:
        """Desired and serving split side by side; Cloud Run may leave out what serves while it reconciles, which is
        unread, not zero.
        """
        unread = self.reconciling and not self.serving
        return traffic.rows(self.desired, None if unread else self.serving, self.latest_ready)

    def desired_split(self) -> dict[str, int]:
        """Percent by revision that was asked for."""
        return traffic.normalise(self.desired, self.latest_ready)

    def serving_split(self) -> dict[str, int]:
        """Percent by revision that is served."""
        return traffic.observed(self.serving, self.latest_ready)

    @property
    def drift(self) -> bool:
        """Whether what is served is not what was asked for, and nobody is working on it."""
        return not self.reconciling and traffic.differs(self.desired_split(), self.serving_split())

    @property
    def pinned(self) -> bool:
        """Whether the next deploy gets 0 %: traffic names revisions, no split is under way, and a newer revision is
        ready (DESIGN §8.4).
        """
        split = self.serving_split()
        names_revisions = bool(self.desired) and all(target.revision for target in self.desired if target.percent)
        return names_revisions and len(split) == 1 and self.latest_ready is not None and self.latest_ready not in split


@dataclass(frozen=True, slots=True)
class Change:
    """Who changed what, from the audit log."""

    at: datetime
    service: str
    who: str
    what: str
    """A sentence such as `00042-def 0 → 5 %`."""
    split: Mapping[str, int] | None = field(default=None, compare=False)
    """Percent by revision that was asked for, None where the entry does not tell."""
