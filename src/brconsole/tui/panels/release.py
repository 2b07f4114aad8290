"""The parts of the release screen: rail, arms, gates, the evidence as a chart, the undo target, what is the matter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from math import log10

from brconsole.domain import gates as gate_rules
from brconsole.domain.decision import Ask, Nothing, Wait, Write
from brconsole.domain.findings import Finding, WayOut
from brconsole.domain.fleet import RevisionKey
from brconsole.domain.gates import DWELL, IMAGE, Gate
from brconsole.domain.intent import AFTER_PROMOTION, BEFORE_TRAFFIC, ENDED, MOST_EXTENSIONS, Phase, Rollout
from brconsole.domain.judge import CONVICTED, Judgement, Verdict, percent
from brconsole.domain.needs import dwell_gate, step_ends
from brconsole.domain.rates import revision_rates
from brconsole.domain.service import Revision, Service
from brconsole.domain.undo import RollbackTarget
from brconsole.operations.desk import Seen
from brconsole.operations.rollouts import RolloutView
from brconsole.tui import formats, glyphs
from brconsole.tui.charts import Curve, TimeAxis, chart
from brconsole.tui.paint import EMPTY, Line, Pen, bar, ends, fit, fit_middle, fit_text, shown, wrap
from brconsole.tui.panels import plan as plan_panel
from brconsole.tui.panels.revisions import latency_of, short_digest
from brconsole.tui.state import FleetModel, ServiceRow

WAYS: Mapping[WayOut, str] = {
    WayOut.ROLL_BACK: "rollback.open",
    WayOut.ADOPT: "release.adopt",
    WayOut.RESTORE: "release.restore",
    WayOut.RESUME: "release.resume",
    WayOut.PROMOTE: "release.promote",
    WayOut.ABORT: "release.abort",
    WayOut.START: "release.start",
    WayOut.DISMISS: "release.dismiss",
    WayOut.NAME_TARGET: "rollback.open",
}
"""The action behind each way out; waiting needs none."""
_PHASES: Mapping[Phase, tuple[str, str, str]] = {
    Phase.IDLE: (glyphs.GOOD, "released", "good"),
    Phase.PREPARED: (glyphs.LOADING, "prepared", "accent"),
    Phase.MIGRATING: (glyphs.BUSY, "migrating", "accent"),
    Phase.OBSERVING: (glyphs.LIVE, "observing", "accent"),
    Phase.HOLDING: (glyphs.STALE, "HELD", "warn"),
    Phase.PROMOTED: (glyphs.BUSY, "promoted", "accent"),
    Phase.SOAKING: (glyphs.LIVE, "soaking", "accent"),
    Phase.ROLLING_BACK: (glyphs.BUSY, "ROLLING BACK", "bad"),
    Phase.ROLLED_BACK: (glyphs.BAD, "rolled back", "bad"),
    Phase.RELEASED: (glyphs.GOOD, "settled", "dim"),
}
_FLOOR = 0.1
"""The lowest e-value of the chart; what is below says nothing more."""


def phase_sign(state: Rollout) -> tuple[str, str, str]:
    """Glyph, word and role of where a rollout stands."""
    return _PHASES[state.phase]


def rail(state: Rollout, now: datetime | None, width: int) -> Line:
    """The steps: what is done is solid, the present one fills with its time, the rest is thin."""
    names = [f"{step.percent} %" for step in state.steps]
    gaps = len(names)
    room = max(0, width - sum(len(name) + 5 for name in names))
    each = max(2, min(30, room // gaps))
    if state.phase in (Phase.ROLLING_BACK, Phase.ROLLED_BACK, Phase.RELEASED):
        return _way_back(state, width)
    current = -1 if state.standing in BEFORE_TRAFFIC or (not state.forward and state.phase not in ENDED) else state.step
    finished = state.phase is Phase.IDLE
    pen = Pen()
    for index, name in enumerate(names):
        done = finished or index < current
        here = index == current and not finished
        sign, role = (glyphs.GOOD, "good") if done else (glyphs.LIVE, "accent") if here else ("○", "dim")
        pen.put(f"{sign} ", role).put(name, "strong" if here else "text" if done else "dim").put(" ")
        share = 1.0 if done else elapsed_share(state, now) if here else 0.0
        full = round(each * share)
        last = index == len(names) - 1
        if last and not (here or done):
            break
        held = state.phase is Phase.HOLDING and here
        pen.put("━" * full, "good" if done else "warn" if held else "accent").put(
            ("╌" if here else "─") * (each - full), "faint"
        )
        pen.put(" ")
        if last:
            pen.put("soak", "dim")
    return fit(pen.line(), width)


def _way_back(state: Rollout, width: int) -> Line:
    """Of a rollout that is over: from the candidate back to what serves."""
    pen = Pen().put(f"{glyphs.BAD} {shown(state.canary, 63)} 0 %", "bad")
    pen.put(f"  {'━' * 6}{glyphs.CURSOR}  ", "accent" if state.phase is Phase.ROLLING_BACK else "faint")
    return fit(pen.put(f"{shown(state.stable, 63)} 100 %", "strong").line(), width)


def elapsed_share(state: Rollout, now: datetime | None) -> float:
    """How much of the present step's time is over, 0…1."""
    if now is None or state.standing in BEFORE_TRAFFIC:
        return 0.0
    whole = (step_ends(state) - state.step_started).total_seconds()
    return 1.0 if whole <= 0 else min(1.0, max(0.0, (now - state.step_started).total_seconds() / whole))


