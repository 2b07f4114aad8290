"""From the plain values of TOML, flags and variables to the typed schema, with the exact place of every mistake.

`msgspec.convert` on a whole document names neither the key of a dictionary nor the line, so the tables are walked
here and `msgspec` converts the single values.
"""

from __future__ import annotations

import re
import types
import typing
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Literal, NoReturn, TypeVar, Union, get_args, get_origin

import msgspec

from brconsole.config.errors import ConfigError, listed, nearest, shown
from brconsole.config.origins import KeyPath, dotted
from brconsole.config.schema import NOT_IN_FILES

S = TypeVar("S", bound=msgspec.Struct)
Locate = Callable[[KeyPath], str]
"""Says where a key was set, as `file:line`, a flag or an environment variable."""

_EXPECTED = re.compile(r"Expected `(?P<kind>\w+)`(?: (?P<limit>[<>=]+ [\d.]+))?")
_KINDS = {
    "array": "an array",
    "bool": "true or false",
    "float": "a number",
    "int": "a whole number",
    "object": "a table",
    "str": "a text",
}


def convert_table(value: object, kind: type[S], path: KeyPath, locate: Locate) -> S:
    """A table as a struct; raises ConfigError for unknown and missing keys and for values of a wrong type."""
    if not isinstance(value, dict):
        raise ConfigError(f"wrong type of {dotted(path)}", where=locate(path), found=shown(value), allowed="a table")
    fields = _fields(kind)
    for key in value:
        if key not in fields:
            _refuse_unknown(key, fields, path, locate)
    for name, (_, required) in fields.items():
        if required and name not in value:
            raise ConfigError(f"missing key {dotted((*path, name))}", where=locate(path))
    return kind(**{name: _convert(inner, fields[name][0], (*path, name), locate) for name, inner in value.items()})


def _convert(value: object, kind: Any, path: KeyPath, locate: Locate) -> Any:
    if get_origin(kind) in (Union, types.UnionType):
        kinds = [option for option in get_args(kind) if option is not type(None)]
        return None if value is None else _convert(value, kinds[0], path, locate)
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return convert_table(value, kind, path, locate)
    if get_origin(kind) is dict and isinstance(value, dict):
        inner = get_args(kind)[1]
        return {name: _convert(item, inner, (*path, name), locate) for name, item in value.items()}
    if get_origin(kind) is tuple and isinstance(value, list | tuple):
        inner = get_args(kind)[0]
        return tuple(_convert(item, inner, (*path, index), locate) for index, item in enumerate(value))
    try:
        return msgspec.convert(value, kind, strict=True)
    except msgspec.ValidationError as error:
        _refuse_value(value, kind, str(error), path, locate)


def _refuse_unknown(key: str, fields: dict[str, Any], path: KeyPath, locate: Locate) -> NoReturn:
    raise ConfigError(
        f"unknown key {dotted((*path, key))}",
        where=locate((*path, key)),
        allowed=listed(name for name in fields if path or name not in NOT_IN_FILES),
        nearest=nearest(key, fields),
    )


def _refuse_value(value: object, kind: Any, message: str, path: KeyPath, locate: Locate) -> NoReturn:
    what, where = f"bad value of {dotted(path)}", locate(path)
    if get_origin(kind) is Literal:
        names = [str(name) for name in get_args(kind)]
        guess = nearest(value, names) if isinstance(value, str) else None
        raise ConfigError(what, where=where, found=shown(value), allowed=listed(names), nearest=guess)
    constraints = [m for m in get_args(kind)[1:] if isinstance(m, msgspec.Meta)]
    expected = _EXPECTED.search(message)
    allowed = _KINDS.get(expected["kind"], expected["kind"]) if expected else message
    for meta in constraints:
        allowed += _limits(meta)
    raise ConfigError(what, where=where, found=shown(value), allowed=allowed)


def _limits(meta: msgspec.Meta) -> str:
    if meta.ge is not None and meta.le is not None:
        return f" from {meta.ge} to {meta.le}"
    text = "" if meta.gt is None else f" above {meta.gt}"
    return text if meta.le is None else f"{text} and at most {meta.le}"


@lru_cache
def _fields(kind: type[msgspec.Struct]) -> dict[str, tuple[Any, bool]]:
    """The type of each field, and whether it must be given."""
    hints = typing.get_type_hints(kind, include_extras=True)
    return {field.name: (hints[field.name], field.required) for field in msgspec.structs.fields(kind)}
