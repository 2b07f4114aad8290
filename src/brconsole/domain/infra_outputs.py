"""The outputs of an environment's Terraform, and what they say against the configuration."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from brconsole.domain.environment import Environment
from brconsole.domain.text import clean

_WHOLE = "environment"
_NAME = ("name", "environment_name")
_PROJECT = ("project", "project_id")
_REGION = ("region", "location")
_SERVICES = ("services", "service_names", "service_urls", "service_url", "service_uris", "cloud_run_services")
_PATTERN = "*?["


@dataclass(frozen=True, slots=True)
class Output:
    """One output. The value of a sensitive one is None: it stays where it was read."""

    name: str
    value: object = None
    sensitive: bool = False

    @property
    def text(self) -> str:
        """As a person reads it, on one line."""
        if self.sensitive:
            return "sensitive"
        return self.value if isinstance(self.value, str) else json.dumps(self.value, ensure_ascii=False)


def differences(environment: Environment, outputs: Iterable[Output]) -> tuple[str, ...]:
    """Where the outputs and the configuration do not agree, as sentences."""
    return tuple(_differences(environment, tuple(outputs)))


def _differences(environment: Environment, outputs: tuple[Output, ...]) -> Iterator[str]:
    for key, names, configured in (
        ("name", _NAME, environment.name),
        ("project", _PROJECT, environment.project),
        ("region", _REGION, environment.region),
    ):
        found = _text_of(outputs, names)
        if found is not None and found[1] != configured:
            yield (
                f"{key} is {clean(configured, 80)} in the configuration and {clean(found[1], 80)} in output {found[0]}"
            )
    listed = service_names(outputs)
    if listed is None:
        return
    wanted = [name for name in environment.release_group if not any(sign in name for sign in _PATTERN)]
    if missing := [name for name in wanted if name not in listed]:
        yield f"release_group names {', '.join(clean(name, 63) for name in missing)}, which the outputs do not have"
    if others := [name for name in listed if environment.release_group and not environment.in_release_group(name)]:
        yield f"the outputs have {', '.join(clean(name, 63) for name in others)}, which no release_group entry covers"


def service_names(outputs: Iterable[Output]) -> tuple[str, ...] | None:
    """The Cloud Run services that the outputs list, None where no output does."""
    for _, value in _found(tuple(outputs), _SERVICES):
        names = list(value) if isinstance(value, dict | list) else []
        if names and all(isinstance(name, str) for name in names):
            return tuple(sorted(names))
    return None


def environment_table(environment: Environment, outputs: Iterable[Output]) -> str | None:
    """The table of the configuration that these outputs stand for, to paste; None where they name no project."""
    known = tuple(outputs)
    project, region = _text_of(known, _PROJECT), _text_of(known, _REGION)
    if project is None:
        return None
    lines = [f"[environments.{environment.name}]", f"project = {_quoted(project[1])}"]
    if region is not None:
        lines.append(f"region = {_quoted(region[1])}")
    if services := service_names(known):
        lines.append(f"release_group = [{', '.join(_quoted(name) for name in services)}]")
    return "\n".join(lines)


def _text_of(outputs: tuple[Output, ...], names: tuple[str, ...]) -> tuple[str, str] | None:
    """The first text among outputs of these names, and where it stands."""
    return next(((place, value) for place, value in _found(outputs, names) if isinstance(value, str)), None)


def _found(outputs: tuple[Output, ...], names: tuple[str, ...]) -> Iterator[tuple[str, object]]:
    """What stands under these names: in the output `environment`, which is made for the console, else by itself."""
    by_name = {output.name: output.value for output in outputs if not output.sensitive}
    whole = by_name.get(_WHOLE)
    for name in names:
        if isinstance(whole, dict) and name in whole:
            yield f"{_WHOLE}.{name}", whole[name]
    for name in names:
        if name in by_name:
            yield name, by_name[name]


def _quoted(text: str) -> str:
    return json.dumps(clean(text, 200))