def status(state: Rollout, now: datetime | None, width: int) -> Line:
    """Phase, step, time in the step and what is left of it, extensions."""
    sign, word, role = phase_sign(state)
    pen = Pen().put(f"{sign} {word}", f"{role} bold")
    if state.active and state.forward and state.standing not in BEFORE_TRAFFIC:
        pen.put(f"  step {state.step + 1} of {len(state.steps)}", "text")
        if now is not None:
            spent = max(0.0, (now - state.step_started).total_seconds())
            whole = (step_ends(state) - state.step_started).total_seconds()
            pen.put(f" · {_clock(spent)} of {_clock(whole)}", "text")
            left = whole - spent
            pen.put(f" · {_clock(left)} left" if left > 0 else " · dwell over", "accent" if left > 0 else "good")
        pen.put(f" · extended {state.holds} of {MOST_EXTENSIONS}", "warn" if state.holds else "dim")
    elif state.standing in BEFORE_TRAFFIC:
        pen.put(f"  the canary has its tag and 0 %; the first step is {state.steps[0].percent} %", "text")
    reason = f"  {shown(state.reason, 200)}" if state.reason else ""
    return fit(pen.put(reason, "dim").line(), width)


def wheel(seen: Seen, state: Rollout, now: datetime | None, drives: bool, width: int) -> Line:
    """Who drives, until when the lease holds, until when the rollout must be done."""
    pen = Pen()
    view = seen.view
    driver = None if view is None else view.driver
    lease = state.driver
    if drives:
        pen.put(f"{glyphs.LIVE} this console holds the wheel", "accent bold")
    elif driver is not None:
        pen.put(f"{glyphs.LIVE} {_who(driver, width)} holds the wheel", "text")
        if lease is not None and now is not None and lease.until > now:
            pen.put(f" for {formats.duration((lease.until - now).total_seconds())}", "dim")
    elif state.active:
        last = "" if lease is None else f", last {_who(lease.who, width)}"
        pen.put("nobody holds the wheel", "warn").put(last, "dim")
    elif lease is not None:
        pen.put(f"last by {_who(lease.who, width)}", "dim")
    if state.forward and state.active:
        pen.put("  · stepped by hand" if state.manual else "  · steps by itself", "dim")
        if state.standing not in AFTER_PROMOTION:
            late = now is not None and now >= state.deadline
            pen.put(f"  · deadline {state.deadline:%H:%M} UTC", "bad" if late else "dim")
            if now is not None and not late:
                pen.put(f", in {formats.duration((state.deadline - now).total_seconds())}", "dim")
            elif late:
                pen.put(", PASSED", "bad")
    return fit(pen.line(), width)


def _who(name: str, width: int) -> str:
    """Who it is; without the domain where there is not room for it."""
    whole = shown(name, 60)
    return whole if width >= 110 else whole.partition("@")[0]


