"""The revisions of a service: asked for beside serving, rates, age and image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from brconsole.domain.fleet import RevisionKey
from brconsole.domain.rates import revision_rates
from brconsole.domain.service import Revision
from brconsole.tui import formats, glyphs
from brconsole.tui.paint import Line, Pen, ends, fit, fit_middle, shown
from brconsole.tui.panels.frame import highlight
from brconsole.tui.state import LEVEL_SIGNS, FleetModel, ServiceRow, Share

DIGEST = 12
"""Characters of an image digest that tell two images apart."""


@dataclass(frozen=True, slots=True)
class Columns:
    """What fits, for all rows."""

    width: int
    name: int
    tags: int
    rates: bool
    latency: bool
    age: bool
    image: int
    account: int


def ordered(model: FleetModel, row: ServiceRow) -> list[Revision]:
    """What takes traffic first, as in the split; then the rest, newest first."""
    places = {share.revision: place for place, share in enumerate(row.shares)}
    return sorted(model.revisions(row.key), key=lambda revision: places.get(shown(revision.name, 100), len(places)))


def columns_for(listed: Sequence[Revision], row: ServiceRow, width: int) -> Columns:
    """The columns of a width; what matters least goes first."""
    longest = max([8, *(len(shown(revision.name, 100)) for revision in listed)])
    tagged = max([0, *(len(" ".join(share.tags)) for share in row.shares)])
    name = min(longest, 20 if width < 90 else 40)
    left = width - 4 - name - 9 - 9
    rates = left >= 15
    left -= 15 if rates else 0
    latency = left >= 9
    left -= 9 if latency else 0
    age = left >= 9
    left -= 9 if age else 0
    tags = min(16, max(4, tagged)) if tagged and left >= 7 else 0
    left -= tags + 1 if tags else 0
    image = DIGEST + 2 if left >= DIGEST + 12 else 0
    left -= image
    account = min(30, left - 26) if left >= 44 else 0
    return Columns(width, name, tags, rates, latency, age, image, account)


def heading(columns: Columns) -> Line:
    """The names of the columns."""
    pen = Pen().put("    ").cell("REVISION", columns.name, "dim")
    pen.put(" ").cell("TAGS", columns.tags, "dim") if columns.tags else None
    pen.cell("DESIRED", 9, "dim", right=True).cell("SERVING", 9, "dim", right=True)
    if columns.rates:
        pen.cell("REQ/S", 7, "dim", right=True).cell("5XX", 8, "dim", right=True)
    if columns.latency:
        pen.cell("P95", 9, "dim", right=True)
    if columns.age:
        pen.cell("CREATED", 9, "dim", right=True)
    if columns.image:
        pen.put("  ").cell("IMAGE", columns.image - 2, "dim")
    if columns.width - pen.width >= 8:
        pen.put("  ").put("STATE", "dim")
    return pen.line()


def line(
    model: FleetModel,
    row: ServiceRow,
    revision: Revision,
    columns: Columns,
    styles: Mapping[str, tuple[str, str]],
    *,
    chosen: bool,
) -> Line:
    """One revision."""
    name = shown(revision.name, 100)
    share = next((share for share in row.shares if share.revision == name), None)
    sign, word, role = readiness(revision)
    colour, mark = styles.get(name, ("faint", " "))
    pen = (
        Pen()
        .put(f"{sign} ", role)
        .put(f"{mark} ", colour)
        .cell(fit_middle(name, columns.name), columns.name, "strong" if chosen else "text")
    )
    if columns.tags:
        pen.put(" ").cell(" ".join(share.tags) if share else "", columns.tags, "accent")
    _split(pen, row, share)
    if columns.rates:
        per_s, ratio = revision_rates(model.fleet_of(row.key), RevisionKey(row.key, revision.name))
        nothing = row.service.is_worker or per_s == 0
        grey = model.fleet.requests.error is not None
        pen.cell(
            formats.NOTHING if per_s is None and nothing else formats.rate(per_s),
            7,
            "grey" if grey else "text",
            right=True,
        )
        pen.cell(
            formats.NOTHING if ratio is None and nothing else formats.percent(ratio),
            8,
            "grey" if grey else _error_role(ratio),
            right=True,
        )
    if columns.latency:
        pen.cell(latency_of(model, row, revision), 9, "text", right=True)
    if columns.age:
        old = None if model.now is None or revision.created is None else (model.now - revision.created).total_seconds()
        pen.cell(formats.age(old), 9, "dim", right=True)
    if columns.image:
        pen.put("  ").cell(short_digest(revision), columns.image - 2, "dim")
    room = columns.width - pen.width - 2
    if room >= 6:
        pen.put("  ").cell(word, room, role)
    drawn = fit(pen.line(), columns.width)
    return highlight(drawn, columns.width) if chosen else drawn


def _split(pen: Pen, row: ServiceRow, share: Share | None) -> None:
    if share is None:
        pen.cell("0 %", 9, "faint", right=True).cell("0 %", 9, "faint", right=True)
        return
    differs = share.desired != share.serving
    role = (
        "warn"
        if differs and not row.service.reconciling
        else "accent"
        if differs
        else "canary"
        if share.canary
        else "text"
    )
    pen.cell(formats.share(share.desired), 9, role if share.desired else "faint", right=True)
    pen.cell(formats.share(share.serving), 9, role if share.serving else "faint", right=True)


def _error_role(ratio: float | None) -> str:
    return "text" if ratio is None or ratio < 0.005 else "warn" if ratio < 0.02 else "bad"


def latency_of(model: FleetModel, row: ServiceRow, revision: Revision) -> str:
    """The newest p95 of a revision; unknown where the page of its service was not watched."""
    if row.service.is_worker:
        return formats.NOTHING
    if model.fleet.watched != row.key or model.fleet.latency_by_revision.value is None:
        return formats.UNKNOWN
    series = model.fleet.latency_by_revision.value.get(revision.name)
    recent = series.last(300) if series else ()
    return formats.latency(recent[-1]) if recent else formats.NOTHING


def readiness(revision: Revision) -> tuple[str, str, str]:
    """Glyph, words and role of a revision's readiness."""
    if revision.ready is None:
        return glyphs.BUSY, "starting", "accent"
    if revision.ready:
        return glyphs.GOOD, "ready", "good"
    why = shown(": ".join(part for part in (revision.reason, revision.message) if part) or "no reason given", 200)
    return glyphs.BAD, f"not ready: {why}", "bad"


