"""What the configuration may hold. The field names are the keys of the TOML files; unknown keys are errors.

Texts that stand for something else (durations, windows, resource names) stay texts here, as they were written;
`brconsole.config.checks` says whether they are right, `brconsole.config.load` what they mean.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct, field

Percent = Annotated[int, Meta(ge=1, le=100)]
Ratio = Annotated[float, Meta(gt=0, le=1)]
Money = Annotated[float, Meta(gt=0)]
Count = Annotated[int, Meta(gt=0)]


class _Table(Struct, frozen=True, forbid_unknown_fields=True):
    """A table whose keys are all known."""


class Budget(_Table, frozen=True):
    """The monthly budget and where the spend is found."""

    monthly: Money
    currency: str = "USD"
    billing_account: str | None = None
    export_table: str | None = None


class Step(_Table, frozen=True):
    """A canary's share of the traffic, and how long it is observed there."""

    percent: Percent
    dwell: str = "0s"


class Plan(_Table, frozen=True):
    """The steps of a rollout, and the time after which nobody may forget it."""

    steps: tuple[Step, ...]
    deadline: str = "4h"


class Gates(_Table, frozen=True):
    """Thresholds of the release gates."""

    error_budget_burn: Ratio = 0.02
    error_ratio: Ratio = 0.02
    freeze: tuple[str, ...] = ()


class Queue(_Table, frozen=True):
    """Limits of one ARQ queue."""

    metric: str = "custom.googleapis.com/arq/queue_depth"
    alert_depth: Count = 10_000


class EnvironmentTable(_Table, frozen=True):
    """One project and region."""

    project: str
    region: str
    protected: bool = False
    colour: str | None = None
    release_group: tuple[str, ...] = ()
    write_api: Literal["auto", "v1", "v2"] = "auto"
    budget: Budget | None = None
    plan: Plan | None = None
    gates: Gates = Gates()
    queues: dict[str, Queue] = field(default_factory=dict)


class Migrations(_Table, frozen=True):
    """Where the database migrations are, and the Cloud Run job that runs them."""

    alembic: str | None = None
    """The project's alembic.ini, or its pyproject.toml; relative to the file that says so."""
    job: str = "migrate-db"
    python: str | None = None
    """The interpreter that has the project's own libraries; a bare name is looked up on PATH."""
    postgres_bin: str | None = None
    """The folder of initdb and postgres for the throwaway server."""


class Infra(_Table, frozen=True):
    """Where the Terraform of each environment is, and how it is looked at."""

    folder: str = "infra/envs/{environment}"
    terraform: str = "terraform"
    timeout: str = "5m"


class Interface(_Table, frozen=True):
    """How the screen looks."""

    theme: str = "bytereview-dark"


class Config(_Table, frozen=True):
    """Everything the files may say, and at the end what only flags and environment variables may."""

    default_environment: str
    environments: dict[str, EnvironmentTable]
    migrations: Migrations = Migrations()
    infra: Infra = Infra()
    keymap: dict[str, str] = field(default_factory=dict)
    interface: Interface = Interface()
    endpoint: str | None = None
    http_endpoint: str | None = None
    read_only: bool | None = None


NOT_IN_FILES = {
    "endpoint": ("--endpoint", "BRCONSOLE_ENDPOINT"),
    "http_endpoint": ("--http-endpoint", "BRCONSOLE_HTTP_ENDPOINT"),
    "read_only": ("--read-only", "BRCONSOLE_READ_ONLY"),
}
"""Keys that describe one invocation, with the flag and the environment variable that set them."""
