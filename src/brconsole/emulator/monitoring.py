"""Cloud Monitoring's MetricService: ListTimeSeries and the descriptors. google.monitoring.v3, metric_service.proto."""

from __future__ import annotations

import asyncio
import math
import re
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ClassVar

from google.cloud import monitoring_v3
from google.cloud.monitoring_v3.services.metric_service.transports.grpc import MetricServiceGrpcTransport
from google.protobuf import empty_pb2

from brconsole.emulator import quota
from brconsole.emulator.alignment import (
    Aggregation,
    InvalidAggregationError,
    Kind,
    ValueType,
    aggregate,
    outcome,
    parse_group_field,
)
from brconsole.emulator.cloud import Cloud, Rule
from brconsole.emulator.distributions import DifferentBucketsError
from brconsole.emulator.errors import ApiError, invalid_argument, not_found, unimplemented
from brconsole.emulator.monitoring_filter import (
    Comparison,
    InvalidFilterError,
    Selector,
    evaluate,
    parse,
    text_test,
)
from brconsole.emulator.paging import offset_of, page, page_size_of, token_of
from brconsole.emulator.series_source import RESOURCE_LABELS, SeriesSource
from brconsole.emulator.server import Call, GrpcApi
from brconsole.emulator.slo_accounting import InvalidSelectorError, SloSelector, parse_selector
from brconsole.emulator.time_series_filter import (
    NO_COMBINATION,
    SeriesFilter,
    UnknownMetricError,
    compile_series_filter,
)
from brconsole.emulator.written_series import MOST_SERIES, RefusedSeriesError
from brconsole.simulation.model import Histogram, Project, RawSeries, Slo

MAX_POINTS = 100_000
"""Points (or, of headers, series) in a page."""

_RESPONSE = monitoring_v3.ListTimeSeriesResponse.pb()
_METRIC_KINDS: Mapping[Kind, int] = {"GAUGE": 1, "DELTA": 2, "CUMULATIVE": 3}
_VALUE_TYPES: Mapping[ValueType, int] = {"BOOL": 1, "INT64": 2, "DOUBLE": 3, "DISTRIBUTION": 5}
_DESCRIPTOR_WINDOW_S = 900.0