def arms(
    model: FleetModel, row: ServiceRow | None, service: Service, state: Rollout | None, seen: Seen, width: int
) -> list[Line]:
    """Both arms, and whatever else takes traffic: asked for beside serving, how they do, and what they are."""
    roles = {} if state is None else {state.stable: "stable", state.canary: "canary"}
    known = {revision.name: revision for revision in model.revisions(service.name)}
    image = None if seen.view is None else next((gate for gate in seen.view.gates.gates if gate.name == IMAGE), None)
    rows = {one.revision: one for one in service.traffic()}
    names = [name for name in roles if name in known or name in rows]
    names += [name for name in rows if name not in names and (rows[name].desired_percent or rows[name].serving_percent)]
    if state is None and service.latest_ready and service.latest_ready not in names:
        names.append(service.latest_ready)
        roles[service.latest_ready] = "newest"
    column = min(max([8, *(len(shown(name, 63)) for name in names)]), 22 if width < 96 else 40)
    rates = width >= 9 + column + 18 + 24
    pen = Pen().cell("", 9).cell("REVISION", column, "dim").cell("DESIRED", 9, "dim", right=True)
    pen.cell("SERVING", 9, "dim", right=True)
    if rates:
        pen.cell("REQ/S", 7, "dim", right=True).cell("5XX", 8, "dim", right=True).cell("P95", 9, "dim", right=True)
    if width - pen.width >= 18:
        pen.put("  IMAGE", "dim")
    lines: list[Line] = [pen.line()]
    for name in names:
        role = roles.get(name, "other")
        share = rows.get(name)
        desired, serving = (0, 0) if share is None else (share.desired_percent, share.serving_percent)
        colour = "canary" if role in ("canary", "newest") else "stable" if role == "stable" else "text"
        pen = Pen().cell(role, 9, colour).cell(fit_middle(shown(name, 63), column), column, "strong")
        apart = desired != serving
        pen.cell(formats.share(desired), 9, "warn" if apart else colour, right=True)
        pen.cell(formats.share(serving), 9, "warn bold" if apart else colour, right=True)
        if rates:
            _rates(pen, model, row, service, known.get(name), name)
        room = width - pen.width - 2
        if room >= 16 and name in known:
            pen.put("  ").put(short_digest(known[name]), "dim")
            if role == "canary" and image is not None:
                pen.put(*_signed(image))
        lines.append(fit(pen.line(), width))
    return lines


def _rates(
    pen: Pen, model: FleetModel, row: ServiceRow | None, service: Service, revision: Revision | None, name: str
) -> None:
    if service.is_worker:
        for cells in (7, 8, 9):
            pen.cell(formats.NOTHING, cells, "dim", right=True)
        return
    per_s, ratio = revision_rates(model.fleet_of(service.name), RevisionKey(service.name, name))
    known = model.fleet.requests.value is not None
    grey = "grey" if model.fleet.requests.error is not None else "text"
    pen.cell(formats.rate(per_s) if known else formats.UNKNOWN, 7, grey, right=True)
    role = grey if ratio is None or ratio < 0.005 else "warn" if ratio < 0.02 else "bad"
    none = formats.NOTHING if known and not per_s else formats.UNKNOWN
    pen.cell(none if ratio is None else formats.percent(ratio), 8, role, right=True)
    text = formats.UNKNOWN if row is None or revision is None else latency_of(model, row, revision)
    pen.cell(text, 9, grey, right=True)


def _signed(image: Gate) -> tuple[str, str]:
    if not image.applies:
        return "  signature not asked for", "faint"
    if image.verdict is Verdict.PASS:
        return f"  {glyphs.GOOD} signed", "good"
    return f"  {glyphs.STALE} not known to be signed", "warn"


def gate_line(gate: Gate, now: datetime | None, width: int) -> Line:
    """Glyph, word, name, evidence and its age."""
    return gate_lines(gate, now, width, 1)[0]


def gate_lines(gate: Gate, now: datetime | None, width: int, most: int) -> list[Line]:
    """The same, with the evidence on as many lines as it may take."""
    counted = gate if now is None or gate.name == DWELL else gate.at(now)
    sign, role = plan_panel.VERDICTS[counted.verdict]
    if not counted.applies:
        sign, role = formats.NOTHING, "dim"
    old = None if counted.as_of is None or now is None else max(0.0, (now - counted.as_of).total_seconds())
    age = "" if old is None or gate.name == DWELL else formats.age(old)
    word = counted.verdict.value if counted.applies else "n/a"
    head = Pen().put(f"{sign} ", role).cell(word, 5, role).cell(gate.name, 10, "strong" if counted.applies else "dim")
    room = width - head.width - 8
    text = shown(counted.evidence, 400)
    tone = "dim" if not counted.applies else "text" if counted.verdict is Verdict.PASS else role
    parts = (
        wrap(text, room, tone, most) if len(text) > room and most > 1 else [((fit_text(text, room).rstrip(), tone),)]
    )
    first = ends(head.add(parts[0]).line(), ((age, "dim"),), width) if age else fit(head.add(parts[0]).line(), width)
    return [first, *(((" " * 17, ""), *part) for part in parts[1:])]


