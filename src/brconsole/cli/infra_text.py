"""The infrastructure as a person reads it: a table with what to do below it, or sentences."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from rich.table import Column
from rich.text import Text

from brconsole.cli.json_values import moment
from brconsole.cli.status_table import render_rows
from brconsole.cli.terminal import Terminal
from brconsole.domain.infra import Change, DriftReport, Verdict, kind_text, short_text, value_text
from brconsole.domain.terraform_plan import Action, ResourceChange, TerraformPlan, path_text
from brconsole.domain.text import clean
from brconsole.operations.infra import OutputsView
from brconsole.tui import glyphs

NEVER_AN_APPLY = "brconsole never applies; Terraform does, from the pipeline."
_LONGEST = 400
_ACTIONS = {
    Action.CREATE: ("+ create", "green"),
    Action.UPDATE: ("~ update", "yellow"),
    Action.REPLACE: ("± replace", "bold red"),
    Action.DELETE: ("- delete", "bold red"),
    Action.FORGET: ("- forget", "yellow"),
}
_MOST_DIFFERENCES = 12


def drift(report: DriftReport, source: str, terminal: Terminal) -> str:
    """The verdict, the changes, and what to do about those that are not expected."""
    sign = glyphs.BAD if report.verdict is Verdict.UNEXPECTED else glyphs.GOOD
    parts = [f"{sign} {clean(report.environment)}: {report.summary}", _origin(report, source)]
    if report.changes:
        columns = (
            Column("", no_wrap=True),
            Column("RESOURCE", overflow="fold"),
            Column("FIELD", overflow="fold"),
            Column("CHANGE", overflow="fold"),
            Column("WHO WINS", overflow="fold"),
        )
        parts += ["", render_rows(columns, (_row(change) for change in report.changes), terminal)]
    if report.unexpected:
        parts += ["", *_advice(report.unexpected)]
    told = [*report.notes, *((report.no_apply,) if report.no_apply else ())]
    parts += ["", *(f"{glyphs.WARN} {clean(text, _LONGEST * 2)}" for text in told)] if told else []
    parts += ["", NEVER_AN_APPLY]
    return _for(terminal, parts)


def drift_sentences(report: DriftReport, source: str) -> Iterator[str]:
    """The same, one sentence a line."""
    yield f"Environment {clean(report.environment)}: {report.summary}."
    yield f"{_origin(report, source)}."
    for change in report.changes:
        word = "Expected" if change.expected else "Unexpected"
        field = f", {clean(change.path, _LONGEST)}" if change.path else ""
        yield (
            f"{word}: {clean(change.subject, 200)}{field}: {clean(change.moves, _LONGEST)}. Wins: {change.wins}. "
            f"{_sentence(change.why)}{' To do: ' + change.cure + '.' if change.cure else ''}"
        )
    for text in (*report.notes, report.no_apply):
        if text:
            yield f"{_sentence(clean(text, _LONGEST * 2))}"
    yield NEVER_AN_APPLY


def plan(environment: str, found: TerraformPlan, source: str, terminal: Terminal) -> str:
    """What an apply would do."""
    parts = [f"{clean(environment)}: {_counts(found)}", _origin(found, source)]
    touched = [change for change in found.changes if change.action is not Action.NONE]
    if touched:
        columns = (
            Column("ACTION", no_wrap=True),
            Column("RESOURCE", overflow="fold"),
            Column("FIELD", overflow="fold"),
            Column("NOW → AFTER AN APPLY", overflow="fold"),
        )
        parts += ["", render_rows(columns, (row for change in touched for row in _plan_rows(change)), terminal)]
    parts += ["", NEVER_AN_APPLY]
    return _for(terminal, parts)


def plan_sentences(environment: str, found: TerraformPlan, source: str) -> Iterator[str]:
    """The same, one sentence a line."""
    yield f"Environment {clean(environment)}: {_counts(found)}."
    yield f"{_origin(found, source)}."
    for change in found.changes:
        if change.action is Action.NONE:
            continue
        yield f"{change.action.value.capitalize()} {clean(change.address, 300)}."
        for difference in change.differences:
            path = path_text(difference.path)
            before, after = (value_text(value, path) for value in (difference.before, difference.after))
            yield f"  {clean(path, 200)}: {clean(before, _LONGEST)} becomes {clean(after, _LONGEST)}."
    yield NEVER_AN_APPLY


def outputs(view: OutputsView, terminal: Terminal) -> str:
    """The outputs, and what they say against the configuration."""
    columns = (Column("OUTPUT", overflow="fold"), Column("VALUE", overflow="fold"))
    rows = [
        (Text(clean(output.name, 120)), Text(clean(output.text, 2000), "dim" if output.sensitive else ""))
        for output in view.outputs
    ]
    parts = [render_rows(columns, rows, terminal)]
    if view.differences:
        parts += ["", *(f"{glyphs.WARN} {clean(text, _LONGEST)}" for text in view.differences)]
    return _for(terminal, parts)


def outputs_sentences(view: OutputsView) -> Iterator[str]:
    """The same, one sentence a line."""
    for output in view.outputs:
        yield f"{clean(output.name, 120)} is {clean(output.text, 2000)}."
    for text in view.differences:
        yield f"Differs: {clean(text, _LONGEST)}."


# -- parts ------------------------------------------------------------------------------------------------------------


def _origin(found: DriftReport | TerraformPlan, source: str) -> str:
    at = found.as_of if isinstance(found, DriftReport) else found.made_at
    return f"Terraform {clean(found.terraform_version, 40)}, {clean(source, 300)}, as of {moment(at) or 'unknown'}"


def _row(change: Change) -> tuple[Text, ...]:
    sign = Text(f"{glyphs.GOOD} expected", "green") if change.expected else Text(f"{glyphs.BAD} unexpected", "bold red")
    return (
        sign,
        Text(clean(change.subject, 200)),
        Text(clean(change.path, 200) or "(the whole)", "" if change.path else "dim"),
        Text(clean(change.moves, _LONGEST)),
        Text(clean(change.wins, 80)),
    )


def _advice(changes: Sequence[Change]) -> Iterator[str]:
    """Each reason once, with what it is said of."""
    grouped: dict[tuple[str, str], list[Change]] = {}
    for change in changes:
        grouped.setdefault((change.why, change.cure), []).append(change)
    for (why, cure), members in grouped.items():
        names = list(dict.fromkeys(f"{member.name} {member.path}".strip() for member in members))
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        yield f"{glyphs.BAD} {clean(', '.join(names[:3]), 300)}{more}: {clean(why, _LONGEST)}"
        if cure:
            yield f"  {glyphs.CURSOR} {clean(cure, _LONGEST)}"


def _plan_rows(change: ResourceChange) -> Iterator[tuple[Text, ...]]:
    word, style = _ACTIONS[change.action]
    name = Text(clean(f"{change.name} ({kind_text(change.kind)})", 200))
    shown = change.differences[:_MOST_DIFFERENCES]
    if not shown:
        yield Text(word, style), name, Text(clean(change.address, 200), "dim"), Text("")
        return
    for index, difference in enumerate(shown):
        path = path_text(difference.path)
        moves = f"{short_text(difference.before, path)} → {short_text(difference.after, path)}"
        first = index == 0
        yield (
            Text(word if first else "", style),
            name if first else Text(""),
            Text(clean(path, 200)),
            Text(clean(moves, _LONGEST)),
        )
    if more := len(change.differences) - len(shown):
        yield Text(""), Text(""), Text(f"{more} more, in --json", "dim"), Text("")


def _counts(found: TerraformPlan) -> str:
    counts = [f"{found.count(action)} to {action.value}" for action in _ACTIONS if found.count(action)]
    rest = f"{found.count(Action.NONE)} unchanged"
    return f"an apply would have {', '.join(counts)}, {rest}" if counts else f"an apply would change nothing, {rest}"


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


def _for(terminal: Terminal, parts: Iterable[str]) -> str:
    text = "\n".join(parts)
    return glyphs.to_ascii(text) if terminal.ascii_only else text