class MonitoringMetrics(GrpcApi):
    """Time series as they are read: filtered, aligned, reduced, late and in pages."""

    SERVICE = "google.monitoring.v3.MetricService"
    API = "monitoring"
    TRANSPORT = MetricServiceGrpcTransport
    RULES: ClassVar[Mapping[str, Rule]] = {
        "ListTimeSeries": Rule("monitoring.timeSeries.list", quota.MONITORING_READ),
        "CreateTimeSeries": Rule("monitoring.timeSeries.create", quota.MONITORING_DEFAULT),
        "ListMetricDescriptors": Rule("monitoring.metricDescriptors.list", quota.MONITORING_DEFAULT),
        "GetMetricDescriptor": Rule("monitoring.metricDescriptors.get", quota.MONITORING_DEFAULT),
        "ListMonitoredResourceDescriptors": Rule(
            "monitoring.monitoredResourceDescriptors.list", quota.MONITORING_DEFAULT
        ),
    }

    def __init__(self, cloud: Cloud) -> None:
        super().__init__(cloud)
        self._source = SeriesSource(cloud.world, cloud.quotas)
        # One worker: a large query must not hold up the other RPCs, and two at once would only share one core.
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="monitoring")

    async def ListTimeSeries(self, request: monitoring_v3.ListTimeSeriesRequest, call: Call) -> Any:  # noqa: N802
        """Time series that match a filter, in points newest first."""
        project = self._project(request.name)
        query = _Query(request, project, self._source, call.now)
        return await asyncio.get_running_loop().run_in_executor(self._worker, query.answer)

    async def CreateTimeSeries(self, request: monitoring_v3.CreateTimeSeriesRequest, call: Call) -> Any:  # noqa: N802
        """Stores points of user-defined metrics. Those that are right are kept, also where others are refused."""
        project = self._project(request.name)
        raw = monitoring_v3.CreateTimeSeriesRequest.pb(request)
        if not 0 < len(raw.time_series) <= MOST_SERIES:
            raise invalid_argument(
                f"Field timeSeries had an invalid value: 1 to {MOST_SERIES} time series may be written a request, "
                f"got {len(raw.time_series)}.",
                "time_series",
            )

        def store() -> list[str]:
            refused = []
            for index, series in enumerate(raw.time_series):
                try:
                    self._source.write(project, series, call.now)
                except RefusedSeriesError as error:
                    refused.append(f"timeSeries[{index}]: {error}")
            return refused

        # By the reader's own thread, so that no query sees half of it.
        if refused := await asyncio.get_running_loop().run_in_executor(self._worker, store):
            raise invalid_argument(
                f"One or more TimeSeries could not be written: {'; '.join(refused)[:2000]}", "time_series"
            )
        return empty_pb2.Empty()

    async def ListMetricDescriptors(  # noqa: N802
        self, request: monitoring_v3.ListMetricDescriptorsRequest, call: Call
    ) -> Any:
        """The metric types there are."""
        project = self._project(request.name)
        matching = [metric for metric in sorted(self._source.types) if _descriptor_passes(request.filter, metric)]
        items, token = page(
            matching,
            request.page_size,
            request.page_token,
            default=10_000,
            maximum=10_000,
            bound_to=f"{project.id} {request.filter}",
        )
        response = monitoring_v3.ListMetricDescriptorsResponse.pb()(next_page_token=token)
        for metric in items:
            await self._describe(response.metric_descriptors.add(), project, metric, call.now)
        return response

    async def GetMetricDescriptor(self, request: monitoring_v3.GetMetricDescriptorRequest, call: Call) -> Any:  # noqa: N802
        """One metric type."""
        head, _, metric = request.name.partition("/metricDescriptors/")
        project = self._project(head)
        if metric not in self._source.types:
            raise not_found(f"Could not find descriptor for metric '{metric}'.")
        response = monitoring_v3.ListMetricDescriptorsResponse.pb()()
        descriptor = response.metric_descriptors.add()
        await self._describe(descriptor, project, metric, call.now)
        return descriptor

    async def ListMonitoredResourceDescriptors(  # noqa: N802
        self, request: monitoring_v3.ListMonitoredResourceDescriptorsRequest, call: Call
    ) -> Any:
        """The monitored resources that something is written against."""
        project = self._project(request.name)
        if request.filter:
            raise unimplemented("Filtering monitored resource descriptors is not part of the embedded Google Cloud.")
        used = sorted({described.resource_type for described in self._source.types.values()})
        items, token = page(
            used, request.page_size, request.page_token, default=10_000, maximum=10_000, bound_to=project.id
        )
        response = monitoring_v3.ListMonitoredResourceDescriptorsResponse.pb()(next_page_token=token)
        for resource in items:
            descriptor = response.resource_descriptors.add(
                name=f"projects/{project.id}/monitoredResourceDescriptors/{resource}", type=resource
            )
            for label in sorted(RESOURCE_LABELS.get(resource, ())):
                descriptor.labels.add(key=label)
        return response

    async def _describe(self, descriptor: Any, project: Project, metric: str, now: float) -> None:
        described = self._source.types[metric]
        sample = await asyncio.get_running_loop().run_in_executor(
            self._worker,
            lambda: self._source.read(project, metric, Aggregation(), now - _DESCRIPTOR_WINDOW_S, now, now),
        )
        descriptor.name = f"projects/{project.id}/metricDescriptors/{metric}"
        descriptor.type = metric
        descriptor.metric_kind = _METRIC_KINDS[described.kind]
        descriptor.value_type = _VALUE_TYPES[described.value_type]
        descriptor.unit = sample[0].unit if sample else "1"
        descriptor.monitored_resource_types.append(described.resource_type)
        for label in sorted({label for series in sample for label in series.metric_labels}):
            descriptor.labels.add(key=label)

    def _project(self, name: str) -> Project:
        kind, _, rest = name.partition("/")
        if kind in {"organizations", "folders"}:
            raise unimplemented(f"{kind} are not part of the embedded Google Cloud.")
        project = self.cloud.project(rest) if kind == "projects" else None
        if project is None:
            raise invalid_argument(f'Field name had an invalid value of "{name}": use projects/ID_OR_NUMBER.', "name")
        return project


