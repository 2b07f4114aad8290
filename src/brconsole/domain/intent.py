"""The intent of a rollout: the record that stands in one annotation of the service, beside the traffic it explains.

The annotation is written in the same request as the traffic, so the two cannot disagree, and it is all that a console
needs to go on where another stopped: steps and candidate stand in it, nothing is taken from local files. Anybody may
have written it, so it is parsed strictly: it is a rollout of ours in every detail, or unreadable.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from brconsole.domain import annotation
from brconsole.domain.annotation import (
    LARGEST,
    Fields,
    MistakeError,
    Unreadable,
    entries,
    integer,
    line,
    mapping,
    matching,
    moment,
    pair,
)
from brconsole.domain.environment import PlanStep
from brconsole.domain.service import Service
from brconsole.domain.traffic import TrafficTarget

ANNOTATION = "brconsole.dev/rollout"
LONGEST_BYTES = 8192
"""Of 256 KiB that all annotations of a service may take together."""
VERSION = 1
PREV_TAG = "prev"
CANARY_TAG = "canary"
OUR_TAGS = frozenset({PREV_TAG, CANARY_TAG})
UNKNOWN_REVISION = "unknown"
"""Stands for the canary in the record of a rollback that could not read what it undid."""
MOST_EXTENSIONS = 3
MOST_STEPS = 20
MOST_FAILED = 10
"""Failed candidates that are remembered, the newest."""
LONGEST_REASON = 240
LONGEST_NAME = 120
_REVISION = re.compile(r"[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?", re.ASCII)
_DIGEST = re.compile(r"sha256:[0-9a-f]{6,64}", re.ASCII)
_ID = re.compile(r"r-\d{8}-\d{4}-[0-9a-f]{3,12}", re.ASCII)
_PLAN = re.compile(r"[A-Za-z0-9_.-]{1,80}@sha256:[0-9a-f]{12}", re.ASCII)
_texts = annotation.lines(LONGEST_NAME, 8)


class Phase(StrEnum):
    """Where a rollout stands, in the words of the command line (DESIGN §8.11)."""

    IDLE = "idle"
    PREPARED = "prepared"
    MIGRATING = "migrating"
    OBSERVING = "observing"
    HOLDING = "holding"
    PROMOTED = "promoted"
    SOAKING = "soaking"
    ROLLING_BACK = "rolling_back"
    ROLLED_BACK = "rolled_back"
    RELEASED = "released"


_WIRE: Mapping[Phase, str] = {
    Phase.IDLE: "IDLE",
    Phase.PREPARED: "PREPARED",
    Phase.MIGRATING: "MIGRATE",
    Phase.OBSERVING: "OBSERVE",
    Phase.HOLDING: "HOLD",
    Phase.PROMOTED: "PROMOTED",
    Phase.SOAKING: "SOAK",
    Phase.ROLLING_BACK: "ROLLBACK",
    Phase.ROLLED_BACK: "ROLLED_BACK",
    Phase.RELEASED: "RELEASED",
}
_PHASES = {word: phase for phase, word in _WIRE.items()}

BEFORE_TRAFFIC = frozenset({Phase.PREPARED, Phase.MIGRATING})
AFTER_PROMOTION = frozenset({Phase.PROMOTED, Phase.SOAKING})
FORWARD = BEFORE_TRAFFIC | {Phase.OBSERVING} | AFTER_PROMOTION
"""The phases of a rollout under way; a held one stands in one of them too."""
ENDED = frozenset({Phase.IDLE, Phase.ROLLED_BACK, Phase.RELEASED})


@dataclass(frozen=True, slots=True)
class FailedCandidate:
    """A revision that was rolled back, with its image: neither is tried again unless a person says so."""

    revision: str
    digest: str | None


@dataclass(frozen=True, slots=True)
class Driver:
    """Who made the last transition, and until when nobody else advances (advisory)."""

    who: str
    until: datetime
    headless: bool = False
    """An agent or a pipeline, not a person."""


@dataclass(frozen=True, slots=True)
class Rollout:
    """One rollout of one service. Moments are UTC, to the second."""

    id: str
    seq: int
    """Grows by one with each write; a write is refused when the live one is not the one that was read."""
    phase: Phase
    plan: str
    """Name and digest of `steps`."""
    steps: tuple[PlanStep, ...]
    """Percents ascend to 100. The dwell of the last step is the soak."""
    step: int
    stable: str
    canary: str
    step_started: datetime
    deadline: datetime
    held: Phase | None = None
    """The phase that a hold interrupts, only while holding."""
    holds: int = 0
    """Extensions of this step's dwell."""
    digest: str | None = None
    """The candidate's image."""
    manual: bool = False
    """Whether a person steps it; else whoever drives does when the gates pass."""
    latest: str | None = None
    """The latest created revision at the start; another one later is a new deploy."""
    step_gen: int | None = None
    """The service's generation when the step was decided."""
    driver: Driver | None = None
    sentinel: Mapping[str, str] | None = None
    """Execution and database revision of the release's migration."""
    schema: tuple[int, int] | None = None
    """Lowest and highest schema that the candidate can read."""
    stable_schema: tuple[int, int] | None = None
    """Lowest and highest schema that stable can read."""
    reason: str = ""
    failed: tuple[FailedCandidate, ...] = ()

    @property
    def standing(self) -> Phase:
        """The phase that decides the traffic: of a hold, the one it interrupts."""
        return self.held if self.phase is Phase.HOLDING and self.held is not None else self.phase

    @property
    def active(self) -> bool:
        """Whether the rollout is under way, held or rolling back."""
        return self.phase not in ENDED

    @property
    def forward(self) -> bool:
        """Whether it is on its way to 100 %, held or not."""
        return self.standing in FORWARD

    @property
    def percent(self) -> int:
        """The canary's share that this record asks for."""
        if self.standing is Phase.OBSERVING:
            return self.steps[self.step].percent
        return 100 if self.standing in AFTER_PROMOTION or self.phase is Phase.IDLE else 0

    @property
    def split(self) -> dict[str, int]:
        """Percent by revision that this record asks for."""
        shares = {self.stable: 100 - self.percent, self.canary: self.percent}
        return {revision: share for revision, share in shares.items() if share}

    @property
    def tags(self) -> dict[str, str]:
        """The tags that this record asks for. The undo target has `prev`, so that it stays addressable; a failed
        candidate loses its tag, since one on a vanished revision would make Cloud Run refuse the write. A released
        service is not the engine's any more: its tags stay as they are.
        """
        if self.phase is Phase.RELEASED:
            return {}
        tags = {PREV_TAG: self.stable}
        return {**tags, CANARY_TAG: self.canary} if self.forward else tags

    def failed_before(self, revision: str, digest: str | None) -> FailedCandidate | None:
        """The failed candidate that a revision or its image was."""
        return next(
            (
                known
                for known in self.failed
                if known.revision == revision or (digest is not None and known.digest == digest)
            ),
            None,
        )


