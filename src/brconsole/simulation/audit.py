"""Who changed what, in words, from the stages of the services."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise

from brconsole.simulation.model import AuditEntry, Target
from brconsole.simulation.noise import hexadecimal
from brconsole.simulation.stages import Stage
from brconsole.simulation.timeline import Timeline


def entries(timelines: Iterable[Timeline], start: float, end: float) -> tuple[AuditEntry, ...]:
    """The changes in (start, end], oldest first."""
    found = [
        AuditEntry(
            at=stage.at,
            project=timeline.project.id,
            service=timeline.spec.name,
            principal=stage.actor,
            method=stage.method,
            summary=summary(before, stage),
            insert_id=hexadecimal(14, "audit", timeline.project.id, timeline.spec.name, stage.generation),
        )
        for timeline in timelines
        for before, stage in pairwise(timeline.stages())
        if start < stage.at <= end
    ]
    return tuple(sorted(found, key=lambda entry: (entry.at, entry.service, entry.insert_id)))


def summary(before: Stage, after: Stage) -> str:
    """What a write changed, such as `api-00042-kq7 0 → 5 %`."""
    parts = []
    moved = _moves(before.traffic, after.traffic)
    if after.minted:
        parts.append(
            f"new revision {after.minted}" + ("" if moved or _follows_latest(after.traffic) else ", no traffic")
        )
    parts += moved
    if before.traffic != after.traffic:
        parts += _tags(before.traffic, after.traffic)
    parts += _map_changes("label", before.labels, after.labels)
    parts += _map_changes("annotation", before.annotations, after.annotations)
    return ", ".join(parts) or "no change"


def _follows_latest(traffic: Sequence[Target]) -> bool:
    return any(target.revision is None and target.percent for target in traffic)


def _percents(traffic: Sequence[Target]) -> dict[str, int]:
    percents: dict[str, int] = {}
    for target in traffic:
        name = target.revision or "LATEST"
        percents[name] = percents.get(name, 0) + target.percent
    return percents


def _moves(before: Sequence[Target], after: Sequence[Target]) -> list[str]:
    old, new = _percents(before), _percents(after)
    names = sorted({*old, *new}, reverse=True)
    return [
        f"{name} {old.get(name, 0)} → {new.get(name, 0)} %" for name in names if old.get(name, 0) != new.get(name, 0)
    ]


def _tags(before: Sequence[Target], after: Sequence[Target]) -> list[str]:
    old = {target.tag: target.revision or "LATEST" for target in before if target.tag}
    new = {target.tag: target.revision or "LATEST" for target in after if target.tag}
    changed = sorted(tag for tag in {*old, *new} if old.get(tag) != new.get(tag))
    return [f"tag {tag} {'→ ' + new[tag] if tag in new else 'removed'}" for tag in changed]


def _map_changes(kind: str, before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    changed = sorted(key for key in {*before, *after} if before.get(key) != after.get(key))
    return [f"{kind} {key} {'removed' if key not in after else '= ' + after[key]}" for key in changed]