def _descriptor_passes(text: str, metric: str) -> bool:
    """Whether a metric type passes a filter of ListMetricDescriptors, which may speak of metric.type only."""
    if not text:
        return True

    def meaning(comparison: Comparison) -> bool:
        if comparison.path != ("metric", "type"):
            raise InvalidFilterError(f"The field {comparison.field} cannot filter metric descriptors; use metric.type.")
        return text_test(comparison)(metric)

    try:
        return bool(evaluate(parse(text), meaning))
    except InvalidFilterError as error:
        raise _bad_filter(text, error) from error


def _bad_filter(text: str, reason: Exception) -> ApiError:
    return invalid_argument(f'Field filter had an invalid value of "{text}": {reason}', "filter")


class _Query:
    """One ListTimeSeries request: checked when made, answered in a worker thread."""

    def __init__(
        self, request: monitoring_v3.ListTimeSeriesRequest, project: Project, source: SeriesSource, now: float
    ) -> None:
        self._request = request
        self._project = project
        self._source = source
        raw = monitoring_v3.ListTimeSeriesRequest.pb(request)
        self._start, self._end = _interval(raw)
        self._primary = _aggregation(raw.aggregation, "aggregation")
        self._secondary = _aggregation(raw.secondary_aggregation, "secondaryAggregation")
        if self._secondary.aligns and not self._primary.aligns:
            raise invalid_argument(
                "Field secondaryAggregation may only be specified if aggregation is specified.", "secondary_aggregation"
            )
        if raw.order_by:
            raise invalid_argument(
                f'Field orderBy had an invalid value of "{raw.order_by}": ordering is not supported.', "order_by"
            )
        if raw.view not in (0, 1):
            raise invalid_argument(f'Field view had an invalid value of "{raw.view}".', "view")
        self._headers = raw.view == 1
        self._size = page_size_of(raw.page_size, default=MAX_POINTS, maximum=MAX_POINTS)
        self._now, token = _pinned(raw.page_token, now)
        self._bound = (
            f"{project.id} {raw.filter} {raw.interval} {raw.aggregation} {raw.secondary_aggregation} {raw.view}"
        )
        self._offset = offset_of(token, f"{self._bound} {self._now}")

    def answer(self) -> Any:
        """The response; raises ApiError."""
        series, unit = self._series()
        response = _RESPONSE(unit=unit)
        fill = _headers if self._headers else _points
        taken = fill(response, series, self._offset, self._size)
        whole = len(series) if self._headers else sum(len(one.points) for one in series)
        if self._offset + taken < whole:
            token = token_of(self._offset + taken, f"{self._bound} {self._now}")
            response.next_page_token = f"{_moment(self._now)}.{token}"
        return response

    def _series(self) -> tuple[list[RawSeries], str]:
        text = self._request.filter
        try:
            compiled = compile_series_filter(text)
            if isinstance(compiled, Selector):
                return self._aggregated(self._of_slo(compiled)), "1"
            metric = compiled.metric_type(
                self._source.types, {name: described.resource_type for name, described in self._source.types.items()}
            )
            described = self._source.types[metric]
            compiled.check_labels(RESOURCE_LABELS.get(described.resource_type, frozenset()), None)
            kind, _ = self._check(described.kind, described.value_type)
            raw = self._source.read(self._project, metric, self._primary, self._start, self._end, self._now)
            self._check_labels(compiled, raw, described.resource_type)
        except UnknownMetricError as error:
            raise not_found(str(error)) from error
        except (InvalidFilterError, InvalidSelectorError) as error:
            raise _bad_filter(text, error) from error
        unit = raw[0].unit if raw else "1"
        if kind == "GAUGE" and self._primary.aligner == "ALIGN_RATE":
            unit = f"{unit}/s"
        names = (self._project.id, str(self._project.number))
        return self._aggregated([one for one in raw if compiled.matches(one, names)]), unit

    def _check(self, kind: Kind, value_type: ValueType) -> tuple[Kind, ValueType]:
        try:
            kind, value_type = outcome(self._primary, kind, value_type, "aggregation")
            return outcome(self._secondary, kind, value_type, "secondaryAggregation")
        except InvalidAggregationError as error:
            raise invalid_argument(str(error), error.field) from error

    def _check_labels(self, compiled: SeriesFilter, raw: Sequence[RawSeries], resource_type: str) -> None:
        """Labels that no series has cannot be filtered or grouped by. Without a series nothing is known of them."""
        metric_labels = {label for series in raw for label in series.metric_labels}
        if raw:
            compiled.check_labels(RESOURCE_LABELS.get(resource_type, frozenset()), metric_labels)
        for field, aggregation in (("aggregation", self._primary), ("secondaryAggregation", self._secondary)):
            for group in aggregation.group_by:
                if group.source == "resource" and group.label not in RESOURCE_LABELS.get(resource_type, frozenset()):
                    raise invalid_argument(f"Field {field}.groupByFields: {NO_COMBINATION}", f"{field}.groupByFields")
                if raw and group.source == "metric" and group.label not in metric_labels:
                    raise invalid_argument(f"Field {field}.groupByFields: {NO_COMBINATION}", f"{field}.groupByFields")

    def _of_slo(self, selector: Selector) -> list[RawSeries]:
        parsed = parse_selector(selector.name, selector.arguments)
        slo = self._slo(parsed)
        kind: Kind = "DELTA" if parsed.name == "select_slo_counts" else "GAUGE"
        self._check(kind, "DOUBLE")
        return self._source.read_slo(self._project, slo, parsed, self._primary, self._start, self._end, self._now)

    def _slo(self, selector: SloSelector) -> Slo:
        parts = selector.objective.split("/")
        if len(parts) != 6 or parts[0::2] != ["projects", "services", "serviceLevelObjectives"]:
            raise InvalidSelectorError(f'"{selector.objective}" is not the name of a service level objective.')
        own = parts[1] in (self._project.id, str(self._project.number))
        slo = self._source.slo(self._project, parts[3], parts[5]) if own else None
        if slo is None:
            raise not_found(f"Could not find service level objective {selector.objective}.")
        return slo

    def _aggregated(self, series: Sequence[RawSeries]) -> list[RawSeries]:
        try:
            once = aggregate(series, self._primary, self._start, self._end)
            twice = aggregate(once, self._secondary, self._start, self._end)
        except DifferentBucketsError as error:
            raise invalid_argument(f"Field aggregation: {error}.", "aggregation") from error
        return [one for one in twice if one.points]


