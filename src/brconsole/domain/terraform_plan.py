"""A plan as `terraform show -json` writes it: what was changed outside, what an apply would do, with secrets masked.

Format 1.x, Terraform 1.8 and later. `resource_drift` compares what Terraform last recorded with what the refresh found,
`resource_changes` what the refresh found with what an apply would leave. Nothing here is shown yet: texts are as the
document has them, and whoever shows one cleans it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from brconsole.domain.plan_images import named_images

FORMAT = "1"
"""The major version of the format; a minor one only adds."""
SERVICE = "google_cloud_run_v2_service"
WORKER_POOL = "google_cloud_run_v2_worker_pool"
JOB = "google_cloud_run_v2_job"
SCHEDULER_JOB = "google_cloud_scheduler_job"
SQL_INSTANCE = "google_sql_database_instance"
CLOUD_RUN = frozenset({SERVICE, WORKER_POOL, JOB})

Path = tuple[str, ...]
"""Steps to an attribute; an element of a list is `[name]` or `[0]`, a list of one element has no step of its own."""

_WHOLE = frozenset({"traffic", "instance_splits"})
"""Lists that say something only as a whole."""
_ANNOTATIONS = ("annotations", "effective_annotations")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*", re.ASCII)
_SECRET_NAME = re.compile(
    r"secret|token|passw|credential|private|api_?key|(?:^|_)key\]?$|dsn\]?$|database_url", re.IGNORECASE
)
"""Environment variables that should have been a reference to Secret Manager, and now stand in a plan in clear."""
_SECRET_ATTRIBUTES = frozenset(
    {"auth_string", "password", "private_key", "root_password", "secret_data", "token", "client_secret"}
)
_LOGIN_IN_URL = re.compile(r"://[^/\s:@]*:[^/\s@]+@")
_ZERO: tuple[object, ...] = (None, "", False, 0)


class ValueState(StrEnum):
    """What is known of a value."""

    KNOWN = "known"
    ABSENT = "absent"
    """Not set."""
    SENSITIVE = "sensitive"
    """There, and not for anybody's eyes."""
    UNKNOWN = "unknown"
    """Known after apply."""


@dataclass(frozen=True, slots=True)
class Value:
    """One side of a difference. `data` is plain JSON where the value is known, else None."""

    state: ValueState
    data: object = None

    @property
    def text(self) -> str:
        """As a person reads it, on one line."""
        if self.state is ValueState.KNOWN:
            return self.data if isinstance(self.data, str) else json.dumps(self.data, ensure_ascii=False)
        return _WORDS[self.state]


_WORDS = {ValueState.ABSENT: "not set", ValueState.SENSITIVE: "sensitive", ValueState.UNKNOWN: "known after apply"}
ABSENT, SENSITIVE, UNKNOWN = Value(ValueState.ABSENT), Value(ValueState.SENSITIVE), Value(ValueState.UNKNOWN)


@dataclass(frozen=True, slots=True)
class Difference:
    """An attribute that is not the same on both sides."""

    path: Path
    before: Value
    after: Value


class Action(StrEnum):
    """What happens to a resource as a whole."""

    NONE = "none"
    UPDATE = "update"
    CREATE = "create"
    DELETE = "delete"
    REPLACE = "replace"
    FORGET = "forget"
    """Taken out of the state, left where it is."""


@dataclass(frozen=True, slots=True)
class ResourceChange:
    """One resource in `resource_drift` or `resource_changes`."""

    address: str
    kind: str
    """Its type, such as `google_cloud_run_v2_service`."""
    name: str
    """What Google calls it, such as `api`; the address where the resource has no name."""
    action: Action
    differences: tuple[Difference, ...] = ()
    standing: tuple[tuple[Path, Value], ...] = ()
    """What it has now of the fields that others than Terraform write."""
    named_images: frozenset[str] | None = None
    """The pinned images that the configuration may mean for it; None where that cannot be told from the plan."""


