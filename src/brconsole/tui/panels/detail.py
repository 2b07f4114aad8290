"""Charts of one service over the last hour, by revision."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from brconsole.domain.fleet import RevisionKey
from brconsole.domain.rates import error_ratio_series
from brconsole.domain.series import Series
from brconsole.tui import formats, glyphs
from brconsole.tui.charts import Curve, TimeAxis, chart
from brconsole.tui.paint import Line, Pen, fit, fit_middle, shown
from brconsole.tui.state import FleetModel, ServiceRow

HOUR_S = 3600
MOST_CURVES = 4


@dataclass(frozen=True, slots=True)
class Plot:
    """One chart: its name, its newest figure and its curves."""

    title: str
    newest: str
    curves: tuple[Curve, ...]
    axis: TimeAxis
    label: Callable[[float], str]
    least_top: float = 0.0


def charts(model: FleetModel, row: ServiceRow | None, width: int, height: int) -> list[Line]:
    """Three charts side by side with a legend above."""
    if row is None:
        return [(("Choose a service.", "dim"),)]
    if row.service.is_worker and row.requests is None:
        return [(("A worker takes no requests; its queue tells how it is doing.", "dim"),)]
    styles = revision_styles(row)
    plots = plots_of(model, row, styles)
    legend_line = legend(row, styles, width)
    return [legend_line, *side_by_side(plots, width, height - 1)]


def side_by_side(plots: Sequence[Plot], width: int, height: int) -> list[Line]:
    """As many charts as fit, each at least 24 cells wide."""
    number = max(1, min(len(plots), (width + 2) // 26))
    each = (width - 2 * (number - 1)) // number
    drawn = [_titled(plot, each, height) for plot in plots[:number]]
    lines: list[Line] = []
    for row in range(height):
        pen = Pen()
        for index, block in enumerate(drawn):
            pen.put("  " if index else "").add(fit(block[row] if row < len(block) else (), each))
        lines.append(pen.line())
    return lines


def _titled(plot: Plot, width: int, height: int) -> list[Line]:
    title = Pen().put(plot.title, "strong").put(f"  {plot.newest}", "text").line()
    return [title, *chart(plot.curves, width, height - 1, plot.axis, plot.label, plot.least_top)]


def revision_styles(row: ServiceRow) -> Mapping[str, tuple[str, str]]:
    """Role and mark of the revisions that take traffic, then of the newest others with requests."""
    styles: dict[str, tuple[str, str]] = {}
    others = 2
    for share in row.shares:
        if not (share.serving or share.desired):
            continue
        if share.canary:
            styles[share.revision] = ("canary", glyphs.MARKS[1])
        elif not styles:
            styles[share.revision] = ("stable", glyphs.MARKS[0])
        else:
            styles[share.revision] = (f"series{others}", glyphs.MARKS[others])
            others += 1
        if len(styles) == MOST_CURVES:
            break
    if row.requests is not None:
        for key in sorted(row.requests_by_revision, key=lambda key: key.revision, reverse=True):
            name = shown(key.revision, 100)
            if (
                len(styles) < MOST_CURVES
                and name not in styles
                and _had_requests(row.requests_by_revision[key].requests)
            ):
                styles[name] = (f"series{others}", glyphs.MARKS[others])
                others += 1
    return styles


def _had_requests(series: Series) -> bool:
    return any(series.last(HOUR_S))


def legend(row: ServiceRow, styles: Mapping[str, tuple[str, str]], width: int) -> Line:
    """Which mark is which revision."""
    shares = {share.revision: share for share in row.shares}
    pen = Pen()
    for name, (role, mark) in styles.items():
        share = shares.get(name)
        word = " canary" if share and share.canary else ""
        percent = f" {formats.share(share.serving)}" if share and share.serving else " 0 %"
        text = f"{mark} {fit_middle(name, 34)}"
        if pen.width + len(text) + len(word) + len(percent) + 3 > width:
            break
        pen.put("   " if pen.width else "").put(text, role).put(percent + word, "dim")
    return pen.line()


def plots_of(model: FleetModel, row: ServiceRow, styles: Mapping[str, tuple[str, str]]) -> tuple[Plot, Plot, Plot]:
    """Requests, 5xx and p95 of a service."""
    keys = {shown(key.revision, 100): key for key in row.requests_by_revision}
    return (
        _requests(row, styles, keys),
        _errors(row, styles, keys),
        _latency(model, row, styles),
    )


def _requests(row: ServiceRow, styles: Mapping[str, tuple[str, str]], keys: Mapping[str, RevisionKey]) -> Plot:
    curves, axis = [], TimeAxis(None, HOUR_S)
    for name, (role, mark) in styles.items():
        if key := keys.get(name):
            series = row.requests_by_revision[key].requests
            values = _since(row.created(key.revision), series)
            curves.append(Curve([None if v is None else v / series.period_s for v in values], role, mark))
            axis = TimeAxis(series.end, HOUR_S)
    return Plot("requests/s", formats.rate(row.rates.requests_per_s), tuple(curves), axis, formats.rate)


def _errors(row: ServiceRow, styles: Mapping[str, tuple[str, str]], keys: Mapping[str, RevisionKey]) -> Plot:
    curves, axis = [], TimeAxis(None, HOUR_S)
    for name, (role, mark) in styles.items():
        if key := keys.get(name):
            series = error_ratio_series(row.requests_by_revision[key])
            curves.append(Curve(_hour(series), role, mark))
            axis = TimeAxis(series.end, HOUR_S)
    return Plot("5xx", formats.percent(row.rates.error_ratio), tuple(curves), axis, _ratio_label, 0.002)


def _ratio_label(ratio: float) -> str:
    return f"{ratio * 100:.3g}%"


def _latency(model: FleetModel, row: ServiceRow, styles: Mapping[str, tuple[str, str]]) -> Plot:
    newest = formats.latency(row.rates.latency_p95_ms)
    by_revision = model.fleet.latency_by_revision.value if model.fleet.watched == row.key else None
    curves, axis = [], TimeAxis(None, HOUR_S)
    if by_revision:
        names = {shown(name, 100): series for name, series in by_revision.items()}
        for name, (role, mark) in styles.items():
            if series := names.get(name):
                curves.append(Curve(_hour(series), role, mark))
                axis = TimeAxis(series.end, HOUR_S)
    else:
        whole = (model.fleet.latency.value or {}).get(row.key)
        if whole:
            curves.append(Curve(_hour(whole), "primary", glyphs.MARKS[3]))
            axis = TimeAxis(whole.end, HOUR_S)
    title = "p95" if by_revision else "p95 of all"
    return Plot(title, newest, tuple(curves), axis, formats.latency, 10.0)


def _since(created: datetime | None, series: Series) -> Sequence[float | None]:
    """The points of the last hour from when the revision exists: before, it did not have zero requests, it was not."""
    values = _hour(series)
    if created is None:
        return values
    known = round((series.end - created).total_seconds() / series.period_s) + 1
    return (*([None] * max(0, len(values) - known)), *values[max(0, len(values) - known) :])


def _hour(series: Series) -> Sequence[float | None]:
    """The points of the last hour; what the series does not reach back to is a gap."""
    wanted = max(1, HOUR_S // series.period_s)
    values = series.values[-wanted:]
    return (*([None] * (wanted - len(values))), *values)
