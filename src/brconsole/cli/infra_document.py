"""The infrastructure as JSON: `brconsole.infra-*/1`. A value is `{"state", "value"}`; a state other than `known` has
null for a value.
"""

from __future__ import annotations

from collections.abc import Iterator

from brconsole.cli.json_values import Document, moment
from brconsole.domain.infra import Change, DriftReport
from brconsole.domain.terraform_plan import Action, ResourceChange, TerraformPlan, Value, path_text
from brconsole.operations.infra import OutputsView

DRIFT_SCHEMA = "brconsole.infra-drift/1"
CHANGE_SCHEMA = "brconsole.infra-change/1"
PLAN_SCHEMA = "brconsole.infra-plan/1"
PLANNED_SCHEMA = "brconsole.infra-planned/1"
OUTPUTS_SCHEMA = "brconsole.infra-outputs/1"
OUTPUT_SCHEMA = "brconsole.infra-output/1"


def drift(report: DriftReport, source: str) -> Iterator[Document]:
    """The verdict on the first line, then a line for each change."""
    yield {
        "schema": DRIFT_SCHEMA,
        "environment": report.environment,
        "source": source,
        "as_of": moment(report.as_of),
        "terraform": report.terraform_version,
        "verdict": report.verdict.value,
        "summary": report.summary,
        "resources": report.resources,
        "changes": len(report.changes),
        "unexpected": len(report.unexpected),
        "rollouts": None
        if report.rollouts is None
        else [{"service": rollout.service, "what": rollout.what} for rollout in report.rollouts],
        "no_apply": report.no_apply or None,
        "notes": list(report.notes),
    }
    for change in report.changes:
        yield _change(report.environment, change)


def _change(environment: str, change: Change) -> Document:
    return {
        "schema": CHANGE_SCHEMA,
        "environment": environment,
        "address": change.address,
        "type": change.kind,
        "name": change.name,
        "path": change.path or None,
        "action": change.action.value,
        "configured": None if change.configured is None else _value(change.configured),
        "recorded": _value(change.recorded),
        "live": _value(change.live),
        "after_apply": _value(change.planned),
        "writer": change.writer.value,
        "winner": change.winner.value,
        "expected": change.expected,
        "why": change.why,
        "cure": change.cure or None,
    }


def plan(environment: str, found: TerraformPlan, source: str) -> Iterator[Document]:
    """The counts on the first line, then a line for each resource that an apply would touch."""
    yield {
        "schema": PLAN_SCHEMA,
        "environment": environment,
        "source": source,
        "as_of": moment(found.made_at),
        "terraform": found.terraform_version,
        **{action.value: found.count(action) for action in Action},
        "outputs_changed": list(found.outputs_changed),
        "complete": found.complete,
    }
    for change in found.changes:
        if change.action is not Action.NONE:
            yield _planned(environment, change)


def _planned(environment: str, change: ResourceChange) -> Document:
    return {
        "schema": PLANNED_SCHEMA,
        "environment": environment,
        "address": change.address,
        "type": change.kind,
        "name": change.name,
        "action": change.action.value,
        "differences": [
            {"path": path_text(found.path), "before": _value(found.before), "after": _value(found.after)}
            for found in change.differences
        ],
    }


def outputs(environment: str, view: OutputsView, source: str) -> Iterator[Document]:
    """What does not agree with the configuration on the first line, then a line for each output."""
    yield {
        "schema": OUTPUTS_SCHEMA,
        "environment": environment,
        "source": source,
        "outputs": len(view.outputs),
        "differences": list(view.differences),
    }
    for output in view.outputs:
        yield {
            "schema": OUTPUT_SCHEMA,
            "environment": environment,
            "name": output.name,
            "sensitive": output.sensitive,
            "value": output.value,
        }


def _value(value: Value) -> Document:
    return {"state": value.state.value, "value": value.data}
