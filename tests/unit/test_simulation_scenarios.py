"""Each scenario shows at its start what it promises, whatever the seed."""

from __future__ import annotations

import calendar
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import pytest

from brconsole.config.load import load
from brconsole.domain.intent import ANNOTATION, Phase, Rollout, parse
from brconsole.simulation.model import Histogram, Service, Target
from brconsole.simulation.world import DEFAULT_START, SCENARIOS, World

DEV, STAGING, PROD = "br-dev-4821", "br-stage-4821", "bytereview-prod"
START = DEFAULT_START
REQUESTS = "run.googleapis.com/request_count"
LATENCIES = "run.googleapis.com/request_latencies"
DEPTH = "custom.googleapis.com/arq/queue_depth"
LAG_S = 180
SEEDS = pytest.mark.parametrize("seed", [1, 7, 12345])


def service(world: World, project: str, name: str, at: float) -> Service:
    found = world.service(project, name, at)
    assert found is not None
    return found


def serving(world: World, at: float) -> dict[str | None, int]:
    return {target.revision: target.percent for target in service(world, PROD, "api", at).serving if target.percent}


def depths(world: World, project: str, queue: str, start: float, end: float) -> list[int]:
    return [
        value
        for series in world.series(project, DEPTH, start, end)
        if series.metric_labels["queue"] == queue
        for *_, value in series.points
        if isinstance(value, int)
    ]


def error_ratio(world: World, project: str, name: str, start: float, end: float, revision: str | None = None) -> float:
    total = bad = 0
    for series in world.series(project, REQUESTS, start, end):
        labels = series.resource_labels
        if labels["service_name"] == name and revision in (None, labels["revision_name"]):
            count = sum(value for *_, value in series.points if isinstance(value, int))
            total += count
            bad += count if series.metric_labels["response_code_class"] == "5xx" else 0
    return bad / total


def slow_share(world: World, revision: str, start: float, end: float) -> float:
    """The share of a revision's requests above 300 ms."""
    total = slow = 0
    for series in world.series(PROD, LATENCIES, start, end):
        if series.resource_labels["revision_name"] == revision:
            for *_, value in series.points:
                assert isinstance(value, Histogram)
                total += value.count
                slow += value.count - sum(value.counts[: value.bounds.index(300.0) + 1])
    return slow / total


def spent(world: World, project: str, at: float) -> float:
    """Month to date after credits, as far as it is exported."""
    month = datetime.fromtimestamp(at, UTC).replace(day=1, hour=0, minute=0, second=0).timestamp()
    rows = [row for row in world.usage(project, month, at) if row.export_time <= at]
    return sum(row.cost + sum(amount for _, amount in row.credits) for row in rows)


def test_the_default_start_is_a_weekday_afternoon_on_a_23rd() -> None:
    moment = datetime.fromtimestamp(START, UTC)
    assert (moment.day, moment.hour, moment.minute, moment.second) == (23, 14, 0, 0)
    assert moment.weekday() < 5


@SEEDS
def test_the_demo_starts_with_a_healthy_canary_at_five_percent_for_six_minutes(seed: int) -> None:
    world = World(seed, START, "demo")
    now = service(world, PROD, "api", START)
    assert now.latest_ready is not None
    assert sorted(serving(world, START).values()) == [5, 95]
    assert serving(world, START)[now.latest_ready] == 5
    assert len(serving(world, START - 7 * 60)) == 1
    assert not now.reconciling
    assert error_ratio(world, PROD, "api", START - 300, START + 1800, now.latest_ready) < 0.002
    assert [entry.summary.split(",")[0] for entry in world.audit(PROD, START - 600, START)] == [
        f"{now.latest_ready} 0 → 5 %"
    ]


@SEEDS
def test_the_canary_of_the_demo_is_a_release_whose_record_brconsole_reads(seed: int) -> None:
    world = World(seed, START, "demo")
    now = service(world, PROD, "api", START)
    intent = parse(now.annotations[ANNOTATION])
    assert isinstance(intent, Rollout), intent
    stable, canary = sorted(serving(world, START).items(), key=lambda item: -item[1])
    assert intent.phase is Phase.OBSERVING
    assert (intent.stable, intent.canary) == (stable[0], canary[0])
    assert intent.split == dict((stable, canary))
    assert {target.tag: target.revision for target in now.traffic if target.tag} == intent.tags
    steps = load(None, {}, Path("/"), {}).environment("prod").plan
    assert steps is not None
    assert [step.percent for step in intent.steps] == [step.percent for step in steps.steps]
    assert 360 <= START - intent.step_started.timestamp() <= 370


