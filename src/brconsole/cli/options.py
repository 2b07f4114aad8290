"""The global options: accepted before and after the subcommand or environment, the later one counting."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import click

from brconsole.cli.failures import MisuseError, not_among

SCENARIOS = ("demo", "quiet", "release-ready", "bad-5xx", "bad-latency", "bad-crash")
"""The scenarios of the simulation (DESIGN §8.18), named here so that a mistake is told before a child is started."""

_META = "brconsole.options"


@dataclass(frozen=True, slots=True)
class SimulationOptions:
    """How the embedded Google Cloud runs; None leaves it to its default."""

    speed: float | None = None
    seed: int | None = None
    scenario: str | None = None
    start: datetime | None = None
    latency_ms: float | None = None
    services: int | None = None
    postgres: str | None = None
    """`auto`, or the URL of a server."""

    def given(self) -> tuple[str, ...]:
        """The flags that were set."""
        return tuple(
            f"--{field.name.removesuffix('_ms')}" for field in fields(self) if getattr(self, field.name) is not None
        )


@dataclass(frozen=True, slots=True)
class Options:
    """Every global option as given on the command line; None was not given."""

    simulate: bool = False
    endpoint: str | None = None
    http_endpoint: str | None = None
    config: Path | None = None
    read_only: bool = False
    write: bool = False
    reason: str | None = None
    yes: bool = False
    theme: str | None = None
    no_color: bool = False
    simulation: SimulationOptions = SimulationOptions()


class Name(click.ParamType[str]):
    """One of a few names; a mistake is answered with the nearest."""

    def __init__(self, kind: str, known: Iterable[str]) -> None:
        self.name = kind
        self.known = tuple(known)

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if value not in self.known:
            raise MisuseError(not_among(self.name, value, self.known))
        return value


class Moment(click.ParamType[datetime]):
    """A moment in RFC 3339; without a zone it is UTC."""

    name = "time"

    def convert(self, value: str | datetime, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        if isinstance(value, datetime):
            return value
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"“{value}” is not a time such as 2026-11-23T14:00:00Z.", param, ctx)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)


def _keep(ctx: click.Context, param: click.Parameter, value: object) -> None:
    """Remember what was given; the subcommand is parsed after the group, so its word comes later."""
    if value is not None and value is not False and param.name is not None:  # a seed of 0 is one
        ctx.meta.setdefault(_META, {})[param.name] = value


class PostgresServer(click.ParamType[str]):
    """`auto`, or the URL of a PostgreSQL server. A mistake is told without the value, which may hold a password."""

    name = "server"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if value != "auto" and not value.startswith(("postgresql://", "postgres://")):
            raise MisuseError("--postgres: allowed are auto and a URL such as postgresql://USER@HOST:PORT/.")
        return value


class GlobalOption(click.Option):
    """An option of every command; `section` is its heading in the help."""

    section = "Global options"


class SimulationOption(GlobalOption):
    """An option of the embedded Google Cloud."""

    section = "Simulation"


def _option(*names: str, of: type[GlobalOption] = GlobalOption, **settings: Any) -> Callable[[click.Command], None]:
    def attach(command: click.Command) -> None:
        command.params.append(of(names, expose_value=False, callback=_keep, **settings))

    return attach


class Number(click.FloatRange):
    """A number, called so in messages."""

    name = "number"


class WholeNumber(click.IntRange):
    """A whole number, called so in messages."""

    name = "whole number"


_POSITIVE = Number(min=0, min_open=True, max=100_000)
_SEED = WholeNumber(min=0)
_LATENCY_MS = Number(0, 60_000)
_SERVICES = WholeNumber(5, 5_000)

_CONNECTION = (
    _option("--simulate", is_flag=True, help="Start the embedded Google Cloud and use it."),
    _option("--endpoint", metavar="HOST:PORT", help="A plain gRPC endpoint on this machine in place of Google."),
    _option("--http-endpoint", metavar="HOST:PORT", help="Its REST side; default: the port after --endpoint."),
    _option("--config", type=click.Path(path_type=Path), metavar="FILE", help="The project file to use."),
    _option("--read-only", is_flag=True, help="Refuse every write."),
    _option("--write", is_flag=True, help="Allow writes where the environment opens read-only."),
    _option("--reason", metavar="TEXT", help="Why; goes into the journal and the audit log."),
    _option("--yes", is_flag=True, help="Confirm writes where nobody can be asked."),
    _option("--theme", metavar="NAME", help="The theme of the screen."),
    _option("--no-color", is_flag=True, help="No colours."),
)
_SIMULATION = (
    _option("--speed", of=SimulationOption, type=_POSITIVE, metavar="FACTOR", help="60 makes an hour a minute."),
    _option("--seed", of=SimulationOption, type=_SEED, metavar="NUMBER", help="The same seed repeats a run."),
    _option(
        "--scenario",
        of=SimulationOption,
        type=Name("scenario", SCENARIOS),
        metavar="NAME",
        help=f"One of {', '.join(SCENARIOS)}.",
    ),
    _option("--start", of=SimulationOption, type=Moment(), metavar="TIME", help="When it begins, in UTC."),
    _option(
        "--latency",
        "latency_ms",
        of=SimulationOption,
        type=_LATENCY_MS,
        metavar="MS",
        help="A round trip to add to every call.",
    ),
    _option(
        "--services",
        of=SimulationOption,
        type=_SERVICES,
        metavar="NUMBER",
        help="How many services there are; 5 are ByteReview's own.",
    ),
    _option(
        "--postgres",
        of=SimulationOption,
        type=PostgresServer(),
        metavar="URL|auto",
        help="A PostgreSQL that migrations run on; auto starts one for as long as the simulation lasts.",
    ),
)

C = TypeVar("C", bound=click.Command)


class Command(click.Command):
    """A subcommand whose help shows its own options first, those of every command after them."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """One heading a kind of option."""
        write_options(self, ctx, formatter)


def write_options(command: click.Command, ctx: click.Context, formatter: click.HelpFormatter) -> None:
    """The options of a command under their headings."""
    sections: dict[str, list[tuple[str, str]]] = {}
    for param in command.get_params(ctx):
        record = param.get_help_record(ctx)
        if record is not None and isinstance(param, click.Option):
            sections.setdefault(getattr(param, "section", "Options"), []).append(record)
    for heading in ("Options", GlobalOption.section, SimulationOption.section):
        if rows := sections.get(heading):
            with formatter.section(heading):
                formatter.write_dl(rows)


def global_options(command: C) -> C:
    """Give a command the options that every command takes."""
    for attach in (*_CONNECTION, *_SIMULATION):
        attach(command)
    return command


def given(ctx: click.Context) -> Options:
    """What was said so far, checked for what does not go together."""
    said = dict(ctx.meta.get(_META, {}))
    simulation = SimulationOptions(**{f.name: said.pop(f.name) for f in fields(SimulationOptions) if f.name in said})
    options = Options(**said, simulation=simulation)
    if options.simulate and (options.endpoint or options.http_endpoint):
        raise MisuseError(
            "--simulate starts a Google Cloud of its own, so it does not go with --endpoint; use one of the two."
        )
    if options.read_only and options.write:
        raise MisuseError("--read-only and --write contradict each other; use one of the two.")
    return options
