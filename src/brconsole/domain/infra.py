"""Drift of an environment's infrastructure: what differs, who writes that field, and who would win.

One writer a field (reference: infra and pipelines §4.3). Terraform owns the shape, environment, service account,
scaling, ingress and IAM of a service; the pipeline its image; the release engine its traffic, tags and
`brconsole.dev/*` annotations; gcloud leaves its client labels. Drift in a field that Terraform leaves to another is
expected and nobody fights over it. Everything else is not, and says what to do.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from brconsole.domain.annotation import Unreadable
from brconsole.domain.intent import ANNOTATION, Rollout, parse
from brconsole.domain.terraform_plan import (
    ABSENT,
    CLOUD_RUN,
    SCHEDULER_JOB,
    SQL_INSTANCE,
    Action,
    Path,
    ResourceChange,
    TerraformPlan,
    Value,
    ValueState,
    path_text,
)
from brconsole.domain.text import clean

OUR_ANNOTATIONS = "brconsole.dev/"
_SPLITS = ("traffic", "instance_splits")
_DIGEST_DIGITS = 12
_IMAGE = re.compile(r"(?:[^@\s]*/)?(?P<name>[^@/\s]+)@sha256:(?P<digest>[0-9a-f]{64})")
_ECHOES = frozenset(
    {
        "build_info", "conditions", "create_time", "creationTimestamp", "creation_timestamp", "creator", "delete_time",
        "effective_labels", "etag", "expire_time", "fingerprint", "generation", "id", "last_modifier",
        "latest_created_execution", "latest_created_revision", "latest_ready_revision", "observed_generation",
        "reconciling", "self_link", "state", "terminal_condition", "terraform_labels", "traffic_statuses", "uid",
        "update_time", "updated", "uri", "urls", "version_id",
    }
)  # fmt: skip
"""Attributes that Google writes as a consequence of something else, by the first step of their path."""
_GCLOUD_ANNOTATIONS = ("run.googleapis.com/client", "run.googleapis.com/operation-id", "client.knative.dev/")
_GOOGLE_ANNOTATIONS = ("run.googleapis.com/", "serving.knative.dev/", "serving.googleapis.com/")
_KINDS = {
    "google_cloud_run_v2_service": "Cloud Run service",
    "google_cloud_run_v2_worker_pool": "worker pool",
    "google_cloud_run_v2_job": "Cloud Run job",
    "google_sql_database_instance": "Cloud SQL instance",
    "google_redis_instance": "Redis instance",
    "google_storage_bucket": "bucket",
    "google_service_account": "service account",
    "google_monitoring_alert_policy": "alert policy",
    "google_monitoring_dashboard": "dashboard",
    "google_pubsub_topic": "Pub/Sub topic",
    "google_kms_crypto_key": "KMS key",
}


class Writer(StrEnum):
    """Whose field it is, by the contract."""

    TERRAFORM = "terraform"
    PIPELINE = "pipeline"
    RELEASE_ENGINE = "release engine"
    GCLOUD = "gcloud"
    NIGHT_SCHEDULE = "night schedule"
    NOBODY = "nobody"
    """Nobody may write it: a revision's name."""


class Winner(StrEnum):
    """Which value is left when everybody has done what they do next."""

    TERRAFORM = "terraform"
    """The next apply writes it."""
    WRITER = "writer"
    """The field's own writer; Terraform leaves it alone, so nobody fights."""
    OUTSIDE = "outside"
    """The change from outside: Terraform does not put it back."""
    FIGHT = "fight"
    """Neither: each undoes what the other did."""


class Verdict(StrEnum):
    """The environment as a whole."""

    IN_STEP = "in step"
    EXPECTED = "expected drift only"
    UNEXPECTED = "unexpected drift"


