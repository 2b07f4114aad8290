"""A plan: one write as it is put to a person, on a captured name, with what it changes and how to do it by hand."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from brconsole.domain import traffic
from brconsole.domain.environment import Environment
from brconsole.domain.findings import told
from brconsole.domain.intent import ANNOTATION, Rollout, intent_of
from brconsole.domain.service import Service
from brconsole.domain.text import clean
from brconsole.domain.traffic import TrafficTarget


class Confirmation(StrEnum):
    """How a person says yes (DESIGN §5), from nothing to the most deliberate."""

    NONE = "none"
    YES_NO = "y/n"
    DIALOG = "dialog"
    TYPED = "typed"


@dataclass(frozen=True, slots=True)
class Base:
    """The service as it was read when the question was put."""

    etag: str
    generation: int
    seq: int | None
    """Of the rollout's record; None where there was none that could be read."""
    annotation: str | None
    desired: tuple[TrafficTarget, ...]
    latest_ready: str | None

    @property
    def split(self) -> dict[str, int]:
        """Percent by revision."""
        return traffic.normalise(self.desired, self.latest_ready)


@dataclass(frozen=True, slots=True)
class Plan:
    """One write to one service. Nothing in it follows a selection or a screen."""

    action: str
    """Dotted id, such as `traffic.shift`."""
    environment: str
    project: str
    region: str
    service: str
    base: Base
    after: tuple[TrafficTarget, ...]
    """The whole traffic list."""
    annotations: Mapping[str, str] | None = field(hash=False)
    """All annotations after the write; None leaves them alone."""
    reason: str
    requests_per_minute: float | None
    """Requests a minute that move to another revision; None where the rate is not known."""
    confirmation: Confirmation
    irreversible: bool = False
    emergency: bool = False
    """A rollback: exempt from freshness, lease, gates and metrics, and repeated on a conflict."""

    @property
    def before(self) -> dict[str, int]:
        """Percent by revision before the write."""
        return self.base.split

    @property
    def target(self) -> dict[str, int]:
        """Percent by revision after the write."""
        return traffic.normalise(self.after, self.base.latest_ready)

    @property
    def moved_percent(self) -> int:
        """The share of requests that another revision answers afterwards."""
        return moved_percent(self.before, self.target)

    @property
    def resource(self) -> str:
        """The service's full resource name."""
        return f"projects/{self.project}/locations/{self.region}/services/{self.service}"

    @property
    def blast_radius(self) -> str:
        """What moves, in words."""
        if not self.moved_percent:
            return "no request moves"
        if self.requests_per_minute is None:
            return f"{self.moved_percent} % of the requests move (how many is not known)"
        return f"{self.moved_percent} % of the requests move, about {self.requests_per_minute:,.0f} a minute"

    @property
    def api_call(self) -> str:
        """The call, as the journal and the dialog show it."""
        mask = "traffic" if self.annotations is None else "traffic,annotations"
        entries = ", ".join(_entry(target) for target in self.after)
        return f"run.services.update {self.resource} mask={mask} traffic=[{entries}]"

    @property
    def gcloud(self) -> str:
        """The equivalent command: the whole split, so that no arm that is not named keeps a share.

        gcloud rescales arms that `--to-revisions` does not name (google-cloud-facts §3), hence percents that sum to
        100. It cannot write the rollout's record.
        """
        split = ",".join(f"{name}={share}" for name, share in _ordered(self.target))
        words = ["gcloud", "run", "services", "update-traffic", self.service]
        words += [f"--project={self.project}", f"--region={self.region}", f"--to-revisions={split}"]
        before, after = _tags(self.base.desired), _tags(self.after)
        updated = ",".join(
            f"{tag}={revision}" for tag, revision in sorted(after.items()) if before.get(tag) != revision
        )
        removed = ",".join(sorted(set(before) - set(after)))
        words += [f"--update-tags={updated}"] if updated else []
        words += [f"--remove-tags={removed}"] if removed else []
        return shlex.join(words)


@dataclass(frozen=True, slots=True)
class Conflict:
    """The world changed since the question was put: what, in one sentence."""

    reason: str


def base_of(service: Service) -> Base:
    """What a plan remembers of the service that it was made from."""
    intent = intent_of(service)
    return Base(
        service.etag,
        service.generation,
        intent.seq if isinstance(intent, Rollout) else None,
        service.annotations.get(ANNOTATION),
        service.desired,
        service.latest_ready,
    )


