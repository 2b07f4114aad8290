"""Which image the configuration of a plan names for a resource, as far as a plan tells.

A plan holds expressions only as the names that they refer to, and values only of root variables. So the names are
followed up to the root, and what is collected is the pinned images (`…@sha256:…`) among the values reached. Through a
`local` nothing can be followed; then every pinned image among the root variables counts as possible.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

_PINNED = re.compile(r"[\w./:-]+@sha256:[0-9a-f]{64}", re.ASCII)
_STEP = re.compile(r"module\.(?P<name>[A-Za-z0-9_-]+)(?:\[(?P<index>[^\]]*)\])?\.?")
_KEY = re.compile(r"\[(?P<index>\"[^\"]*\"|\d+)\]$")
_DEEPEST = 20


def named_images(document: Mapping[str, object], address: str) -> frozenset[str] | None:
    """The pinned images that the configuration may mean for a Cloud Run resource; None where none can be found."""
    scopes, rest = _scopes(document, address)
    if scopes is None:
        return None
    search = _Search(_mapping(document.get("variables")), scopes)
    resource = _resource(scopes[-1].module, rest)
    if resource is None:
        return None
    index = _KEY.search(rest)
    own = _Instance(None if index is None else index["index"].strip('"'), resource.get("for_each_expression"))
    for expression in _image_expressions(_mapping(resource.get("expressions")).get("template")):
        search.follow(expression, len(scopes) - 1, own)
    if search.images:
        return frozenset(search.images)
    every = frozenset(_pinned(variable) for variable in _strings(document.get("variables"))) - {""}
    return every or None


@dataclass(frozen=True, slots=True)
class _Scope:
    """A module instance: its configuration, and what its call hands in (the root has none)."""

    module: Mapping[str, object]
    call: Mapping[str, object] | None
    key: str | None


@dataclass(frozen=True, slots=True)
class _Instance:
    """Which instance `each` stands for."""

    key: str | None
    for_each: object


@dataclass
class _Search:
    """Follows names from a module up to the root."""

    variables: Mapping[str, object]
    scopes: list[_Scope]
    images: set[str] = field(default_factory=set)
    _seen: set[tuple[int, str]] = field(default_factory=set)

    def follow(self, expression: object, depth: int, each: _Instance) -> None:
        """Collect what an expression of a scope may evaluate to."""
        if isinstance(expression, list):
            for entry in expression:
                self.follow(entry, depth, each)
            return
        if not isinstance(expression, dict):
            return
        for text in _strings(expression.get("constant_value")):
            self.images |= {_pinned(text)} - {""}
        references = expression.get("references")
        for reference in references if isinstance(references, list) else ():
            if isinstance(reference, str) and (depth, reference) not in self._seen:
                self._seen.add((depth, reference))
                self._resolve(reference, depth, each)

    def _resolve(self, reference: str, depth: int, each: _Instance) -> None:
        parts = reference.split(".")
        if parts[0] == "each":
            self.follow(each.for_each, depth, each)
        if parts[0] != "var" or len(parts) < 2:
            return
        name = parts[1].partition("[")[0]
        scope = self.scopes[depth]
        if scope.call is None:
            value = _mapping(self.variables.get(name)).get("value")
            if isinstance(value, dict) and each.key in value:
                value = value[each.key]
            self.images |= {_pinned(text) for text in _strings(value)} - {""}
            return
        handed = _mapping(scope.call.get("expressions")).get(name)
        if handed is None:
            handed = {"constant_value": _mapping(_mapping(scope.module.get("variables")).get(name)).get("default")}
        self.follow(handed, depth - 1, _Instance(scope.key, scope.call.get("for_each_expression")))


def _scopes(document: Mapping[str, object], address: str) -> tuple[list[_Scope] | None, str]:
    """The modules from the root down to the one of the resource, and the rest of the address."""
    root = _mapping(_mapping(document.get("configuration")).get("root_module"))
    scopes = [_Scope(root, None, None)]
    rest = address
    while found := _STEP.match(rest):
        call = _mapping(_mapping(scopes[-1].module.get("module_calls")).get(found["name"]))
        if not call or len(scopes) > _DEEPEST:
            return None, rest
        key = found["index"]
        scopes.append(_Scope(_mapping(call.get("module")), call, None if key is None else key.strip('"')))
        rest = rest[found.end() :]
    return scopes, rest


def _resource(module: Mapping[str, object], rest: str) -> Mapping[str, object] | None:
    wanted = _KEY.sub("", rest)
    resources = module.get("resources")
    for resource in resources if isinstance(resources, list) else ():
        if isinstance(resource, dict) and resource.get("address") == wanted:
            return resource
    return None


def _image_expressions(template: object) -> Iterator[object]:
    """The expressions of `image` in every container of a template, also of a job's inner one."""
    for block in template if isinstance(template, list) else ():
        yield from _image_expressions(_mapping(block).get("template"))
        containers = _mapping(block).get("containers")
        if isinstance(containers, dict):  # a dynamic block: one expression for all of it
            yield containers.get("image", containers)
        for container in containers if isinstance(containers, list) else ():
            yield _mapping(container).get("image")


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _strings(inner)


def _pinned(text: str) -> str:
    return text if _PINNED.fullmatch(text) else ""


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}
