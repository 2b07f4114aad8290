"""A plan and what became of it, as sentences for a person and as JSON for a pipeline."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from brconsole.cli.json_values import Document, number
from brconsole.domain.plan import Plan
from brconsole.domain.text import clean
from brconsole.domain.traffic import tags_by_revision
from brconsole.operations.gateway import Proposal
from brconsole.operations.outcome import Outcome

PLAN_SCHEMA = "brconsole.plan/1"
OUTCOME_SCHEMA = "brconsole.outcome/1"


def lines(made: Proposal) -> Iterator[str]:
    """Before → after for each revision, what moves, and the command that does the same by hand."""
    asked = made.plan
    what = asked.action if made.decided is None else f"{asked.action} ({made.decided.transition.value})"
    yield f"{asked.environment} {asked.service}: {what}  [{asked.project}, {asked.region}]"
    before, after = asked.before, asked.target
    had, gets = (tags_by_revision(side, asked.base.latest_ready) for side in (asked.base.desired, asked.after))
    tagged = {name for name, tags in gets.items() if tags != had.get(name)}
    names = sorted({*before, *after, *tagged}, key=lambda name: (-before.get(name, 0), -after.get(name, 0), name))
    width = max(len(name) for name in names) if names else 0
    for name in names:
        was = f"{before.get(name, 0):>3} %" if before else "  ? %"
        tags = f"  tagged {clean(', '.join(gets[name]), 80)}" if name in tagged else ""
        yield f"  {clean(name, 63):<{width}}  {was} → {after.get(name, 0):>3} %{tags}"
    yield f"  {asked.blast_radius}"
    if made.wheel is not None:
        yield f"  {clean(made.wheel, 120)} holds the wheel"
    for note in made.notes:
        yield f"  {clean(note, 400)}"
    yield f"  by hand: {asked.gcloud}"


def plan_document(made: Proposal) -> Document:
    """A plan that was not sent."""
    return {"schema": PLAN_SCHEMA, **_plan(made.plan), "notes": list(made.notes)}


def outcome_document(environment: str, action: str, outcome: Outcome, made: Proposal | None) -> Document:
    """What became of one order; `plan` is null where there was none to send."""
    return {
        "schema": OUTCOME_SCHEMA,
        "environment": environment,
        "service": outcome.service or None,
        "action": action,
        "result": outcome.kind.value,
        "exit_status": outcome.exit_status,
        "sentence": outcome.sentence,
        "before": _split(outcome.before),
        "after": _split(outcome.after),
        "blocked_by": list(outcome.blocked_by),
        "notes": list(outcome.notes),
        "entry": outcome.entry,
        "plan": None if made is None else _plan(made.plan),
    }


def _plan(asked: Plan) -> Document:
    return {
        "environment": asked.environment,
        "project": asked.project,
        "region": asked.region,
        "service": asked.service,
        "action": asked.action,
        "before": asked.before or None,
        "after": asked.target,
        "moved_percent": asked.moved_percent,
        "requests_per_minute": number(asked.requests_per_minute),
        "confirmation": asked.confirmation.value,
        "reason": asked.reason or None,
        "call": asked.api_call,
        "command": asked.gcloud,
    }


def _split(split: Mapping[str, int] | None) -> dict[str, int] | None:
    return None if split is None else dict(split)
