"""The intent of a rollout: the record that stands in one annotation of the service, beside the traffic it explains.

The annotation is written in the same request as the traffic, so the two cannot disagree, and it is all that a console
needs to go on where another stopped: steps and candidate stand in it, nothing is taken from local files. Anybody may
have written it, so it is parsed strictly: it is a rollout of ours in every detail, or unreadable.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import TypeVar

from brconsole.domain.environment import PlanStep
from brconsole.domain.service import Service
from brconsole.domain.text import clean
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
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", re.ASCII)
_ID = re.compile(r"r-\d{8}-\d{4}-[0-9a-f]{3,12}", re.ASCII)
_PLAN = re.compile(r"[A-Za-z0-9_.-]{1,80}@sha256:[0-9a-f]{12}", re.ASCII)
_LARGEST = 2**53 - 1

T = TypeVar("T")


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


@dataclass(frozen=True, slots=True)
class Unreadable:
    """There is an annotation, but none that this console may act on."""

    reason: str


Intent = Rollout | Unreadable | None


def intent_of(service: Service) -> Intent:
    """The intent that stands in a service's annotation, None where there is none."""
    text = service.annotations.get(ANNOTATION)
    return None if text is None else parse(text)


def parse(text: str) -> Rollout | Unreadable:
    """Read an annotation's text."""
    if len(text) > LONGEST_BYTES or len(text.encode(errors="surrogatepass")) > LONGEST_BYTES:
        return Unreadable(f"it is longer than {LONGEST_BYTES} bytes")
    try:
        found = json.loads(
            text, object_pairs_hook=_no_duplicates, parse_constant=_no_fraction, parse_float=_no_fraction
        )
    except (ValueError, RecursionError):
        return Unreadable("it is not the JSON of a rollout")
    try:
        fields = _Fields(_mapping(found))
        version = fields.take("v", _integer(0, _LARGEST))
        if version != VERSION:
            return Unreadable(f"it has version {version}; this brconsole reads version {VERSION}")
        return _rollout(fields)
    except _MistakeError as mistake:
        return Unreadable(clean(str(mistake), 200))


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


