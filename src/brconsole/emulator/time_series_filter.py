"""What a filter means for time series: exactly one metric type, then labels of the metric and of the resource."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from brconsole.emulator.monitoring_filter import (
    Comparison,
    InvalidFilterError,
    Node,
    Selector,
    comparisons,
    evaluate,
    parse,
    text_test,
)
from brconsole.simulation.model import RawSeries

_PREFIXES = "{group, metadata, metric, project, resource}"
_DESCRIPTORS = "https://cloud.google.com/monitoring/api/metrics"
NO_COMBINATION = (
    "The supplied filter does not specify a valid combination of metric and monitored resource descriptors. "
    "The query will not return any time series."
)


class UnknownMetricError(Exception):
    """No metric type matches the filter."""


@dataclass(frozen=True, slots=True)
class _Restriction:
    """A comparison understood: what of a series it looks at, and the test."""

    source: Literal["project", "metric.type", "metric.label", "resource.type", "resource.label"]
    label: str
    test: Callable[[str], bool]


def _understand(comparison: Comparison) -> _Restriction:
    path = comparison.path
    head = path[0]
    if head == "project" and len(path) == 1:
        return _Restriction("project", "", text_test(comparison))
    if head in {"metric", "resource"}:
        source: Literal["metric", "resource"] = "metric" if head == "metric" else "resource"
        if len(path) == 2 and path[1] == "type":
            return _Restriction(f"{source}.type", "", text_test(comparison))  # type: ignore[arg-type]
        if len(path) >= 3 and path[1] in {"label", "labels"}:
            return _Restriction(f"{source}.label", ".".join(path[2:]), text_test(comparison))  # type: ignore[arg-type]
        raise InvalidFilterError(f"The field {comparison.field} is not known; use {head}.type or {head}.labels.NAME.")
    if head in {"group", "metadata"}:
        raise InvalidFilterError(f"The field {comparison.field} is not implemented by this emulator.")
    raise InvalidFilterError(f"The lefthand side of each expression must be prefixed with one of {_PREFIXES}.")


@dataclass(frozen=True, slots=True)
class SeriesFilter:
    """A compiled filter for time series."""

    node: Node
    restrictions: Mapping[Comparison, _Restriction] = field(repr=False)

    def metric_type(self, known: Iterable[str], resource_types: Mapping[str, str]) -> str:
        """The one metric type selected, of those `known`; `resource_types` says which resource each is written against.

        Raises UnknownMetricError where none matches, InvalidFilterError where more than one does, where the filter
        leaves the metric open or where it names a resource that the metric is not written against.
        """
        named = [one for one in self.restrictions.items() if one[1].source == "metric.type"]
        if not named:
            raise InvalidFilterError(
                f'must specify a restriction on "metric.type" in the filter; see "{_DESCRIPTORS}" '
                "for a list of available metric types."
            )

        def type_only(metric: str) -> Callable[[Comparison], bool | None]:
            def meaning(comparison: Comparison) -> bool | None:
                restriction = self.restrictions[comparison]
                return restriction.test(metric) if restriction.source == "metric.type" else None

            return meaning

        matching = [metric for metric in known if evaluate(self.node, type_only(metric)) is not False]
        if not matching:
            raise UnknownMetricError(_no_such_metric([comparison for comparison, _ in named]))
        if len(matching) > 1:
            raise InvalidFilterError(
                "The provided filter matches more than one metric. "
                "TimeSeries data are limited to a single metric per request."
            )
        metric = matching[0]
        resource = resource_types[metric]

        def type_and_resource(comparison: Comparison) -> bool | None:
            restriction = self.restrictions[comparison]
            if restriction.source == "metric.type":
                return restriction.test(metric)
            return restriction.test(resource) if restriction.source == "resource.type" else None

        if evaluate(self.node, type_and_resource) is False:
            raise InvalidFilterError(NO_COMBINATION)
        return metric

    def check_labels(self, resource_labels: Collection[str], metric_labels: Collection[str] | None) -> None:
        """Refuse labels that the descriptors do not have; metric labels of None are not known."""
        for restriction in self.restrictions.values():
            if restriction.source == "resource.label" and restriction.label not in resource_labels:
                raise InvalidFilterError(NO_COMBINATION)
            if (
                restriction.source == "metric.label"
                and metric_labels is not None
                and restriction.label not in metric_labels
            ):
                raise InvalidFilterError(NO_COMBINATION)

    def matches(self, series: RawSeries, project: tuple[str, str]) -> bool:
        """Whether a series passes; `project` is the id and the number it may be called by."""

        def meaning(comparison: Comparison) -> bool:
            restriction = self.restrictions[comparison]
            if restriction.source == "metric.label":
                return restriction.test(series.metric_labels.get(restriction.label, ""))
            if restriction.source == "resource.label":
                return restriction.test(series.resource_labels.get(restriction.label, ""))
            if restriction.source == "metric.type":
                return restriction.test(series.metric)
            if restriction.source == "resource.type":
                return restriction.test(series.resource_type)
            holds = all if comparison.operator == "!=" else any
            return holds(restriction.test(name) for name in project)

        return bool(evaluate(self.node, meaning))


def compile_series_filter(text: str) -> SeriesFilter | Selector:
    """A filter of ListTimeSeries: restrictions on series, or one SLO selector standing alone."""
    node = parse(text)
    if isinstance(node, Selector):
        return node
    evaluate(node, lambda _comparison: None)  # refuses a selector inside an expression
    return SeriesFilter(node, {comparison: _understand(comparison) for comparison in comparisons(node)})


def _no_such_metric(named: Iterable[Comparison]) -> str:
    asked = " OR ".join(
        f'type = "{comparison.value}"'
        if isinstance(comparison.value, str)
        else f"type = {comparison.value.function}(…)"
        for comparison in named
    )
    return (
        f"Cannot find metric(s) that match {asked}. If a metric was created recently, it could take up to 10 minutes "
        "to become available. Please try again soon."
    )
