"""A rollout as `release status --json` prints it (schema `brconsole.rollout/1`, DESIGN §4). Pure."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from brconsole.cli.json_values import Document, moment
from brconsole.domain.annotation import Unreadable
from brconsole.domain.decision import Ask, Decision, Write
from brconsole.domain.findings import Finding
from brconsole.domain.gates import Gate, blocked_by
from brconsole.domain.intent import Intent, Phase, Rollout
from brconsole.domain.service import Service

ROLLOUT_SCHEMA = "brconsole.rollout/1"
ROLLOUT_SCHEMA_FILE = Path(__file__).with_name("rollout.schema.json")
"""The schema in JSON Schema 2020-12; the status schema repeats it."""


def rollout(
    environment: str,
    service: Service,
    intent: Intent,
    gates: Iterable[Gate] | None = (),
    decision: Decision | None = None,
    found: Iterable[Finding] = (),
) -> Document:
    """One service's rollout; phase `idle` with nulls where there is none, null where its record cannot be read.

    A split that could not be read is null, and so are gates that nobody evaluated. `blocked_by` tells what stands
    against the next step: what does not agree, then the gates.
    """
    listed = None if gates is None else tuple(gates)
    record = intent if isinstance(intent, Rollout) else None
    active = record is not None and record.active
    against = [finding.text for finding in found if finding.blocks]
    if active and listed is not None:
        against += blocked_by(listed)
    return {
        "schema": ROLLOUT_SCHEMA,
        "environment": environment,
        "service": service.name,
        "id": None if record is None else record.id,
        "seq": None if record is None else record.seq,
        "phase": phase_of(intent),
        "plan": None if record is None else record.plan,
        "step": None if record is None else record.step,
        "steps": None
        if record is None
        else [{"percent": step.percent, "dwell_s": step.dwell_s} for step in record.steps],
        "stable": None if record is None else record.stable,
        "canary": None if record is None else record.canary,
        "desired": service.desired_split(),
        "serving": None if service.reconciling and not service.serving else service.serving_split(),
        "step_started": None if record is None else moment(record.step_started),
        "deadline": None if record is None else moment(record.deadline),
        "driver": None if record is None or record.driver is None else record.driver.who,
        "gates": None
        if listed is None
        else [
            {"name": gate.name, "verdict": gate.verdict.value, "evidence": gate.evidence, "as_of": moment(gate.as_of)}
            for gate in listed
        ],
        "next": None if decision is None else next_words(decision),
        "blocked_by": list(dict.fromkeys(against)),
    }


def phase_of(intent: Intent) -> str | None:
    """The phase in words, None where the record cannot be read: that is not idle."""
    if isinstance(intent, Unreadable):
        return None
    return Phase.IDLE.value if intent is None else intent.phase.value


def next_words(decision: Decision) -> str:
    """What happens next, in one sentence."""
    if isinstance(decision, Write):
        return f"{decision.transition.value}: {decision.reason}"
    if isinstance(decision, Ask):
        return f"{decision.question} ({', '.join(decision.ways)})"
    return decision.reason
