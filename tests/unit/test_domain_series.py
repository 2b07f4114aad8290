"""Series: sums, windows and what is recent."""

from __future__ import annotations

from datetime import timedelta

from fakes import CLOSED, series
from hypothesis import given
from hypothesis import strategies as st

from brconsole.domain.series import Series, newest_end, paired, summed

VALUES = st.lists(st.one_of(st.none(), st.integers(0, 1000)), min_size=1, max_size=12)


@st.composite
def rows(draw: st.DrawFn) -> Series:
    end = CLOSED - timedelta(minutes=draw(st.integers(0, 5)))
    return Series(end, 60, tuple(draw(VALUES)))


def known(row: Series) -> dict[object, float]:
    count = len(row.values)
    return {
        row.end - timedelta(seconds=60 * (count - 1 - index)): value
        for index, value in enumerate(row.values)
        if value is not None
    }


@given(st.lists(rows(), min_size=1, max_size=4))
def test_a_sum_holds_each_interval_of_each_series_once(of: list[Series]) -> None:
    expected: dict[object, float] = {}
    for row in of:
        for end, value in known(row).items():
            expected[end] = expected.get(end, 0) + value
    total = summed(of)
    assert total is not None
    assert known(total) == expected
    assert newest_end(of) == max(expected, default=None)  # type: ignore[type-var]


def test_there_is_no_sum_of_nothing() -> None:
    assert summed([]) is None
    assert newest_end([]) is None


def test_a_gap_of_every_series_stays_a_gap() -> None:
    total = summed([series(1, None, None), series(2, None, 5)])
    assert total is not None
    assert total.values == (3, None, 5)


@given(rows(), rows())
def test_pairs_speak_of_the_same_interval(one: Series, other: Series) -> None:
    of_other = known(other)
    count = len(one.values)
    for index, (value, paired_value) in enumerate(paired(one, other)):
        end = one.end - timedelta(seconds=60 * (count - 1 - index))
        assert value == one.values[index]
        assert paired_value == of_other.get(end)


@given(rows(), st.integers(0, 10), st.integers(1, 12))
def test_a_window_holds_the_intervals_that_end_in_it(row: Series, back: int, minutes: int) -> None:
    end = CLOSED - timedelta(minutes=back)
    start = end - timedelta(minutes=minutes)
    expected = [value for at, value in known(row).items() if start < at <= end]  # type: ignore[operator]
    assert list(row.known_until(end, minutes * 60)) == expected


def test_what_is_older_than_asked_for_is_not_recent() -> None:
    row = series(7, None, None, None)
    assert row.newest() == 7
    assert row.recent(240) == 7
    assert row.recent(180) is None
    assert row.recent(240, row.end + timedelta(minutes=1)) is None


def test_a_window_of_which_nothing_is_known_has_no_total() -> None:
    assert series(5, None, None).total(120) is None
    assert series(5, None, None).total(180) == 5
    assert series(4, None, 2).mean(180) == 3
