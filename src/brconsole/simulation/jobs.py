"""The Cloud Run jobs of ByteReview and their executions: what was asked for, and what came of it.

A job runs outside of the model (a migration is a real program on a real database), so what happens to an execution is
told to it as events with their times. Given the same events it says the same.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from brconsole.simulation import catalogue
from brconsole.simulation.model import Project
from brconsole.simulation.noise import hexadecimal

MIGRATE = "migrate-db"
"""The job that every project has."""
COMMAND = ("python", "-m", "brconsole.jobs.migrate")
"""What its container is started with."""
DATABASE_SECRET = "database-url"  # nosec B105  # the name of a secret, not one
_MAX_RETRIES = 3
_TIMEOUT_S = 600
_CREATED_DAYS = 71.0
_DAY = 86400.0
_KEPT = 1000
"""Finished executions of a job; Google deletes older ones (facts §9)."""
_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable of a container: a plain value, or a version of a secret that only the container gets to see."""

    name: str
    value: str = ""
    secret: str | None = None
    version: str = "latest"


@dataclass(frozen=True, slots=True)
class TaskTemplate:
    """What a task runs. `timeout_s` holds for each attempt."""

    image: str
    service_account: str
    command: tuple[str, ...] = COMMAND
    args: tuple[str, ...] = ()
    env: tuple[Variable, ...] = ()
    max_retries: int = _MAX_RETRIES
    timeout_s: int = _TIMEOUT_S


@dataclass(frozen=True, slots=True)
class Job:
    """A job as it stands. `version` counts every change, also those that running it makes."""

    project: str
    name: str
    uid: str
    created: float
    updated: float
    creator: str
    last_modifier: str
    generation: int
    version: int
    template: TaskTemplate
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    execution_count: int = 0
    latest: str | None = None
    """The newest execution."""

    @property
    def etag(self) -> str:
        """The opaque version as v2 shows it."""
        return f'"{hexadecimal(20, "etag", self.uid, self.version)}"'


Outcome = Literal["succeeded", "failed", "cancelled"]


@dataclass(frozen=True, slots=True)
class Execution:
    """One execution, of one task. What the caller gave it instead of the job's own is in its template."""

    project: str
    job: str
    name: str
    uid: str
    created: float
    updated: float
    creator: str
    template: TaskTemplate
    operation: str
    """The long-running operation that started it."""
    started: float | None = None
    completed: float | None = None
    outcome: Outcome | None = None
    message: str = ""
    retried: int = 0
    cancelling: bool = False
    version: int = 1

    @property
    def etag(self) -> str:
        """The opaque version as v2 shows it."""
        return f'"{hexadecimal(20, "etag", self.uid, self.version)}"'