@dataclass(frozen=True, slots=True)
class TerraformPlan:
    """A plan."""

    terraform_version: str
    made_at: datetime | None
    changes: tuple[ResourceChange, ...]
    """What an apply would do, one for every resource; most of them nothing."""
    drift: tuple[ResourceChange, ...]
    """What was changed outside since Terraform last wrote it down."""
    outputs_changed: tuple[str, ...] = ()
    complete: bool = True
    """Whether Terraform could plan everything; else it has to be applied in rounds."""

    def count(self, action: Action) -> int:
        """How many resources an apply would treat so."""
        return sum(1 for change in self.changes if change.action is action)

    @property
    def state_is_empty(self) -> bool:
        """Whether the state holds none of the resources: never applied, or another state than the one meant."""
        return bool(self.changes) and all(change.action is Action.CREATE for change in self.changes)


class UnreadablePlanError(ValueError):
    """The document is no plan that this brconsole reads; `str()` says why, without a final full stop."""


def path_text(path: Path) -> str:
    """A path as it would be written in the configuration."""
    text = ""
    for step in path:
        if step.startswith("["):
            text += step
        elif _NAME.fullmatch(step):
            text += f".{step}" if text else step
        else:
            text += f"[{json.dumps(step, ensure_ascii=False)}]"
    return text


def loads(text: str | bytes) -> TerraformPlan:
    """A plan from the JSON that `terraform show -json` prints."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        raise UnreadablePlanError("it is not JSON; `terraform show -json PLANFILE` prints it") from None
    return parse(document)


def parse(document: object) -> TerraformPlan:
    """A plan from the document. Raises UnreadablePlanError."""
    if not isinstance(document, dict):
        raise UnreadablePlanError("it is no object")
    version = document.get("format_version")
    if not isinstance(version, str) or "terraform_version" not in document:
        raise UnreadablePlanError("it is not what `terraform show -json PLANFILE` prints")
    if version.partition(".")[0] != FORMAT:
        raise UnreadablePlanError(f"its format is {version[:20]}; this brconsole reads {FORMAT}.x")
    if "resource_changes" not in document and "planned_values" not in document:
        raise UnreadablePlanError("it is a state, not a plan: hand in `terraform show -json PLANFILE`")
    if document.get("errored") is True:
        raise UnreadablePlanError("the plan ended in an error, so it does not hold everything")
    try:
        return TerraformPlan(
            terraform_version=_text(document["terraform_version"]),
            made_at=_moment(document.get("timestamp")),
            changes=tuple(_resources(document, "resource_changes")),
            drift=tuple(_resources(document, "resource_drift")),
            outputs_changed=tuple(
                name
                for name, change in sorted(_mapping(document.get("output_changes")).items())
                if _action(_mapping(change).get("actions")) is not Action.NONE
            ),
            complete=document.get("complete") is not False,
        )
    except RecursionError:
        raise UnreadablePlanError("it is nested too deeply") from None


def _resources(document: Mapping[str, object], key: str) -> Iterator[ResourceChange]:
    entries = document.get(key)
    if entries is None:
        return
    if not isinstance(entries, list):
        raise UnreadablePlanError(f"{key} is no list")
    for entry in entries:
        if not isinstance(entry, dict) or not isinstance(entry.get("change"), dict):
            raise UnreadablePlanError(f"an entry of {key} has no change")
        if entry.get("mode", "managed") != "managed":
            continue
        yield _resource(document, entry, entry["change"])


def _resource(
    document: Mapping[str, object], entry: Mapping[str, object], change: Mapping[str, object]
) -> ResourceChange:
    address, kind = _text(entry.get("address")), _text(entry.get("type"))
    if not address or not kind:
        raise UnreadablePlanError("a resource has no address or no type")
    before, after = change.get("before"), change.get("after")
    named = next(
        (
            side["name"]
            for side in (before, after)
            if isinstance(side, dict) and isinstance(side.get("name"), str) and side["name"]
        ),
        address,
    )
    action = _action(change.get("actions"))
    differences: tuple[Difference, ...] = ()
    if action in (Action.UPDATE, Action.REPLACE):
        sides = _Sides(change.get("before_sensitive"), change.get("after_sensitive"), change.get("after_unknown"))
        differences = tuple(_differences(before, after, sides, ()))
    standing = tuple(_standing(kind, before, change.get("before_sensitive")))
    images = named_images(document, address) if kind in CLOUD_RUN and standing else None
    return ResourceChange(address, kind, named, action, differences, standing, images)


def _action(actions: object) -> Action:
    if not isinstance(actions, list) or not all(isinstance(action, str) for action in actions):
        raise UnreadablePlanError("a change does not say what it does")
    found = set(actions)
    if found == {"create", "delete"}:
        return Action.REPLACE
    if len(found) == 1:
        (only,) = found
        known = {"no-op": Action.NONE, "read": Action.NONE, "update": Action.UPDATE, "create": Action.CREATE}
        known |= {"delete": Action.DELETE, "forget": Action.FORGET}
        if only in known:
            return known[only]
    if "forget" in found:
        return Action.REPLACE
    raise UnreadablePlanError(f"it does something that this brconsole does not know: {', '.join(actions)[:80]}")


@dataclass(frozen=True, slots=True)
class _Sides:
    """What of both sides is sensitive, and what of the second is not known yet; in the shape of the values."""

    before: object = None
    after: object = None
    unknown: object = None

    def below(self, before: str | int | None, after: str | int | None) -> _Sides:
        """The same below a key, or below an element of either side's list; None is an element that is not there."""
        return _Sides(_below(self.before, before), _below(self.after, after), _below(self.unknown, after))


