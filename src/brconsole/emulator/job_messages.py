"""The simulated jobs and executions as Cloud Run Admin v2 messages, and back. Field meanings: facts §9."""

from __future__ import annotations

from typing import Any

from google.cloud import run_v2

from brconsole.emulator.errors import invalid_argument
from brconsole.emulator.messages import set_time
from brconsole.emulator.run_messages import condition_message, differences, not_simulated
from brconsole.simulation.jobs import Execution, Job, TaskTemplate, Variable
from brconsole.simulation.model import Condition, Project

_JOB = run_v2.Job.pb()
_EXECUTION = run_v2.Execution.pb()
_TASK = run_v2.Task.pb()
_TASK_TEMPLATE = run_v2.TaskTemplate.pb()
_EXECUTION_TEMPLATE = run_v2.ExecutionTemplate.pb()
_REASON = run_v2.Condition.ExecutionReason
_STATUS = run_v2.ExecutionReference.CompletionStatus

LIMITS = {"cpu": "1000m", "memory": "512Mi"}
_GA = 4  # google.api.LaunchStage.GA


def job_name(project: Project, job: str) -> str:
    """The full resource name of a job."""
    return f"projects/{project.id}/locations/{project.region}/jobs/{job}"


def execution_name(project: Project, execution: Execution) -> str:
    """The full resource name of an execution."""
    return f"{job_name(project, execution.job)}/executions/{execution.name}"


def job_message(project: Project, job: Job, latest: Execution | None) -> Any:
    """A job; `latest` is its newest execution."""
    message = _JOB(
        name=job_name(project, job.name),
        uid=job.uid,
        generation=job.generation,
        observed_generation=job.generation,
        labels=dict(job.labels),
        annotations=dict(job.annotations),
        creator=job.creator,
        last_modifier=job.last_modifier,
        launch_stage=_GA,
        template=_EXECUTION_TEMPLATE(parallelism=1, task_count=1, template=task_template_message(job.template)),
        conditions=[condition_message(Condition("Ready", "succeeded", changed=job.created))],
        terminal_condition=condition_message(Condition("Ready", "succeeded", changed=job.created)),
        execution_count=job.execution_count,
        etag=job.etag,
    )
    set_time(message.create_time, job.created)
    set_time(message.update_time, job.updated)
    if latest is not None:
        reference = message.latest_created_execution
        reference.name = latest.name
        set_time(reference.create_time, latest.created)
        reference.completion_status = int(completion_status(latest))
        if latest.completed is not None:
            set_time(reference.completion_time, latest.completed)
    return message


def completion_status(execution: Execution) -> Any:
    """How an execution stands, in one word."""
    if execution.outcome is not None:
        return getattr(_STATUS, f"EXECUTION_{execution.outcome.upper()}")
    return _STATUS.EXECUTION_PENDING if execution.started is None else _STATUS.EXECUTION_RUNNING


def execution_message(project: Project, execution: Execution) -> Any:
    """An execution. Its template holds what it runs with, overrides included; secrets are references in it."""
    running = execution.started is not None and execution.outcome is None
    message = _EXECUTION(
        name=execution_name(project, execution),
        uid=execution.uid,
        creator=execution.creator,
        generation=1,
        observed_generation=1,
        launch_stage=_GA,
        job=execution.job,
        parallelism=1,
        task_count=1,
        template=task_template_message(execution.template),
        reconciling=execution.outcome is None,
        conditions=_conditions(execution),
        running_count=int(running),
        succeeded_count=int(execution.outcome == "succeeded"),
        failed_count=int(execution.outcome == "failed"),
        cancelled_count=int(execution.outcome == "cancelled"),
        retried_count=execution.retried,
        log_uri=_log_uri(project, execution),
        etag=execution.etag,
    )
    set_time(message.create_time, execution.created)
    set_time(message.update_time, execution.updated)
    if execution.started is not None:
        set_time(message.start_time, execution.started)
    if execution.completed is not None:
        set_time(message.completion_time, execution.completed)
    return message


