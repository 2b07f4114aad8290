"""Rates of services and revisions over the last five closed minutes."""

from __future__ import annotations

from brconsole.domain.fleet import Fleet, RequestSeries, RevisionKey, ServiceRates
from brconsole.domain.series import Series, summed

WINDOW_S = 300


def service_rates(fleet: Fleet, service: str) -> ServiceRates:
    """The columns of one service. Workers take no requests, so their request columns are None."""
    requests = service_requests(fleet, service)
    per_s, ratio = _rates(requests)
    latency = (fleet.latency.value or {}).get(service)
    cold = (fleet.cold_starts.value or {}).get(service)
    instances = (fleet.instances.value or {}).get(service)
    return ServiceRates(
        per_s,
        ratio,
        latency.newest() if latency else None,
        cold.p95_ms if cold else None,
        instances.newest() if instances else None,
    )


def revision_rates(fleet: Fleet, key: RevisionKey) -> tuple[float | None, float | None]:
    """Requests a second and 5xx ratio of one revision; 0 requests where the source is read and has none of it."""
    if fleet.requests.value is None:
        return None, None
    series = fleet.requests.value.get(key)
    return (0.0, None) if series is None else _rates(series)


def service_requests(fleet: Fleet, service: str) -> RequestSeries | None:
    """Requests and errors of all revisions of a service added up, None where nothing is known of it."""
    table = fleet.requests.value
    if table is None:
        return None
    rows = [series for key, series in table.items() if key.service == service]
    requests, errors = summed(row.requests for row in rows), summed(row.errors for row in rows)
    return None if requests is None or errors is None else RequestSeries(requests, errors)


def error_ratio_series(requests: RequestSeries) -> Series:
    """5xx over requests for each interval; a gap where there was no request."""
    values = tuple(
        None if not total or errors is None else errors / total
        for total, errors in zip(requests.requests.values, requests.errors.values, strict=True)
    )
    return Series(requests.requests.end, requests.requests.period_s, values, requests.requests.labels)


def _rates(series: RequestSeries | None) -> tuple[float | None, float | None]:
    if series is None:
        return None, None
    total = series.requests.total(WINDOW_S)
    if total is None:
        return None, None
    errors = series.errors.total(WINDOW_S) or 0.0
    return total / WINDOW_S, (errors / total if total else None)
