"""A rollback as the gateway sends it: to a captured revision, decided anew on every read, and possible without any."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from brconsole.domain.decision import Actor, Nothing, Wait, Write
from brconsole.domain.findings import carries_latest, settled
from brconsole.domain.intent import ANNOTATION, OUR_TAGS, PREV_TAG, dump, intent_of, traffic_list
from brconsole.domain.records import roll_back
from brconsole.domain.service import Revision, Service
from brconsole.domain.traffic import TrafficTarget
from brconsole.domain.undo import RollbackTarget


@dataclass(frozen=True, slots=True)
class Rollback:
    """All traffic of one service to one revision. Nothing in it follows what is read later but the record it leaves."""

    service: str
    target: RollbackTarget
    actor: Actor
    reason: str
    revisions: tuple[Revision, ...] = ()
    failed: bool = True
    """Whether what is undone counts as a failed candidate."""

    def decide(self, service: Service, now: datetime) -> Nothing | Wait | Write:
        """The write for a service as read; none where all traffic is asked to go to the target already.

        A wish that Cloud Run failed to fulfil is written again: the same list once more makes it try.
        """
        return self._decided(service, now, written=self._wanted(service) and (settled(service) or service.reconciling))

    def arrived(self, service: Service, now: datetime) -> bool:
        """Whether the service asks for the target alone and no rollout is on its way elsewhere.

        Traffic by itself is no proof: a prepared canary has none yet, and its rollout would go on.
        """
        return not isinstance(self._decided(service, now, written=self._wanted(service)), Write)

    def _wanted(self, service: Service) -> bool:
        return service.desired_split() == {self.target.revision: 100} and not carries_latest(service)

    def _decided(self, service: Service, now: datetime, *, written: bool) -> Nothing | Wait | Write:
        target = replace(self.target, serves_all=written)
        return roll_back(intent_of(service), service, target, now, self.actor, self.reason, self.revisions, self.failed)

    def blind(
        self, known: Service | None, now: datetime | None
    ) -> tuple[tuple[TrafficTarget, ...], dict[str, str | None]]:
        """The traffic list and annotations without a read, from whatever was last known of the service (None: nothing).

        The live record's number cannot be known, so the new one is the time in seconds: higher than any counted one.
        Without a time there is no record either, and the next console finds the traffic drifted from it.
        """
        present = () if known is None else known.desired
        annotations: dict[str, str | None] = {}
        if now is not None:
            decided = roll_back(
                None if known is None else intent_of(known),
                known or _nothing_known(self.service),
                replace(self.target, serves_all=False),
                now,
                self.actor,
                self.reason,
                self.revisions,
                self.failed,
            )
            if isinstance(decided, Write):
                intent = replace(decided.intent, seq=max(decided.intent.seq, int(now.timestamp())))
                annotations = {ANNOTATION: dump(intent)}
        tags = {PREV_TAG: self.target.revision}
        return traffic_list(present, {self.target.revision: 100}, tags, OUR_TAGS), annotations


def changed(service: Service, annotations: Mapping[str, str] | None) -> dict[str, str | None]:
    """The annotations that a write must set: those that are not so already."""
    if annotations is None:
        return {}
    return {key: text for key, text in annotations.items() if service.annotations.get(key) != text}


def _nothing_known(name: str) -> Service:
    return Service(
        name=name,
        uri=None,
        ready=None,
        reason=None,
        reconciling=False,
        generation=0,
        observed_generation=0,
        etag="",
        created=None,
        updated=None,
        last_modifier=None,
        latest_ready=None,
        latest_created=None,
        desired=(),
        serving=(),
    )