def plan(
    action: str,
    environment: Environment,
    service: Service,
    after: tuple[TrafficTarget, ...],
    reason: str,
    confirmation: Confirmation,
    annotations: Mapping[str, str] | None = None,
    requests_per_s: float | None = None,
    irreversible: bool = False,
    emergency: bool = False,
) -> Plan:
    """A plan for a service as it was read. ValueError where the list is none that may be written."""
    check_traffic(after)
    moved = moved_percent(service.desired_split(), traffic.normalise(after, service.latest_ready))
    return Plan(
        action,
        environment.name,
        environment.project,
        environment.region,
        service.name,
        base_of(service),
        after,
        annotations,
        clean(reason, 500),
        None if requests_per_s is None else requests_per_s * 60 * moved / 100,
        confirmation,
        irreversible,
        emergency,
    )


def unchanged(
    environment: Environment, action: str, service: Service, reason: str = "", emergency: bool = False
) -> Plan:
    """The plan of what leaves traffic as it is, LATEST included: a probe, or a rollback that was asked for before."""
    return Plan(
        action,
        environment.name,
        environment.project,
        environment.region,
        service.name,
        base_of(service),
        service.desired,
        None,
        clean(reason, 500),
        0.0,
        Confirmation.YES_NO,
        emergency=emergency,
    )


def check_traffic(targets: tuple[TrafficTarget, ...]) -> None:
    """ValueError for a list that the console never writes: percents beyond 0…100, a sum other than 100, LATEST with
    traffic, one tag twice.
    """
    total = sum(target.percent for target in targets)
    if any(not 0 <= target.percent <= 100 for target in targets) or total != 100:
        raise ValueError(f"percents must be 0 to 100 and sum to 100, not {total}")
    if any(target.revision is None and target.percent for target in targets):
        raise ValueError("LATEST never carries traffic: name the revision")
    tags = [target.tag for target in targets if target.tag]
    if len(tags) != len(set(tags)):
        raise ValueError("a tag stands on two revisions")


def confirmation(
    environment: Environment,
    moves_traffic: bool,
    emergency: bool = False,
    whole_group: bool = False,
    irreversible: bool = False,
) -> Confirmation:
    """How a write is confirmed.

    The environment's name is typed only for a whole group in a protected environment and for what cannot be undone; a
    rollback is one key on its card, since its target was checked before.
    """
    if irreversible or (whole_group and environment.protected):
        return Confirmation.TYPED
    if emergency or not moves_traffic:
        return Confirmation.YES_NO
    return Confirmation.DIALOG


def recheck(made: Plan, fresh: Service) -> Conflict | None:
    """Whether the service is still as it was when the question was put; None where it is.

    For the moment of accepting: a plan whose target changed meanwhile is refused, also when the write would go through.
    """
    now = base_of(fresh)
    by = f" by {clean(fresh.last_modifier, 100)}" if fresh.last_modifier else ""
    if fresh.name != made.service:
        return Conflict(f"the plan is for {made.service}, not for {clean(fresh.name, 63)}")
    if traffic.differs(now.split, made.base.split):
        return Conflict(f"traffic changed{by}: it was {told(made.base.split)}, it is {told(now.split)}")
    if now.annotation != made.base.annotation:
        return Conflict(f"the rollout went on{by}: its record was number {made.base.seq}, it is number {now.seq}")
    if _tags(now.desired) != _tags(made.base.desired):
        return Conflict(f"the tags changed{by}")
    if now.generation != made.base.generation:
        return Conflict(f"the service changed{by}: generation {made.base.generation} is now {now.generation}")
    return None


def moved_percent(before: Mapping[str, int], after: Mapping[str, int]) -> int:
    """The share that goes to another revision."""
    return sum(max(0, share - before.get(name, 0)) for name, share in after.items())


def _tags(targets: tuple[TrafficTarget, ...]) -> dict[str, str]:
    return {target.tag: target.revision or "LATEST" for target in targets if target.tag}


def _ordered(split: Mapping[str, int]) -> list[tuple[str, int]]:
    return sorted(split.items(), key=lambda arm: (-arm[1], arm[0]))


def _entry(target: TrafficTarget) -> str:
    where = target.revision or "LATEST"
    return f"{where}={target.percent}" + (f" tag={target.tag}" if target.tag else "")