@dataclass(frozen=True, slots=True)
class Change:
    """One field, or a whole resource where `path` is empty."""

    address: str
    kind: str
    """The resource's type as Terraform calls it."""
    name: str
    path: str
    action: Action
    """What an apply would do with the resource."""
    configured: Value | None
    """What the configuration says, where Terraform leaves the field as it is all the same; None where the plan does not
    tell."""
    recorded: Value
    """As Terraform last wrote it down."""
    live: Value
    """As the refresh found it."""
    planned: Value
    """As an apply would leave it."""
    writer: Writer
    winner: Winner
    expected: bool
    why: str
    cure: str = ""
    applied: bool = True
    """Whether an apply writes it."""

    @property
    def subject(self) -> str:
        """The resource in a person's words."""
        return f"{self.name} ({kind_text(self.kind)})"

    @property
    def moves(self) -> str:
        """From what to what, in one line; long values are shortened."""
        live, planned = (short_text(value, self.path) for value in (self.live, self.planned))
        if not self.path:
            return f"{live}; after an apply {planned}" if live != planned else live
        if self.live.state is ValueState.SENSITIVE:
            return "a sensitive value changes at the next apply" if self.applied else "a sensitive value was changed"
        if self.live != self.planned:
            if self.recorded != self.live:
                return f"{short_text(self.recorded, self.path)} → {live}; an apply makes it {planned}"
            return f"{live} → {planned} at the next apply"
        if self.recorded != self.live:
            return f"{short_text(self.recorded, self.path)} → {live}; an apply leaves it"
        if self.configured is not None and self.configured.state is ValueState.KNOWN:
            return f"configured {short_text(self.configured, self.path)}, is {live}"
        return f"is {live}"

    @property
    def wins(self) -> str:
        """Who wins, in a few words."""
        if self.winner is Winner.TERRAFORM:
            return "Terraform, at the next apply"
        if self.winner is Winner.OUTSIDE:
            return "the change outside"
        if self.winner is Winner.FIGHT:
            return f"a fight: Terraform and {self.writer.value}"
        return f"{self.writer.value}; nobody fights"


@dataclass(frozen=True, slots=True)
class ActiveRollout:
    """A rollout under way, or the record of one that cannot be read."""

    service: str
    what: str


@dataclass(frozen=True, slots=True)
class DriftReport:
    """What differs in one environment."""

    environment: str
    verdict: Verdict
    changes: tuple[Change, ...]
    """Unexpected ones first, then by resource."""
    as_of: datetime | None
    """When the plan was made, as it says itself."""
    terraform_version: str
    resources: int
    rollouts: tuple[ActiveRollout, ...] | None
    """None: whether one is active is not known."""
    updates_services: tuple[str, ...]
    """Cloud Run resources that an apply would update."""
    notes: tuple[str, ...] = ()

    @property
    def unexpected(self) -> tuple[Change, ...]:
        """The changes that somebody has to settle."""
        return tuple(change for change in self.changes if not change.expected)

    @property
    def summary(self) -> str:
        """The verdict in one sentence."""
        total, wrong = len(self.changes), len(self.unexpected)
        if self.verdict is Verdict.IN_STEP:
            return f"in step: {_counted(self.resources, 'resource')} as configured"
        if self.verdict is Verdict.EXPECTED:
            return f"expected drift only: {_counted(total, 'field')} that others than Terraform write"
        rest = f", {total - wrong} more expected" if total > wrong else ""
        return f"unexpected drift: {_counted(wrong, 'change')}{rest}"

    @property
    def no_apply(self) -> str:
        """Why nothing may be applied now; empty where no rollout stands in the way."""
        if self.rollouts is None:
            return (
                "whether a rollout is active is not known; look at `brconsole release status` before an apply: "
                f"{_ECHO_SENTENCE}"
            )
        if not self.rollouts:
            return ""
        first = self.rollouts[0]
        others = f" and {len(self.rollouts) - 1} more" if len(self.rollouts) > 1 else ""
        these = f" (this plan updates {', '.join(self.updates_services)})" if self.updates_services else ""
        return f"no apply now: {first.what} is active on {first.service}{others}; {_ECHO_SENTENCE}{these}"


_ECHO_SENTENCE = (
    "every update of a Cloud Run service by the provider writes back traffic and annotations as last refreshed"
)


def kind_text(kind: str) -> str:
    """A resource type in a person's words."""
    return _KINDS.get(kind) or kind.removeprefix("google_").replace("_", " ")


def drift_report(environment: str, plan: TerraformPlan, rollouts: Iterable[ActiveRollout] | None = None) -> DriftReport:
    """What differs, by the contract. `rollouts` are those that were read elsewhere, None where that was not possible;
    those whose record stands in the plan itself are found here.
    """
    schedule = environment == "dev" or _stops_at_night(plan)
    drifted = {found.address: found for found in plan.drift}
    planned = {found.address: found for found in plan.changes}
    changes: list[Change] = []
    for address in dict.fromkeys((*planned, *drifted)):
        changes += _resource_changes(planned.get(address), drifted.get(address), schedule)
    changes.sort(key=lambda change: (change.expected, change.address, change.path))
    verdict = Verdict.IN_STEP
    if changes:
        verdict = Verdict.EXPECTED if all(change.expected for change in changes) else Verdict.UNEXPECTED
    return DriftReport(
        environment=environment,
        verdict=verdict,
        changes=tuple(changes),
        as_of=plan.made_at,
        terraform_version=plan.terraform_version,
        resources=len(plan.changes),
        rollouts=_rollouts(plan, rollouts),
        updates_services=tuple(
            found.name for found in plan.changes if found.kind in CLOUD_RUN and found.action is Action.UPDATE
        ),
        notes=tuple(_notes(plan)),
    )


