"""What the poller makes of several answers: objectives, alerts, queues and spend."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from fakes import CLOSED, START, Ports, environment, flat, objective, series

from brconsole.domain.alert import AlertReport, AlertState, Condition, Policy
from brconsole.domain.environment import BudgetSettings, QueueSettings
from brconsole.domain.fleet import RequestSeries, RevisionKey
from brconsole.domain.freshness import Reading
from brconsole.domain.queue import QueueReport
from brconsole.domain.requests import RequestTable
from brconsole.domain.series import Series
from brconsole.domain.slo import BurnWindow, Events
from brconsole.domain.spend import DailyCost, SpendReport
from brconsole.operations import alerts, objectives, sources
from brconsole.operations.alerts import AlertReader
from brconsole.operations.failure import FailureKind, SourceFailure
from brconsole.operations.objectives import ObjectiveFacts, ObjectiveReader, read_long_window
from brconsole.operations.reading import Answer, closed_minute

BROKEN = SourceFailure(FailureKind.UNAVAILABLE, "Cloud Monitoring", "projects/p", "connection refused")
LATER = START + timedelta(minutes=1)


@pytest.mark.parametrize("second", [0, 1, 59])
def test_the_last_closed_minute_is_three_minutes_before_the_present_one(second: int) -> None:
    assert closed_minute(datetime(2026, 11, 23, 14, 0, second, 999, tzinfo=UTC)) == CLOSED


# ---------------------------------------------------------------------------------------------------------- objectives


def requests(errors_per_minute: float, end: datetime = CLOSED) -> RequestTable:
    row = RequestSeries(flat(1000, end, 3600, 60), flat(errors_per_minute, end, 3600, 60))
    return RequestTable({RevisionKey("api", "api-1"): row, RevisionKey("api", "api-2"): row}, end)


def facts(kind: str = "availability", remaining: float | None = 0.7) -> Reading[tuple[ObjectiveFacts, ...]]:
    return Reading((ObjectiveFacts(objective(kind=kind), remaining),), CLOSED)


LONG: dict[BurnWindow, Reading[object]] = {
    "6h": Reading({"api": Events(9990, 10)}, CLOSED - timedelta(minutes=4)),
    "3d": Reading({"api": Events(9980, 20)}, CLOSED - timedelta(minutes=2)),
}


def test_burn_is_composed_of_the_windows_that_are_read_and_as_old_as_the_oldest() -> None:
    slos = objectives.compose(facts(), Reading(requests(1), CLOSED), LONG, START)  # type: ignore[arg-type]
    assert slos.value is not None
    (slo,) = slos.value
    assert slo.burn == {
        window: pytest.approx(expected) for window, expected in {"5m": 1, "30m": 1, "1h": 1, "6h": 1, "3d": 2}.items()
    }
    assert slos.as_of == CLOSED - timedelta(minutes=4)
    assert slos.error is None


def test_a_window_that_was_never_read_is_unknown_and_its_error_is_told() -> None:
    long: dict[BurnWindow, Reading[object]] = {
        **LONG,
        "3d": Reading(error="Cloud Monitoring: refused", failed_at=START),
    }
    slos = objectives.compose(facts(), Reading(requests(1), CLOSED), long, START)  # type: ignore[arg-type]
    assert slos.value is not None
    assert slos.value[0].burn["3d"] is None
    assert slos.value[0].burn["6h"] == pytest.approx(1)
    assert (slos.error, slos.failed_at) == ("Cloud Monitoring: refused", START)


def test_without_objectives_there_is_no_report_and_without_any_it_is_empty() -> None:
    unread = objectives.compose(Reading(error="no"), Reading(requests(1), CLOSED), LONG, START)  # type: ignore[arg-type]
    assert (unread.value, unread.error) == (None, "no")
    none = objectives.compose(Reading((), CLOSED), Reading(error="no"), {}, START)
    assert (none.value, none.error) == ((), None)


def test_a_service_without_requests_burns_nothing() -> None:
    idle = Reading((ObjectiveFacts(objective("idle"), 1.0),), CLOSED)
    slos = objectives.compose(idle, Reading(requests(1), CLOSED), LONG, START)  # type: ignore[arg-type]
    assert slos.value is not None
    assert set(slos.value[0].burn.values()) == {0.0}


async def test_a_long_window_adds_up_the_revisions_of_each_service() -> None:
    ports = Ports()
    row = RequestSeries(flat(100, CLOSED, 21_600, 300), flat(1, CLOSED, 21_600, 300))
    ports.answers["requests/300"] = {RevisionKey("api", "api-1"): row, RevisionKey("api", "api-2"): row}
    answer = await read_long_window(ports, "burn_6h", START)
    assert answer.value == {"api": Events(2 * 72 * 99, 2 * 72)}
    assert answer.as_of == CLOSED
    assert ports.arguments["requests/300"] == [(CLOSED, 21_600, 300)]


async def test_only_what_request_counts_cannot_tell_is_asked_for_by_objective() -> None:
    ports = Ports(listed_objectives=(objective(), objective(kind="latency")))
    answer = await ObjectiveReader(ports).read(START)
    availability, latency = answer.value
    assert availability.events is None
    assert latency.events is not None
    assert {window: events.error_ratio for window, events in latency.events.items()} == dict.fromkeys(
        ("5m", "30m", "1h", "6h", "3d"), pytest.approx(0.01)
    )
    assert [(window_s, period_s) for _, _, window_s, period_s in ports.arguments["good_and_bad"]] == [
        (3600, 60),
        (21_600, 300),
        (259_200, 3600),
    ]
    assert ports.calls["budget_remaining"] == 2


async def test_a_part_of_an_objective_that_fails_keeps_what_it_last_said_and_its_age() -> None:
    ports = Ports(listed_objectives=(objective(),))
    reader = ObjectiveReader(ports)
    await reader.read(START)
    ports.failing["budget_remaining"] = BROKEN
    answer = await reader.read(LATER)
    assert answer.value[0].budget_remaining_ratio == 0.71
    assert answer.as_of == CLOSED
    assert "connection refused" in (answer.error or "")
    fresh = await ObjectiveReader(ports).read(LATER)
    assert fresh.value[0].budget_remaining_ratio is None


# -------------------------------------------------------------------------------------------------------------- alerts

DEPTH = Condition(
    "threshold", 100, 300, filter='metric.type = "custom.googleapis.com/arq/queue_depth"', aligner="ALIGN_MAX"
)
SILENT = Condition("absence", 0, 600, filter=DEPTH.filter, aligner="ALIGN_MAX")


def state_of(answer: Answer[tuple[AlertReport, ...]]) -> AlertState:
    (report,) = answer.value
    return report.state


async def test_the_projects_own_policies_replace_the_specifications() -> None:
    listed = Ports(listed=(Policy("own", (DEPTH,)), Policy("off", (DEPTH,), enabled=False)))
    assert [report.policy for report in (await AlertReader(environment(), listed).read(START)).value] == ["own"]
    names = [report.policy for report in (await AlertReader(environment(), Ports()).read(START)).value]
    assert names == [
        "API error rate",
        "Worker queue depth",
        "Worker queue depth is not reported",
        "Redis memory",
        "Cloud Run cold-start latency",
    ]


async def test_policies_that_cannot_be_listed_leave_those_known_or_the_specifications() -> None:
    ports = Ports(listed=(Policy("own", (DEPTH,)),))
    reader = AlertReader(environment(), ports)
    await reader.read(START)
    ports.failing["policies"] = BROKEN
    answer = await reader.read(START + timedelta(minutes=10))
    assert [report.policy for report in answer.value] == ["own"]
    assert "connection refused" in (answer.error or "")
    never = await AlertReader(environment(), ports).read(START)
    assert len(never.value) == 5
    assert never.error is not None


async def test_policies_are_listed_less_often_than_they_are_evaluated() -> None:
    ports = Ports(listed=(Policy("own", (DEPTH,)),))
    reader = AlertReader(environment(), ports)
    for minute in range(10):
        await reader.read(START + timedelta(minutes=minute))
    assert (ports.calls["condition"], ports.calls["policies"]) == (10, 2)


async def test_a_condition_that_cannot_be_read_is_unknown_and_the_others_are_judged() -> None:
    class OneBroken(Ports):
        async def condition(self, condition: Condition, end: datetime, window_s: int) -> tuple[Series, ...]:
            if condition.threshold == 100:
                raise BROKEN
            return (flat(1, end, window_s, 60),)

    ports = OneBroken(listed=(Policy("broken", (DEPTH,)), Policy("fine", (Condition("threshold", 5, 0),))))
    answer = await AlertReader(environment(), ports).read(START)
    assert [report.state for report in answer.value] == [AlertState.UNKNOWN, AlertState.OK]
    assert "connection refused" in (answer.error or "")


async def test_where_no_condition_can_be_read_the_reading_fails_as_a_whole() -> None:
    ports = Ports(listed=(Policy("own", (DEPTH,)),), failing={"condition": BROKEN})
    with pytest.raises(SourceFailure):
        await AlertReader(environment(), ports).read(START)


async def test_an_alert_that_fired_does_not_go_quiet_because_it_cannot_be_read() -> None:
    class Metrics(Ports):
        broken = False

        async def condition(self, condition: Condition, end: datetime, window_s: int) -> tuple[Series, ...]:
            if self.broken and condition.threshold == 100:
                raise BROKEN
            return (flat(500, end, window_s, 60),)

    ports = Metrics(listed=(Policy("deep", (DEPTH,)), Policy("other", (Condition("threshold", 5, 0),))))
    reader = AlertReader(environment(), ports)
    assert (await reader.read(START)).value[0].state is AlertState.FIRING
    ports.broken = True
    assert (await reader.read(LATER)).value[0].state is AlertState.FIRING


async def test_an_alert_that_fires_longer_than_the_window_keeps_its_beginning() -> None:
    ports = Ports(listed=(Policy("deep", (DEPTH,)),))
    reader = AlertReader(environment(), ports)
    since = set()
    for minute in range(150):
        now = START + timedelta(minutes=minute)
        over = min(60, minute + 6)
        ports.answers["condition"] = (series(*[1] * (60 - over), *[500] * over, end=closed_minute(now), queue="q"),)
        (report,) = (await reader.read(now)).value
        since.add(report.since)
    assert since == {CLOSED - timedelta(minutes=6)}


async def test_a_queue_that_reported_and_stops_fires_though_its_series_is_gone() -> None:
    ports = Ports(listed=(Policy("silent", (SILENT,)),))
    reader = AlertReader(environment(), ports)
    ports.answers["condition"] = (flat(1, CLOSED, 3600, 60, queue="extract"),)
    assert state_of(await reader.read(START)) is AlertState.OK
    ports.answers["condition"] = ()
    assert state_of(await reader.read(START + timedelta(minutes=6))) is AlertState.PENDING
    answer = await reader.read(START + timedelta(hours=5))
    assert state_of(answer) is AlertState.FIRING
    assert (answer.value[0].subject, answer.value[0].since) == ("extract", CLOSED)
    assert state_of(await reader.read(START + timedelta(hours=30))) is AlertState.UNKNOWN, "forgotten after a day"


async def test_a_configured_queue_that_never_reported_fires_and_an_unheard_of_one_is_unknown() -> None:
    ports = Ports(listed=(Policy("silent", (SILENT,)),), answers={"condition": ()})
    configured = environment(queues={"extract": QueueSettings()})
    assert state_of(await AlertReader(configured, ports).read(START)) is AlertState.FIRING
    assert state_of(await AlertReader(environment(), ports).read(START)) is AlertState.UNKNOWN


def test_a_condition_is_read_in_whole_intervals_beyond_its_duration() -> None:
    assert alerts.window_s(Condition("threshold", 1, 300)) == 3600
    assert alerts.window_s(Condition("threshold", 1, 7200)) == 14_460
    assert alerts.window_s(Condition("threshold", 1, 0, alignment_period_s=3500)) == 7000


def spend(share: float) -> SpendReport:
    return SpendReport("USD", 100 * share, 100, None, None, (), ((date(2026, 11, 1), 100 * share),))


def test_the_spend_alert_stands_beside_the_policies() -> None:
    own = Reading((AlertReport("own", AlertState.OK, None, 1.0, 2.0),), CLOSED)
    composed = alerts.compose(own, Reading(spend(0.9), START - timedelta(hours=9)))
    assert [report.policy for report in composed.value or ()] == ["own", "GCP budget"]
    assert composed.as_of == CLOSED, "the age of an export must not make the alerts look stale"
    unknown = alerts.compose(own, Reading(error="BigQuery: refused"))
    assert (unknown.value or ())[-1].state is AlertState.UNKNOWN
    assert alerts.compose(own, None) == own


# ---------------------------------------------------------------------------------------------------- queues and spend


async def queues_of(ports: Ports, **changes: object) -> Answer[tuple[QueueReport, ...]]:
    source = next(source for source in sources.of(environment(**changes), ports.cloud()) if source.name == "queues")
    return await source.read(START)


async def test_queues_are_discovered_and_configuration_only_adds_their_limits() -> None:
    ports = Ports()
    end = START.replace(second=0)
    ports.answers["queue_depth"] = {"extract": flat(300, end, 3600, 60), "import": flat(300, end, 3600, 60)}
    answer = await queues_of(ports, queues={"extract": QueueSettings(alert_depth=200), "ghost": QueueSettings()})
    assert [(queue.name, queue.alert_depth, queue.status.value) for queue in answer.value] == [
        ("extract", 200, "critical"),
        ("import", 10_000, "ok"),
    ]
    assert answer.as_of == end, "a gauge may be younger than the lag of counts"


async def test_a_queue_survives_the_failure_of_its_lesser_parts() -> None:
    ports = Ports(failing={"queue_oldest_age_s": BROKEN, "jobs_finished": BROKEN})
    answer = await queues_of(ports)
    (queue,) = answer.value
    assert (queue.depth, queue.oldest_age_s, queue.arrivals_per_s) == (8214, None, None)
    assert answer.error == "Cloud Monitoring: connection refused (projects/p)"


async def test_a_queue_whose_exporter_died_is_unknown_while_the_others_live() -> None:
    ports = Ports()
    ports.answers["queue_depth"] = {
        "dead": flat(9, CLOSED - timedelta(minutes=20), 3600, 60),
        "live": flat(9, CLOSED, 3600, 60),
    }
    answer = await queues_of(ports)
    assert [(queue.name, queue.depth) for queue in answer.value if queue.name != "extract"] == [
        ("dead", None),
        ("live", 9),
    ]
    assert answer.as_of == CLOSED


async def spend_of(ports: Ports, now: datetime = START, **changes: object) -> Answer[SpendReport]:
    source = next(source for source in sources.of(environment(**changes), ports.cloud()) if source.name == "spend")
    return await source.read(now)


async def test_the_budget_is_googles_else_the_configured_one() -> None:
    ports = Ports(answers={"monthly_budget": (5000.0, "EUR")})
    answer = await spend_of(ports)
    assert (answer.value.budget, answer.value.currency, answer.error) == (5000, "EUR", None)
    ports = Ports(answers={"monthly_budget": None})
    assert (await spend_of(ports)).value.budget == 10_000
    ports = Ports(failing={"monthly_budget": BROKEN})
    answer = await spend_of(ports, budget=BudgetSettings(777, "CHF", "account", "p.d.t"))
    assert (answer.value.budget, answer.value.currency) == (777, "CHF")
    assert "connection refused" in (answer.error or "")


async def test_a_budget_is_asked_for_again_without_another_query_of_the_costs() -> None:
    ports = Ports(failing={"monthly_budget": BROKEN})
    source = next(source for source in sources.of(environment(), ports.cloud()) if source.name == "spend")
    await source.read(START)
    await source.read(START + timedelta(minutes=1))
    assert (ports.calls["daily_costs"], ports.calls["monthly_budget"]) == (1, 2)
    await source.read(START + timedelta(minutes=31))
    assert ports.calls["daily_costs"] == 2, "what is kept does not grow old"
    ports.failing.clear()
    answer = await source.read(START + timedelta(minutes=32))
    assert answer.error is None
    assert ports.calls["daily_costs"] == 2
    await source.read(START + timedelta(minutes=33))
    assert ports.calls["daily_costs"] == 3, "nothing is kept once both were read"


async def test_spend_is_as_old_as_the_newest_usage_and_reaches_back_far_enough_for_a_forecast() -> None:
    newest = START - timedelta(hours=20)
    ports = Ports(answers={"daily_costs": ((DailyCost(date(2026, 11, 2), "Cloud Run", 5.0),), newest)})
    answer = await spend_of(ports)
    assert answer.as_of == newest
    assert ports.arguments["daily_costs"][0][0] == date(2026, 11, 1)
    await spend_of(ports, datetime(2026, 11, 3, 12, tzinfo=UTC))
    assert ports.arguments["daily_costs"][1][0] == date(2026, 10, 26)


async def test_an_export_without_a_row_is_not_a_spend_of_zero() -> None:
    with pytest.raises(SourceFailure, match=r"there is no cost since 2026-11-01 \(p\.billing\.export\)"):
        await spend_of(Ports(answers={"daily_costs": ((), None)}))