class JobBook:
    """The jobs of every project. Names of jobs and executions are short."""

    def __init__(
        self, seed: int, start: float, projects: Sequence[Project], image_of: Callable[[Project], str]
    ) -> None:
        """`image_of` gives what a project's jobs run at first."""
        self._seed = seed
        self._runs = 0
        self._jobs: dict[str, dict[str, Job]] = {}
        self._executions: dict[str, OrderedDict[str, Execution]] = {}
        for project in projects:
            deployer = f"ci-deployer@{project.id}.iam.gserviceaccount.com"
            created = start - _CREATED_DAYS * _DAY
            self._executions[project.id] = OrderedDict()
            self._jobs[project.id] = {
                MIGRATE: Job(
                    project.id,
                    MIGRATE,
                    catalogue.uid(seed, "job", project.id, MIGRATE),
                    created,
                    created,
                    deployer,
                    deployer,
                    1,
                    1,
                    TaskTemplate(
                        image_of(project),
                        f"migrate-run@{project.id}.iam.gserviceaccount.com",
                        env=(Variable("DATABASE_URL", secret=DATABASE_SECRET),),
                    ),
                    labels={"environment": project.environment, "owner": "platform"},
                )
            }

    # --------------------------------------------------------------------------------------------------------- reading

    def jobs(self, project: str) -> tuple[Job, ...]:
        """The jobs of a project, by name."""
        return tuple(job for _, job in sorted(self._jobs.get(project, {}).items()))

    def job(self, project: str, name: str) -> Job | None:
        """One job."""
        return self._jobs.get(project, {}).get(name)

    def executions(self, project: str, job: str | None) -> tuple[Execution, ...]:
        """The executions of a job (None: of all jobs), newest first."""
        found = reversed(self._of(project).values())
        return tuple(each for each in found if job is None or each.job == job)

    def execution(self, project: str, name: str) -> Execution | None:
        """One execution."""
        return self._of(project).get(name)

    def started_by(self, project: str, operation: str) -> Execution | None:
        """The execution that a long-running operation started."""
        return next((each for each in self._of(project).values() if each.operation == operation), None)

    def _of(self, project: str) -> OrderedDict[str, Execution]:
        return self._executions.get(project) or OrderedDict()

    # ---------------------------------------------------------------------------------------------------------- events

    def replace(
        self,
        project: str,
        name: str,
        at: float,
        actor: str,
        *,
        template: TaskTemplate | None = None,
        annotations: Mapping[str, str] | None = None,
        labels: Mapping[str, str] | None = None,
    ) -> Job:
        """A job is changed; None leaves a part as it is. A job that does not exist raises KeyError."""
        job = self._jobs[project][name]
        changed = replace(
            job,
            updated=at,
            last_modifier=actor,
            generation=job.generation + 1,
            version=job.version + 1,
            template=job.template if template is None else template,
            annotations=job.annotations if annotations is None else dict(annotations),
            labels=job.labels if labels is None else dict(labels),
        )
        self._jobs[project][name] = changed
        return changed

    def run(
        self, project: str, name: str, at: float, actor: str, args: Sequence[str] | None, env: Mapping[str, str]
    ) -> Execution:
        """A job is run; `args` (None: the job's own) replace, `env` is merged. Every call is a run of its own."""
        job = self._jobs[project][name]
        self._runs += 1
        execution = Execution(
            project,
            name,
            self._name(project, name),
            catalogue.uid(self._seed, "execution", self._runs),
            at,
            at,
            actor,
            replace(
                job.template,
                args=job.template.args if args is None else tuple(args),
                env=merged(job.template.env, env),
            ),
            catalogue.uid(self._seed, "run", self._runs),
        )
        kept = self._executions[project]
        kept[execution.name] = execution
        self._jobs[project][name] = replace(
            job,
            updated=at,
            version=job.version + 1,
            execution_count=job.execution_count + 1,
            latest=execution.name,
        )
        self._forget(kept, name)
        return execution

    def started(self, project: str, name: str, at: float) -> Execution:
        """The container of an execution runs."""
        return self._change(project, name, at, started=at)

    def retried(self, project: str, name: str, at: float) -> Execution:
        """Its task failed and is tried once more."""
        return self._change(project, name, at, retried=self._executions[project][name].retried + 1)

    def cancelling(self, project: str, name: str, at: float) -> Execution:
        """Somebody asked for its end."""
        return self._change(project, name, at, cancelling=True)

    def ended(self, project: str, name: str, at: float, outcome: Outcome, message: str) -> Execution:
        """It is over; nothing changes it any more."""
        ended = self._change(project, name, at, completed=at, outcome=outcome, message=message)
        job = self._jobs[project][ended.job]
        self._jobs[project][ended.job] = replace(job, version=job.version + 1)
        return ended

    def _change(self, project: str, name: str, at: float, **parts: object) -> Execution:
        execution = self._executions[project][name]
        changed = replace(execution, updated=at, version=execution.version + 1, **parts)  # type: ignore[arg-type]
        self._executions[project][name] = changed
        return changed

    def _name(self, project: str, job: str) -> str:
        """Cloud Run's own style: `migrate-db-x7k2p`."""
        attempt = 0
        while True:
            word = int(hexadecimal(16, "execution", self._seed, project, job, self._runs, attempt), 16)
            letters = []
            for _ in range(5):
                word, index = divmod(word, len(_ALPHABET))
                letters.append(_ALPHABET[index])
            name = f"{job}-{''.join(letters)}"
            if name not in self._executions[project]:
                return name
            attempt += 1

    def _forget(self, kept: OrderedDict[str, Execution], job: str) -> None:
        done = [name for name, each in kept.items() if each.job == job and each.outcome is not None]
        for name in done[: max(0, len(done) - _KEPT)]:
            del kept[name]


def merged(env: Sequence[Variable], more: Mapping[str, str]) -> tuple[Variable, ...]:
    """The variables of a container with those of an override, which win."""
    found = {variable.name: variable for variable in env}
    found.update({name: Variable(name, value) for name, value in more.items()})
    return tuple(found.values())
