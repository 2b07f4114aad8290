"""The offline Terraform: which ones this machine has, and what they make of a directory."""

from __future__ import annotations

import fcntl
import functools
import hashlib
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import tree

HOME = tree.REPOSITORY / ".venv-infra"
TOOL = Path(__file__).parent / "terraform_offline" / "terraform-offline"
MINIMUM = (1, 8)
TIMEOUT_S = 300

Json = dict[str, Any]


@dataclass(frozen=True)
class Toolchain:
    """One Terraform with one release of the provider's schema."""

    name: str
    home: Path
    terraform: str

    def __str__(self) -> str:
        return self.name

    def run(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        """``terraform-offline ARGUMENTS``; its output says what Terraform says, one line a finding."""
        command = [sys.executable, TOOL, "--home", self.home, "--terraform", self.terraform, *arguments]
        return subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=TIMEOUT_S, cwd=tree.REPOSITORY
        )


def version_of(terraform: str | Path) -> str | None:
    """The version that a Terraform says it is; None where it does not run."""
    try:
        done = subprocess.run([terraform, "version"], capture_output=True, text=True, check=False, timeout=TIMEOUT_S)
    except OSError:
        return None
    found = re.search(r"Terraform v(\d+\.\d+\.\d+)", done.stdout)
    return found[1] if found and done.returncode == 0 else None


@functools.cache
def toolchains() -> dict[str, Toolchain]:
    """``current`` is this machine's Terraform, or the one from PyPI; ``next`` has the provider's next major release.

    ``floor`` is Terraform 1.8; it is absent where this machine's Python has no wheel of it.
    """
    from_pypi = HOME / "terraform" / "terraform-pypi"
    installed = shutil.which("terraform")
    version = version_of(installed) if installed else None
    if version and tuple(int(part) for part in version.split(".")[:2]) >= MINIMUM:
        terraform = str(installed)
    else:
        terraform, version = str(from_pypi), version_of(from_pypi)
    found = {
        "current": Toolchain(f"terraform-{version}-google-7.43", HOME / "terraform", terraform),
        "next": Toolchain(f"terraform-{version}-google-8.7", HOME / "terraform-next", terraform),
    }
    floor = version_of(from_pypi)
    if floor and floor.startswith("1.8."):
        found["floor"] = Toolchain(f"terraform-{floor}-google-7.43", HOME / "terraform", str(from_pypi))
    return found


# -- plans ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Resource:
    """One resource of a plan as it would be afterwards. What only Google knows yet is in ``unknown``."""

    address: str
    type: str
    values: Json
    unknown: Json
    configured: Json

    @property
    def name(self) -> str:
        return str(self.values.get("name") or self.address)

    def get(self, path: str) -> Any:
        """The value at ``a.b.c``, through the first of each list of blocks; None where there is none."""
        return _walk(self.values, path)

    def is_set(self, path: str) -> bool:
        """Whether the configuration gives a value there, be it one that is known only after an apply."""
        if self.get(path) not in (None, "", []):
            return True
        # What Google would fill in is as unknown as a reference: only the configuration tells them apart.
        return _walk(self.unknown, path) is True and _walk(self.configured, path) is not None

    def __str__(self) -> str:
        return self.address


def _walk(value: Any, path: str) -> Any:
    for step in path.split("."):
        if isinstance(value, list):
            value = value[0] if value else None
        if value is True:  # a whole block that is known after the apply
            return True
        if not isinstance(value, dict):
            return None
        value = value.get(step)
    return value


@dataclass(frozen=True)
class Plan:
    """What Terraform would do in one directory, and the state that doing it would leave."""

    name: str
    document: Json
    state: Path
    resources: list[Resource] = field(default_factory=list)

    def of(self, *types: str) -> list[Resource]:
        """The resources of these types; a type may end in ``*``."""
        return [
            resource
            for resource in self.resources
            if any(resource.type.startswith(t[:-1]) if t.endswith("*") else resource.type == t for t in types)
        ]

    def changes(self) -> list[tuple[str, str]]:
        """(address, action) of what is not left as it is."""
        return sorted(
            (change["address"], "-".join(change["change"]["actions"]))
            for change in self.document.get("resource_changes", [])
            if change["change"]["actions"] not in (["no-op"], ["read"])
        )


def variable_file(folder: Path) -> Path | None:
    """The values that a directory is planned with: its own, else the example that its README names."""
    for name in (
        "main.tfvars",
        "terraform.tfvars",
        "example.tfvars",
        "main.tfvars.example",
        "terraform.tfvars.example",
    ):
        if (folder / name).exists():
            return folder / name
    return None


def infra_of(folder: Path) -> Path:
    """The infra/ that a directory belongs to: what its modules' relative addresses stay inside of."""
    return next(parent for parent in folder.parents if parent.name == "infra")


@functools.cache
def plan(folder: Path, state: Path | None = None, *, variables: tuple[str, ...] = ()) -> Plan:
    """The plan of a directory, from nothing or from ``state``; made once for the same files and ``variables``."""
    current = toolchains()["current"]
    kept = HOME / "plans" / _digest(folder, state, variables)
    kept.mkdir(parents=True, exist_ok=True)
    document, left = kept / "plan.json", kept / "state.json"
    with (kept / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # the tests' workers want the same plans at the same time
        if not document.exists():
            making = kept / "making.json"
            arguments: list[str | Path] = ["plan", folder, "--out", making, "--root", infra_of(folder)]
            arguments += ["--state", state] if state else ["--state-out", left]
            values = variable_file(folder)
            arguments += ["--var-file", values] if values else []
            for pair in variables:
                arguments += ["--var", pair]
            done = current.run(*arguments)
            if done.returncode:
                raise AssertionError(f"terraform plan of {folder.name} (schema only):\n{done.stdout}{done.stderr}")
            making.rename(document)
    loaded: Json = json.loads(document.read_text())
    return Plan(" ".join([folder.name, *variables]), loaded, left, list(_resources(loaded)))


def _resources(document: Json) -> Iterator[Resource]:
    for change in document.get("resource_changes", []):
        after = change["change"]["after"]
        if change["mode"] == "managed" and after is not None:
            unknown = change["change"].get("after_unknown") or {}
            configured = _configured(document["configuration"]["root_module"], change["address"])
            yield Resource(change["address"], change["type"], after, unknown, configured)


def _configured(module: Json, address: str) -> Json:
    """The expressions that a resource is configured by; those of a dynamic block are not told."""
    steps = re.sub(r"\[[^\]]*\]", "", address).split(".")
    while steps[0] == "module":
        module = module["module_calls"][steps[1]]["module"]
        steps = steps[2:]
    return next(r.get("expressions", {}) for r in module["resources"] if r["address"] == ".".join(steps))


def _digest(folder: Path, state: Path | None, variables: tuple[str, ...]) -> str:
    digest = hashlib.sha256(str(toolchains()["current"]).encode())
    root = infra_of(folder)
    files = sorted(file for file in root.rglob("*") if file.is_file() and ".terraform" not in file.parts)
    for file in [*files, *sorted(TOOL.parent.glob("*.*")), *([state] if state else [])]:
        digest.update(f"{file.relative_to(root) if file.is_relative_to(root) else file.name}\0".encode())
        digest.update(file.read_bytes())
    digest.update("\0".join([str(folder.relative_to(root)), *variables]).encode())
    return digest.hexdigest()[:24]
