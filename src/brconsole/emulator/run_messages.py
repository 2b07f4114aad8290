"""The simulated services and revisions as Cloud Run Admin v2 messages, and back.

Raw protobuf, not proto-plus: a large fleet lists thousands of revisions. Field meanings:
reference/google-cloud-facts.md §1.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from google.cloud import run_v2
from google.protobuf.message import Message

from brconsole.emulator.errors import ApiError, invalid_argument, unimplemented
from brconsole.emulator.messages import set_time
from brconsole.simulation.model import Condition, Project, Revision, Service, Target, Template

_SERVICE = run_v2.Service.pb()
_REVISION = run_v2.Revision.pb()
_TEMPLATE = run_v2.RevisionTemplate.pb()
_CONTAINER = run_v2.Container.pb()
_CONDITION = run_v2.Condition.pb()
_TARGET = run_v2.TrafficTarget.pb()
_STATUS = run_v2.TrafficTargetStatus.pb()

_TO_REVISION = int(run_v2.TrafficTargetAllocationType.TRAFFIC_TARGET_ALLOCATION_TYPE_REVISION)
_TO_LATEST = int(run_v2.TrafficTargetAllocationType.TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST)
_STATES = {
    "succeeded": int(run_v2.Condition.State.CONDITION_SUCCEEDED),
    "failed": int(run_v2.Condition.State.CONDITION_FAILED),
    "reconciling": int(run_v2.Condition.State.CONDITION_RECONCILING),
    "pending": int(run_v2.Condition.State.CONDITION_PENDING),
}
_ENUMS = _CONDITION.DESCRIPTOR.enum_types_by_name
_COMMON_REASONS = {reason.name: reason.number for reason in _ENUMS["CommonReason"].values}
_REVISION_REASONS = {reason.name: reason.number for reason in _ENUMS["RevisionReason"].values}

_TIMEOUT_S = 300
_PORT = 8080
_LIMITS = {"cpu": "1000m", "memory": "512Mi"}


def service_name(project: Project, service: str) -> str:
    """The full resource name of a service."""
    return f"projects/{project.id}/locations/{project.region}/services/{service}"


def revision_name(project: Project, service: str, revision: str) -> str:
    """The full resource name of a revision."""
    return f"{service_name(project, service)}/revisions/{revision}"


def service_message(project: Project, service: Service) -> Any:
    """A service with its desired state (`traffic`, `template`) and its observed one (`traffic_statuses`)."""
    message = _SERVICE(
        name=service_name(project, service.name),
        uid=service.uid,
        generation=service.generation,
        observed_generation=service.observed_generation,
        labels=dict(service.labels),
        annotations=dict(service.annotations),
        creator=service.creator,
        last_modifier=service.last_modifier,
        ingress=int(run_v2.IngressTraffic.INGRESS_TRAFFIC_ALL),
        launch_stage=4,  # google.api.LaunchStage.GA
        template=template_message(service.template),
        traffic=[target_message(target) for target in service.traffic],
        traffic_statuses=[_status_message(target, service.uri) for target in service.serving],
        uri=service.uri,
        urls=[service.uri],
        reconciling=service.reconciling,
        etag=service.etag,
        conditions=[condition_message(condition) for condition in service.conditions],
        terminal_condition=condition_message(service.terminal),
    )
    set_time(message.create_time, service.created)
    set_time(message.update_time, service.updated)
    if service.latest_ready is not None:
        message.latest_ready_revision = revision_name(project, service.name, service.latest_ready)
    if service.latest_created is not None:
        message.latest_created_revision = revision_name(project, service.name, service.latest_created)
    return message


def revision_message(project: Project, revision: Revision) -> Any:
    """A revision."""
    template = revision.template
    message = _REVISION(
        name=revision_name(project, revision.service, revision.name),
        uid=revision.uid,
        generation=1,
        observed_generation=1,
        labels=dict(revision.labels),
        launch_stage=4,  # google.api.LaunchStage.GA
        service=revision.service,
        max_instance_request_concurrency=template.concurrency,
        service_account=template.service_account,
        session_affinity=template.session_affinity,
        containers=[_container_message(template)],
        conditions=[condition_message(condition) for condition in revision.conditions],
        reconciling=revision.ready is None,
        etag=f'"{revision.uid}"',
        log_uri=(
            "https://console.cloud.google.com/logs/viewer?resource=cloud_run_revision/service_name/"
            f"{revision.service}/revision_name/{revision.name}&project={project.id}"
        ),
    )
    message.scaling.min_instance_count = template.min_instances
    message.scaling.max_instance_count = template.max_instances
    message.timeout.seconds = _TIMEOUT_S
    set_time(message.create_time, revision.created)
    # Touched last when a condition last changed.
    set_time(message.update_time, max([revision.created, *(condition.changed for condition in revision.conditions)]))
    return message


def template_message(template: Template) -> Any:
    """What a revision runs, as a `RevisionTemplate`."""
    message = _TEMPLATE(
        service_account=template.service_account,
        max_instance_request_concurrency=template.concurrency,
        session_affinity=template.session_affinity,
        containers=[_container_message(template)],
    )
    message.scaling.min_instance_count = template.min_instances
    message.scaling.max_instance_count = template.max_instances
    message.timeout.seconds = _TIMEOUT_S
    return message


def target_message(target: Target) -> Any:
    """One desired traffic entry."""
    kind = _TO_LATEST if target.revision is None else _TO_REVISION
    return _TARGET(type_=kind, revision=target.revision or "", percent=target.percent, tag=target.tag or "")


def _status_message(target: Target, uri: str) -> Any:
    kind = _TO_LATEST if target.revision is None else _TO_REVISION
    message = _STATUS(type_=kind, revision=target.revision or "", percent=target.percent, tag=target.tag or "")
    if target.tag:
        message.uri = uri.replace("https://", f"https://{target.tag}---", 1)
    return message


def condition_message(condition: Condition) -> Any:
    """A condition."""
    message = _CONDITION(type_=condition.type, state=_STATES[condition.state], message=condition.message)
    set_time(message.last_transition_time, condition.changed)
    if condition.reason in _COMMON_REASONS:
        message.reason = _COMMON_REASONS[condition.reason]
    elif condition.reason in _REVISION_REASONS:
        message.revision_reason = _REVISION_REASONS[condition.reason]
    return message


def _container_message(template: Template) -> Any:
    message = _CONTAINER(
        image=template.image,
        env=[{"name": name, "value": value} for name, value in template.env.items()],
        ports=[{"name": "http1", "container_port": _PORT}],
    )
    message.resources.limits.update(_LIMITS)
    return message


def targets(messages: Iterable[Any]) -> tuple[Target, ...]:
    """Desired traffic as the world knows it. Only the form is read here; `run_checks` says what is allowed."""
    return tuple(
        Target(None if message.type_ == _TO_LATEST else message.revision, message.percent, message.tag or None)
        for message in messages
    )


def is_to_latest(message: Any) -> bool:
    """Whether a traffic entry goes to the latest ready revision."""
    return bool(message.type_ == _TO_LATEST)


def is_to_revision(message: Any) -> bool:
    """Whether a traffic entry goes to a revision named."""
    return bool(message.type_ == _TO_REVISION)


def template_from(message: Any) -> Template:
    """What a `RevisionTemplate` asks for; raises where it asks for what the simulation has not, by name."""
    if not message.containers:
        raise invalid_argument("Missing required field: template.containers.", "template.containers")
    if len(message.containers) > 1:
        raise not_simulated("template.containers", f"{len(message.containers)} containers")
    container = message.containers[0]
    if not container.image:
        raise invalid_argument("Missing required field: template.containers[0].image.", "template.containers[0].image")
    template = Template(
        image=container.image,
        digest=container.image.partition("@")[2],
        service_account=message.service_account,
        min_instances=message.scaling.min_instance_count,
        max_instances=message.scaling.max_instance_count or 100,
        concurrency=message.max_instance_request_concurrency or 80,
        session_affinity=message.session_affinity,
        env={variable.name: variable.value for variable in container.env},
    )
    rendered = template_message(template)
    for field, path in differences(message, rendered, "template"):
        if field != "revision":
            raise not_simulated(path, "this value")
    return template


def differences(given: Any, rendered: Any, path: str) -> list[tuple[str, str]]:
    """Fields set in one message and not the same in the other: (name, path). What is not set is not compared."""
    found: list[tuple[str, str]] = []
    for descriptor, value in given.ListFields():
        where = f"{path}.{descriptor.name}"
        other = getattr(rendered, descriptor.name)
        if isinstance(value, Message):
            found += differences(value, other, where)
        elif isinstance(value, Sequence) and value and isinstance(value[0], Message):
            if len(value) != len(other):
                found.append((descriptor.name, where))
            for index, (one, two) in enumerate(zip(value, other, strict=False)):
                found += differences(one, two, f"{where}[{index}]")
        elif value != other:
            found.append((descriptor.name, where))
    return found


def not_simulated(path: str, what: str) -> ApiError:
    """A value that Google takes and the simulation cannot have."""
    return unimplemented(f"{path}: {what} is not part of the embedded Google Cloud.")
