"""Puts the embedded Google Cloud together: a world, its clock, and every API on two ports."""

from __future__ import annotations

from typing import Self

from brconsole.emulator.alert_policies import AlertPolicies
from brconsole.emulator.bigquery import BigQuery
from brconsole.emulator.billing import Budgets
from brconsole.emulator.clock import Clock
from brconsole.emulator.cloud import Cloud
from brconsole.emulator.control import Control
from brconsole.emulator.faults import Faults
from brconsole.emulator.guard import guarded
from brconsole.emulator.http import HttpApi, HttpServer
from brconsole.emulator.iam import Projects, ServiceAccounts
from brconsole.emulator.job_runs import JobRuns
from brconsole.emulator.log_store import LogStore
from brconsole.emulator.logging import Logs
from brconsole.emulator.monitoring import MonitoringMetrics
from brconsole.emulator.operations import RunOperations
from brconsole.emulator.options import EmulatorError, EmulatorOptions
from brconsole.emulator.quota import Quotas
from brconsole.emulator.run import RunRevisions, RunServices
from brconsole.emulator.run_jobs import RunExecutions, RunJobs, RunTasks
from brconsole.emulator.run_v1 import RunV1
from brconsole.emulator.run_v1_jobs import RunJobsV1
from brconsole.emulator.server import GrpcApi, GrpcServer
from brconsole.emulator.slo import ServiceMonitoring
from brconsole.simulation.catalogue import PROJECTS
from brconsole.simulation.jobs import JobBook
from brconsole.simulation.model import Project
from brconsole.simulation.world import DEFAULT_START, World

GRPC_APIS: tuple[type[GrpcApi], ...] = (
    RunServices,
    RunRevisions,
    RunJobs,
    RunExecutions,
    RunTasks,
    RunOperations,
    Budgets,
    Projects,
    Logs,
    MonitoringMetrics,
    ServiceMonitoring,
    AlertPolicies,
)
"""The gRPC services that are served; one line an API."""

PROJECT_IDS = tuple(project.id for project in PROJECTS)
"""The projects that there are."""

HTTP_APIS: tuple[type[HttpApi], ...] = (BigQuery, RunV1, RunJobsV1, ServiceAccounts)
"""The REST APIs that are served beside the control endpoint; one line an API."""


def _serving_image(world: World, project: Project, at: float) -> str:
    """What most requests of a project's API meet: the image that its jobs were deployed with."""
    service = world.service(project.id, "api", at)
    most = max(service.serving, key=lambda target: target.percent).revision if service else None
    found = next((one for one in world.revisions(project.id, "api", at) if one.name == most), None)
    if found is not None:
        return found.template.image
    return service.template.image if service else ""


class Emulator:
    """The embedded Google Cloud. `async with Emulator(options) as emulator:` serves it; `grpc_port` and `http_port` say
    where.
    """

    def __init__(self, options: EmulatorOptions, world: World | None = None) -> None:
        start = DEFAULT_START if options.start is None else options.start
        if world is None:
            try:
                world = World(options.seed, start, options.scenario, options.services)
            except ValueError as error:
                raise EmulatorError(str(error)) from error
        self.options = options
        clock, log = Clock(start, options.speed), LogStore()
        book = JobBook(options.seed, start, world.projects, lambda project: _serving_image(world, project, start))
        self.cloud = Cloud(
            world=guarded(world),
            clock=clock,
            quotas=Quotas(options.limits),
            faults=Faults(),
            jobs=JobRuns(book, clock, log, options.job_environments),
            log=log,
            denied=options.denied,
            etag_enforced=options.etag_enforced,
            principal=options.principal,
            latency_s=options.latency_ms / 1000,
        )
        self.grpc_port = 0
        self.http_port = 0
        self._grpc = GrpcServer(self.cloud, GRPC_APIS)
        control = Control(self.cloud, self._methods, options.seed, options.scenario)
        self._http = HttpServer(self.cloud, [control, *(api(self.cloud) for api in HTTP_APIS)])

    def _methods(self) -> dict[str, frozenset[str]]:
        grpc, http = self._grpc.methods, self._http.methods
        return {api: grpc.get(api, frozenset()) | http.get(api, frozenset()) for api in {*grpc, *http}}

    async def start(self) -> None:
        """Open both ports; raises EmulatorError where one is taken, and then none is open."""
        self.grpc_port = await self._grpc.start(self.options.port)
        try:
            self.http_port = await self._start_http()
        except EmulatorError:
            await self.stop()
            raise

    async def _start_http(self) -> int:
        if self.options.http_port is not None:
            return await self._http.start(self.options.http_port)
        try:
            return await self._http.start(self.grpc_port + 1)
        except (EmulatorError, OverflowError):
            # The port after is only the clients' default. Where the caller left both to us, any free one will do.
            if self.options.port:
                raise
            return await self._http.start(0)

    async def stop(self) -> None:
        """Close both ports and end the jobs; calls under way are cancelled."""
        await self._grpc.stop()
        await self._http.stop()
        await self.cloud.jobs.close()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self.stop()
