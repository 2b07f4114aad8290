"""The canary's judge: the figures of the reference, and what makes them valid."""

from __future__ import annotations

import importlib
import math
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from brconsole.domain.fleet import RequestSeries
from brconsole.domain.judge import (
    CERTAIN,
    CONVICTED,
    GRID,
    LARGEST_RATIO,
    AbsoluteTest,
    Limits,
    Minute,
    RelativeTest,
    Verdict,
    at_most,
    closed_minutes,
    incomplete_beta,
    judge,
    look_error,
    required_requests,
    upper_bound,
)
from brconsole.domain.series import Series

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


@st.composite
def minutes(draw: st.DrawFn, most: int = 600) -> Minute:
    canary, stable = draw(st.integers(0, most)), draw(st.integers(0, most))
    return Minute(canary, draw(st.integers(0, min(canary, 9))), stable, draw(st.integers(0, min(stable, 9))))


def e_rel_as_written(observed: list[Minute], r: float = 1.0) -> float:
    """E_rel straight from the reference's formula, §6.2."""
    total = 0.0
    for j in range(1, GRID + 1):
        ratio, product = r * LARGEST_RATIO ** (j / GRID), 1.0
        for n_c, x_c, n_s, x_s in observed:
            if n_c and n_s:
                rho, null = ratio * n_c / (ratio * n_c + n_s), r * n_c / (r * n_c + n_s)
                product *= (rho / null) ** x_c * ((1 - rho) / (1 - null)) ** x_s
        total += product
    return total / GRID


def e_abs_as_written(observed: list[Minute], p0: float) -> float:
    """E_abs straight from the reference's formula, §6.2."""
    total = 0.0
    for j in range(1, GRID + 1):
        p, product = p0 + (CERTAIN - p0) * (j / GRID) ** 2, 1.0
        for n_c, x_c, _, _ in observed:
            product *= (p / p0) ** x_c * ((1 - p) / (1 - p0)) ** (n_c - x_c)
        total += product
    return total / GRID


@pytest.mark.parametrize(
    ("bound", "needed"),
    [
        (0.02, [149, 236, 313, 386, 456, 523]),
        (0.01, [299, 473, 628, 773, 913, 1049]),
        (0.005, [598, 947, 1258, 1549, 1829, 2100]),
        (0.001, [2995, 4742, 6294, 7752, 9151, 10511]),
    ],
)
def test_the_table_of_required_requests(bound: float, needed: list[int]) -> None:
    assert [required_requests(errors, bound, 0.05) for errors in range(6)] == needed


def test_each_extension_spends_its_own_error() -> None:
    assert [required_requests(0, 0.02, look_error(look)) for look in range(4)] == [183, 217, 252, 286]
    assert sum(look_error(look) for look in range(50)) <= 0.05


@given(st.integers(1, 60), st.floats(0.001, 0.999), st.data())
def test_at_most_is_the_sum_of_the_binomial_probabilities(requests: int, ratio: float, data: st.DataObject) -> None:
    errors = data.draw(st.integers(0, requests))
    expected = math.fsum(math.comb(requests, k) * ratio**k * (1 - ratio) ** (requests - k) for k in range(errors + 1))
    assert at_most(errors, requests, ratio) == pytest.approx(expected, abs=1e-10)


def test_the_incomplete_beta_function_is_mirrored_and_bounded() -> None:
    assert incomplete_beta(3, 4, 0.0) == 0
    assert incomplete_beta(3, 4, 1.0) == 1
    assert incomplete_beta(3, 4, 0.3) == pytest.approx(1 - incomplete_beta(4, 3, 0.7))
    assert incomplete_beta(2, 2, 0.5) == pytest.approx(0.5)
    assert at_most(20_000, 1_000_000, 0.02) == pytest.approx(0.502, abs=0.005)


@given(st.integers(1, 5000), st.floats(0.003, 0.05), st.data())
def test_the_upper_bound_is_where_so_few_errors_have_that_probability(
    requests: int, error: float, data: st.DataObject
) -> None:
    errors = data.draw(st.integers(0, min(requests - 1, 50)))
    bound = upper_bound(requests, errors, error)
    assert errors / requests < bound <= 1
    assert at_most(errors, requests, bound) == pytest.approx(error, rel=1e-6)


def test_all_requests_failing_bound_nothing() -> None:
    assert upper_bound(5, 5, 0.05) == 1.0


@given(st.lists(minutes(most=80), max_size=12), st.sampled_from([1.0, 1.5, 2.0]))
def test_the_tests_are_the_formulas_of_the_reference(observed: list[Minute], tolerance: float) -> None:
    relative, absolute = RelativeTest(tolerance), AbsoluteTest(0.02)
    for minute in observed:
        relative.observe(minute)
        absolute.observe(minute.canary_requests, minute.canary_errors)
    assert math.exp(relative.log_e) == pytest.approx(e_rel_as_written(observed, tolerance), rel=1e-9)
    assert math.exp(absolute.log_e) == pytest.approx(e_abs_as_written(observed, 0.02), rel=1e-9, abs=1e-290)


