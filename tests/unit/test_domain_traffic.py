"""Traffic splits: asked for and served."""

from __future__ import annotations

from fakes import service
from hypothesis import given
from hypothesis import strategies as st

from brconsole.domain import traffic
from brconsole.domain.traffic import TrafficTarget

NAMES = st.sampled_from(["api-1", "api-2", "api-3", None])


@st.composite
def splits(draw: st.DrawFn) -> tuple[TrafficTarget, ...]:
    """Targets that sum to 100, with entries of 0 % and repeated revisions among them."""
    cuts = sorted(draw(st.lists(st.integers(0, 100), max_size=4)))
    percents = [after - before for before, after in zip([0, *cuts], [*cuts, 100], strict=True)]
    tags = st.one_of(st.none(), st.sampled_from(["prev", "canary"]))
    return tuple(TrafficTarget(draw(NAMES), percent, draw(tags)) for percent in percents)


@given(splits())
def test_a_normalised_split_keeps_the_whole_and_names_no_revision_without_a_share(
    targets: tuple[TrafficTarget, ...],
) -> None:
    split = traffic.normalise(targets, "api-3")
    assert sum(split.values()) == 100
    assert all(split.values())


def test_an_empty_wish_is_everything_to_the_latest_ready_revision() -> None:
    assert traffic.normalise((), "api-3") == {"api-3": 100}
    assert traffic.normalise((), None) == {}


def test_an_empty_observation_means_that_nothing_serves() -> None:
    assert traffic.observed((), "api-3") == {}
    assert service(serving=()).serving_split() == {}
    assert service(serving=()).drift


def test_what_serves_is_unread_while_cloud_run_reconciles_and_tells_nothing() -> None:
    assert [row.serving_percent for row in service(serving=(), reconciling=True).traffic()] == [None]
    assert [row.serving_percent for row in service(serving=()).traffic()] == [0]


@given(splits(), splits())
def test_rows_hold_both_splits_and_every_tag(
    desired: tuple[TrafficTarget, ...], serving: tuple[TrafficTarget, ...]
) -> None:
    rows = traffic.rows(desired, serving, "api-3")
    assert sum(row.desired_percent or 0 for row in rows) == 100
    assert sum(row.serving_percent or 0 for row in rows) == 100
    assert len({row.revision for row in rows}) == len(rows)
    tagged = {(target.revision or "api-3", target.tag) for target in (*desired, *serving) if target.tag}
    assert {(row.revision, tag) for row in rows for tag in row.tags} == tagged
    served = [row.serving_percent or 0 for row in rows]
    assert served == sorted(served, reverse=True)


@given(splits(), splits())
def test_drift_is_symmetric_and_blind_to_entries_without_a_share(
    one: tuple[TrafficTarget, ...], other: tuple[TrafficTarget, ...]
) -> None:
    a, b = traffic.normalise(one, "api-3"), traffic.normalise(other, "api-3")
    assert traffic.differs(a, b) == traffic.differs(b, a)
    assert not traffic.differs(a, {**a, "api-9": 0})
    assert traffic.differs(a, b) == (a != b)


def test_a_side_that_was_not_read_is_unknown_and_not_zero() -> None:
    (row,) = traffic.rows((TrafficTarget("api-1", 100),), None, "api-1")
    assert (row.desired_percent, row.serving_percent) == (100, None)


def test_there_is_no_drift_while_cloud_run_works_on_it() -> None:
    moving = {"desired": (TrafficTarget("api-1", 100),), "serving": (TrafficTarget("api-2", 100),)}
    assert service(**moving).drift
    assert not service(**moving, reconciling=True).drift


def test_a_service_is_pinned_when_a_newer_ready_revision_waits_behind_a_named_one() -> None:
    old = (TrafficTarget("api-1", 100),)
    assert service(desired=old, serving=old, latest_ready="api-2").pinned
    assert not service(desired=old, serving=old, latest_ready="api-1").pinned
    assert not service(desired=(), serving=(TrafficTarget(None, 100),)).pinned
    split = (TrafficTarget("api-1", 95), TrafficTarget("api-2", 5))
    assert not service(desired=split, serving=split, latest_ready="api-2").pinned
