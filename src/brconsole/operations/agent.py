"""The headless driver and watcher: what goes on when every laptop is closed.

    agent = Agent(environment, releases, cloud, clock)
    passed = await agent.once()     # `brconsole agent ENV --once`, for a scheduler
    await agent.run(report)         # `brconsole agent ENV`

A pass reads all services in one list and looks at each that has a rollout under way. The reducer decides; the agent
writes what it decided, under the rules of the gateway. In a read-only environment it only watches and says so. It tells
Monitoring that it lives, and how far a rollout is past its deadline; nothing but reading Cloud Run keeps it alive.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from brconsole.domain.decision import Heartbeat
from brconsole.domain.environment import Environment
from brconsole.domain.findings import Finding, FindingKind, findings
from brconsole.domain.intent import Rollout, intent_of
from brconsole.domain.service import Service
from brconsole.operations.failure import SourceFailure
from brconsole.operations.gateway import RUN
from brconsole.operations.outcome import Outcome, OutcomeKind, failed, worst
from brconsole.operations.ports import Clock, Cloud
from brconsole.operations.reading import sentence
from brconsole.operations.rollouts import LEAST_LOOK_S, LOOK_S, Releases, Ticked, overdue_s
from brconsole.operations.timing import RealTiming, Timing
from brconsole.operations.unfinished import Unfinished, settle_unfinished

IDLE_S = 30.0
"""Between two passes where no rollout is under way, in service time; the lease and the dead man's switch want a
heartbeat more often than every 90 s.
"""


@dataclass(frozen=True, slots=True)
class Passed:
    """One pass over an environment."""

    at: datetime | None
    ticked: tuple[Ticked, ...]
    failures: tuple[Outcome, ...]
    """Services, or the whole list, that could not be read."""
    watched: tuple[tuple[str, Finding], ...]
    """What is the matter with services without a rollout: an orphaned split, a record that cannot be read."""
    unfinished: tuple[Unfinished, ...] = ()
    """What became of writes that a crash interrupted; told in the first pass."""
    problems: tuple[str, ...] = ()
    """What of the signs of life could not be given."""

    @property
    def page(self) -> bool:
        """Whether a person must look now."""
        return any(ticked.page for ticked in self.ticked) or bool(self.failures)

    @property
    def kind(self) -> OutcomeKind:
        """The worst of what was written or could not be read; DONE where all is well."""
        written = [ticked.outcome for ticked in self.ticked if ticked.outcome is not None]
        return worst((*self.failures, *written))

    @property
    def exit_status(self) -> int:
        """The status of `--once`: an accepted write is well, the next pass looks after it."""
        kind = self.kind
        return 0 if kind is OutcomeKind.ACCEPTED else Outcome(kind, "").exit_status

    @property
    def active(self) -> bool:
        """Whether any rollout is under way."""
        return bool(self.ticked)


class Agent:
    """The driver and watcher of one environment."""

    def __init__(
        self,
        environment: Environment,
        releases: Releases,
        cloud: Cloud,
        clock: Clock,
        *,
        timing: Timing | None = None,
    ) -> None:
        self._environment = environment
        self._releases = releases
        self._cloud = cloud
        self._clock = clock
        self._timing = timing or RealTiming()
        self._reported: set[str] = set()
        self._first = True

    async def once(self) -> Passed:
        """One pass; raises nothing of a port's."""
        try:
            services = await self._cloud.run.services()
        except SourceFailure as failure:
            return Passed(self._clock.now(), (), (failed(RUN, failure),), ())
        unfinished = await settle_unfinished(self._releases.gateway) if self._first else ()
        self._first = False
        self._releases.gateway.trail.send_soon()
        ticked: list[Ticked] = []
        failures: list[Outcome] = []
        watched: list[tuple[str, Finding]] = []
        for service in services:
            if not _under_way(service):
                watched += [(service.name, finding) for finding in _odd(service, self._clock.now())]
        driven = [service.name for service in services if _under_way(service)]
        for looked in await asyncio.gather(*(self._releases.tick(name) for name in driven)):
            if isinstance(looked, Outcome):
                failures.append(looked)
            else:
                ticked.append(looked)
        problems = await self._signs(ticked)
        return Passed(self._clock.now(), tuple(ticked), tuple(failures), tuple(watched), unfinished, problems)

    async def run(self, report: Callable[[Passed], None]) -> None:
        """Pass after pass until cancelled; each is reported."""
        while True:
            passed = await self.once()
            report(passed)
            cadence_s = LOOK_S if passed.active or passed.failures else IDLE_S
            await self._timing.sleep(max(LEAST_LOOK_S, cadence_s / max(self._clock.speed, 1e-3)))

    async def _signs(self, ticked: list[Ticked]) -> tuple[str, ...]:
        """The heartbeat, and how late each rollout is; 0 once more for what is not late any longer."""
        beacon, now = self._cloud.beacon, self._clock.now()
        if beacon is None or now is None:
            return ()
        late = {look.view.service.name: overdue_s(look.view) for look in ticked}
        problems = []
        try:
            actor = self._releases.actor
            await beacon.heartbeat(Heartbeat(actor.who, now, actor.headless))
            for service in sorted({*late, *self._reported}):
                await beacon.overdue(service, late.get(service, 0.0), now)
        except SourceFailure as failure:
            problems.append(sentence("Cloud Monitoring", failure))
        else:
            self._reported = set(late)
        return tuple(problems)


def _under_way(service: Service) -> bool:
    state = intent_of(service)
    return isinstance(state, Rollout) and state.active


def _odd(service: Service, now: datetime | None) -> list[Finding]:
    """What a person must settle although no rollout is under way."""
    if now is None:
        return []
    kinds = (FindingKind.ORPHAN, FindingKind.UNREADABLE, FindingKind.STUCK)
    return [finding for finding in findings(intent_of(service), service, None, now) if finding.kind in kinds]
