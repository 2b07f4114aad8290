"""The files under test: the repository's own, or the copy that a mutation was made in."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pygohcl

REPOSITORY = Path(__file__).resolve().parents[2]

Json = dict[str, Any]


@functools.cache
def read_hcl(file: Path) -> Json:
    """A .tf file as nested dictionaries; an expression is its source text."""
    content: Json = pygohcl.loads(file.read_text("utf-8"))
    return content


@dataclass(frozen=True)
class Tree:
    root: Path

    @property
    def infra(self) -> Path:
        return self.root / "infra"

    @property
    def modules(self) -> list[Path]:
        return _with_configuration(self.infra / "modules")

    @property
    def environments(self) -> list[Path]:
        return _with_configuration(self.infra / "envs")

    @property
    def roots(self) -> list[Path]:
        """Every directory that a person or a pipeline applies."""
        bootstrap = self.infra / "bootstrap"
        return [*([bootstrap] if any(bootstrap.glob("*.tf")) else []), *self.environments]

    @property
    def directories(self) -> list[Path]:
        return [*self.modules, *self.roots]

    @property
    def scripts(self) -> list[Path]:
        return sorted((self.infra / "scripts").glob("*.sh"))

    @property
    def workflows(self) -> list[Path]:
        return sorted((self.root / ".github" / "workflows").glob("*.y*ml"))

    def environment(self, name: str) -> Path:
        return self.infra / "envs" / name

    def named(self, path: Path) -> str:
        return path.relative_to(self.root).as_posix()


def configuration(folder: Path) -> dict[Path, Json]:
    """Each .tf file of a directory with its content."""
    return {file: read_hcl(file) for file in sorted(folder.glob("*.tf"))}


def blocks(folder: Path, kind: str, *labels: str) -> dict[str, Json]:
    """The blocks of a kind in a directory, by name: ``blocks(folder, "resource", "google_redis_instance")``."""
    found: dict[str, Json] = {}
    for content in configuration(folder).values():
        for outer in listed(content.get(kind)):
            inner = outer
            for label in labels:
                inner = inner.get(label, {})
            found |= inner
    return found


def listed(block: Any) -> list[Any]:
    """A block that may be given once or several times: pygohcl makes a dictionary of one, a list of more."""
    if block is None:
        return []
    return block if isinstance(block, list) else [block]


def _with_configuration(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*") if any(path.glob("*.tf")))