@given(st.lists(minutes(), max_size=20))
def test_looking_minute_by_minute_finds_what_one_look_at_everything_finds(observed: list[Minute]) -> None:
    whole = judge(observed)
    for count in range(1, len(observed) + 1):
        look = judge(observed[:count])
        assert look.relative == whole.relative[:count]
        assert look.absolute == whole.absolute[:count]
        assert look.convicted == any(value >= CONVICTED * (1 - 1e-12) for value in (*look.relative, *look.absolute))
    assert whole.convicted == any(judge(observed[:count]).convicted for count in range(len(observed) + 1))


@given(st.floats(0.001, 0.3), st.integers(1, 40), st.integers(1, 400))
def test_under_the_null_hypothesis_a_minute_leaves_the_mean_of_the_relative_e_value_at_one(
    ratio: float, canary: int, stable: int
) -> None:
    # Given how many errors a minute has, the canary's are binomial with its share of the requests.
    errors = max(1, round(ratio * 20))
    share = canary / (canary + stable)
    mean = math.fsum(
        math.comb(errors, k)
        * share**k
        * (1 - share) ** (errors - k)
        * math.exp(RelativeTest().observe(Minute(canary, k, stable, errors - k)))
        for k in range(errors + 1)
    )
    assert mean == pytest.approx(1.0, rel=1e-9)


@given(st.floats(0.001, 0.5), st.integers(1, 30))
def test_at_the_limit_a_minute_leaves_the_mean_of_the_absolute_e_value_at_one(limit: float, requests: int) -> None:
    mean = math.fsum(
        math.comb(requests, k)
        * limit**k
        * (1 - limit) ** (requests - k)
        * math.exp(AbsoluteTest(limit).observe(requests, k))
        for k in range(requests + 1)
    )
    assert mean == pytest.approx(1.0, rel=1e-9)


@pytest.mark.parametrize(
    ("minute", "convicted"),
    [
        (Minute(2, 2, 38, 0), True),  # the first two requests both fail
        (Minute(10, 3, 90, 0), True),  # three at 10 %
        (Minute(1000, 2, 19_000, 0), False),
        (Minute(1000, 3, 19_000, 0), True),  # three at 5 %
        (Minute(400, 4, 1600, 0), False),
        (Minute(400, 5, 1600, 0), True),  # five at 20 %
        (Minute(1000, 8, 1000, 0), False),
        (Minute(1000, 9, 1000, 0), True),  # nine at 50 %
    ],
)
def test_the_extremes_at_the_threshold(minute: Minute, convicted: bool) -> None:
    assert judge([minute]).convicted is convicted


def test_nothing_seen_holds() -> None:
    for observed in ([], [Minute(0, 0, 0, 0)] * 30, [Minute(0, 0, 600, 3)] * 30):
        judgement = judge(observed)
        assert judgement.verdict is Verdict.HOLD
        assert judgement.upper_bound is None
        assert judgement.missing == 183
        assert judgement.needs_evidence


def test_a_clean_canary_passes_as_soon_as_its_bound_is_met() -> None:
    assert judge([Minute(182, 0, 3000, 1)]).verdict is Verdict.HOLD
    assert judge([Minute(182, 0, 3000, 1)]).missing == 1
    passed = judge([Minute(183, 0, 3000, 1)])
    assert passed.verdict is Verdict.PASS
    assert passed.missing == 0
    assert judge([Minute(183, 0, 3000, 1)], look=1).verdict is Verdict.HOLD


def test_a_conviction_stays_although_the_e_value_falls_again() -> None:
    bad, good = [Minute(30, 6, 570, 1)], [Minute(30, 0, 570, 6)] * 60
    later = judge([*bad, *good])
    assert later.relative[-1] < CONVICTED
    assert later.verdict is Verdict.FAIL
    assert later.page


def test_what_both_arms_share_does_not_convict_the_canary() -> None:
    incident = [Minute(30, 1, 570, 19)] * 10
    judgement = judge(incident, Limits(ratio=0.2, bound=0.2))
    assert not judgement.convicted
    assert judge(incident).shared


def test_both_arms_failing_is_rolled_back_and_labelled_shared() -> None:
    judgement = judge([Minute(60, 30, 540, 270)] * 3)
    assert judgement.verdict is Verdict.FAIL
    assert judgement.shared
    assert "SHARED" in judgement.evidence
    assert "may not fix" in judgement.evidence


def test_stable_failing_alone_holds_and_pages() -> None:
    judgement = judge([Minute(300, 0, 540, 100)] * 3)
    assert judgement.verdict is Verdict.HOLD
    assert judgement.shared
    assert judgement.page
    assert not judgement.needs_evidence


def test_with_session_affinity_a_conviction_holds_and_pages() -> None:
    judgement = judge([Minute(30, 10, 570, 0)], session_affinity=True)
    assert judgement.verdict is Verdict.HOLD
    assert judgement.convicted
    assert judgement.page
    assert "session affinity" in judgement.evidence