def gates_now(view: RolloutView, now: datetime | None) -> tuple[Gate, ...]:
    """The gates of the newest look, with the dwell as it is now."""
    others = tuple(gate for gate in view.gates.gates if gate.name != DWELL)
    if not isinstance(view.state, Rollout) or now is None or len(others) == len(view.gates.gates):
        return view.gates.gates
    return (*others, *dwell_gate(view.state, now))


def gates(listed: Sequence[Gate], now: datetime | None, width: int, height: int) -> list[Line]:
    """Every gate; where there is not room for all, those that do not apply are only counted."""
    if len(listed) > height:
        silent = [gate for gate in listed if not gate.applies]
        listed = [gate for gate in listed if gate.applies]
        if silent and len(listed) < height:
            names = ", ".join(gate.name for gate in silent)
            tail: list[Line] = [Pen().put(f"{formats.NOTHING} ", "dim").put(f"do not apply: {names}", "dim").line()]
        else:
            tail = []
    else:
        tail = []
    spare = max(0, height - len(listed) - len(tail))
    lines: list[Line] = []
    for gate in listed:
        made = gate_lines(gate, now, width, 1 + min(2, spare))
        spare -= len(made) - 1
        lines += made
    return [*lines, *tail][:height]


def judgement(view: RolloutView | None) -> tuple[Judgement, datetime, str] | None:
    """The judgement on errors behind the gates, the end of its last minute, and what it counts."""
    inputs = None if view is None else view.inputs
    if inputs is None:
        return None
    for reading, limits, what in (
        (inputs.minutes, gate_rules.error_limits(inputs.settings), "requests"),
        (inputs.jobs, gate_rules.job_limits(inputs.settings), "jobs"),
    ):
        if reading is None or reading.value is None or reading.as_of is None:
            continue
        found = gate_rules.judged("errors", reading, limits, inputs.look, inputs.session_affinity)[1]
        if found is not None:
            return found, reading.as_of, what
    return None


def evidence_chart(view: RolloutView | None, width: int, height: int) -> list[Line]:
    """The e-values over the step on a logarithmic axis with the threshold, and the samples below."""
    found = judgement(view)
    if found is None or view is None:
        return [(("The evidence of a step is drawn here, minute by minute.", "dim"),)]
    judged, end, what = found
    minutes = len(judged.relative)
    limit = view.inputs.settings.error_ratio if view.inputs is not None else 0.0
    below = _samples(judged, limit, what, width)
    if not minutes:
        text = "No closed minute of this step yet: metrics come 3 to 4 minutes late."
        return [*wrap(text, width, "dim", 3), *below][:height]
    legend = (
        Pen()
        .put(f"{glyphs.MARKS[0]} against stable {_e(judged.relative[-1])}", "stable")
        .put(f"   {glyphs.MARKS[1]} against {percent(limit)} {_e(judged.absolute[-1])}", "canary")
        .put(f"   {glyphs.BAD} rolls back at {CONVICTED:g}", "bad")
    )
    room = height - 1 - len(below)
    curves = (
        Curve([_scaled(value) for value in judged.relative], "stable", glyphs.MARKS[0]),
        Curve([_scaled(value) for value in judged.absolute], "canary", glyphs.MARKS[1]),
        Curve([_scaled(CONVICTED)] * max(2, minutes), "bad", glyphs.BAD),
    )
    drawn = chart(curves, width, room, TimeAxis(end, minutes * 60), _axis_label, 4.0) if room >= 4 else []
    return [fit(legend.line(), width), *drawn, *below][:height]


def _scaled(value: float) -> float:
    return min(5.0, log10(max(_FLOOR, value)) - log10(_FLOOR))


def _axis_label(value: float) -> str:
    shown_value = _FLOOR * 10**value
    return f"{shown_value:,.0f}" if shown_value >= 1 else f"{shown_value:.1f}"


def _e(value: float) -> str:
    return "over 10,000" if value >= 10_000 else f"{value:,.0f}" if value >= 10 else f"{value:.1f}"


def _samples(judged: Judgement, limit: float, what: str, width: int) -> list[Line]:
    enough = judged.missing == 0 and judged.requests > 0
    whole = judged.requests + judged.missing
    bound = "" if judged.upper_bound is None else f"  upper bound {percent(judged.upper_bound)}"
    if bound:
        bound += f" {'≤' if judged.upper_bound is not None and judged.upper_bound <= limit else '>'} {percent(limit)}"
    counted = f"samples {judged.requests:,} "
    needed = f" of {whole:,} {what}" if judged.missing else f" {what}, enough" if enough else f" {what}"
    room = width - len(counted) - len(needed) - len(bound)
    pen = Pen().put(counted, "text")
    if room >= 6:
        pen.add(bar(None if not whole else judged.requests / whole, min(24, room), "good" if enough else "warn"))
    passed = judged.upper_bound is not None and judged.upper_bound <= limit
    return [fit(pen.put(needed, "dim").put(bound, "good" if passed else "warn").line(), width)]