Intent = Rollout | Unreadable | None


def intent_of(service: Service) -> Intent:
    """The intent that stands in a service's annotation, None where there is none."""
    text = service.annotations.get(ANNOTATION)
    return None if text is None else parse(text)


def parse(text: str) -> Rollout | Unreadable:
    """Read an annotation's text."""
    return annotation.read(text, _rollout, VERSION, LONGEST_BYTES, "a rollout")


def dump(rollout: Rollout) -> str:
    """The annotation's text: compact JSON, keys in a fixed order, the same for the same rollout."""
    optional: dict[str, object] = {
        "held": None if rollout.held is None else _WIRE[rollout.held],
        "digest": rollout.digest,
        "manual": True if rollout.manual else None,
        "latest": rollout.latest,
        "step_gen": None if rollout.step_gen is None else str(rollout.step_gen),
        "sentinel": None if rollout.sentinel is None else dict(sorted(rollout.sentinel.items())),
        "schema": None if rollout.schema is None else list(rollout.schema),
        "stable_schema": None if rollout.stable_schema is None else list(rollout.stable_schema),
        "driver": _driver_document(rollout.driver),
        "reason": rollout.reason or None,
        "failed": [[known.revision, known.digest] for known in rollout.failed] or None,
    }
    document = {
        "v": VERSION,
        "id": rollout.id,
        "seq": rollout.seq,
        "phase": _WIRE[rollout.phase],
        "plan": rollout.plan,
        "steps": [[step.percent, step.dwell_s] for step in rollout.steps],
        "step": rollout.step,
        "stable": rollout.stable,
        "canary": rollout.canary,
        "tags": rollout.tags,
        "step_started": moment(rollout.step_started),
        "deadline": moment(rollout.deadline),
        "holds": rollout.holds,
        **{key: value for key, value in optional.items() if value is not None},
    }
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False)


def known_digest(digest: str | None) -> str | None:
    """An image digest as a record can hold it, None for anything of another form."""
    return digest if digest is not None and _DIGEST.fullmatch(digest) else None


def known_revision(name: str | None) -> str | None:
    """A revision's name as a record can hold it, None for anything of another form."""
    return name if name is not None and _REVISION.fullmatch(name) else None


def plan_id(name: str, steps: Iterable[PlanStep]) -> str:
    """A plan's name with the digest of its steps, so that a changed configuration is a different plan."""
    text = json.dumps([[step.percent, step.dwell_s] for step in steps])
    return f"{name}@sha256:{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def rollout_id(service: str, canary: str, now: datetime) -> str:
    """An id that two consoles give to the same start."""
    digest = hashlib.sha256(f"{service}/{canary}/{moment(now)}".encode()).hexdigest()
    return f"r-{now.astimezone(UTC):%Y%m%d-%H%M}-{digest[:3]}"