def moment(at: datetime) -> str:
    """RFC 3339 in UTC, to the second."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


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


class _MistakeError(ValueError):
    """What of a document is not as we write it."""


class _Fields:
    """A JSON object whose keys are taken one by one; what is left over in the end is a mistake."""

    def __init__(self, found: Mapping[str, object]) -> None:
        self._left = dict(found)

    def take(self, key: str, read: Callable[[object], T]) -> T:
        """A key that must be there."""
        if key not in self._left:
            raise _MistakeError(f"{key} is missing")
        try:
            return read(self._left.pop(key))
        except _MistakeError as mistake:
            raise _MistakeError(f"{key}: {mistake}") from None

    def take_if(self, key: str, read: Callable[[object], T]) -> T | None:
        """A key that may be there."""
        return self.take(key, read) if key in self._left else None

    def end(self) -> None:
        """No key is left."""
        if self._left:
            raise _MistakeError(f"unknown key {min(self._left)}")


def _rollout(fields: _Fields) -> Rollout:
    rollout = Rollout(
        id=fields.take("id", _matching(_ID)),
        seq=fields.take("seq", _integer(1, _LARGEST)),
        phase=fields.take("phase", _phase),
        plan=fields.take("plan", _matching(_PLAN)),
        steps=fields.take("steps", _steps),
        step=fields.take("step", _integer(0, MOST_STEPS - 1)),
        stable=fields.take("stable", _matching(_REVISION)),
        canary=fields.take("canary", _matching(_REVISION)),
        step_started=fields.take("step_started", _moment),
        deadline=fields.take("deadline", _moment),
        holds=fields.take("holds", _integer(0, MOST_EXTENSIONS)),
        held=fields.take_if("held", _phase),
        digest=fields.take_if("digest", _matching(_DIGEST)),
        manual=fields.take_if("manual", _true) or False,
        latest=fields.take_if("latest", _matching(_REVISION)),
        step_gen=fields.take_if("step_gen", _number_text),
        sentinel=fields.take_if("sentinel", _texts),
        schema=fields.take_if("schema", _schema),
        driver=fields.take_if("driver", _driver),
        reason=fields.take_if("reason", _text(LONGEST_REASON)) or "",
        failed=fields.take_if("failed", _failed) or (),
    )
    tags = fields.take("tags", _texts)
    fields.end()
    _check_whole(rollout, tags)
    return rollout


def _check_whole(rollout: Rollout, tags: Mapping[str, str]) -> None:
    if rollout.stable == rollout.canary:
        raise _MistakeError("stable and canary are the same revision")
    if rollout.step >= len(rollout.steps):
        raise _MistakeError("step is beyond the last one")
    if (rollout.phase is Phase.HOLDING) != (rollout.held is not None):
        raise _MistakeError("held stands with the phase HOLD, and only there")
    if rollout.held is not None and rollout.held not in FORWARD:
        raise _MistakeError("held is no phase that can be held")
    if rollout.plan != plan_id(rollout.plan.partition("@")[0], rollout.steps):
        raise _MistakeError("plan: its digest is not that of the steps")
    if tags != rollout.tags:
        raise _MistakeError("tags: not those of the phase")


def _no_duplicates(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice")
    return found


def _no_fraction(text: str) -> object:
    raise ValueError(f"{text} is no number of ours")


def _mapping(value: object) -> dict[str, object]:
    if not isinstance(value, dict):
        raise _MistakeError("not an object")
    return value


def _integer(low: int, high: int) -> Callable[[object], int]:
    def read(value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise _MistakeError(f"not a whole number from {low} to {high}")
        return value

    return read


def _text(longest: int) -> Callable[[object], str]:
    def read(value: object) -> str:
        if not isinstance(value, str) or len(value) > longest or clean(value) != value:
            raise _MistakeError(f"not a printable line of up to {longest} characters")
        return value

    return read


def _matching(pattern: re.Pattern[str]) -> Callable[[object], str]:
    def read(value: object) -> str:
        if not isinstance(value, str) or not pattern.fullmatch(value):
            raise _MistakeError("not of the expected form")
        return value

    return read


def _phase(value: object) -> Phase:
    phase = _PHASES.get(value) if isinstance(value, str) else None
    if phase is None:
        raise _MistakeError("no phase that this brconsole knows")
    return phase


def _moment(value: object) -> datetime:
    try:
        return datetime.strptime(_matching(_MOMENT)(value), "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except ValueError:
        raise _MistakeError("not a moment such as 2026-10-10T16:00:00Z") from None


def _true(value: object) -> bool:
    if value is not True:
        raise _MistakeError("only true stands here")
    return True


def _number_text(value: object) -> int:
    if not isinstance(value, str) or not re.fullmatch(r"\d{1,16}", value, re.ASCII):
        raise _MistakeError("not a whole number as text")
    return int(value)


def _list(value: object, longest: int) -> list[object]:
    if not isinstance(value, list) or len(value) > longest:
        raise _MistakeError(f"not a list of up to {longest} entries")
    return value


def _pair(value: object) -> tuple[object, object]:
    found = _list(value, 2)
    if len(found) != 2:
        raise _MistakeError("not a pair")
    return found[0], found[1]


def _steps(value: object) -> tuple[PlanStep, ...]:
    pairs = [_pair(entry) for entry in _list(value, MOST_STEPS)]
    steps = tuple(PlanStep(_integer(1, 100)(percent), _integer(0, 30 * 86_400)(dwell)) for percent, dwell in pairs)
    percents = [step.percent for step in steps]
    if not percents or percents[-1] != 100 or sorted(set(percents)) != percents:
        raise _MistakeError("percents must ascend to 100")
    return steps


def _schema(value: object) -> tuple[int, int]:
    low, high = _pair(value)
    read = _integer(0, _LARGEST)
    return read(low), read(high)


def _texts(value: object) -> dict[str, str]:
    found = _mapping(value)
    if len(found) > 8:
        raise _MistakeError("too many keys")
    read = _text(LONGEST_NAME)
    return {read(key): read(text) for key, text in found.items()}


def _driver(value: object) -> Driver:
    fields = _Fields(_mapping(value))
    driver = Driver(
        fields.take("who", _text(LONGEST_NAME)),
        fields.take("until", _moment),
        fields.take_if("headless", _true) or False,
    )
    fields.end()
    return driver


def _failed(value: object) -> tuple[FailedCandidate, ...]:
    pairs = [_pair(entry) for entry in _list(value, MOST_FAILED)]
    return tuple(
        FailedCandidate(_matching(_REVISION)(revision), None if digest is None else _matching(_DIGEST)(digest))
        for revision, digest in pairs
    )
