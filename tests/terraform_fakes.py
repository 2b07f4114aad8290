"""A program called `terraform` that does what a test wants."""

from __future__ import annotations

import json
import stat
import sys
from collections.abc import Mapping
from pathlib import Path

_PROGRAM = """#!{python}
import json, os, signal, subprocess, sys, time
from pathlib import Path

here = Path(__file__).parent
with (here / "calls").open("a") as calls:
    calls.write(json.dumps({{"argv": sys.argv[1:], "env": dict(os.environ), "stdin": sys.stdin.read(),
                             "cwd": os.getcwd(), "tty": os.isatty(1)}}) + "\\n")
if sys.argv[1] == "version":
    print(json.dumps({{"terraform_version": {version!r}}}))
    sys.exit(0)
{body}
"""


def fake(folder: Path, body: str = "", *, version: str = "1.11.4", answers: Mapping[str, object] | None = None) -> Path:
    """The program. `answers` are what a command prints, and then it ends well; `body` is Python and comes first."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = [body]
    for command, answer in (answers or {}).items():
        text = answer if isinstance(answer, str) else json.dumps(answer)
        (folder / f"{command}.answer").write_text(text)
        status = 2 if command == "plan" else 0
        lines.append(
            f"if sys.argv[1] == {command!r}:\n"
            f"    sys.stdout.write((here / {f'{command}.answer'!r}).read_text())\n"
            f"    sys.stdout.flush()\n"
            f"    os._exit({status})"
        )
    program = folder / "terraform"
    program.write_text(_PROGRAM.format(python=sys.executable, version=version, body="\n".join(lines)))
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return program


def calls(program: Path) -> list[dict[str, object]]:
    """How it was called."""
    file = program.parent / "calls"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def root_module(folder: Path) -> Path:
    """A folder that holds a configuration."""
    folder.mkdir(parents=True)
    (folder / "main.tf").write_text("")
    return folder
