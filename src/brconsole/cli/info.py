"""`brconsole info`: versions, folders, credentials and terminal, for a bug report or a puzzled person."""

from __future__ import annotations

import json
import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import click

from brconsole import __version__
from brconsole.cli import crash, output, terminal
from brconsole.cli.options import Command, given, global_options
from brconsole.config import locations
from brconsole.domain.text import clean

INFO_SCHEMA = "brconsole.info/1"
_PACKAGES = ("textual", "rich", "click", "grpcio", "protobuf", "google-cloud-run", "google-cloud-monitoring", "httpx")
_CREDENTIALS_VARIABLE = "GOOGLE_APPLICATION_CREDENTIALS"


@global_options
@click.command(cls=Command)
@click.option("--json", "as_json", is_flag=True, help="One JSON object on one line.")
@click.pass_context
def info(ctx: click.Context, as_json: bool) -> None:
    """Versions, folders, credentials and terminal; asks nobody and shows no secret."""
    facts = _facts(given(ctx).no_color)
    if as_json:
        output.write_json({"schema": INFO_SCHEMA, **facts})
        return
    for section, entries in facts.items():
        output.write(section.capitalize())
        for name, value in entries.items():
            output.write(f"  {name.replace('_', ' '):<24} {clean(_shown(value))}")


def _facts(no_color: bool) -> dict[str, dict[str, object]]:
    project = locations.explicit_file(None, os.environ) or (locations.find_project_file(Path.cwd()), "")
    shown = terminal.standard_output(os.environ, no_color)
    return {
        "versions": {
            "brconsole": __version__,
            "python": platform.python_version(),
            "platform": platform.platform(),
            **{name: _version(name) for name in _PACKAGES},
        },
        "paths": {
            "program": str(Path(__file__).resolve().parent.parent),
            "interpreter": sys.executable,
            "project_file": None if project[0] is None else str(project[0]),
            "user_file": str(locations.user_file()),
            "user_themes": str(locations.user_themes()),
            "built_in_themes": str(locations.built_in_themes()),
            "state": str(locations.state_folder()),
            "log": str(crash.log_folder()),
        },
        "credentials": _credentials(),
        "terminal": {
            "is_terminal": shown.is_terminal,
            "term": os.environ.get("TERM"),
            "colorterm": os.environ.get("COLORTERM"),
            "columns": shown.width if shown.is_terminal else None,
            "encoding": getattr(sys.stdout, "encoding", None),
            "locale": next((os.environ[name] for name in ("LC_ALL", "LC_CTYPE", "LANG") if os.environ.get(name)), None),
            "ascii_only": shown.ascii_only,
            "colour": shown.colour,
        },
    }


def _credentials() -> dict[str, object]:
    """Where Application Default Credentials would be taken from and whose they are; never what they are.

    The order is google-auth's own: the variable, then the file of `gcloud auth application-default login`.
    """
    named = os.environ.get(_CREDENTIALS_VARIABLE)
    folder = os.environ.get("CLOUDSDK_CONFIG") or str(Path.home() / ".config" / "gcloud")
    file = Path(named) if named else Path(folder) / "application_default_credentials.json"
    facts: dict[str, object] = {"file": str(file), "from": _CREDENTIALS_VARIABLE if named else "gcloud", "kind": None}
    try:
        said = json.loads(file.read_text("utf-8"))
    except FileNotFoundError:
        return facts | {"problem": "no such file; log in with: gcloud auth application-default login"}
    except (OSError, ValueError):
        return facts | {"problem": "the file cannot be read as JSON"}
    if not isinstance(said, dict):
        return facts | {"problem": "the file holds no credentials"}
    return facts | {
        "kind": said.get("type"),
        "account": said.get("client_email") or said.get("account") or None,
        "quota_project": said.get("quota_project_id"),
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "none" if value is None else str(value)