def to_second(at: datetime) -> datetime:
    """The moment as an annotation can hold it."""
    return at.astimezone(UTC).replace(microsecond=0)


def traffic_list(
    present: Iterable[TrafficTarget], split: Mapping[str, int], tags: Mapping[str, str], ours: frozenset[str] = OUR_TAGS
) -> tuple[TrafficTarget, ...]:
    """The whole list of a write: arms by name, then our tags and everybody else's as entries of 0 %.

    Others' tags stay as they are, also one on LATEST, which so carries no traffic.
    """
    arms = [TrafficTarget(revision, share) for revision, share in sorted(split.items(), key=_larger_first) if share]
    own = [TrafficTarget(revision, 0, tag) for tag, revision in sorted(tags.items())]
    foreign = [
        TrafficTarget(target.revision, 0, target.tag)
        for target in present
        if target.tag and target.tag not in ours and target.tag not in tags
    ]
    return (*arms, *own, *foreign)


def _larger_first(arm: tuple[str, int]) -> tuple[int, str]:
    return -arm[1], arm[0]


def _driver_document(driver: Driver | None) -> dict[str, object] | None:
    if driver is None:
        return None
    document: dict[str, object] = {"who": driver.who, "until": moment(driver.until)}
    return {**document, "headless": True} if driver.headless else document


def _rollout(fields: Fields) -> Rollout:
    rollout = Rollout(
        id=fields.take("id", matching(_ID)),
        seq=fields.take("seq", integer(1, LARGEST)),
        phase=fields.take("phase", _phase),
        plan=fields.take("plan", matching(_PLAN)),
        steps=fields.take("steps", _steps),
        step=fields.take("step", integer(0, MOST_STEPS - 1)),
        stable=fields.take("stable", matching(_REVISION)),
        canary=fields.take("canary", matching(_REVISION)),
        step_started=fields.take("step_started", annotation.time),
        deadline=fields.take("deadline", annotation.time),
        holds=fields.take("holds", integer(0, MOST_EXTENSIONS)),
        held=fields.take_if("held", _phase),
        digest=fields.take_if("digest", matching(_DIGEST)),
        manual=fields.take_if("manual", annotation.true) or False,
        latest=fields.take_if("latest", matching(_REVISION)),
        step_gen=fields.take_if("step_gen", annotation.number_text),
        sentinel=fields.take_if("sentinel", _texts),
        schema=fields.take_if("schema", _schema),
        stable_schema=fields.take_if("stable_schema", _schema),
        driver=fields.take_if("driver", _driver),
        reason=fields.take_if("reason", line(LONGEST_REASON)) or "",
        failed=fields.take_if("failed", _failed) or (),
    )
    tags = fields.take("tags", _texts)
    fields.end()
    _check_whole(rollout, tags)
    return rollout


def _check_whole(rollout: Rollout, tags: Mapping[str, str]) -> None:
    if rollout.stable == rollout.canary:
        raise MistakeError("stable and canary are the same revision")
    if rollout.step >= len(rollout.steps):
        raise MistakeError("step is beyond the last one")
    if (rollout.phase is Phase.HOLDING) != (rollout.held is not None):
        raise MistakeError("held stands with the phase HOLD, and only there")
    if rollout.held is not None and rollout.held not in FORWARD:
        raise MistakeError("held is no phase that can be held")
    if rollout.plan != plan_id(rollout.plan.partition("@")[0], rollout.steps):
        raise MistakeError("plan: its digest is not that of the steps")
    if tags != rollout.tags:
        raise MistakeError("tags: not those of the phase")


def _phase(value: object) -> Phase:
    phase = _PHASES.get(value) if isinstance(value, str) else None
    if phase is None:
        raise MistakeError("no phase that this brconsole knows")
    return phase


def _steps(value: object) -> tuple[PlanStep, ...]:
    pairs = [pair(entry) for entry in entries(value, MOST_STEPS)]
    steps = tuple(PlanStep(integer(1, 100)(percent), integer(0, 30 * 86_400)(dwell)) for percent, dwell in pairs)
    percents = [step.percent for step in steps]
    if not percents or percents[-1] != 100 or sorted(set(percents)) != percents:
        raise MistakeError("percents must ascend to 100")
    return steps


def _schema(value: object) -> tuple[int, int]:
    low, high = pair(value)
    read = integer(0, LARGEST)
    return read(low), read(high)


def _driver(value: object) -> Driver:
    fields = Fields(mapping(value))
    driver = Driver(
        fields.take("who", line(LONGEST_NAME)),
        fields.take("until", annotation.time),
        fields.take_if("headless", annotation.true) or False,
    )
    fields.end()
    return driver


def _failed(value: object) -> tuple[FailedCandidate, ...]:
    pairs = [pair(entry) for entry in entries(value, MOST_FAILED)]
    return tuple(
        FailedCandidate(matching(_REVISION)(revision), None if digest is None else matching(_DIGEST)(digest))
        for revision, digest in pairs
    )