@SEEDS
def test_without_a_release_the_previous_stable_revision_keeps_a_tag_on_a_target_without_traffic(seed: int) -> None:
    world = World(seed, START, "release-ready")
    now = service(world, PROD, "api", START)
    tagged = [target for target in now.traffic if target.tag]
    assert [(target.tag, target.percent) for target in tagged] == [("prev", 0)]
    assert tagged[0].revision not in (None, *serving(world, START))


@SEEDS
def test_the_demo_builds_a_queue_up_to_eight_thousand_and_drains_it(seed: int) -> None:
    world = World(seed, START, "demo")
    depth = depths(world, PROD, "extract", START - 900, START + 3600)
    peak = max(depth)
    assert 7000 < peak < 9500
    assert depth[0] < 1500
    assert depth[15] > 2500
    assert 15 <= depth.index(peak) <= 30
    assert min(depth[depth.index(peak) :]) < 1000


@SEEDS
def test_in_the_demo_exactly_one_alert_condition_is_pending_and_it_is_in_staging(seed: int) -> None:
    world = World(seed, START, "demo")
    seen = START - LAG_S
    above = {}
    for project in (DEV, STAGING, PROD):
        for queue in ("extract", "import", "cron"):
            window = depths(world, project, queue, seen - 600, seen)
            assert len(window) == 10
            above[project, queue] = sum(value > 10_000 for value in window) if window[-1] > 10_000 else 0
        assert error_ratio(world, project, "api", seen - 300, seen) < 0.02
        ratios = world.series(project, "redis.googleapis.com/stats/memory/system_memory_usage_ratio", seen - 600, seen)
        assert all(0.5 < value < 0.75 for each in ratios for *_, value in each.points if isinstance(value, float))
    assert {place for place, minutes in above.items() if minutes} == {(STAGING, "import")}
    assert 0 < above[STAGING, "import"] < 10


def test_the_staging_queue_hovers_so_that_its_alert_is_often_pending_and_never_fires() -> None:
    depth = depths(World(7, START, "demo"), STAGING, "import", START - 3600, START + 4 * 3600)
    over = [value > 10_000 for value in depth]
    assert 0.5 < sum(over) / len(over) < 0.85
    assert all(not all(over[index : index + 10]) for index in range(len(over) - 9))


@SEEDS
@pytest.mark.parametrize("scenario", ["demo", "quiet"])
def test_spend_to_date_is_what_the_budgets_of_the_story_ask_for(seed: int, scenario: str) -> None:
    world = World(seed, START, scenario)
    shares = {
        project.environment: spent(world, project.id, START) / project.monthly_budget for project in world.projects
    }
    assert shares["dev"] == pytest.approx(0.84, abs=0.005)
    assert shares["staging"] == pytest.approx(0.50, abs=0.01)
    assert shares["prod"] == pytest.approx(0.42, abs=0.01)


@pytest.mark.parametrize("month", [1, 2, 6, 12])
def test_spend_stays_plausible_in_any_month(month: int) -> None:
    world = World(3, START, "quiet")
    days = calendar.monthrange(2027, month)[1]
    begin = datetime(2027, month, 1, tzinfo=UTC).timestamp()
    for project in world.projects:
        rows = world.usage(project.id, begin, begin + days * 86400)
        net = sum(row.cost + sum(amount for _, amount in row.credits) for row in rows)
        assert {"dev": 0.9, "staging": 0.5, "prod": 0.4}[project.environment] < net / project.monthly_budget < 1.25
        assert len({row.service for row in rows}) >= 7
        assert all(2 * 3600 <= row.export_time - row.usage_end <= 5 * 3600 for row in rows)
        assert all(row.cost > 0 and all(amount < 0 for _, amount in row.credits) for row in rows)
        assert any(row.credits for row in rows)


@SEEDS
def test_prod_has_spent_a_part_of_its_error_budget_in_an_incident(seed: int) -> None:
    world = World(seed, START, "demo")
    left = {}
    for slo in world.slos(PROD):
        counts = world.slo_counts(slo, START - slo.period_days * 86400, START, 3600)
        good, bad = sum(each[1] for each in counts), sum(each[2] for each in counts)
        left[slo.name] = 1 - bad / (good + bad) / (1 - slo.goal)
    assert 0.62 < left["api-availability"] < 0.80
    assert all(0.5 < share < 1.0 for share in left.values())
    worst = max(world.slo_counts(world.slos(PROD)[0], START - 30 * 86400, START, 3600), key=lambda each: each[2])
    assert worst[2] / (worst[1] + worst[2]) > 0.01


