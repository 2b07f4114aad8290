"""The rollout of one service as `release status` and `gate` show it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

from rich.table import Column
from rich.text import Text

from brconsole.cli import rollout_document, rollout_text
from brconsole.cli.json_values import Document, moment
from brconsole.cli.status_table import render_rows
from brconsole.cli.terminal import Terminal
from brconsole.domain.environment import Environment
from brconsole.domain.gates import Gate
from brconsole.domain.intent import Rollout
from brconsole.domain.judge import Verdict
from brconsole.domain.text import clean
from brconsole.operations.rollouts import RolloutView
from brconsole.tui import formats, glyphs

GATE_SCHEMA = "brconsole.gate/1"
_LONGEST = 400
_SIGNS = {
    Verdict.PASS: (glyphs.GOOD, "green"),
    Verdict.HOLD: (glyphs.STALE, "yellow"),
    Verdict.FAIL: (glyphs.BAD, "bold red"),
}


def document(environment: Environment, view: RolloutView) -> Document:
    """`brconsole.rollout/1`."""
    return rollout_document.rollout(
        environment.name, view.service, view.state, view.gates.gates, view.decision, view.findings
    )


def gate_document(environment: Environment, view: RolloutView) -> Document:
    """The gates of the present step, or those that a start would meet."""
    rollout = document(environment, view)
    return {
        "schema": GATE_SCHEMA,
        "environment": environment.name,
        "service": view.service.name,
        "as_of": moment(view.now),
        "phase": rollout["phase"],
        "canary": rollout["canary"]
        if isinstance(view.state, Rollout) and view.state.active
        else view.service.latest_ready,
        "verdict": view.gates.verdict.value,
        "gates": rollout["gates"],
    }


def render(environment: Environment, view: RolloutView, terminal: Terminal) -> str:
    """The whole of it, as lines no wider than the terminal."""
    parts = [
        *_head(environment, view),
        "",
        render_arms(view, terminal),
        "",
        render_gates(view.gates.gates, view.now, terminal),
    ]
    told = [finding.text for finding in view.findings if not finding.blocks]
    parts += [f"{glyphs.WARN} {clean(reason, _LONGEST)}" for reason in (*view.blocked_by, *told)]
    parts.append(f"next: {clean(rollout_document.next_words(view.decision), _LONGEST)}")
    text = "\n".join(parts)
    return glyphs.to_ascii(text) if terminal.ascii_only else text


def render_gates(gates: Iterable[Gate], now: datetime, terminal: Terminal) -> str:
    """One line a gate with its evidence and age."""
    rows = []
    for gate in gates:
        glyph, style = _SIGNS[gate.verdict]
        age = "" if gate.as_of is None else formats.age((now - gate.as_of).total_seconds())
        rows.append(
            (
                Text(f"{glyph} {gate.verdict.value}", style),
                Text(clean(gate.name, 40)),
                Text(clean(gate.evidence, _LONGEST)),
                Text(age, "dim"),
            )
        )
    columns = (
        Column("VERDICT", no_wrap=True),
        Column("GATE", no_wrap=True),
        Column("EVIDENCE", overflow="fold"),
        Column("AGE", justify="right", no_wrap=True),
    )
    return render_rows(columns, rows, terminal)


def render_arms(view: RolloutView, terminal: Terminal) -> str:
    """Desired and serving share of each revision that has one."""
    service = view.service
    state = view.state if isinstance(view.state, Rollout) and view.state.active else None
    roles = {} if state is None else {state.stable: "stable", state.canary: "canary"}
    rows = [
        (
            Text(roles.get(row.revision, "")),
            Text(clean(row.revision, 63)),
            Text(_share(row.desired_percent)),
            Text(_share(row.serving_percent)),
            Text(" ".join(clean(tag, 40) for tag in row.tags), "dim"),
        )
        for row in service.traffic()
    ]
    columns = (
        Column("", no_wrap=True),
        Column("REVISION", overflow="fold"),
        Column("DESIRED", justify="right", no_wrap=True),
        Column("SERVING", justify="right", no_wrap=True),
        Column("TAGS", overflow="fold"),
    )
    return render_rows(columns, rows, terminal)


def _head(environment: Environment, view: RolloutView) -> Iterator[str]:
    name = f"{environment.name} {clean(view.service.name, 63)}"
    state = view.state
    phase = rollout_document.phase_of(state)
    if not isinstance(state, Rollout):
        yield f"{name}: " + ("the record of its rollout cannot be read" if phase is None else "no rollout is under way")
        return
    yield f"{name}: {rollout_text.sentence(state)}"
    if view.driver is not None:
        yield f"{clean(view.driver, 120)} drives"
    if state.reason:
        yield f"last: {clean(state.reason, _LONGEST)}"


def _share(percent: int | None) -> str:
    return formats.UNKNOWN if percent is None else f"{percent} %"