def rollouts_of(annotations: Mapping[str, Mapping[str, str]]) -> tuple[ActiveRollout, ...]:
    """The rollouts under way, by the annotations of each service."""
    found = []
    for service, texts in sorted(annotations.items()):
        text = texts.get(ANNOTATION)
        state = None if text is None else parse(text)
        if isinstance(state, Rollout) and state.active:
            found.append(ActiveRollout(service, _rollout_words(state)))
        elif isinstance(state, Unreadable):
            found.append(ActiveRollout(service, "a rollout whose record cannot be read"))
    return tuple(found)


def traffic_text(value: object) -> str:
    """A traffic list as a person reads it: `api-00041-abc 95 %, api-00042-def 5 % (canary)`."""
    if not isinstance(value, list) or not value:
        return "not set"
    shares = []
    for target in value:
        if not isinstance(target, dict):
            return Value(ValueState.KNOWN, value).text
        name = target.get("revision") or "latest"
        percent = target.get("percent")
        tag = target.get("tag")
        shares.append(f"{name} {percent if percent is not None else 0} %" + (f" ({tag})" if tag else ""))
    return ", ".join(str(share) for share in shares)


def value_text(value: Value, path: str) -> str:
    """A value as it is shown: traffic as a split, a rollout's record in its own words, an image by its digest."""
    if value.state is ValueState.KNOWN and path in _SPLITS:
        return traffic_text(value.data)
    if value.state is ValueState.KNOWN and isinstance(value.data, str) and ANNOTATION in path:
        state = parse(value.data)
        return _rollout_words(state) if isinstance(state, Rollout) else "a record that cannot be read"
    return value.text


def short_text(value: Value, path: str) -> str:
    """The same where there is little room: an image by the end of its name and of its digest the beginning."""
    text = value_text(value, path)
    image = _IMAGE.fullmatch(text)
    return f"{image['name']}@{image['digest'][:_DIGEST_DIGITS]}" if image else text


def _rollout_words(state: Rollout) -> str:
    phase = state.phase.value.replace("_", " ")
    return f"{state.id}, {phase}, {state.canary} at {state.percent} %"


# -- one resource -----------------------------------------------------------------------------------------------------


def _resource_changes(
    planned: ResourceChange | None, drifted: ResourceChange | None, schedule: bool
) -> Iterator[Change]:
    resource = planned or drifted
    assert resource is not None  # the caller takes the addresses from both
    action = Action.NONE if planned is None else planned.action
    if drifted is not None and drifted.action is Action.DELETE:
        yield _gone(resource, action)
        return
    if action in (Action.CREATE, Action.DELETE, Action.FORGET):
        yield _whole(resource, action)
        return
    if action is Action.REPLACE:
        yield _whole(resource, action)
    yield from _fields(resource, action, planned, drifted, schedule)


def _gone(resource: ResourceChange, action: Action) -> Change:
    again = action is Action.CREATE
    return _about_whole(
        resource,
        action,
        Winner.TERRAFORM if again else Winner.OUTSIDE,
        "somebody deleted it outside Terraform"
        + ("; the next apply makes it again, without what it held" if again else "; the next apply leaves it so"),
        "find out who and why in the audit log before anything is applied",
    )


_WHOLE = {
    Action.CREATE: ("it is configured and not there: the next apply makes it", "apply it, or take it out"),
    Action.DELETE: ("the next apply DELETES it: it is no longer configured", "see that this is meant before an apply"),
    Action.FORGET: ("the next apply takes it out of the state and leaves it where it is", "see that this is meant"),
    Action.REPLACE: (
        "the next apply deletes it and makes a new one",
        "see that this is meant: what it holds is lost, and a service is down meanwhile",
    ),
}


def _whole(resource: ResourceChange, action: Action) -> Change:
    why, cure = _WHOLE[action]
    return _about_whole(resource, action, Winner.TERRAFORM, why, cure)


