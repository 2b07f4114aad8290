"""Spend of a month against its budget."""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime

TOP_SERVICES = 5
ALERT_SHARE = 0.85
"""Month-to-date over budget from which finance is told (specification §6.3)."""


@dataclass(frozen=True, slots=True)
class DailyCost:
    """Net cost (credits taken off) of one Google service on one day, in the export's currency."""

    day: date
    service: str
    cost: float


@dataclass(frozen=True, slots=True)
class SpendReport:
    """A month so far. `estimated` is the share of `month_to_date` that the export does not hold yet (None: nothing is
    estimated). `month` is its first day: on the first of a month the export still ends in the month before.
    """

    currency: str
    month_to_date: float
    budget: float | None
    forecast: float | None
    estimated: float | None
    top: tuple[tuple[str, float], ...]
    daily: tuple[tuple[date, float], ...]
    month: date | None = None

    @property
    def share(self) -> float | None:
        """Spent over budget."""
        return None if not self.budget else self.month_to_date / self.budget


def report(
    costs: Iterable[DailyCost], currency: str, budget: float | None, as_of: datetime, today: date | None = None
) -> SpendReport:
    """Add up the month of `today` (default: of `as_of`, the export's newest usage end, which lags into a new month).

    The forecast is the month so far plus the mean of the last seven whole days for each day still to come: the export
    lags, so the last (partial) day does not count as a measure.
    """
    by_day: dict[date, float] = {}
    by_service: dict[str, float] = {}
    first = (today or as_of.date()).replace(day=1)
    month = (first.year, first.month)
    for cost in costs:
        by_day[cost.day] = by_day.get(cost.day, 0.0) + cost.cost
        if (cost.day.year, cost.day.month) == month:
            by_service[cost.service] = by_service.get(cost.service, 0.0) + cost.cost
    this_month = {day: cost for day, cost in by_day.items() if (day.year, day.month) == month}
    month_to_date = sum(this_month.values())
    return SpendReport(
        currency,
        month_to_date,
        budget,
        _forecast(by_day, this_month, month_to_date, as_of.date(), monthrange(*month)[1]),
        None,
        tuple(sorted(by_service.items(), key=lambda entry: (-entry[1], entry[0]))[:TOP_SERVICES]),
        tuple(sorted(this_month.items())),
        first,
    )


def _forecast(
    by_day: dict[date, float],
    this_month: dict[date, float],
    month_to_date: float,
    partial_day: date,
    days_in_month: int,
) -> float | None:
    whole = sorted(day for day in by_day if day < partial_day)[-7:]
    if not whole:
        return None
    mean = sum(by_day[day] for day in whole) / len(whole)
    last_whole = max((day.day for day in this_month if day < partial_day), default=0)
    spent_on_whole_days = sum(cost for day, cost in this_month.items() if day < partial_day)
    return max(month_to_date, spent_on_whole_days + mean * (days_in_month - last_whole))


def reached_on(report: SpendReport, share: float) -> date | None:
    """The day on which the month's spend reached a share of the budget, None where it has not or there is no budget."""
    if not report.budget:
        return None
    spent = 0.0
    for day, cost in report.daily:
        spent += cost
        if spent >= report.budget * share:
            return day
    return None
