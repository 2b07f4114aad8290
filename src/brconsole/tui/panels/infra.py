"""Terraform of the environments: who is in step, what differs, who would win, and what the outputs are."""

from __future__ import annotations

from collections.abc import Sequence

from brconsole.domain.infra import Change, DriftReport, Verdict, kind_text, short_text
from brconsole.domain.terraform_plan import Value, ValueState
from brconsole.operations.infra_desk import InfraSeen
from brconsole.tui import formats, glyphs
from brconsole.tui.paint import EMPTY, Line, Pen, fit, fit_middle, fit_text, shown, wrap
from brconsole.tui.panels.frame import highlight, skeleton

NEVER_AN_APPLY = "never an apply from here"
STALE_S = 900.0
"""A plan older than that is no ground for an apply."""
_SIGNS = {
    Verdict.IN_STEP: (glyphs.GOOD, "in step", "good"),
    Verdict.EXPECTED: (glyphs.GOOD, "expected drift", "good"),
    Verdict.UNEXPECTED: (glyphs.BAD, "unexpected drift", "bad"),
}
_SIGN_WIDTH = 13
_LABEL_WIDTH = 15


def sign(seen: InfraSeen) -> tuple[str, str, str]:
    """Glyph, word and role of an environment."""
    if seen.problem is not None and not seen.running:
        return glyphs.BAD, "failed", "bad"
    if seen.view is not None:
        return _SIGNS[seen.view.report.verdict]
    if seen.running:
        return glyphs.LOADING, "planning", "dim"
    return glyphs.UNKNOWN, "not read", "dim"


def age(seen: InfraSeen, now: float) -> Line:
    """How old the reading is, or how long Terraform runs already."""
    parts: list[Line] = []
    if seen.read_at is not None:
        old = max(0.0, now - seen.read_at)
        stale = old > STALE_S
        parts.append(
            ((f"{glyphs.STALE} read {formats.age(old)} ago", "warn"),)
            if stale
            else ((f"read {formats.age(old)} ago", "dim"),)
        )
    if seen.since is not None:
        parts.append(((f"{glyphs.BUSY} planning {formats.age(max(0.0, now - seen.since))}", "accent"),))
    pen = Pen()
    for part in parts:
        pen.put(" · " if pen.width else "", "dim").add(part)
    return pen.line()


def cell(name: str, colour: str, seen: InfraSeen, now: float, width: int, *, chosen: bool) -> list[Line]:
    """One environment among the others: verdict, counts, age."""
    glyph, word, role = sign(seen)
    head = Pen().put(f"{glyphs.CURSOR} " if chosen else "  ", "accent")
    head.put(f" {shown(name, 40)} ", f"badge:{colour}").put("  ").put(f"{glyph} {word}", f"{role} bold")
    counts: Line = (("  Terraform was not asked yet", "dim"),)
    if seen.view is not None:
        report = seen.view.report
        wrong, total = len(report.unexpected), len(report.changes)
        counts = (
            (f"  {wrong} unexpected", "bad" if wrong else "dim"),
            (f" · {total - wrong} expected · {report.resources} resources", "dim"),
        )
    elif seen.problem is not None:
        counts = (("  r asks again", "dim"),)
    elif seen.running:
        counts = (("  terraform plan", "dim"),)
    below = (("  ", ""), *age(seen, now))
    return [fit(line, width) for line in (head.line(), counts, below)]


def strip(entries: Sequence[tuple[str, str, InfraSeen, bool]], now: float, width: int) -> Line:
    """All environments in one line."""
    pen = Pen()
    for name, colour, seen, chosen in entries:
        glyph, word, role = sign(seen)
        pen.put("   " if pen.width else "").put(f"{glyphs.CURSOR}" if chosen else " ", "accent")
        pen.put(f" {shown(name, 20)} ", f"badge:{colour}").put(f" {glyph} {word}", role)
        if seen.view is not None and seen.view.report.unexpected:
            pen.put(f" {len(seen.view.report.unexpected)}", role)
    return fit(pen.line(), width)