def undo(seen: Seen, now: datetime | None, key: str, width: int, height: int) -> list[Line]:
    """Where a rollback goes, and whether it can: checked before anybody needs it."""
    found = seen.card
    if found is None:
        return [((f"{glyphs.LOADING} the undo target is being checked", "dim"),)]
    if not isinstance(found.target, RollbackTarget):
        return wrap(f"{glyphs.BAD} no undo target: {shown(found.target.reason, 300)}", width, "bad", height)
    old = None if seen.card_at is None or now is None else max(0.0, (now - seen.card_at).total_seconds())
    sign, role = (glyphs.GOOD, "good") if found.ready else (glyphs.BAD, "bad")
    left = (
        Pen()
        .put(f"{sign} ", role)
        .put(shown(found.target.revision, 63), "strong")
        .put(f"  {found.target.source.value}", "dim")
    )
    right = (
        Pen().put(f"{formats.age(old)}  " if old is not None else "", "dim").put(key, "key").put(" rolls back", "text")
    )
    lines = [ends(left.line(), right.line(), width)]
    if height > 1:
        lines += plan_panel.checks(found.checks, width)
    return lines[:height]


def findings(listed: Sequence[Finding], keys: Mapping[str, str], width: int, most: int) -> list[Line]:
    """What is the matter, each with the keys of the ways out."""
    lines: list[Line] = []
    for finding in listed:
        sign, role = (glyphs.WARN, "warn") if finding.blocks else ("◆", "accent")
        lines += wrap(f"{sign} {finding.kind.value.replace('_', ' ')}: {shown(finding.text, 400)}", width, role, 2)
        pen = Pen().put("  ")
        for way in finding.ways:
            action = WAYS.get(way)
            pen.put("   " if pen.width > 2 else "")
            if action is None:
                pen.put(way.value, "dim")
            else:
                pen.put(keys.get(action, ""), "key").put(f" {way.value}", "text")
        lines.append(fit(pen.line(), width))
    return lines[:most]


def verdict(view: RolloutView, now: datetime | None, width: int) -> Line:
    """What comes next, in one sentence: whatever the reducer says."""
    decision = view.decision
    if isinstance(decision, Ask):
        return _sentence(
            glyphs.WARN,
            "bad" if decision.page else "warn",
            f"your turn: {decision.question}",
            decision.blocked_by,
            width,
        )
    if isinstance(decision, Wait):
        role = "bad" if decision.page else "accent"
        return _sentence(glyphs.STALE, role, f"waits: {decision.reason}", decision.blocked_by, width)
    if isinstance(decision, Write):
        text = f"next: {decision.transition.value}, by whoever holds the wheel: {decision.reason}"
        return _sentence(glyphs.BUSY, "bad" if decision.urgent else "accent", text, (), width)
    assert isinstance(decision, Nothing)
    return _sentence(glyphs.GOOD, "dim", decision.reason, (), width)


def _sentence(sign: str, role: str, text: str, blocked_by: Sequence[str], width: int) -> Line:
    pen = Pen().put(" ").put(f"{sign} ", role).put(shown(text, 300), "strong" if role != "dim" else "dim")
    for reason in blocked_by:
        pen.put(" · ", "dim").put(shown(reason, 200), "text")
    return fit(pen.line(), width)


def _clock(seconds: float) -> str:
    whole = max(0, round(seconds))
    hours, rest = divmod(whole, 3600)
    return f"{hours}:{rest // 60:02d}:{rest % 60:02d}" if hours else f"{rest // 60:02d}:{rest % 60:02d}"


def moment_of(view: RolloutView | None, model: FleetModel) -> datetime | None:
    """The present, by whichever clock is known and later."""
    known = [at for at in (model.now, None if view is None else view.now) if at is not None]
    return max(known, default=None)


def blank(seen: Seen) -> Line:
    """What stands where no look has come back yet."""
    if seen.problem is not None:
        return Pen().put(f"{glyphs.BAD} ", "bad").put(shown(seen.problem, 400), "text").line()
    return EMPTY


FRESH = timedelta(seconds=90)
"""An older look is told with its age: the screen must not pass it for the present."""