def test_every_few_minutes_somebody_else_changes_something_in_the_demo() -> None:
    world = World(7, START, "demo")
    entries = sorted(
        (entry for project in world.projects for entry in world.audit(project.id, START, START + 4 * 3600)),
        key=lambda entry: entry.at,
    )
    gaps = [later.at - earlier.at for earlier, later in pairwise(entries)]
    assert entries[0].at - START < 200
    assert all(120 <= gap <= 360 for gap in gaps)
    assert len({entry.principal for entry in entries}) >= 4
    assert all("no change" not in entry.summary for entry in entries)
    for words in ("new revision", " → ", "label "):
        assert any(words in entry.summary for entry in entries)
    assert not any(entry.service == "api" for entry in entries if entry.project == PROD)


def test_what_others_do_and_what_we_do_interleave_in_the_order_of_time() -> None:
    world = World(7, START, "demo")
    world.audit(DEV, START, START + 7200)
    template = service(world, DEV, "api", START + 1800).template
    world.update_service(DEV, "api", START + 1800, "ada", template=template, labels={"mine": "1"})
    ahead = World(7, START, "demo")
    ahead.update_service(DEV, "api", START + 1800, "ada", template=template, labels={"mine": "1"})
    assert world.audit(DEV, START, START + 7200) == ahead.audit(DEV, START, START + 7200)
    assert service(world, DEV, "api", START + 7200) == service(ahead, DEV, "api", START + 7200)
    assert service(world, DEV, "api", START + 7200).labels["mine"] == "1"


@pytest.mark.parametrize("scenario", [name for name in SCENARIOS if name != "demo"])
def test_nothing_happens_by_itself_outside_the_demo(scenario: str) -> None:
    world = World(7, START, scenario)
    for project in world.projects:
        assert world.audit(project.id, START, START + 86400) == ()
        assert world.services(project.id, START) == world.services(project.id, START + 86400)
    assert max(depths(world, PROD, "extract", START - 3600, START + 7200)) < 2500
    assert max(depths(world, STAGING, "import", START - 3600, START + 7200)) < 1000


def test_quiet_has_no_candidate() -> None:
    now = service(World(7, START, "quiet"), PROD, "api", START)
    assert serving(World(7, START, "quiet"), START) == {now.latest_ready: 100}


@pytest.mark.parametrize("scenario", ["release-ready", "bad-5xx", "bad-latency", "bad-crash"])
def test_a_candidate_newer_than_what_serves_is_ready_and_has_no_traffic(scenario: str) -> None:
    world = World(7, START, scenario)
    now = service(world, PROD, "api", START)
    assert now.latest_ready not in serving(world, START)
    assert list(serving(world, START).values()) == [100]
    newest = world.revisions(PROD, "api", START)[0]
    assert newest.name == now.latest_ready
    assert newest.ready is True


def canaried(scenario: str) -> tuple[World, str, str]:
    world = World(7, START, scenario)
    now = service(world, PROD, "api", START)
    stable = next(iter(serving(world, START)))
    assert stable is not None
    assert now.latest_ready is not None
    world.update_service(PROD, "api", START, "ada", traffic=[Target(stable, 80), Target(now.latest_ready, 20)])
    return world, stable, now.latest_ready


@pytest.mark.parametrize(
    ("scenario", "errors", "slower"),
    [("release-ready", False, False), ("bad-5xx", True, False), ("bad-latency", False, True)],
)
def test_a_candidate_has_the_fault_of_its_scenario_once_it_takes_traffic(
    scenario: str, errors: bool, slower: bool
) -> None:
    world, stable, candidate = canaried(scenario)
    ratio = error_ratio(world, PROD, "api", START + 60, START + 660, candidate)
    assert ratio == pytest.approx(0.05, abs=0.01) if errors else ratio < 0.002
    assert error_ratio(world, PROD, "api", START + 60, START + 660, stable) < 0.002
    factor = slow_share(world, candidate, START + 60, START + 660) / slow_share(world, stable, START + 60, START + 660)
    assert factor > 4 if slower else 0.5 < factor < 2


def test_a_crashing_candidate_answers_503_and_is_not_ready_any_more() -> None:
    world, stable, candidate = canaried("bad-crash")
    assert error_ratio(world, PROD, "api", START + 120, START + 660, candidate) == 1.0
    codes = {
        series.metric_labels["response_code"]
        for series in world.series(PROD, REQUESTS, START + 120, START + 660)
        if series.resource_labels["revision_name"] == candidate
    }
    assert codes == {"503"}
    readiness = {each.name: each.ready for each in world.revisions(PROD, "api", START + 120)}
    assert readiness[candidate] is False
    assert readiness[stable] is True
