"""How a face looks at infrastructure while it goes on answering keys: it asks, and is told when there is an answer.

Terraform runs only when it is asked for, one run an environment at a time. It always reads the real folder and its
state, also where the rest of the console looks at a simulation.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from brconsole.operations.timing import RealTiming, Timing

if TYPE_CHECKING:
    from brconsole.domain.environment import Environment
    from brconsole.domain.fleet import Fleet
    from brconsole.domain.infra import ActiveRollout
    from brconsole.operations.background import FeedThread
    from brconsole.operations.infra import InfraView, OutputsView
    from brconsole.operations.infra_ports import TerraformFolder

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class InfraSeen:
    """What the last looks at an environment found; None is "not looked yet"."""

    folder: str = ""
    view: InfraView | None = None
    """The last good one."""
    problem: str | None = None
    """Why the newest look failed."""
    outputs: OutputsView | None = None
    outputs_problem: str | None = None
    since: float | None = None
    """Since when Terraform runs, None while it does not; as `read_at`."""
    read_at: float | None = None
    """When `view` was read, in real seconds of the machine's steady clock."""

    @property
    def running(self) -> bool:
        """Whether Terraform runs now."""
        return self.since is not None


class InfraDesk(Protocol):
    """Where looks at infrastructure are asked for. Every method returns at once and may be called from any thread."""

    def look(self, environment: str) -> None:
        """Plan, judge and read the outputs; does nothing while that is under way."""

    def seen(self, environment: str) -> InfraSeen:
        """The newest looks."""

    def now(self) -> float:
        """Real seconds, as `InfraSeen` counts them."""

    def subscribe(self, looked: Callable[[], None]) -> Callable[[], None]:
        """Call `looked` whenever there is something new, from another thread; returns the way to end it."""


class BackgroundInfra:
    """An `InfraDesk` on the feeds' thread; Terraform itself is waited for in threads of its own."""

    def __init__(
        self,
        environments: Iterable[Environment],
        open_terraform: Callable[[Environment], TerraformFolder],
        thread: FeedThread,
        fleets: Mapping[str, Callable[[], Fleet | None]],
        *,
        timing: Timing | None = None,
    ) -> None:
        self._environments = {environment.name: environment for environment in environments}
        self._open = open_terraform
        self._thread = thread
        self._fleets = fleets
        self._timing = timing or RealTiming()
        self._lock = threading.Lock()
        self._seen: dict[str, InfraSeen] = {}
        self._looked: dict[object, Callable[[], None]] = {}
        self._works: set[asyncio.Task[None]] = set()  # touched on the feeds' thread only

    def look(self, environment: str) -> None:
        """Begin, unless it runs already."""
        with self._lock:
            seen = self._seen.get(environment, _NOT_SEEN)
            if seen.running or environment not in self._environments:
                return
            self._seen = {**self._seen, environment: replace(seen, since=self.now())}
        self._thread.call(self._begin, environment)
        self._tell()

    def seen(self, environment: str) -> InfraSeen:
        """The newest looks."""
        return self._seen.get(environment, _NOT_SEEN)

    def now(self) -> float:
        """Real seconds."""
        return self._timing.monotonic()

    def subscribe(self, looked: Callable[[], None]) -> Callable[[], None]:
        """Call `looked` after each look."""
        entry = object()
        with self._lock:
            self._looked = {**self._looked, entry: looked}

        def end() -> None:
            with self._lock:
                self._looked = {other: call for other, call in self._looked.items() if other is not entry}

        return end

    # --------------------------------------------------------------------------------------------- on the feeds' thread

    def _begin(self, environment: str) -> None:
        task = asyncio.get_running_loop().create_task(self._look(self._environments[environment]))
        self._works.add(task)
        task.add_done_callback(self._works.discard)

    async def _look(self, environment: Environment) -> None:
        from brconsole.operations.infra import Infra
        from brconsole.operations.reading import sentence

        name = environment.name
        try:
            folder = self._open(environment)
            self._now(name, folder=folder.folder)
            infra = Infra(environment, folder, lambda: self._rollouts(name))
            try:
                view = await infra.look()
                self._now(name, view=view, problem=None, read_at=self.now())
            except Exception as error:  # noqa: BLE001 - whatever it is, the screen says it
                self._now(name, problem=sentence("Terraform", error))
                return
            try:
                self._now(name, outputs=await infra.outputs(), outputs_problem=None)
            except Exception as error:  # noqa: BLE001 - the drift stands all the same
                self._now(name, outputs_problem=sentence("Terraform", error))
        finally:
            self._now(name, since=None)

    async def _rollouts(self, name: str) -> tuple[ActiveRollout, ...] | None:
        from brconsole.operations.infra import active_rollouts

        fleet = self._fleets[name]() if name in self._fleets else None
        services = None if fleet is None else fleet.services.value
        return None if services is None else active_rollouts(services)

    def _now(self, name: str, **found: object) -> None:
        with self._lock:
            self._seen = {**self._seen, name: replace(self._seen.get(name, _NOT_SEEN), **found)}  # type: ignore[arg-type]
        self._tell()

    def _tell(self) -> None:
        for looked in self._looked.values():
            try:
                looked()
            except Exception:  # noqa: BLE001 - one face that fails must not silence the others
                _log.exception("a face could not take a look at the infrastructure")


_NOT_SEEN = InfraSeen()
