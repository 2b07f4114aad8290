"""The one word for an environment."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from fakes import START, environment, revision, service

from brconsole.domain.alert import AlertReport, AlertState
from brconsole.domain.fleet import Fleet, Health
from brconsole.domain.freshness import Reading, SourceInfo, SourceState
from brconsole.domain.health import failed_sources, judge
from brconsole.domain.traffic import TrafficTarget

SOURCES = {name: SourceInfo(name, "Cloud Run", 30) for name in ("services", "revisions", "alerts")}


def fleet(*services: Any, alerts: tuple[AlertReport, ...] = (), ready: bool | None = True) -> Fleet:
    listed = services or (service(),)
    revisions = {of.name: tuple(revision(name, of.name, ready) for name in of.serving_split()) for of in listed}
    return Fleet(
        environment(),
        START,
        services=Reading(tuple(listed), START),
        revisions=Reading(revisions, START),
        alerts=Reading(alerts, START),
        sources=SOURCES,
    )


def alert(state: AlertState, severity: Any = "warning") -> AlertReport:
    return AlertReport("API error rate", state, START, 0.03, 0.02, severity, "api")


DRIFTS = {"serving": (TrafficTarget("api-00040-old", 100),)}


@pytest.mark.parametrize(
    ("of", "health"),
    [
        (fleet(), Health.HEALTHY),
        (fleet(alerts=(alert(AlertState.FIRING, "critical"),)), Health.CRITICAL),
        (fleet(alerts=(alert(AlertState.FIRING, "info"),)), Health.DEGRADED),
        (fleet(alerts=(alert(AlertState.PENDING, "critical"),)), Health.HEALTHY),
        (fleet(alerts=(alert(AlertState.UNKNOWN, "critical"),)), Health.HEALTHY),
        (fleet(service(**DRIFTS)), Health.DEGRADED),
        (fleet(service(**DRIFTS, reconciling=True)), Health.HEALTHY),
        (fleet(ready=False), Health.CRITICAL),
        (fleet(ready=None), Health.HEALTHY),
        (fleet(service(latest_ready=None, desired=(), serving=())), Health.CRITICAL),
        (fleet(service(latest_ready=None, desired=(), serving=(), reconciling=True)), Health.HEALTHY),
        (replace(fleet(), services=Reading(), alerts=Reading()), Health.UNKNOWN),
    ],
    ids=[
        "all well",
        "a paging alert fires",
        "another alert fires",
        "a paging alert is pending",
        "an alert is unknown",
        "drift",
        "reconciling",
        "no ready revision serves",
        "readiness not decided",
        "nothing was ever ready",
        "the first deploy is under way",
        "Run was never read",
    ],
)
def test_health_follows_the_table(of: Fleet, health: Health) -> None:
    report = judge(of)
    assert report.health is health
    assert bool(report.reasons) is (health is not Health.HEALTHY)


def test_one_of_two_serving_revisions_that_is_not_ready_is_not_yet_critical() -> None:
    split = (TrafficTarget("api-1", 95), TrafficTarget("api-2", 5))
    of = fleet(service(desired=split, serving=split))
    listed = (revision("api-2", ready=False), revision("api-1", ready=True))
    assert judge(replace(of, revisions=Reading({"api": listed}, START))).health is Health.HEALTHY


def test_the_worst_reason_stands_first() -> None:
    of = fleet(service(**DRIFTS), alerts=(alert(AlertState.FIRING, "critical"),))
    assert judge(of).reasons == ("alert API error rate fires for api", "api: serving differs from desired traffic")


def test_what_is_known_to_be_bad_stands_before_what_is_unknown() -> None:
    of = replace(fleet(alerts=(alert(AlertState.FIRING, "critical"),)), services=Reading(error="Cloud Run: no answer"))
    report = judge(of)
    assert report.health is Health.CRITICAL
    assert report.reasons[-1] == "Cloud Run: no answer"


def test_one_failed_attempt_after_a_fresh_answer_is_not_yet_unknown_but_a_stale_one_is() -> None:
    of = fleet()
    failed = replace(of, services=of.services.failing("Cloud Run: unavailable", START))
    assert judge(failed).health is Health.HEALTHY
    later = judge(replace(failed, now=START + timedelta(minutes=5)))
    assert later.health is Health.UNKNOWN
    assert later.reasons == ("Cloud Run: unavailable",)


def test_a_failing_reading_keeps_its_value_and_its_age() -> None:
    reading = Reading(5, START).failing("no", START + timedelta(seconds=9))
    assert (reading.value, reading.as_of, reading.error) == (5, START, "no")
    assert reading.state(START, timedelta(minutes=1)) is SourceState.FAILED
    assert reading.succeeded(6, START).state(START + timedelta(seconds=61), timedelta(minutes=1)) is SourceState.STALE
    assert reading.age_s(START - timedelta(seconds=3)) == 0


def test_sources_that_failed_or_never_answered_are_named() -> None:
    of = replace(fleet(), revisions=Reading(), alerts=Reading((), START).failing("no", START))
    assert set(failed_sources(of)) == {"revisions", "alerts"}
