"""Rates of services and revisions over the last five closed minutes."""

from __future__ import annotations

from datetime import datetime

from brconsole.domain.fleet import Fleet, RequestSeries, RevisionKey, ServiceRates
from brconsole.domain.requests import RequestTable, total_of
from brconsole.domain.series import Series, paired

WINDOW_S = 300


def service_rates(fleet: Fleet, service: str) -> ServiceRates:
    """The columns of one service. Workers take no requests, so their request columns are None.

    A percentile or a number of instances whose newest point is older than the window is not the present, hence None.
    """
    cold = (fleet.cold_starts.value or {}).get(service)
    instances = _present((fleet.instances.value or {}).get(service), fleet.instances.as_of)
    known = fleet.service(service)
    if known is not None and known.is_worker:
        return ServiceRates(None, None, None, cold.p95_ms if cold else None, instances)
    requests = service_requests(fleet, service)
    per_s, ratio = _rates(requests, _end(fleet))
    if requests is None and known is not None and fleet.requests.value is not None:
        per_s = 0.0
    return ServiceRates(
        per_s,
        ratio,
        _present((fleet.latency.value or {}).get(service), fleet.latency.as_of),
        cold.p95_ms if cold else None,
        instances,
    )


def revision_rates(fleet: Fleet, key: RevisionKey) -> tuple[float | None, float | None]:
    """Requests a second and 5xx ratio of one revision; 0 requests where the source is read and has none of it."""
    if fleet.requests.value is None:
        return None, None
    series = fleet.requests.value.get(key)
    return (0.0, None) if series is None else _rates(series, _end(fleet))


def service_requests(fleet: Fleet, service: str) -> RequestSeries | None:
    """Requests and errors of all revisions of a service added up, None where nothing is known of it."""
    table = fleet.requests.value
    if table is None:
        return None
    if isinstance(table, RequestTable):
        return table.service(service)
    return total_of([series for key, series in table.items() if key.service == service])


def error_ratio_series(requests: RequestSeries) -> Series:
    """5xx over requests for each interval; a gap where there was no request.

    Both come from one answer grouped by response class, so an interval with requests and no 5xx point had no 5xx.
    """
    values = tuple(
        (errors or 0.0) / total if total else None for total, errors in paired(requests.requests, requests.errors)
    )
    return Series(requests.requests.end, requests.requests.period_s, values, requests.requests.labels)


def _rates(series: RequestSeries | None, end: datetime | None) -> tuple[float | None, float | None]:
    if series is None:
        return None, None
    until = end or series.requests.end
    total = sum(series.requests.known_until(until, WINDOW_S))
    errors = sum(series.errors.known_until(until, WINDOW_S))
    return total / WINDOW_S, (errors / total if total else None)


def _end(fleet: Fleet) -> datetime | None:
    """The end of the window that all request series share: the newest point of any, since a revision without points had
    no requests.
    """
    return fleet.requests.as_of


def _present(series: Series | None, as_of: datetime | None) -> float | None:
    return None if series is None else series.recent(WINDOW_S, as_of)
