"""The simulated jobs as the objects of Cloud Run Admin v1, and back.

The names are those of https://cloud.google.com/run/docs/reference/rest/v1/namespaces.jobs; what a `replace` may not ask
for is refused by its path, as with services.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from brconsole.emulator.clock import rfc3339
from brconsole.emulator.errors import invalid_argument, unimplemented
from brconsole.emulator.job_messages import LIMITS, completion_status
from brconsole.emulator.run_v1_messages import (
    CREATOR,
    LOCATION_LABEL,
    MODIFIER,
    UNUSED,
    child,
    condition_document,
    differences,
    opaque_version,
    own_keys,
    texts,
)
from brconsole.simulation.jobs import Execution, Job, TaskTemplate, Variable
from brconsole.simulation.model import Condition, Project

GROUP = "run.googleapis.com/v1"


def version_number(job: Job) -> int:
    """The version of a job as its conflicts tell it."""
    return int(job.updated) * 1_000_000 + job.version % 1_000_000


def resource_version(job: Job) -> str:
    """The version as the object shows it: opaque, and not the number of the conflicts (facts §2)."""
    return opaque_version(version_number(job))


def job_document(project: Project, job: Job, latest: Execution | None) -> dict[str, Any]:
    """A job; `latest` is its newest execution."""
    status: dict[str, Any] = {
        "observedGeneration": job.generation,
        "conditions": [condition_document(Condition("Ready", "succeeded", changed=job.created))],
    }
    if job.execution_count:
        status["executionCount"] = job.execution_count
    if latest is not None:
        status["latestCreatedExecution"] = {
            "name": latest.name,
            "creationTimestamp": rfc3339(latest.created),
            "completionStatus": completion_status(latest).name,
            **({"completionTimestamp": rfc3339(latest.completed)} if latest.completed is not None else {}),
        }
    return {
        "apiVersion": GROUP,
        "kind": "Job",
        "metadata": {
            "name": job.name,
            "namespace": str(project.number),
            "selfLink": f"/apis/{GROUP}/namespaces/{project.number}/jobs/{job.name}",
            "uid": job.uid,
            "resourceVersion": resource_version(job),
            "generation": job.generation,
            "creationTimestamp": rfc3339(job.created),
            "labels": {**job.labels, LOCATION_LABEL: project.region},
            "annotations": {**job.annotations, CREATOR: job.creator, MODIFIER: job.last_modifier},
        },
        "spec": spec_document(job.template),
        "status": status,
    }


def spec_document(template: TaskTemplate) -> dict[str, Any]:
    """What a job's executions run, as a JobSpec."""
    container: dict[str, Any] = {
        "image": template.image,
        "command": list(template.command),
        "env": [_variable_document(one) for one in template.env],
        "resources": {"limits": dict(LIMITS)},
    }
    if template.args:
        container["args"] = list(template.args)
    task = {
        "containers": [container],
        "maxRetries": template.max_retries,
        # An int64, which JSON carries as text.
        "timeoutSeconds": str(template.timeout_s),
        "serviceAccountName": template.service_account,
    }
    return {
        "template": {
            "metadata": {"annotations": {"run.googleapis.com/execution-environment": "gen2"}},
            "spec": {"parallelism": 1, "taskCount": 1, "template": {"spec": task}},
        }
    }


def _variable_document(variable: Variable) -> dict[str, Any]:
    if variable.secret is None:
        return {"name": variable.name, "value": variable.value}
    reference = {"name": variable.secret, "key": variable.version}
    return {"name": variable.name, "valueFrom": {"secretKeyRef": reference}}


def user_keys(project: Project, job: Job, metadata: Mapping[str, Any], field: str) -> dict[str, str]:
    """The annotations or labels of a replace without Google's own; raises where it wants to change one of those."""
    present = job_document(project, job, None)["metadata"][field]
    return own_keys(texts(metadata, field, "metadata"), present, f"metadata.{field}")


def template_from(spec: Mapping[str, Any], service_account: str) -> TaskTemplate:
    """What a JobSpec asks for; raises for what the simulation has not. `service_account` stands in where none is
    named.
    """
    outer = child(spec, "template", dict, "spec")
    execution = child(outer, "spec", dict, "spec.template")
    path = "spec.template.spec.template.spec"
    task = child(child(execution, "template", dict, "spec.template.spec"), "spec", dict, "spec.template.spec.template")
    containers = child(task, "containers", list, path)
    if not containers or not isinstance(containers[0], dict):
        raise invalid_argument(f"missing field(s): {path}.containers", f"{path}.containers")
    first = f"{path}.containers[0]"
    image = child(containers[0], "image", str, first)
    if not image:
        raise invalid_argument(f"missing field(s): {first}.image", f"{first}.image")
    default = TaskTemplate("", "")
    template = TaskTemplate(
        image=image,
        service_account=child(task, "serviceAccountName", str, path) or service_account,
        command=_texts(containers[0], "command", first),
        args=_texts(containers[0], "args", first),
        env=tuple(_variable(one, first) for one in child(containers[0], "env", list, first)),
        # 0 is a number of retries; what is missing is the default.
        max_retries=_whole(task, "maxRetries", path, default.max_retries),
        timeout_s=_whole(task, "timeoutSeconds", path, default.timeout_s),
    )
    annotations = texts(child(outer, "metadata", dict, "spec.template"), "annotations", "spec.template.metadata")
    wanted = {
        "metadata": {"annotations": {key: value for key, value in annotations.items() if key not in UNUSED}},
        "spec": {
            **execution,
            "template": {"spec": {**task, "timeoutSeconds": str(template.timeout_s)}},
        },
    }
    for where in differences(wanted, spec_document(template)["template"], "spec.template"):
        raise unimplemented(f"{where}: this value is not part of the embedded Google Cloud.")
    return template


def _variable(document: Any, path: str) -> Variable:
    if not isinstance(document, dict):
        raise invalid_argument(f"Invalid value at '{path}.env'", f"{path}.env")
    name = child(document, "name", str, f"{path}.env")
    source = child(document, "valueFrom", dict, f"{path}.env")
    if not source:
        return Variable(name, child(document, "value", str, f"{path}.env"))
    reference = child(source, "secretKeyRef", dict, f"{path}.env.valueFrom")
    where = f"{path}.env.valueFrom.secretKeyRef"
    return Variable(name, "", child(reference, "name", str, where), child(reference, "key", str, where) or "latest")


def _texts(document: Mapping[str, Any], key: str, path: str) -> tuple[str, ...]:
    found = child(document, key, list, path)
    if not all(isinstance(one, str) for one in found):
        raise invalid_argument(f"Invalid value at '{path}.{key}' (TYPE_STRING)", f"{path}.{key}")
    return tuple(found)


def _whole(document: Mapping[str, Any], key: str, path: str, default: int) -> int:
    """A number, which JSON may carry as text where it is an int64."""
    value = document.get(key)
    if value is None:
        return default
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 9:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise invalid_argument(f"Invalid value at '{path}.{key}' (TYPE_INT32), {value!r:.80}", f"{path}.{key}")
    return value
