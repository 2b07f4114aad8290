"""Traffic splits: what is asked for, what is served, and whether the two agree."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TrafficTarget:
    """One entry of a Cloud Run traffic list. `revision` is the short name; None means LATEST."""

    revision: str | None
    percent: int
    tag: str | None = None


@dataclass(frozen=True, slots=True)
class TrafficRow:
    """A revision in the split. A percent is None where that side of the split could not be read; absent from a read
    split is 0.
    """

    revision: str
    desired_percent: int | None
    serving_percent: int | None
    tags: tuple[str, ...] = ()


def normalise(targets: Iterable[TrafficTarget], latest_ready: str | None) -> dict[str, int]:
    """Percent by revision, LATEST resolved, zero entries dropped.

    An empty list is 100 % to the latest ready revision (Cloud Run Admin API v2, Service.traffic).
    """
    entries = tuple(targets) or (TrafficTarget(None, 100),)
    split: dict[str, int] = {}
    for target in entries:
        revision = target.revision or latest_ready
        if revision is not None and target.percent:
            split[revision] = split.get(revision, 0) + target.percent
    return split


def observed(statuses: Iterable[TrafficTarget], latest_ready: str | None) -> dict[str, int]:
    """Percent by revision that is served. Unlike an empty wish, an empty observation says that nothing serves."""
    entries = tuple(statuses)
    return normalise(entries, latest_ready) if entries else {}


def tags_by_revision(targets: Iterable[TrafficTarget], latest_ready: str | None) -> dict[str, tuple[str, ...]]:
    """The tags that sit on each revision."""
    tags: dict[str, tuple[str, ...]] = {}
    for target in targets:
        revision = target.revision or latest_ready
        if target.tag and revision is not None and target.tag not in tags.get(revision, ()):
            tags[revision] = (*tags.get(revision, ()), target.tag)
    return tags


def rows(
    desired: Iterable[TrafficTarget] | None, serving: Iterable[TrafficTarget] | None, latest_ready: str | None
) -> tuple[TrafficRow, ...]:
    """Desired and serving side by side, largest serving share first, then by name; a revision only tagged is listed at
    0.
    """
    wanted = None if desired is None else tuple(desired)
    served = None if serving is None else tuple(serving)
    wanted_split = None if wanted is None else normalise(wanted, latest_ready)
    served_split = None if served is None else observed(served, latest_ready)
    tags = tags_by_revision((*(served or ()), *(wanted or ())), latest_ready)
    names = {*(wanted_split or ()), *(served_split or ()), *tags}
    listed = [
        TrafficRow(
            name,
            None if wanted_split is None else wanted_split.get(name, 0),
            None if served_split is None else served_split.get(name, 0),
            tags.get(name, ()),
        )
        for name in names
    ]
    return tuple(
        sorted(listed, key=lambda row: (-(row.serving_percent or 0), -(row.desired_percent or 0), row.revision))
    )


def differs(one: Mapping[str, int], other: Mapping[str, int]) -> bool:
    """Whether two splits send any share elsewhere."""
    return {name: share for name, share in one.items() if share} != {
        name: share for name, share in other.items() if share
    }