def _below(marks: object, step: str | int | None) -> object:
    if marks is True or step is None:
        return marks is True
    if isinstance(marks, dict) and isinstance(step, str):
        return marks.get(step)
    if isinstance(marks, list) and isinstance(step, int):
        return marks[step] if step < len(marks) else None
    return None


def _differences(before: object, after: object, sides: _Sides, path: Path) -> Iterator[Difference]:
    if sides.unknown is True:
        hidden = sides.before is True or sides.after is True
        yield Difference(path, SENSITIVE if hidden else _value(before, path), SENSITIVE if hidden else UNKNOWN)
        return
    if sides.before is True or sides.after is True:
        if not _same(before, after):
            yield Difference(path, SENSITIVE, SENSITIVE)
        return
    if isinstance(before, dict) or isinstance(after, dict):
        old, new = _mapping(before), _mapping(after)
        if not (isinstance(before, dict | None) and isinstance(after, dict | None)):
            yield from _leaf(before, after, path)
            return
        for key in dict.fromkeys((*old, *new, *_mapping(sides.unknown))):
            yield from _differences(old.get(key), new.get(key), sides.below(key, key), (*path, key))
        return
    if (_blocks(before) or _blocks(after)) and not (len(path) == 1 and path[0] in _WHOLE):
        yield from _items(before, after, sides, path)
        return
    yield from _leaf(before, after, path)


def _leaf(before: object, after: object, path: Path) -> Iterator[Difference]:
    if not _same(before, after):
        yield Difference(path, _value(before, path), _value(after, path))


def _items(before: object, after: object, sides: _Sides, path: Path) -> Iterator[Difference]:
    old, new = (side if isinstance(side, list) else [] for side in (before, after))
    for label, first, second in _pairs(old, new, by_name=path[-1:] == ("env",)):
        place = path if label is None else (*path, f"[{label}]")
        left = old[first] if first is not None else None
        right = new[second] if second is not None else None
        for difference in _differences(left, right, sides.below(first, second), place):
            # The name of a new or gone entry stands in the path already.
            if difference.path != (*place, "name") or label not in (difference.before.data, difference.after.data):
                yield difference


