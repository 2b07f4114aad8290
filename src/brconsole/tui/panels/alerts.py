"""Alerts: what fires, what is about to, and what could not be evaluated."""

from __future__ import annotations

from datetime import datetime

from brconsole.domain.alert import AlertReport, AlertState
from brconsole.tui import formats, glyphs
from brconsole.tui.paint import Line, Pen, fit_text, pages, shown, wrap
from brconsole.tui.state import FleetModel

_ORDER = {AlertState.FIRING: 0, AlertState.PENDING: 1, AlertState.UNKNOWN: 2, AlertState.OK: 3}


def order(alert: AlertReport) -> tuple[int, bool, str]:
    """Worst first."""
    return _ORDER[alert.state], alert.severity != "critical", alert.policy


def sign(alert: AlertReport) -> tuple[str, str, str]:
    """Glyph, word and role of an alert."""
    if alert.state is AlertState.FIRING:
        return (glyphs.BAD, "FIRING", "bad") if alert.severity == "critical" else (glyphs.WARN, "firing", "warn")
    if alert.state is AlertState.PENDING:
        return glyphs.PENDING, "pending", "warn"
    return (glyphs.GOOD, "ok", "good") if alert.state is AlertState.OK else (formats.UNKNOWN, "unknown", "dim")


def counts(model: FleetModel, *, short: bool = False) -> Line:
    """How many fire and how many are about to, for the panel's title."""
    alerts = model.fleet.alerts.value or ()
    firing = sum(alert.state is AlertState.FIRING for alert in alerts)
    pending = sum(alert.state is AlertState.PENDING for alert in alerts)
    pen = Pen()
    pages_somebody = any(alert.state is AlertState.FIRING and alert.severity == "critical" for alert in alerts)
    if firing:
        sign = glyphs.BAD if pages_somebody else glyphs.WARN
        pen.put(f" {sign} {firing}" if short else f" · {firing} firing", "bad" if pages_somebody else "warn")
    if pending:
        pen.put(f" {glyphs.PENDING} {pending}" if short else f" · {pending} pending", "warn")
    return pen.line()


def lines(model: FleetModel, width: int, height: int) -> list[Line]:
    """What is not well in one or two rows each, then what is quiet."""
    alerts = sorted(model.fleet.alerts.value or (), key=order)
    if not alerts:
        return [(("No alert policy is defined.", "dim"),)]
    loud = [alert for alert in alerts if alert.state is not AlertState.OK]
    quiet = [alert for alert in alerts if alert.state is AlertState.OK]
    tall = height >= len(loud) * 3 + min(4, len(quiet))
    rows: list[Line] = []
    for alert in loud:
        rows += _tall(alert, model.now, width) if tall else [one(alert, model.now, width)]
    if quiet:
        room = height - len(rows)
        if room > len(quiet) + 1:
            rows += (
                [(), *(_quiet(alert, width) for alert in quiet)] if loud else [_quiet(alert, width) for alert in quiet]
            )
        elif room >= 2 or (room >= 1 and rows) or not rows:
            rows.append(((f"{glyphs.GOOD} ", "good"), (_others(len(quiet), bool(loud)), "dim")))
            if not loud and room > 1:
                closest = sorted(
                    quiet, key=lambda alert: -((alert.value or 0.0) / alert.threshold if alert.threshold else 0.0)
                )
                rows += [_quiet(alert, width) for alert in closest[: room - 1]]
    return pages(rows, height)


def _others(number: int, more: bool) -> str:
    return (
        f"{number} {'others' if more else 'policies'} quiet"
        if number != 1
        else f"1 {'other' if more else 'policy'} quiet"
    )


def measured(alert: AlertReport) -> str:
    """Value against threshold, in as few words as say it."""
    if alert.value is None:
        return "no value"
    if alert.threshold is None:
        return _figure(alert.value, alert.value)
    return f"{_figure(alert.value, alert.threshold)} of {_figure(alert.threshold, alert.threshold)}"


def _figure(value: float, scale: float) -> str:
    if abs(scale) < 1:
        return formats.percent(value)
    return formats.count(value) if abs(value) >= 100 else f"{value:.3g}"


def since(alert: AlertReport, now: datetime | None) -> str:
    """How long it has been over the threshold."""
    if alert.since is None or now is None:
        return ""
    return formats.age(max(0.0, (now - alert.since).total_seconds()))


def one(alert: AlertReport, now: datetime | None, width: int) -> Line:
    """An alert in one row."""
    glyph, word, role = sign(alert)
    held = since(alert, now)
    tail = " ".join(part for part in ((measured(alert) if width >= 40 else ""), held) if part)
    subject = f" {shown(alert.subject, 60)}" if alert.subject else ""
    room = width - len(word) - 3 - len(tail) - 1
    text = f"{shown(alert.policy, 80)}{subject}"
    pen = Pen().put(f"{glyph} {word} ", role).cell(fit_text(text, room).rstrip(), room, "text")
    return pen.put(" ").put(tail, "dim").line()


def _tall(alert: AlertReport, now: datetime | None, width: int) -> list[Line]:
    glyph, word, role = sign(alert)
    head = Pen().put(f"{glyph} {word} ", role)
    names = wrap(shown(alert.policy, 120), width - head.width, "strong", 1)
    head.add(names[0] if names else ())
    parts = [part for part in (shown(alert.subject, 60), measured(alert)) if part]
    held = since(alert, now)
    if held:
        parts.append(f"for {held}")
    return [head.line(), *wrap("  " + " · ".join(parts), width, "dim", 1)]


def _quiet(alert: AlertReport, width: int) -> Line:
    pen = Pen().put(f"{glyphs.GOOD} ", "good")
    text = measured(alert)
    room = width - 2 - len(text) - 1
    return pen.cell(fit_text(shown(alert.policy, 80), room).rstrip(), room, "dim").put(" ").put(text, "faint").line()