def verdict(report: DriftReport | None, seen: InfraSeen, width: int) -> Line:
    """One sentence: in step, or what is not, and whether an apply would be a mistake now."""
    glyph, word, role = sign(seen)
    pen = Pen().put(" ").put(f"{glyph} ", role)
    if seen.problem is not None and not seen.running:
        return fit(pen.put(shown(seen.problem, 400), "text").line(), width)
    if report is None:
        told = (
            "Terraform plans; nothing is locked and nothing is written"
            if seen.running
            else "not read yet: r asks Terraform"
        )
        return fit(pen.put(f"{word}: ", role).put(told, "dim").line(), width)
    pen.put(report.summary, "text")
    if report.rollouts:
        pen.put("  ").put(
            f"{glyphs.WARN} no apply: a rollout is active on {shown(report.rollouts[0].service, 63)}", "warn"
        )
    return fit(pen.line(), width)


def rows(change: Change, width: int, *, chosen: bool, tall: bool) -> list[Line]:
    """Verdict, resource, field, from what to what; `tall` gives a second line to the last of them."""
    pen = Pen()
    if change.expected:
        pen.cell(f"{glyphs.GOOD} expected", _SIGN_WIDTH, "good")
    else:
        pen.cell(f"{glyphs.BAD} unexpected", _SIGN_WIDTH, "bad")
    name, field = _columns(width, tall=tall)
    pen.put(" ").cell(fit_middle(shown(change.name, 120), name), name, "strong")
    text = shown(change.path, 200).removeprefix("template.") or "the whole resource"
    pen.put(" ").cell(fit_middle(text, field), field, "text" if change.path else "dim")
    last = shown(change.wins if tall else change.moves, 300)
    room = max(0, width - pen.width - 1)
    pen.put(" ").cell(fit_text(last, room).rstrip(), room, "dim" if tall else "text")
    lines = [fit(pen.line(), width)]
    if tall:
        moves = fit_text(shown(change.moves, 400), width - _SIGN_WIDTH - 1).rstrip()
        lines.append(fit(((" " * (_SIGN_WIDTH + 1), ""), (moves, "text")), width))
    return [highlight(line, width) for line in lines] if chosen else lines


def heading(width: int, *, tall: bool) -> Line:
    """The columns' names."""
    name, field = _columns(width, tall=tall)
    pen = Pen().cell("", _SIGN_WIDTH).put(" ").cell("RESOURCE", name, "dim").put(" ").cell("FIELD", field, "dim")
    return fit(pen.put(" ").put("WHO WINS" if tall else "CHANGE", "dim").line(), width)