def _about_whole(resource: ResourceChange, action: Action, winner: Winner, why: str, cure: str) -> Change:
    there, missing = Value(ValueState.KNOWN, "there"), Value(ValueState.KNOWN, "not there")
    gone = "deleted" in why
    live = missing if action is Action.CREATE or gone else there
    after = missing if action is Action.DELETE or (gone and action is Action.NONE) else there
    if action is Action.REPLACE:
        after = Value(ValueState.KNOWN, "a new one")
    recorded = there if gone else live
    return Change(
        resource.address,
        resource.kind,
        resource.name,
        "",
        action,
        None,
        recorded,
        live,
        after,
        Writer.TERRAFORM,
        winner,
        False,
        why,
        cure,
    )


@dataclass(slots=True)
class _Sides:
    recorded: Value
    live: Value
    planned: Value
    outside: bool = False
    applied: bool = False
    configured: Value | None = None


def _fields(
    resource: ResourceChange,
    action: Action,
    planned: ResourceChange | None,
    drifted: ResourceChange | None,
    schedule: bool,
) -> Iterator[Change]:
    sides: dict[Path, _Sides] = {}
    for difference in () if drifted is None else drifted.differences:
        sides[difference.path] = _Sides(difference.before, difference.after, difference.after, outside=True)
    for difference in () if planned is None else planned.differences:
        found = sides.setdefault(difference.path, _Sides(difference.before, difference.before, difference.after))
        found.live, found.planned, found.applied = difference.before, difference.after, True
    for path, standing, configured in _left_alone(resource):
        found = sides.setdefault(path, _Sides(standing, standing, standing))
        found.configured = configured
    for path, found in sides.items():
        if path and (path[0] in _ECHOES or _echoes(path, sides)):
            continue
        writer = _writer(resource.kind, path, schedule)
        if writer is not None:
            yield _judged(resource, action, path, found, writer)


def _echoes(path: Path, sides: Mapping[Path, _Sides]) -> bool:
    """Whether it only says again what another attribute says."""
    if path[0] == "effective_annotations":
        return ("annotations", *path[1:]) in sides
    return path[-1] in ("build_info", "function_target", "source_location") and "build_info" in path


def _left_alone(resource: ResourceChange) -> Iterator[tuple[Path, Value, Value | None]]:
    """What stands there by another writer and Terraform ignores, although nothing changed since the last look.

    An image counts where the configuration names pinned ones and this is none of them, a split where it names
    revisions.
    """
    for path, value in resource.standing:
        if value.state is not ValueState.KNOWN:
            continue
        if path[-1] == "image" and resource.named_images is not None and value.data not in resource.named_images:
            only = next(iter(resource.named_images)) if len(resource.named_images) == 1 else None
            yield path, value, None if only is None else Value(ValueState.KNOWN, only)
        elif _of_the_engine(path, value.data):
            yield path, value, ABSENT


def _of_the_engine(path: Path, value: object) -> bool:
    if path[0] in _SPLITS:
        return _names_revisions(value)
    return "annotations" in path[0] and path[-1].startswith(OUR_ANNOTATIONS)


def _names_revisions(targets: object) -> bool:
    return isinstance(targets, list) and any(isinstance(target, dict) and target.get("revision") for target in targets)


def _writer(kind: str, path: Path, schedule: bool) -> Writer | None:
    """Whose field it is; None where Google writes it by itself."""
    if kind == SQL_INSTANCE and path[-1:] == ("activation_policy",) and schedule:
        return Writer.NIGHT_SCHEDULE
    if kind not in CLOUD_RUN or not path:
        return Writer.TERRAFORM
    if path[0] in _SPLITS:
        return Writer.RELEASE_ENGINE
    if path[-1] == "image" and "containers" in path:
        return Writer.PIPELINE
    if path == ("template", "revision"):
        return Writer.NOBODY
    if path[0] in ("client", "client_version") or path[:2] == ("template", "labels"):
        return Writer.GCLOUD
    if "annotations" in path or path[0] == "effective_annotations":
        return _annotation_writer(path[-1])
    return Writer.TERRAFORM


def _annotation_writer(key: str) -> Writer | None:
    if key.startswith(OUR_ANNOTATIONS):
        return Writer.RELEASE_ENGINE
    if key.startswith(_GCLOUD_ANNOTATIONS):
        return Writer.GCLOUD
    return None if key.startswith(_GOOGLE_ANNOTATIONS) else Writer.TERRAFORM


