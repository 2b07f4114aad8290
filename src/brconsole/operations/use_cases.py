"""Everything that acts on one environment in one session, put together around its one gateway."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from brconsole.domain.decision import Actor
from brconsole.domain.environment import Environment
from brconsole.domain.fleet import Fleet
from brconsole.operations.agent import Agent
from brconsole.operations.evidence import EvidenceReader
from brconsole.operations.failure import FailureKind, SourceFailure
from brconsole.operations.gateway import RUN, Gateway
from brconsole.operations.gateway_jobs import JobGateway
from brconsole.operations.migrations import Migrations
from brconsole.operations.modes import Modes
from brconsole.operations.ports import Clock, Cloud
from brconsole.operations.rollback import Rollbacks
from brconsole.operations.rollouts import Releases
from brconsole.operations.traffic import Shifts
from brconsole.operations.trail import SharedJournal, Trail


@dataclass(frozen=True, slots=True)
class UseCases:
    """What a face calls. All of it belongs to one loop."""

    environment: Environment
    cloud: Cloud
    clock: Clock
    gateway: Gateway
    releases: Releases
    rollbacks: Rollbacks
    shifts: Shifts
    agent: Agent
    migrations: Migrations | None = None
    """None where no migrations are configured."""

    async def close(self) -> None:
        """Give the entries of the journal that are not sent yet a moment."""
        await self.gateway.trail.close()


def compose(
    environment: Environment,
    cloud: Cloud,
    clock: Clock,
    modes: Modes,
    journal: SharedJournal,
    actor: Actor,
    *,
    fleet: Callable[[], Fleet | None] | None = None,
    observe: Callable[[], None] | None = None,
) -> UseCases:
    """The use cases over the ports of an environment. Raises SourceFailure where its services cannot be written.

    `fleet` is what is observed anyway (None: nothing is), `observe` is called when something was written.
    """
    if cloud.writer is None:
        raise SourceFailure(FailureKind.NOT_CONFIGURED, RUN, environment.name, "there is no way to write to services")
    trail = Trail(environment, journal, actor.who, cloud.audit_writer)
    gateway = Gateway(environment, cloud.writer, clock, trail, modes, observe=observe)
    evidence = EvidenceReader(environment, cloud)
    releases = Releases(environment, gateway, evidence, actor, clock, beacon=cloud.beacon, fleet=fleet)
    return UseCases(
        environment,
        cloud,
        clock,
        gateway,
        releases,
        Rollbacks(environment, gateway, cloud, actor, fleet=fleet),
        Shifts(environment, gateway, evidence, fleet=fleet),
        Agent(environment, releases, cloud, clock),
        _migrations(environment, cloud, clock, modes, trail, gateway, observe),
    )


def _migrations(
    environment: Environment,
    cloud: Cloud,
    clock: Clock,
    modes: Modes,
    trail: Trail,
    gateway: Gateway,
    observe: Callable[[], None] | None,
) -> Migrations | None:
    reader, writer = cloud.migrations, cloud.job_writer
    if reader is None or writer is None:
        return None
    jobs = JobGateway(environment, reader, writer, clock, trail, modes, observe=observe)
    return Migrations(environment, gateway, jobs, reader, cloud, clock, project=cloud.migration_project)
