"""Looking at an environment's infrastructure: its drift, its plan, its outputs. Nothing here writes anything."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass

from brconsole.domain.environment import Environment
from brconsole.domain.infra import ActiveRollout, DriftReport, drift_report, rollouts_of
from brconsole.domain.infra_outputs import Output, differences
from brconsole.domain.service import Service
from brconsole.domain.terraform_plan import TerraformPlan
from brconsole.operations.infra_ports import TerraformFolder

ReadRollouts = Callable[[], Awaitable[tuple[ActiveRollout, ...] | None]]
"""The rollouts that are active now, None where that could not be read. Raises nothing."""


GRACE_S = 1.0
"""Real seconds that a plan, once made, waits for the rollouts: the records that stand in it tell most of them."""


@dataclass(frozen=True, slots=True)
class InfraView:
    """What a look found: the plan as it is, and what it means."""

    plan: TerraformPlan
    report: DriftReport


@dataclass(frozen=True, slots=True)
class OutputsView:
    """The outputs, and where they and the configuration do not agree."""

    outputs: tuple[Output, ...]
    differences: tuple[str, ...]


class Infra:
    """One environment's infrastructure."""

    def __init__(
        self, environment: Environment, terraform: TerraformFolder, rollouts: ReadRollouts | None = None
    ) -> None:
        self.environment = environment
        self.terraform = terraform
        self._rollouts = rollouts

    async def look(self) -> InfraView:
        """Plan and judge. The rollouts are read meanwhile; they matter to whoever thinks of an apply."""
        reading = None if self._rollouts is None else asyncio.ensure_future(_answer(self._rollouts))
        try:
            plan = await self.terraform.plan()
            if reading is not None:
                await asyncio.wait((reading,), timeout=GRACE_S)
            rollouts = reading.result() if reading is not None and reading.done() else None
        finally:
            if reading is not None:
                reading.cancel()
        return judged(self.environment, plan, rollouts)

    async def outputs(self) -> OutputsView:
        """Read the outputs and compare them."""
        outputs = await self.terraform.outputs()
        return OutputsView(outputs, differences(self.environment, outputs))


def judged(environment: Environment, plan: TerraformPlan, rollouts: Iterable[ActiveRollout] | None) -> InfraView:
    """What a plan means for an environment."""
    return InfraView(plan, drift_report(environment.name, plan, rollouts))


def active_rollouts(services: Iterable[Service]) -> tuple[ActiveRollout, ...]:
    """The rollouts under way on services as read."""
    return rollouts_of({service.name: service.annotations for service in services})


async def _answer(read: ReadRollouts) -> tuple[ActiveRollout, ...] | None:
    return await read()