def _interval(raw: Any) -> tuple[float, float]:
    if not raw.interval.HasField("end_time"):
        raise invalid_argument(
            'Field interval.endTime had an invalid value of "": The end time must be specified.', "interval.end_time"
        )
    end = raw.interval.end_time.seconds + raw.interval.end_time.nanos / 1e9
    if not raw.interval.HasField("start_time"):
        raise invalid_argument(
            'Field interval.startTime had an invalid value of "": The start time must be specified.',
            "interval.start_time",
        )
    start = raw.interval.start_time.seconds + raw.interval.start_time.nanos / 1e9
    if start >= end:
        raise invalid_argument(
            f'Field interval.startTime had an invalid value of "{raw.interval.start_time.ToJsonString()}": '
            f"The start time must be before the end time ({raw.interval.end_time.ToJsonString()}).",
            "interval.start_time",
        )
    return start, end


def _aggregation(raw: Any, field: str) -> Aggregation:
    period = raw.alignment_period
    aligner, reducer = (
        _enum_name(raw, name, number)
        for name, number in (
            ("per_series_aligner", raw.per_series_aligner),
            ("cross_series_reducer", raw.cross_series_reducer),
        )
    )
    if period.nanos:
        raise invalid_argument(
            f'Field {field}.alignmentPeriod had an invalid value of "{period.ToJsonString()}": '
            "The alignment period must be a whole number of seconds.",
            f"{field}.alignment_period",
        )
    try:
        groups = tuple(parse_group_field(text, field) for text in raw.group_by_fields)
    except InvalidAggregationError as error:
        raise invalid_argument(str(error), error.field) from error
    return Aggregation(period.seconds, aligner, reducer, groups if reducer != "REDUCE_NONE" else ())


