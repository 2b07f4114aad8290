"""What is really loaded, seen from a fresh interpreter: start-up time is part of the interface.

The contracts in pyproject.toml say who may import whom; these tests say what a command pays for.
"""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

import brconsole
from brconsole.operations.migration_ports import JobWriter
from brconsole.operations.ports import TrafficWriter, WriteProbe

_HEAVY = frozenset({"duckdb", "google", "grpc", "httpx", "proto", "requests", "sqlglot", "textual"})
_REPORT = """
import json, sys
{statement}
print("\\n" + json.dumps(sorted({{name.partition(".")[0] for name in sys.modules}} | set(sys.modules))))
"""


def loaded_by(statement: str) -> set[str]:
    """The modules, with their top-level packages, that a fresh interpreter has loaded after a statement."""
    done = subprocess.run(
        [sys.executable, "-c", _REPORT.format(statement=statement)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout.splitlines()[-1]))


def after_command(*arguments: str, statuses: tuple[int, ...] = (0,)) -> set[str]:
    """The modules that a run of the command line has loaded when it ends with one of the exit statuses."""
    return loaded_by(
        f"""
sys.argv = ["brconsole", *{list(arguments)!r}]
from brconsole.cli import main
try:
    main()
except SystemExit as end:
    assert (end.code or 0) in {statuses!r}, end.code
"""
    )


def test_the_package_itself_loads_nothing_but_its_version() -> None:
    loaded = loaded_by("import brconsole; assert brconsole.__version__")
    assert [name for name in loaded if name.startswith("brconsole")] == ["brconsole"]


@pytest.mark.parametrize(
    ("module", "unwanted"),
    [
        ("brconsole.cli", _HEAVY | {"msgspec", "rich"}),
        ("brconsole.config.load", _HEAVY | {"click", "rich", "asyncio"}),
        ("brconsole.simulation.world", _HEAVY | {"click", "rich", "msgspec"}),
        ("brconsole.operations.ports", _HEAVY | {"click", "rich"}),
        ("brconsole.wiring", _HEAVY - {"httpx"} | {"click"}),
        ("brconsole.tui.app", _HEAVY - {"textual"}),
        ("brconsole.emulator", _HEAVY),
        ("brconsole.gcp", _HEAVY),
    ],
)
def test_a_module_loads_nothing_that_it_may_not_need(module: str, unwanted: frozenset[str]) -> None:
    assert loaded_by(f"import {module}") & unwanted == set()


@pytest.mark.parametrize(
    "arguments",
    [
        ("--help",),
        ("--version",),
        ("status", "--help"),
        ("watch", "--help"),
        ("simulate", "--help"),
        ("doctor", "--help"),
        ("infra", "drift", "--help"),
        ("config", "show"),
    ],
)
def test_a_command_that_asks_nobody_loads_neither_clients_nor_screen(arguments: tuple[str, ...]) -> None:
    assert after_command(*arguments) & _HEAVY == set()


def test_the_consoles_process_holds_nothing_of_the_emulator() -> None:
    loaded = loaded_by("import brconsole.cli, brconsole.wiring, brconsole.tui.app")
    assert [name for name in loaded if name.startswith(("brconsole.emulator", "brconsole.simulation"))] == []


def test_a_snapshot_on_the_command_line_loads_no_screen() -> None:
    loaded = after_command("status", "prod", "--simulate", "--json", statuses=(0, 1))
    assert "grpc" in loaded, "the snapshot came over the wire"
    assert "textual" not in loaded
    assert [name for name in loaded if name.startswith("brconsole.emulator")] == []


def test_only_the_gateway_calls_what_writes_to_google() -> None:
    ports = (TrafficWriter, WriteProbe, JobWriter)
    writing = {name for port in ports for name in vars(port) if not name.startswith("_")}
    writing -= {"read", "may_act_as", "conditional"}
    assert writing == {"write", "write_unread", "etag_enforced", "replace", "run", "cancel"}
    shared = {"write", "replace", "run", "cancel"}  # words that others use too: here of a writer
    source = Path(brconsole.__file__).parent
    callers = {
        path.relative_to(source).as_posix()
        for path in source.rglob("*.py")
        if path.parent.name not in ("gcp", "emulator", "simulation")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in writing
        and (node.func.attr not in shared or "writer" in ast.unparse(node.func.value))
    }
    assert callers == {"operations/gateway.py", "operations/gateway_jobs.py"}
