"""A fleet in one line, for `watch`."""

from __future__ import annotations

from collections.abc import Iterator

from brconsole.cli.json_values import moment
from brconsole.cli.terminal import Terminal
from brconsole.domain import rates
from brconsole.domain.alert import AlertState
from brconsole.domain.fleet import Fleet, Health
from brconsole.domain.health import failed_sources, judge
from brconsole.domain.text import clean
from brconsole.tui import formats, glyphs

_SIGNS = {
    Health.HEALTHY: (glyphs.GOOD, "32"),
    Health.DEGRADED: (glyphs.WARN, "33"),
    Health.CRITICAL: (glyphs.BAD, "1;31"),
    Health.UNKNOWN: (glyphs.UNKNOWN, "33"),
}


def render(fleet: Fleet, terminal: Terminal) -> str:
    """Time, health, load, errors, burn, queues, spend, alerts, and why."""
    report = judge(fleet)
    missing = failed_sources(fleet)
    partly = report.health is Health.HEALTHY and bool(missing)
    glyph, colour = (glyphs.PARTIAL, "33") if partly else _SIGNS[report.health]
    health = f"{glyph} {report.health.value}"
    if terminal.colour:
        health = f"\x1b[{colour}m{health}\x1b[0m"
    head = f"{moment(fleet.now) or '--:--:--'}  {clean(fleet.environment.name)}  {health}"
    line = "  ".join((head, *_parts(fleet), *(clean(reason, 120) for reason in report.reasons)))
    return glyphs.to_ascii(line) if terminal.ascii_only else line


def _parts(fleet: Fleet) -> Iterator[str]:
    measured = [rates.service_rates(fleet, service.name) for service in fleet.services.value or ()]
    known = [(entry.requests_per_s, entry.error_ratio or 0.0) for entry in measured if entry.requests_per_s is not None]
    requests = sum(per_s for per_s, _ in known) if known else None
    failing = sum(per_s * ratio for per_s, ratio in known)
    yield f"{formats.rate(requests)} req/s"
    yield f"5xx {formats.percent(None if not requests else failing / requests)}"
    if "slos" in fleet.sources:
        burns = [burn for slo in fleet.slos.value or () if (burn := slo.burn.get("1h")) is not None]
        yield f"burn 1h {formats.burn(max(burns, default=None))}"
    if "queues" in fleet.sources:
        depths = [queue.depth for queue in fleet.queues.value or () if queue.depth is not None]
        yield f"queued {formats.count(sum(depths) if depths else None)}"
    if "spend" in fleet.sources:
        spend = fleet.spend.value
        yield "spend ?" if spend is None else f"spend {formats.money(spend.month_to_date, spend.currency)}"
    if "alerts" in fleet.sources:
        yield _alerts(fleet)
    missing = failed_sources(fleet)
    if missing:
        yield f"not read: {', '.join(missing)}"


def _alerts(fleet: Fleet) -> str:
    if fleet.alerts.value is None:
        return "alerts ?"
    states = [alert.state for alert in fleet.alerts.value]
    counted = [(states.count(state), state.value) for state in (AlertState.FIRING, AlertState.PENDING)]
    return "alerts " + (", ".join(f"{number} {state}" for number, state in counted if number) or "quiet")
