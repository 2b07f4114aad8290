"""Reads the layers of the configuration and lays them over each other.

A flag counts more than an environment variable, that more than the project's file, that more than the user's own file,
that more than the defaults of the package. Tables are merged key by key; an array replaces the one below it as a whole.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from brconsole.config import locations
from brconsole.config.checks import check_config
from brconsole.config.convert import convert_table
from brconsole.config.errors import ConfigError, listed, nearest, shown
from brconsole.config.lines import locate_lines
from brconsole.config.origins import BUILT_IN, KeyPath, Layer, Origin, dotted
from brconsole.config.schema import NOT_IN_FILES, Budget, Config, EnvironmentTable, Plan
from brconsole.config.values import parse_duration
from brconsole.domain.environment import (
    BudgetSettings,
    Environment,
    GateSettings,
    PlanStep,
    QueueSettings,
    RolloutPlan,
)

_TRUE = ("1", "true", "yes", "on")
_FALSE = ("0", "false", "no", "off")
_SYNTAX_PLACE = re.compile(r" \(at (?:line (?P<line>\d+), column \d+|end of document)\)$")


@dataclass(frozen=True, slots=True)
class LoadedConfig:
    """The configuration that is in force, and where each of its values came from."""

    config: Config
    origins: Mapping[str, Origin]
    """By the key as it is written in TOML, such as `environments.prod.budget.monthly`; an array is one value."""
    files: tuple[Path, ...]
    """The files that were read, the one that counts most first."""

    def values(self) -> Iterator[tuple[str, object, Origin]]:
        """Every value that is set, in the order of the schema: key, plain value, origin."""
        for path, value in _leaves(msgspec.to_builtins(self.config)):
            if value is not None:
                yield dotted(path), value, self.origins[dotted(path)]

    def environment(self, name: str, where: str | None = None) -> Environment:
        """An environment by its name. `where` names the flag or argument that asked, for the error if it is unknown."""
        table = self.config.environments.get(name)
        if table is None:
            raise ConfigError(
                "unknown environment",
                where=where,
                found=shown(name),
                allowed=listed(self.config.environments),
                nearest=nearest(name, self.config.environments),
            )
        return _environment(name, table)

    def environments(self) -> tuple[Environment, ...]:
        """All environments, in the order of the defaults and then of the files."""
        return tuple(_environment(name, table) for name, table in self.config.environments.items())


def load(
    config_path: Path | None,
    environ: Mapping[str, str],
    cwd: Path,
    overrides: Mapping[str, object],
    command_names: Collection[str] = (),
) -> LoadedConfig:
    """The configuration in force.

    `config_path` is the value of `--config`; it, or else `BRCONSOLE_CONFIG`, takes the place of the project's file.
    `overrides` are the flags' values by dotted key (`read_only`, `interface.theme`); None means not given.
    `command_names` are what an environment may not be called. Raises ConfigError for the first mistake.
    """
    layers = _Layers()
    layers.add_text(_defaults_text(), BUILT_IN)
    files = list(_files(config_path, environ, cwd))
    for file, layer in files:
        layers.add_text(_read(file), Origin(layer, str(file)))
    for key, (_, variable) in NOT_IN_FILES.items():
        if text := environ.get(variable):
            setting: object = _switch(text, variable) if key == "read_only" else text
            layers.set((key,), setting, Origin(Layer.ENVIRONMENT, variable))
    for key, value in overrides.items():
        if value is not None:
            layers.set(tuple(key.split(".")), value, Origin(Layer.FLAG, _flag(key, value)))

    config = convert_table(layers.merged, Config, (), layers.where)
    check_config(config, layers.where, command_names)
    config = _with_absolute_paths(config, layers.own_origin, cwd)
    project = next((file.parent for file, layer in files if layer is Layer.PROJECT_FILE), None)
    config = _with_infra_paths(config, layers.own_origin, project or cwd, cwd)
    origins = {dotted(path): layers.own_origin(path) for path, _ in _leaves(msgspec.to_builtins(config))}
    return LoadedConfig(config, origins, tuple(file for file, _ in reversed(files)))


class _Layers:
    """The values of all layers merged so far, with the origin of every table, key and array element."""

    def __init__(self) -> None:
        self.merged: dict[str, Any] = {}
        self._origins: dict[KeyPath, Origin] = {}

    def add_text(self, text: str, origin: Origin) -> None:
        """Lay a TOML text over what is there."""
        document = _parse(text, origin)
        lines = {} if origin.layer is Layer.DEFAULTS else locate_lines(text, document)
        for key in NOT_IN_FILES.keys() & document.keys():
            flag, variable = NOT_IN_FILES[key]
            where = str(Origin(origin.layer, origin.name, lines.get((key,))))
            raise ConfigError(f"{key} cannot be set in a file", where=where, allowed=f"{flag} or {variable}")
        self._merge(self.merged, document, (), origin, lines)

    def set(self, path: tuple[str, ...], value: object, origin: Origin) -> None:
        """Lay a single value over what is there."""
        document: object = value
        for name in reversed(path):
            document = {name: document}
        assert isinstance(document, dict)  # a key has at least one name
        self._merge(self.merged, document, (), origin, {})

    def origin(self, path: KeyPath) -> Origin:
        """The origin of a key, or of the nearest table around it that has one."""
        while path and path not in self._origins:
            path = path[:-1]
        return self._origins.get(path, BUILT_IN)

    def own_origin(self, path: KeyPath) -> Origin:
        """The origin of a key itself; what no layer says is a default of the schema."""
        return self._origins.get(path, BUILT_IN)

    def where(self, path: KeyPath) -> str:
        """The origin of a key for a message."""
        return str(self.origin(path))

    def _merge(
        self,
        below: dict[str, Any],
        above: Mapping[str, Any],
        path: KeyPath,
        origin: Origin,
        lines: Mapping[KeyPath, int],
    ) -> None:
        for key, value in above.items():
            inner = (*path, key)
            self._origins[inner] = Origin(origin.layer, origin.name, lines.get(inner))
            if isinstance(value, dict):
                table = below.get(key)
                if not isinstance(table, dict):
                    table = below[key] = {}
                self._merge(table, value, inner, origin, lines)
                continue
            for stale in [known for known in self._origins if known[: len(inner)] == inner and known != inner]:
                del self._origins[stale]
            for place, line in lines.items():
                if place[: len(inner)] == inner:
                    self._origins[place] = Origin(origin.layer, origin.name, line)
            below[key] = value


def _defaults_text() -> str:
    return Path(__file__).with_name("defaults.toml").read_text("utf-8")


def _files(config_path: Path | None, environ: Mapping[str, str], cwd: Path) -> Iterator[tuple[Path, Layer]]:
    """The files to read, the one that counts most last."""
    user = locations.user_file()
    if user.is_file():
        yield user, Layer.USER_FILE
    explicit = locations.explicit_file(config_path, environ)
    if explicit is not None:
        file, asked_by = explicit
        file = cwd / file.expanduser()
        if not file.exists():
            raise ConfigError("no such configuration file", where=asked_by, found=repr(str(file)))
        yield file, Layer.PROJECT_FILE
    elif (project := locations.find_project_file(cwd)) is not None:
        yield project, Layer.PROJECT_FILE


def _read(file: Path) -> str:
    try:
        data = file.read_bytes()
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
        raise ConfigError(f"the configuration file cannot be read: {reason}", where=str(file)) from None
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigError(
            "the configuration file is not UTF-8", where=f"{file}:{line}", found=f"byte 0x{data[error.start]:02x}"
        ) from None


def _parse(text: str, origin: Origin) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        message = str(error)
        place = _SYNTAX_PLACE.search(message)
        line = None
        if place is not None:
            message = message[: place.start()]
            line = int(place["line"]) if place["line"] else text.rstrip("\n").count("\n") + 1
        reason = shown(message)[1:-1]
        raise ConfigError(f"not valid TOML: {reason}", where=str(Origin(origin.layer, origin.name, line))) from None
    except RecursionError:
        raise ConfigError("not valid TOML: nested too deeply", where=str(origin)) from None


def _switch(text: str, variable: str) -> bool:
    folded = text.strip().lower()
    if folded in _TRUE or folded in _FALSE:
        return folded in _TRUE
    raise ConfigError("bad value", where=variable, found=shown(text), allowed=listed((*_TRUE, *_FALSE)))


def _flag(key: str, value: object) -> str:
    if key == "read_only":
        return "--read-only" if value else "--write"
    return "--" + key.rpartition(".")[2].replace("_", "-")


def _leaves(value: object, path: KeyPath = ()) -> Iterator[tuple[KeyPath, object]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _leaves(inner, (*path, key))
    else:
        yield path, value


def _with_absolute_paths(config: Config, origin: Callable[[KeyPath], Origin], cwd: Path) -> Config:
    """A relative path in a file is relative to that file, so that it means the same from every folder."""
    table = config.migrations
    absolute = {
        key: str((cwd / (origin(("migrations", key)).folder or cwd) / Path(text).expanduser()).absolute())
        for key, text in (("alembic", table.alembic), ("python", table.python), ("postgres_bin", table.postgres_bin))
        if text is not None and not (key == "python" and "/" not in text)
    }
    return (
        msgspec.structs.replace(config, migrations=msgspec.structs.replace(table, **absolute)) if absolute else config
    )


def _with_infra_paths(config: Config, own_origin: Callable[[KeyPath], Origin], project: Path, cwd: Path) -> Config:
    """The same for the Terraform folders; the default is beside the project's file, wherever brconsole is called. A
    program without a slash is looked for on PATH.
    """

    def absolute(key: str, text: str) -> str:
        origin = own_origin(("infra", key))
        base = project if origin.layer is Layer.DEFAULTS else origin.folder or cwd
        return str((cwd / base / Path(text).expanduser()).absolute())

    infra = config.infra
    changed = {"folder": absolute("folder", infra.folder)}
    if "/" in infra.terraform:
        changed["terraform"] = absolute("terraform", infra.terraform)
    return msgspec.structs.replace(config, infra=msgspec.structs.replace(infra, **changed))


def _environment(name: str, table: EnvironmentTable) -> Environment:
    return Environment(
        name=name,
        project=table.project,
        region=table.region,
        protected=table.protected,
        colour=table.colour,
        release_group=table.release_group,
        write_api=table.write_api,
        budget=_budget(table.budget),
        plan=_plan(table.plan),
        gates=GateSettings(
            error_budget_burn=table.gates.error_budget_burn,
            error_ratio=table.gates.error_ratio,
            freeze=table.gates.freeze,
        ),
        queues={
            queue: QueueSettings(metric=limits.metric, alert_depth=limits.alert_depth)
            for queue, limits in table.queues.items()
        },
    )


def _budget(budget: Budget | None) -> BudgetSettings | None:
    if budget is None:
        return None
    return BudgetSettings(
        monthly=budget.monthly,
        currency=budget.currency,
        billing_account=budget.billing_account,
        export_table=budget.export_table,
    )


def _plan(plan: Plan | None) -> RolloutPlan | None:
    if plan is None:
        return None
    return RolloutPlan(
        steps=tuple(PlanStep(step.percent, parse_duration(step.dwell)) for step in plan.steps),
        deadline_s=parse_duration(plan.deadline),
    )