def _judged(resource: ResourceChange, action: Action, path: Path, sides: _Sides, writer: Writer) -> Change:
    winner, why, cure = _rule(path, sides, writer)
    return Change(
        resource.address,
        resource.kind,
        resource.name,
        path_text(path),
        action,
        sides.configured,
        sides.recorded,
        sides.live,
        sides.planned,
        writer,
        winner,
        winner is Winner.WRITER,
        why,
        cure,
        sides.applied,
    )


_FOREIGN = {
    Writer.PIPELINE: "the pipeline deploys images; Terraform names one for the first deploy only",
    Writer.RELEASE_ENGINE: "the release engine writes traffic, tags and its record; Terraform ignores them",
    Writer.GCLOUD: "gcloud leaves its name at a deploy; Terraform ignores it",
    Writer.NIGHT_SCHEDULE: "the schedule stops and starts this database out of hours; Terraform ignores it",
}


def _rule(path: Path, sides: _Sides, writer: Writer) -> tuple[Winner, str, str]:
    if writer is Writer.NOBODY:
        if not sides.applied:
            return (
                Winner.OUTSIDE,
                "somebody deployed with a tag or a revision suffix; Terraform leaves the name, so its next change of "
                "the template is refused (409: a revision of that name exists)",
                "take template[0].revision out of ignore_changes, and deploy without --tag and --revision-suffix",
            )
        return (
            Winner.TERRAFORM,
            "somebody deployed with a tag or a revision suffix; the next apply makes a new revision",
            "deploy once more with --image and --no-traffic only, without --tag and --revision-suffix, before an apply",
        )
    if writer is Writer.TERRAFORM:
        return _shape(sides)
    why = _FOREIGN[writer]
    if not sides.applied:
        return Winner.WRITER, why, ""
    return (
        Winner.FIGHT,
        f"it belongs to the {writer.value}, and Terraform would write it at the next apply: each undoes the other",
        f"put {_ignorable(path)} into ignore_changes of this resource before anything is applied",
    )


def _ignorable(path: Path) -> str:
    """The field as `ignore_changes` names it."""
    return "template[0].containers[0].image" if path[-1] == "image" else path_text(path)


def _shape(sides: _Sides) -> tuple[Winner, str, str]:
    if sides.outside and sides.applied:
        return (
            Winner.TERRAFORM,
            "changed outside Terraform; the next apply puts it back",
            "write the new value into the configuration if it is meant, else apply",
        )
    if sides.outside:
        return (
            Winner.OUTSIDE,
            "changed outside Terraform, and the configuration does not say what it should be",
            "configure it, or undo the change by hand: no apply will",
        )
    return (
        Winner.TERRAFORM,
        "the configuration says otherwise: the next apply writes it",
        "write the live value into the configuration if that one is meant, else apply",
    )


# -- the environment ------------------------------------------------------------------------------------------------


def _stops_at_night(plan: TerraformPlan) -> bool:
    """Whether the plan holds a schedule that starts and stops databases."""
    return any(
        "sqladmin.googleapis.com" in value.text
        for change in plan.changes
        if change.kind == SCHEDULER_JOB
        for _, value in change.standing
    )


def _rollouts(plan: TerraformPlan, read: Iterable[ActiveRollout] | None) -> tuple[ActiveRollout, ...] | None:
    """Those that were read elsewhere, with those whose record the refresh found."""
    services = [change for change in plan.changes if change.kind in CLOUD_RUN and change.action is not Action.CREATE]
    annotations = {
        change.name: {
            path[-1]: value.data
            for path, value in change.standing
            if path[0] in ("annotations", "effective_annotations") and isinstance(value.data, str)
        }
        for change in services
    }
    known = {rollout.service: rollout for rollout in rollouts_of(annotations)}
    if read is None:
        return tuple(known.values()) if services else None
    return tuple({**known, **{rollout.service: rollout for rollout in read}}.values())


def _notes(plan: TerraformPlan) -> Iterator[str]:
    if plan.state_is_empty:
        yield (
            f"the state holds none of the {len(plan.changes)} resources: it was never applied, or this is not the "
            "state that was meant"
        )
    if not plan.complete:
        yield "Terraform could not plan everything in one go, so there may be more"
    if plan.outputs_changed:
        names = ", ".join(clean(name, 60) for name in plan.outputs_changed[:6])
        yield f"an apply would change {_counted(len(plan.outputs_changed), 'output')}: {names}"


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")