def short_digest(revision: Revision) -> str:
    """What tells an image from another."""
    if revision.digest:
        return shown(revision.digest, 100).removeprefix("sha256:")[:DIGEST]
    return shown(revision.image, 200).rpartition(":")[2][:DIGEST] or formats.UNKNOWN


def verdict(row: ServiceRow, width: int) -> Line:
    """One sentence on the service."""
    sign, role = LEVEL_SIGNS[row.level]
    words = "; ".join(row.notes) or "ready, desired and serving traffic agree, no alert on it"
    return fit(Pen().put(" ").put(f"{sign} ", role).put(words, "text" if row.notes else "dim").line(), width)


def facts(model: FleetModel, row: ServiceRow | None, width: int, height: int) -> list[Line]:
    """Address, readiness, who changed it last, and what is unusual, in words."""
    if row is None:
        return [(("It is not in this region any more.", "warn"),)]
    service = row.service
    first = Pen().put(shown(service.uri or "no address", 120), "secondary under" if service.uri else "dim")
    changed = None if model.now is None or service.updated is None else (model.now - service.updated).total_seconds()
    who = shown(service.last_modifier or formats.UNKNOWN, 60) if width >= 120 else row.who or formats.UNKNOWN
    by = f"changed {formats.age(changed)} ago by {who}"
    lines = [
        ends(first.line(), ((by, "dim"),), width),
        ends(_state(row), _rates(row, width), width),
        _badges(model, row),
    ]
    return [line for line in lines if line][:height]


def _state(row: ServiceRow) -> Line:
    service = row.service
    if service.reconciling:
        return (
            (f"{glyphs.BUSY} reconciling", "accent"),
            (f"  generation {service.observed_generation} of {service.generation}", "dim"),
        )
    words = {
        True: (f"{glyphs.GOOD} ready", "good"),
        False: (f"{glyphs.BAD} not ready", "bad"),
        None: (f"{glyphs.UNKNOWN} undecided", "dim"),
    }
    reason = ((f"  {shown(service.reason, 120)}", "text"),) if service.reason and service.ready is not True else ()
    return (words[service.ready], *reason)


def _rates(row: ServiceRow, width: int) -> Line:
    rates = row.rates
    if row.service.is_worker:
        return (("worker: takes no requests", "dim"),)
    pen = (
        Pen()
        .put(f"{formats.rate(rates.requests_per_s)} req/s", "text")
        .put(f"   5xx {formats.percent(rates.error_ratio)}", _error_role(rates.error_ratio))
    )
    pen.put(f"   p95 {formats.latency(rates.latency_p95_ms)}", "text")
    pen.put(
        f"   cold start {formats.latency(rates.cold_start_p95_ms)}"
        if rates.cold_start_p95_ms is not None and width >= 100
        else "",
        "dim",
    )
    return pen.put(f"   {formats.count(rates.instances)} instances", "text").line()


def _badges(model: FleetModel, row: ServiceRow) -> Line:
    service = row.service
    pen = Pen()
    newest = next(iter(model.revisions(row.key)), None)
    if newest is not None and newest.ready is False:
        pen.put(f"{glyphs.BAD} {shown(newest.name, 60)} {shown(newest.reason or 'is not ready', 60)}   ", "bad")
    if service.drift:
        pen.put(f"{glyphs.WARN} drift: serving is not what was asked for   ", "warn")
    if service.pinned and service.latest_ready:
        pen.put(f"◆ pinned: newer {shown(service.latest_ready, 60)} is ready and serves nothing   ", "accent")
    if row.canary:
        pen.put(f"▒ canary {row.canary.revision} at {formats.share(row.canary.serving)}   ", "canary")
    if service.session_affinity:
        pen.put("session affinity: a shift moves users slowly   ", "dim")
    if not pen.width:
        pen.put("no canary, not pinned", "faint")
    return pen.line()
