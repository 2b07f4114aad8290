"""What the infrastructure's use cases need of the outside world: one environment's Terraform folder, to look at.

As in `ports`, every method may raise `SourceFailure` and nothing else leaves an adapter. There is no apply, no destroy,
no import and no way to touch the state: whoever wants that runs Terraform.
"""

from __future__ import annotations

from typing import Protocol

from brconsole.domain.infra_outputs import Output
from brconsole.domain.terraform_plan import TerraformPlan


class TerraformFolder(Protocol):
    """The root module of one environment."""

    folder: str
    """Where it is, as a person would write it."""

    async def initialise(self) -> None:
        """Make the folder ready: backend, modules, providers. Never changes a lock file that is there."""

    async def plan(self) -> TerraformPlan:
        """Refresh and plan, without taking the state's lock; the plan is thrown away."""

    async def outputs(self) -> tuple[Output, ...]:
        """The outputs as last applied, by name; sensitive ones without their value."""