def _log_uri(project: Project, execution: Execution) -> str:
    return (
        "https://console.cloud.google.com/logs/viewer?project="
        f"{project.id}&advancedFilter=resource.type%3D%22cloud_run_job%22%0A"
        f"resource.labels.job_name%3D%22{execution.job}%22%0A"
        f"labels.%22run.googleapis.com/execution_name%22%3D%22{execution.name}%22"
    )


def _conditions(execution: Execution) -> list[Any]:
    state = {"succeeded": "succeeded", None: "reconciling"}.get(execution.outcome, "failed")
    changed = execution.completed or execution.started or execution.created
    completed = condition_message(Condition("Completed", state, None, execution.message, changed))  # type: ignore[arg-type]
    if execution.outcome == "failed":
        completed.execution_reason = int(_REASON.NON_ZERO_EXIT_CODE)
    elif execution.outcome == "cancelled":
        completed.execution_reason = int(_REASON.CANCELLED)
    elif execution.cancelling:
        completed.execution_reason = int(_REASON.CANCELLING)
    started = Condition(
        "Started",
        "pending" if execution.started is None else "succeeded",
        changed=execution.started or execution.created,
    )
    return [completed, condition_message(started)]


def task_message(project: Project, execution: Execution) -> Any:
    """The one task of an execution."""
    message = _TASK(
        name=f"{execution_name(project, execution)}/tasks/{execution.name}-task0",
        uid=f"{execution.uid}-0",
        generation=1,
        observed_generation=1,
        job=execution.job,
        execution=execution.name,
        containers=task_template_message(execution.template).containers,
        service_account=execution.template.service_account,
        max_retries=execution.template.max_retries,
        reconciling=execution.outcome is None,
        conditions=_conditions(execution),
        index=0,
        retried=execution.retried,
        log_uri=_log_uri(project, execution),
        etag=execution.etag,
    )
    message.timeout.seconds = execution.template.timeout_s
    set_time(message.create_time, execution.created)
    set_time(message.update_time, execution.updated)
    if execution.started is not None:
        set_time(message.start_time, execution.started)
    if execution.completed is not None:
        set_time(message.completion_time, execution.completed)
    return message


def task_template_message(template: TaskTemplate) -> Any:
    """What a task runs, as a `TaskTemplate`."""
    message = _TASK_TEMPLATE(service_account=template.service_account, max_retries=template.max_retries)
    container = message.containers.add(image=template.image, command=template.command, args=template.args)
    for variable in template.env:
        if variable.secret is None:
            container.env.add(name=variable.name, value=variable.value)
        else:
            source = container.env.add(name=variable.name).value_source.secret_key_ref
            source.secret, source.version = variable.secret, variable.version
    container.resources.limits.update(LIMITS)
    message.timeout.seconds = template.timeout_s
    return message


def task_template_from(message: Any, service_account: str) -> TaskTemplate:
    """What the `ExecutionTemplate` of a job asks for; raises where it asks for what the simulation has not, by name.

    `service_account` stands in where none is named.
    """
    path = "job.template.template"
    if message.task_count > 1 or message.parallelism > 1:
        raise not_simulated("job.template", "more than one task")
    task = message.template
    if len(task.containers) != 1:
        if not task.containers:
            raise invalid_argument(f"Missing required field: {path}.containers.", f"{path}.containers")
        raise not_simulated(f"{path}.containers", f"{len(task.containers)} containers")
    container = task.containers[0]
    if not container.image:
        raise invalid_argument(f"Missing required field: {path}.containers[0].image.", f"{path}.containers[0].image")
    default = TaskTemplate("", "")
    template = TaskTemplate(
        image=container.image,
        service_account=task.service_account or service_account,
        command=tuple(container.command),
        args=tuple(container.args),
        env=tuple(_variable(one) for one in container.env),
        # What is not set in a message is not 0: `retries` is a oneof.
        max_retries=task.max_retries if task.HasField("max_retries") else default.max_retries,
        timeout_s=task.timeout.seconds or default.timeout_s,
    )
    for _, where in differences(task, task_template_message(template), path):
        raise not_simulated(where, "this value")
    return template


def _variable(message: Any) -> Variable:
    if message.HasField("value_source"):
        reference = message.value_source.secret_key_ref
        return Variable(message.name, "", reference.secret, reference.version or "latest")
    return Variable(message.name, message.value)