def _enum_name(raw: Any, field: str, number: int) -> str:
    value = raw.DESCRIPTOR.fields_by_name[field].enum_type.values_by_number.get(number)
    return str(value.name) if value is not None else str(number)


def _moment(now: float) -> str:
    return f"{math.floor(now * 1000):x}"


def _pinned(page_token: str, now: float) -> tuple[float, str]:
    """The moment that the first page was read at, which the next ones keep to, and the rest of the token."""
    if not page_token:
        return math.floor(now * 1000) / 1000, ""
    moment, _, token = page_token.partition(".")
    if not token or not re.fullmatch(r"[0-9a-f]{1,16}", moment):
        return now, page_token  # not one of ours: refused as a list position
    return int(moment, 16) / 1000, token


def _headers(response: Any, series: Sequence[RawSeries], offset: int, size: int) -> int:
    for one in series[offset : offset + size]:
        _head(response.time_series.add(), one)
    return len(response.time_series)


def _points(response: Any, series: Sequence[RawSeries], offset: int, size: int) -> int:
    """Fill a page with points; a series that does not fit is continued on the next page."""
    left = size
    for one in series:
        count = len(one.points)
        if offset >= count:
            offset -= count
            continue
        message = response.time_series.add()
        _head(message, one)
        newest_first = one.points[::-1][offset : offset + left]
        _WRITERS[one.value_type](message.points, newest_first)
        left -= len(newest_first)
        offset = 0
        if not left:
            break
    return size - left


def _head(message: Any, series: RawSeries) -> None:
    message.metric.type = series.metric
    message.metric.labels.update(series.metric_labels)
    message.resource.type = series.resource_type
    message.resource.labels.update(series.resource_labels)
    message.metric_kind = _METRIC_KINDS[series.kind]
    message.value_type = _VALUE_TYPES[series.value_type]
    message.unit = series.unit


def _interval_of(point: Any, start: float, end: float) -> None:
    interval = point.interval
    interval.end_time.seconds = int(end)
    interval.start_time.seconds = int(start)
    if end % 1:
        interval.end_time.nanos = round(end % 1 * 1e9)
    if start % 1:
        interval.start_time.nanos = round(start % 1 * 1e9)


def _write_int(points: Any, values: Sequence[tuple[float, float, Any]]) -> None:
    for start, end, value in values:
        point = points.add()
        _interval_of(point, start, end)
        point.value.int64_value = value


def _write_double(points: Any, values: Sequence[tuple[float, float, Any]]) -> None:
    for start, end, value in values:
        point = points.add()
        _interval_of(point, start, end)
        point.value.double_value = value


def _write_bool(points: Any, values: Sequence[tuple[float, float, Any]]) -> None:
    for start, end, value in values:
        point = points.add()
        _interval_of(point, start, end)
        point.value.bool_value = value


def _write_distribution(points: Any, values: Sequence[tuple[float, float, Any]]) -> None:
    for start, end, value in values:
        point = points.add()
        _interval_of(point, start, end)
        _fill_distribution(point.value.distribution_value, value)


def _fill_distribution(message: Any, value: Histogram) -> None:
    message.count = value.count
    message.mean = value.mean
    message.sum_of_squared_deviation = value.sum_of_squared_deviation
    message.bucket_options.explicit_buckets.bounds.extend(value.bounds)
    message.bucket_counts.extend(value.counts)


_WRITERS = {"INT64": _write_int, "DOUBLE": _write_double, "BOOL": _write_bool, "DISTRIBUTION": _write_distribution}