def _pairs(
    old: list[object], new: list[object], *, by_name: bool = False
) -> Iterator[tuple[str | None, int | None, int | None]]:
    """What belongs together: a lone block, else entries of the same name, else of the same place."""
    if len(old) <= 1 and len(new) <= 1 and not by_name:
        yield None, 0 if old else None, 0 if new else None
        return
    names = [_entry_names(side) for side in (old, new)]
    first, second = names
    if first is not None and second is not None:
        for name in dict.fromkeys((*first, *second)):
            yield name, first.get(name), second.get(name)
        return
    for index in range(max(len(old), len(new))):
        yield str(index), index if index < len(old) else None, index if index < len(new) else None


def _entry_names(entries: list[object]) -> dict[str, int] | None:
    """The place of each entry by its name; None where not every entry has a name of its own."""
    found: dict[str, int] = {}
    for index, entry in enumerate(entries):
        name = entry.get("name") if isinstance(entry, dict) else None
        if not isinstance(name, str) or not name or name in found:
            return None
        found[name] = index
    return found


def _blocks(value: object) -> bool:
    return isinstance(value, list) and any(isinstance(entry, dict) for entry in value)


def _same(before: object, after: object) -> bool:
    """Equal as the provider sees it: for it a zero, an empty text and nothing at all are the same."""
    if before == after and isinstance(before, bool) == isinstance(after, bool):
        return True
    return _nothing(before) and _nothing(after) and (before is None or after is None or before == after)


def _nothing(value: object) -> bool:
    return value in ([], {}) or any(value is zero or (value == zero and type(value) is type(zero)) for zero in _ZERO)


def _value(value: object, path: Path) -> Value:
    if value is None or value == [] or value == {}:
        return ABSENT
    if _is_secret(value, path):
        return SENSITIVE
    return Value(ValueState.KNOWN, value)


def _is_secret(value: object, path: Path) -> bool:
    if path and path[-1] in _SECRET_ATTRIBUTES:
        return True
    if len(path) >= 3 and path[-3] == "env" and path[-1] == "value" and _SECRET_NAME.search(path[-2]):
        return True
    return isinstance(value, str) and _LOGIN_IN_URL.search(value) is not None


def _standing(kind: str, before: object, sensitive: object) -> Iterator[tuple[Path, Value]]:
    """The fields with another writer than Terraform, as the refresh found them."""
    if not isinstance(before, dict) or sensitive is True:
        return
    if kind == SCHEDULER_JOB:
        for target in _list(before.get("http_target")):
            yield ("http_target", "uri"), _value(_mapping(target).get("uri"), ("http_target", "uri"))
    if kind not in CLOUD_RUN:
        return
    for whole in _WHOLE:
        if before.get(whole) and _below(sensitive, whole) is not True:
            yield (whole,), _value(before[whole], (whole,))
    for attribute in _ANNOTATIONS:
        for key, text in _mapping(before.get(attribute)).items():
            if _below(sensitive, attribute) is not True:
                yield (attribute, key), _value(text, (attribute, key))
    template: object = before.get("template")
    path: Path = ("template",)
    if kind == JOB:
        template, path = _mapping(_lone(template)).get("template"), ("template", "template")
    containers = _list(_mapping(_lone(template)).get("containers"))
    for label, index, _ in _pairs(containers, containers):
        image = _mapping(containers[index] if index is not None else None).get("image")
        place = (*path, "containers", *(() if label is None else (f"[{label}]",)), "image")
        if image:
            yield place, _value(image, place)


def _lone(blocks: object) -> object:
    found = _list(blocks)
    return found[0] if found else None


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _moment(value: object) -> datetime | None:
    try:
        at = datetime.fromisoformat(_text(value))
    except ValueError:
        return None
    return at.astimezone(UTC) if at.tzinfo else None