def test_errors_may_be_wanted_in_different_minutes() -> None:
    eager, patient = Limits(), Limits(distinct_minutes=2)
    burst = [Minute(30, 10, 570, 0)]
    assert judge(burst, eager).convicted
    assert not judge(burst, patient).convicted
    assert judge(burst * 2, patient).convicted


def test_at_full_traffic_only_the_absolute_test_watches() -> None:
    quiet = judge([Minute(600, 5, 0, 0)] * 10)
    assert quiet.relative == (1.0,) * 10
    assert quiet.verdict is Verdict.PASS
    assert judge([Minute(600, 60, 0, 0)] * 2).verdict is Verdict.FAIL


def test_a_suspicious_relative_e_value_holds_without_convicting() -> None:
    seen = [Minute(10_000, 16, 10_000, 3)]
    judgement = judge(seen)
    assert 20 <= judgement.relative[-1] < CONVICTED
    assert judgement.verdict is Verdict.HOLD
    assert not judgement.needs_evidence


def test_a_huge_e_value_is_no_overflow() -> None:
    judgement = judge([Minute(100_000, 100_000, 100_000, 0)] * 3)
    assert judgement.verdict is Verdict.FAIL
    assert all(math.isfinite(value) for value in (*judgement.relative, *judgement.absolute))


def test_healthy_canaries_are_rarely_convicted() -> None:
    chance = random.Random(7)
    convicted = sum(
        judge(
            [
                Minute(30, sum(chance.random() < 0.005 for _ in range(30)), 570, chance.choice((1, 2, 3, 4)))
                for _ in range(45)
            ]
        ).convicted
        for _ in range(60)
    )
    assert convicted <= 1


def requests(*counts: float | None, errors: tuple[float | None, ...], end: datetime = NOON) -> RequestSeries:
    return RequestSeries(Series(end, 60, counts), Series(end, 60, errors))


def test_minutes_are_closed_old_enough_and_of_this_step() -> None:
    canary = requests(1, 2, 3, 4, 5, 6, 7, 8, errors=(0, 1, None, 0, 0, 0, 0, 8))
    stable = requests(10, 20, 30, 40, 50, 60, 70, 80, errors=(None,) * 8)
    since = NOON - timedelta(minutes=8) + timedelta(seconds=1)
    now = NOON + timedelta(seconds=59)
    assert closed_minutes(canary, stable, since, NOON, now) == (
        Minute(2, 1, 20, 0),
        Minute(3, 0, 30, 0),
        Minute(4, 0, 40, 0),
        Minute(5, 0, 50, 0),
    )


def test_a_gap_within_what_was_read_is_a_minute_without_requests() -> None:
    canary = requests(5, None, errors=(1, None))
    now = NOON + timedelta(minutes=6)
    seen = closed_minutes(canary, None, NOON - timedelta(minutes=3), NOON + timedelta(minutes=1), now)
    assert seen == (Minute(0, 0, 0, 0), Minute(5, 1, 0, 0), Minute(0, 0, 0, 0), Minute(0, 0, 0, 0))


def test_nothing_beyond_what_was_read_is_taken_for_a_quiet_minute() -> None:
    canary = requests(5, 6, errors=(0, 0), end=NOON - timedelta(minutes=10))
    seen = closed_minutes(canary, None, NOON - timedelta(minutes=12), NOON - timedelta(minutes=10), NOON)
    assert seen == (Minute(5, 0, 0, 0), Minute(6, 0, 0, 0))


def test_a_late_count_of_requests_is_at_least_the_errors() -> None:
    canary = requests(1, errors=(3,))
    seen = closed_minutes(canary, None, NOON - timedelta(minutes=1), NOON, NOON + timedelta(minutes=5))
    assert seen == (Minute(3, 3, 0, 0),)


def test_before_the_first_closed_minute_there_is_nothing() -> None:
    assert closed_minutes(None, None, NOON, NOON, NOON + timedelta(minutes=1)) == ()


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2]))
    return importlib.import_module("bench.false_rollbacks")


@given(st.lists(minutes(most=200), max_size=15))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_simulation_convicts_exactly_when_the_judge_does(bench: ModuleType, observed: list[Minute]) -> None:
    look = bench.look_of_conviction(observed, Limits())
    first = next((count for count in range(1, len(observed) + 1) if judge(observed[:count]).convicted), None)
    assert look == first


def test_the_simulation_convicts_few_healthy_canaries_and_most_broken_ones_soon(bench: ModuleType) -> None:
    by_name = {scenario.name: scenario for scenario in bench.SCENARIOS}
    healthy = bench.simulate(by_name["healthy, 10 rps, 5 % share, 0.5 % errors"], runs=200)
    broken = bench.simulate(by_name["broken 0.2 → 5 %, 10 rps, 5 % share"], runs=200)
    assert healthy.convicted <= 0.01
    assert broken.convicted == 1
    assert broken.median_look <= 4
