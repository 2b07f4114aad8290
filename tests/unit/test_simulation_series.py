"""Figures agree: buckets with counts, hours with minutes, objectives with requests, queues with their jobs."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from brconsole.simulation.model import Histogram, RawSeries, Target
from brconsole.simulation.world import DEFAULT_START, World

PROD = "bytereview-prod"
STAGING = "br-stage-4821"
START = DEFAULT_START
HOUR = 3600
REQUESTS = "run.googleapis.com/request_count"
LATENCIES = "run.googleapis.com/request_latencies"
STARTS = "run.googleapis.com/container/startup_latencies"
INSTANCES = "run.googleapis.com/container/instance_count"
DEPTH = "custom.googleapis.com/arq/queue_depth"
AGE = "custom.googleapis.com/arq/oldest_age"
JOBS = "custom.googleapis.com/arq/jobs"
RUNTIME = "custom.googleapis.com/arq/job_runtime"


@pytest.fixture(scope="module")
def busy() -> World:
    """A demo in which traffic was moved and a fault came and went."""
    world = World(7, START, "demo")
    service = world.service(PROD, "api", START)
    assert service is not None
    stable, candidate = (target.revision for target in service.serving[:2])
    world.update_service(PROD, "api", START + 137, "ada", traffic=[Target(stable, 50), Target(candidate, 50)])
    world.set_fault(START + 905, "error-rate", f"{PROD}/{candidate}", 0.2, START + 1190)
    world.set_fault(START + 1500, "slow-database", PROD, 3.0, START + 2100)
    return world


Labels = tuple[tuple[str, str], ...]


def labels(series: RawSeries) -> Labels:
    return tuple(sorted({**series.resource_labels, **series.metric_labels}.items()))


def number(value: object) -> int:
    assert isinstance(value, int)
    return value


def distribution(value: object) -> Histogram:
    assert isinstance(value, Histogram)
    return value


def by_end(series: tuple[RawSeries, ...]) -> dict[tuple[Labels, float], object]:
    return {(labels(each), end): value for each in series for _, end, value in each.points}


def sums_by_hour(points: Mapping[tuple[Labels, float], object]) -> dict[tuple[Labels, float], int | tuple[int, ...]]:
    sums: dict[tuple[Labels, float], int | tuple[int, ...]] = {}
    for (key, end), value in points.items():
        hour = -(-end // HOUR) * HOUR
        if isinstance(value, Histogram):
            before = sums.get((key, hour), (0,) * len(value.counts))
            assert isinstance(before, tuple)
            sums[key, hour] = tuple(a + b for a, b in zip(before, value.counts, strict=True))
        else:
            had = sums.get((key, hour), 0)
            assert isinstance(had, int)
            sums[key, hour] = had + number(value)
    return sums


@pytest.mark.parametrize("project", [PROD, STAGING, "br-dev-4821"])
def test_latency_buckets_sum_to_the_request_counts_of_their_minute(busy: World, project: str) -> None:
    for start, end, step in (
        (START - 5 * HOUR, START - 4 * HOUR, 60),
        (START - 900, START + 2700, 60),
        (START - 9 * HOUR, START + 2 * HOUR, HOUR),
    ):
        counts = by_end(busy.series(project, REQUESTS, start, end, step))
        buckets = by_end(busy.series(project, LATENCIES, start, end, step))
        assert counts
        assert {key: distribution(value).count for key, value in buckets.items()} == counts
        assert all(sum(distribution(value).counts) == distribution(value).count for value in buckets.values())


@pytest.mark.parametrize("metric", [REQUESTS, LATENCIES, STARTS])
def test_an_hour_is_exactly_the_sum_of_its_minutes(busy: World, metric: str) -> None:
    start, end = START - 3 * HOUR, START + 2 * HOUR
    for project in (PROD, STAGING):
        minutes = sums_by_hour(by_end(busy.series(project, metric, start, end)))
        hours = by_end(busy.series(project, metric, start, end, HOUR))
        told = {key: value.counts if isinstance(value, Histogram) else value for key, value in hours.items()}
        assert told == minutes


@pytest.mark.parametrize("days", [0, 3, 11.4, 18.45, 27])
def test_hours_long_ago_agree_with_their_minutes_too(busy: World, days: float) -> None:
    start = (START - days * 86400) // HOUR * HOUR - HOUR
    for metric in (REQUESTS, LATENCIES):
        minutes = sums_by_hour(by_end(busy.series(PROD, metric, start, start + 2 * HOUR)))
        hours = by_end(busy.series(PROD, metric, start, start + 2 * HOUR, HOUR))
        told = {key: value.counts if isinstance(value, Histogram) else value for key, value in hours.items()}
        assert told == minutes


@pytest.mark.parametrize("project", [PROD, STAGING])
@pytest.mark.parametrize("step", [60, HOUR])
def test_objectives_count_the_requests_that_the_metrics_show(busy: World, project: str, step: int) -> None:
    start, end = START - 2 * HOUR, START + 2 * HOUR
    for slo in busy.slos(project):
        expected: dict[float, tuple[int, int]] = {}
        for series in busy.series(project, REQUESTS if slo.kind == "availability" else LATENCIES, start, end, step):
            if series.resource_labels["service_name"] != slo.service:
                continue
            for _, at, value in series.points:
                if slo.kind == "availability":
                    bad = number(value) if series.metric_labels["response_code_class"] == "5xx" else 0
                    good = number(value) - bad
                else:
                    assert slo.threshold_ms is not None
                    histogram = distribution(value)
                    good = sum(histogram.counts[: histogram.bounds.index(slo.threshold_ms) + 1])
                    bad = histogram.count - good
                had = expected.get(at, (0, 0))
                expected[at] = (had[0] + good, had[1] + bad)
        counted = busy.slo_counts(slo, start, end, step)
        assert len(counted) == (end - start) / step
        assert {at: (good, bad) for at, good, bad in counted if good or bad} == expected


def test_points_lie_in_the_window_asked_for_and_neighbouring_windows_join_without_gap_or_overlap(busy: World) -> None:
    for metric in busy.metric_types():
        whole = by_end(busy.series(PROD, metric, START - 600, START + 600))
        parts = [by_end(busy.series(PROD, metric, START - 600 + 150 * k, START - 450 + 150 * k)) for k in range(8)]
        assert all(START - 600 < end <= START + 600 for _, end in whole)
        assert sum(len(part) for part in parts) == len(whole)
        assert {key: value for part in parts for key, value in part.items()} == whole


def test_every_series_is_what_its_metric_type_says(busy: World) -> None:
    for metric, (kind, value_type, resource) in busy.metric_types().items():
        found = busy.series(PROD, metric, START - 1800, START)
        assert found, metric
        assert len({labels(each) for each in found}) == len(found)
        for series in found:
            assert (series.metric, series.kind, series.value_type, series.resource_type) == (
                metric,
                kind,
                value_type,
                resource,
            )
            assert all(
                isinstance(value, str) for value in (*series.resource_labels.values(), *series.metric_labels.values())
            )
            ends = [end for _, end, _ in series.points]
            assert ends == sorted(set(ends))
            for start, end, value in series.points:
                assert {"GAUGE": start == end, "DELTA": end - start == 60, "CUMULATIVE": start < end}[kind]
                wanted = {"INT64": int, "DOUBLE": float, "DISTRIBUTION": Histogram}[value_type]
                assert isinstance(value, wanted)


def test_requests_follow_the_split_that_serves(busy: World) -> None:
    service = busy.service(PROD, "api", START + 130)
    assert service is not None
    stable, candidate = (target.revision for target in service.serving[:2])

    def share(start: float, end: float) -> float:
        counts = {stable: 0, candidate: 0}
        for series in busy.series(PROD, REQUESTS, start, end):
            if series.resource_labels["service_name"] == "api":
                counts[series.resource_labels["revision_name"]] += sum(number(value) for *_, value in series.points)
        return counts[candidate] / sum(counts.values())

    assert share(START - 300, START + 120) == pytest.approx(0.05, abs=0.005)
    assert share(START + 180, START + 900) == pytest.approx(0.5, abs=0.01)
    assert 0.1 < share(START + 120, START + 180) < 0.5


def test_a_minute_in_which_a_split_lands_is_shared_by_the_seconds_of_each(busy: World) -> None:
    world = World(7, START, "release-ready")
    service = world.service(PROD, "api", START)
    assert service is not None
    done = world.update_service(PROD, "api", START + 20, "ada", traffic=[Target(service.latest_ready, 100)]).done_at
    counts: dict[str, int] = {}
    for series in world.series(PROD, REQUESTS, START, START + 60):
        if series.resource_labels["service_name"] == "api":
            name = series.resource_labels["revision_name"]
            counts[name] = counts.get(name, 0) + sum(number(value) for *_, value in series.points)
    assert service.latest_ready is not None
    assert counts[service.latest_ready] / sum(counts.values()) == pytest.approx((START + 60 - done) / 60, abs=0.02)


def test_a_fault_shows_while_it_lasts_and_only_on_its_revision(busy: World) -> None:
    service = busy.service(PROD, "api", START)
    assert service is not None
    stable, candidate = (target.revision for target in service.serving[:2])

    def error_ratio(revision: str | None, start: float, end: float) -> float:
        good = bad = 0
        for series in busy.series(PROD, REQUESTS, start, end):
            if series.resource_labels["revision_name"] == revision:
                total = sum(number(value) for *_, value in series.points)
                bad += total if series.metric_labels["response_code_class"] == "5xx" else 0
                good += total
        return bad / good

    assert error_ratio(candidate, START + 960, START + 1140) == pytest.approx(0.2, abs=0.01)
    assert error_ratio(stable, START + 960, START + 1140) < 0.002
    assert error_ratio(candidate, START + 1200, START + 1500) < 0.002


def mean_latency(world: World, service: str, start: float, end: float) -> float:
    total = weight = 0.0
    for series in world.series(PROD, LATENCIES, start, end):
        if series.resource_labels["service_name"] == service:
            for *_, value in series.points:
                total += distribution(value).count * distribution(value).mean
                weight += distribution(value).count
    return total / weight


def test_a_slow_database_slows_every_service_and_every_job(busy: World) -> None:
    for service in ("api", "frontend"):
        assert mean_latency(busy, service, START + 1560, START + 2040) > 2 * mean_latency(
            busy, service, START + 600, START + 900
        )
    rises = []
    for start in (START + 600, START + 1560):
        series = next(
            each for each in busy.series(PROD, RUNTIME, start, start + 420) if each.metric_labels["queue"] == "import"
        )
        first, last = distribution(series.points[0][2]), distribution(series.points[-1][2])
        rises.append((last.count * last.mean - first.count * first.mean) / (last.count - first.count))
    assert rises[1] > 2 * rises[0]


def percentile(histogram_counts: list[int], bounds: tuple[float, ...], share: float) -> float:
    wanted = share * sum(histogram_counts)
    seen = 0.0
    for index, count in enumerate(histogram_counts):
        if count and seen + count >= wanted:
            low = bounds[index - 1] if index else 0.0
            high = bounds[min(index, len(bounds) - 1)]
            return low + (high - low) * (wanted - seen) / count
        seen += count
    return bounds[-1]


def merged(
    world: World, project: str, metric: str, service: str, start: float, end: float
) -> tuple[list[int], tuple[float, ...]]:
    counts: list[int] = []
    bounds: tuple[float, ...] = ()
    for series in world.series(project, metric, start, end):
        if series.resource_labels["service_name"] == service:
            for *_, value in series.points:
                histogram = distribution(value)
                bounds = histogram.bounds
                counts = [a + b for a, b in zip(counts or [0] * len(histogram.counts), histogram.counts, strict=True)]
    return counts, bounds


def test_prod_is_as_fast_and_as_busy_as_its_story_says() -> None:
    world = World(7, START, "quiet")
    for service, rate, p95 in (("api", 400.0, 180.0), ("frontend", 390.0, 95.0)):
        counts, bounds = merged(world, PROD, LATENCIES, service, START - 300, START)
        assert sum(counts) / 300 == pytest.approx(rate, rel=0.12)
        assert percentile(counts, bounds, 0.95) == pytest.approx(p95, rel=0.15)


def test_nights_and_weekends_are_quieter() -> None:
    world = World(7, START, "quiet")

    def rate(at: float) -> float:
        return sum(merged(world, PROD, LATENCIES, "api", at - 300, at)[0]) / 300

    assert rate(START - 12 * HOUR) < 0.5 * rate(START)
    assert rate(START - 2 * 86400) < 0.75 * rate(START)


def test_minutes_differ_as_poisson_counts_do_and_not_as_a_formula_does() -> None:
    world = World(7, START, "quiet")
    series = [
        each
        for each in world.series(PROD, REQUESTS, START - HOUR, START)
        if each.metric_labels["response_code"] == "500"
    ]
    values = [
        number(value) for each in series if each.resource_labels["service_name"] == "api" for *_, value in each.points
    ]
    mean = sum(values) / 60
    variance = sum((value - mean) ** 2 for value in values) / 60
    assert len(set(values)) > 4
    assert 0.4 < variance / mean < 2.5


# ----------------------------------------------------------------------------------------------------------- instances


def test_instances_follow_the_traffic_that_is_served() -> None:
    world = World(7, START, "release-ready")
    service = world.service(PROD, "api", START)
    assert service is not None
    stable = next(target.revision for target in service.serving if target.percent)
    world.update_service(PROD, "api", START + 60, "ada", traffic=[Target(stable, 50), Target(service.latest_ready, 50)])

    def active(revision: str | None, at: float) -> int:
        return sum(
            number(value)
            for series in world.series(PROD, INSTANCES, at - 60, at)
            if series.resource_labels["revision_name"] == revision and series.metric_labels["state"] == "active"
            for *_, value in series.points
        )

    alone = active(stable, START)
    assert 10 <= alone <= 18
    assert active(service.latest_ready, START) == 0
    assert abs(active(stable, START + 300) - alone / 2) <= 1.5
    assert abs(active(service.latest_ready, START + 300) - alone / 2) <= 1.5
    starts, _ = merged(world, PROD, STARTS, "api", START + 60, START + 180)
    assert sum(starts) >= alone // 2


def test_cold_starts_are_few_and_stay_under_the_limit_of_the_alert() -> None:
    world = World(7, START, "quiet")
    counts, bounds = merged(world, PROD, STARTS, "api", START - HOUR, START)
    assert 3 <= sum(counts) <= 120
    p95 = percentile(counts, bounds, 0.95)
    assert 1500 < p95 < 4000
    assert sum(merged(world, PROD, STARTS, "worker-extract", START - 12 * HOUR, START)[0]) > 0


# -------------------------------------------------------------------------------------------------------------- queues


def queue_values(
    world: World, project: str, metric: str, queue: str, start: float, end: float, **wanted: str
) -> list[float]:
    return [
        value
        for series in world.series(project, metric, start, end)
        if {"queue": queue, **wanted}.items() <= series.metric_labels.items()
        for *_, value in series.points
        if isinstance(value, int | float)
    ]


def test_a_queue_loses_nothing_and_makes_nothing_up() -> None:
    world = World(7, START, "demo")
    world.set_fault(START + 600, "stuck-worker", f"{PROD}/extract", 1.0, START + 1500)
    world.set_fault(START + 900, "queue-flood", f"{PROD}/extract", 300.0, START + 1500)
    model = next(each for each in world._sources[PROD].queues if each.spec.name == "extract")
    ends = range(int(START) - 2 * HOUR + 60, int(START) + 2 * HOUR + 60, 60)
    before = model.at(ends[0] - 60)
    for end in ends:
        now = model.at(end)
        done = now.complete + now.failed - before.complete - before.failed
        assert now.depth == before.depth + now.arrived - done
        assert now.depth >= 0
        assert done >= 0
        before = now


def test_a_stuck_worker_finishes_nothing_and_its_queue_grows_old() -> None:
    world = World(7, START, "quiet")
    world.set_fault(START, "stuck-worker", f"{PROD}/import", 1.0, START + 900)
    complete = queue_values(world, PROD, JOBS, "import", START, START + 900, outcome="complete")
    assert len(set(complete)) == 1
    depth = queue_values(world, PROD, DEPTH, "import", START, START + 3600)
    assert depth[:15] == sorted(depth[:15])
    assert depth[14] > 3000
    age = queue_values(world, PROD, AGE, "import", START, START + 900)
    assert age[-1] == pytest.approx(900, abs=70)
    assert depth[-1] < 100


def test_a_worker_that_crashes_stops_its_queue() -> None:
    world = World(7, START, "quiet")
    service = world.service(PROD, "worker-import", START)
    assert service is not None
    world.set_fault(START, "crash", f"{PROD}/{service.latest_ready}", 1.0)
    complete = queue_values(world, PROD, JOBS, "import", START + 60, START + 600, outcome="complete")
    assert len(set(complete)) == 1
    world.set_fault(START + 600, "crash", f"{PROD}/{service.latest_ready}", 0.0)
    later = queue_values(world, PROD, JOBS, "import", START + 660, START + 1200, outcome="complete")
    assert later == sorted(set(later))
    assert later[-1] > complete[-1]


def test_job_counters_only_grow_until_the_workers_are_recycled_and_agree_with_the_run_times(busy: World) -> None:
    start, end = START - 11 * HOUR, START + HOUR
    runtimes = {each.metric_labels["queue"]: each for each in busy.series(PROD, RUNTIME, start, end)}
    for queue in ("extract", "import", "cron"):
        finished: dict[float, int] = {}
        for series in busy.series(PROD, JOBS, start, end):
            if series.metric_labels["queue"] != queue:
                continue
            before: tuple[float, int] = (0.0, 0)
            for began, at, value in series.points:
                if began == before[0]:
                    assert number(value) >= before[1]
                before = (began, number(value))
                if series.metric_labels["outcome"] != "retried":
                    finished[at] = finished.get(at, 0) + number(value)
            assert len({began for began, *_ in series.points}) == 2
        assert {at: distribution(value).count for _, at, value in runtimes[queue].points} == finished
        previous: tuple[int, ...] = ()
        for began, at, value in runtimes[queue].points:
            counts = distribution(value).counts
            if previous and at - 60 != began:
                assert all(a <= b for a, b in zip(previous, counts, strict=True))
            previous = counts


def test_the_last_sample_of_an_hour_is_the_hourly_point_of_a_gauge(busy: World) -> None:
    for metric in (DEPTH, AGE, JOBS, INSTANCES, "redis.googleapis.com/stats/memory/usage_ratio"):
        minutes = by_end(busy.series(PROD, metric, START - 2 * HOUR, START + HOUR))
        hours = by_end(busy.series(PROD, metric, START - 2 * HOUR, START + HOUR, HOUR))
        assert hours == {key: value for key, value in minutes.items() if key[1] % HOUR == 0}