def _columns(width: int, *, tall: bool) -> tuple[int, int]:
    """The widths of the resource's and of the field's column."""
    return min(24, max(9, width // 6)), min(40, width // 3) if tall else min(34, max(14, width * 3 // 10))


def nothing(seen: InfraSeen, width: int, height: int) -> list[Line]:
    """What stands where there are no changes to list."""
    if seen.problem is not None and not seen.running:
        return wrap(f"{glyphs.BAD} {shown(seen.problem, 600)}", width, "bad", height)
    if seen.view is not None:
        return [((f"{glyphs.GOOD} Nothing differs: what runs is what the configuration says.", "good"),)]
    if seen.running:
        return [
            (("Terraform refreshes and plans, without taking the lock of the state.", "dim"),),
            *skeleton(width, height - 1),
        ]
    return [(("Terraform was not asked yet: r asks it.", "dim"),)]


def detail(change: Change | None, width: int, height: int) -> list[Line]:
    """The chosen change: every side of it, who wins, why, and what to do."""
    if change is None or height < 1:
        return [(("No change is chosen.", "dim"),)] if height else []
    reasons = [
        Pen()
        .cell("who wins", _LABEL_WIDTH, "dim")
        .put(shown(change.wins, 120), "good" if change.expected else "bad")
        .line(),
        *wrap(_sentence(change.why), width, "text", 4),
    ]
    if change.cure:
        cure = wrap(shown(change.cure, 400), width - 2, "text", 4)
        reasons += [((f"{glyphs.CURSOR} " if not index else "  ", "accent"), *line) for index, line in enumerate(cure)]
    sides = _sides(change, width, tall=height >= len(reasons) + 7)
    lines: list[Line] = [*sides, *([EMPTY] if height > len(sides) + len(reasons) + 1 else []), *reasons]
    return lines[:height]


def _sides(change: Change, width: int, *, tall: bool) -> list[Line]:
    if not tall:
        return wrap(shown(change.moves, 400), width, "strong", 2)
    lines: list[Line] = [
        fit(((fit_middle(shown(change.address, 300), width), "dim"),), width),
        fit(
            (
                ("field", "dim"),
                (" " * (_LABEL_WIDTH - 5), ""),
                (fit_middle(shown(change.path, 200), width - _LABEL_WIDTH) or "the whole resource", "text"),
            ),
            width,
        ),
    ]
    sides: list[tuple[str, Value]] = []
    if change.configured is not None:
        sides.append(("configured", change.configured))
    if change.recorded != change.live:
        sides.append(("recorded", change.recorded))
    sides.append(("now", change.live))
    sides.append(("after an apply", change.planned))
    for label, value in sides:
        text = short_text(value, change.path)
        role = "text" if value.state is ValueState.KNOWN else "dim"
        if label == "after an apply":
            role = "strong" if change.applied else "dim"
            text = (text if value != change.live else "another value") if change.applied else "stays"
        body = wrap(shown(text, 400), width - _LABEL_WIDTH, role, 2)
        lines.append((*Pen().cell(label, _LABEL_WIDTH, "dim").line(), *body[0]))
        lines += [(((" " * _LABEL_WIDTH), ""), *line) for line in body[1:]]
    return lines


def outputs(seen: InfraSeen, width: int, height: int) -> list[Line]:
    """The outputs, and what does not agree with the configuration first."""
    if seen.outputs is None:
        if seen.outputs_problem is not None:
            return wrap(f"{glyphs.BAD} {shown(seen.outputs_problem, 400)}", width, "bad", height)
        return skeleton(width, min(2, height)) if seen.running else [(("Not read yet.", "dim"),)]
    lines: list[Line] = []
    for text in seen.outputs.differences:
        lines += wrap(f"{glyphs.WARN} {shown(text, 300)}", width, "warn", 2)
    listed = seen.outputs.outputs
    if not listed:
        return [*lines, (("There are none: nothing was applied yet.", "dim"),)]
    name = min(28, max(len(shown(output.name, 60)) for output in listed), max(8, width // 3))
    for output in listed:
        pen = Pen().cell(fit_middle(shown(output.name, 60), name), name, "strong").put("  ")
        room = max(0, width - pen.width)
        if output.sensitive:
            pen.put(fit_text(f"{glyphs.READ_ONLY} sensitive", room).rstrip(), "dim")
        else:
            pen.put(fit_text(shown(output.text, 400), room).rstrip(), "text")
        lines.append(pen.line())
    if len(lines) > height > 0:
        hidden = len(lines) - height + 1
        return [*lines[: height - 1], ((f"{hidden} more: brconsole infra outputs", "dim"),)]
    return lines


def footing(
    environment: str, seen: InfraSeen, report: DriftReport | None, width: int, *, simulated: bool
) -> list[Line]:
    """What this screen never does and how it was read; then what speaks against an apply now."""
    where = shown(seen.folder, 200) or "the environment's folder"
    pen = Pen().put(f"{glyphs.READ_ONLY} {NEVER_AN_APPLY}", "strong")
    if simulated:
        pen.put(" · ", "dim").put(f"{glyphs.WARN} Terraform is not simulated", "warn")
    pen.put(" · ", "dim").put(fit_middle(where, max(12, width - pen.width - 3)), "text")
    if report is not None:
        pen.put(f" · Terraform {shown(report.terraform_version, 20)}", "dim")
    pen.put(f" · brconsole infra drift {shown(environment, 40)}", "dim")
    lines = [fit(pen.line(), width)]
    if report is not None:
        for text in (report.no_apply, *report.notes):
            if text:
                lines += wrap(f"{glyphs.WARN} {_sentence(text)}", width, "warn", 2)
    return lines


def title(change: Change | None) -> str:
    """Of the panel of the chosen change."""
    return "Change" if change is None else f"{shown(change.name, 60)} · {kind_text(change.kind)}"


def _sentence(text: str) -> str:
    cleaned = shown(text, 500)
    return f"{cleaned[:1].upper()}{cleaned[1:]}."
