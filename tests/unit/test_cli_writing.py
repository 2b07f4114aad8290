"""The commands that write: refused in read-only mode before anything is read, and never sent without a yes."""

from __future__ import annotations

import asyncio
import io
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import pytest

from brconsole.cli import actor, confirming, entry, exit_codes, modes, output, root
from brconsole.cli.failures import CommandError
from brconsole.cli.options import Options
from brconsole.cli.session import Session
from brconsole.config import load
from brconsole.domain.plan import Confirmation
from brconsole.operations.journal import Journal
from brconsole.operations.modes import WriteMode

NOW = datetime(2026, 11, 23, 14, 0, tzinfo=UTC)

WRITES: dict[str, list[str]] = {
    "traffic": ["prod", "api", "api-00041-abc=100"],
    "release start": ["prod", "api"],
    "release promote": ["prod", "api"],
    "release hold": ["prod", "api"],
    "release resume": ["prod", "api"],
    "release abort": ["prod", "api"],
    "release adopt": ["prod", "api"],
    "release restore": ["prod", "api"],
    "release dismiss": ["prod", "api"],
    "release run": ["prod", "api"],
    "rollback": ["prod", "api"],
    "migrate approve": ["prod", "0123456789ab"],
    "migrate run": ["prod"],
    "migrate cancel": ["prod"],
    "agent": ["prod"],
    "doctor": ["prod", "--probe-writes"],
}
"""Every command that writes, with the least that it needs."""
MORE = {
    "traffic --undo": ["traffic", "prod", "api", "--undo"],
    "rollback --to": ["rollback", "prod", "api", "--to", "api-00040-xyz"],
    "rollback --group": ["rollback", "prod", "--group"],
    "migrate plan --look": ["migrate", "plan", "prod", "--look"],
    "migrate status --look": ["migrate", "status", "prod", "--look"],
    "agent --once": ["agent", "prod", "--once"],
    "release run staging": ["release", "run", "staging", "api"],
    "traffic dev": ["traffic", "dev", "api", "api-00041-abc=100"],
}
READS = {
    "config path", "config show", "gate", "info", "infra drift", "infra outputs", "infra plan", "journal",
    "keys", "migrate check", "migrate plan", "migrate status", "release status",
    "simulate", "status", "themes", "watch",
}  # fmt: skip
RETURNS_TO_STABLE = {"rollback", "release abort"}
CALLS = {**{name: [*name.split(), *words] for name, words in WRITES.items()}, **MORE}


class Opened(Exception):  # noqa: N818 - what a test waits for, no error
    """A command opened the way to the APIs, so it may read."""


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """How often a command asked for the way to the APIs, or for a screen's clients; it never gets it."""
    asked: list[str] = []

    @contextmanager
    def connection(self: Session) -> Iterator[Any]:
        asked.append("connection")
        raise Opened
        yield

    monkeypatch.setattr(Session, "connection", connection)
    return asked


def leaves(command: click.Command, name: str) -> Iterator[str]:
    if isinstance(command, click.Group):
        for child, inner in command.commands.items():
            yield from leaves(inner, f"{name} {child}")
    else:
        yield name


# ------------------------------------------------------------------------------------------------------------- modes


def test_every_command_is_known_to_write_or_to_read() -> None:
    context = click.Context(root.root)
    named = {
        leaf
        for name in root.COMMANDS
        if (command := root.root.get_command(context, name)) is not None
        for leaf in leaves(command, name)
    }
    assert named == READS | set(WRITES)


@pytest.mark.parametrize("words", CALLS.values(), ids=CALLS.keys())
@pytest.mark.parametrize("how", ["flag", "flag before", "variable", "flag over --yes"])
def test_read_only_refuses_every_write_before_anything_is_read(
    words: list[str], how: str, opened: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if how == "variable":
        monkeypatch.setenv("BRCONSOLE_READ_ONLY", "1")
        arguments = words
    elif how == "flag before":
        arguments = ["--read-only", *words]
    else:
        arguments = [*words, "--read-only", *(["--yes"] if how == "flag over --yes" else [])]
    assert entry.run(arguments) == exit_codes.REFUSED
    told = capsys.readouterr()
    assert opened == []
    assert told.out == ""
    assert "read-only" in told.err
    assert len(told.err.splitlines()) == 1
    assert not list(Path(os.environ["XDG_STATE_HOME"]).rglob("journal*"))


@pytest.mark.parametrize("name", WRITES)
def test_prod_opens_read_only_and_lets_only_a_return_to_stable_be_prepared(
    name: str, opened: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    status = entry.run([*CALLS[name], "--yes"])
    if name in RETURNS_TO_STABLE or name == "agent":  # the agent watches there
        assert opened == ["connection"]
    else:
        assert (status, opened) == (exit_codes.REFUSED, [])
        assert "--write" in capsys.readouterr().err


@pytest.mark.parametrize("name", WRITES)
def test_write_opens_what_is_read_only_by_default_also_against_the_variable(
    name: str, opened: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BRCONSOLE_READ_ONLY", "1")
    entry.run([*CALLS[name], "--write", "--yes"])
    assert opened == ["connection"]


@pytest.mark.parametrize("words", [CALLS["traffic"], CALLS["release start"], CALLS["rollback"]])
def test_a_plan_may_always_be_looked_at(words: list[str], opened: list[str]) -> None:
    entry.run([*words, "--dry-run", "--read-only"])
    assert opened == ["connection"]


def test_each_environment_has_a_mode_of_its_own_and_says_whence(tmp_path: Path) -> None:
    file = tmp_path / "brconsole.toml"
    file.write_text("[environments.staging]\nprotected = true\n")
    loaded = load.load(file, {}, tmp_path, {})
    states = {environment.name: modes.open_modes(loaded, environment).state() for environment in loaded.environments()}
    assert {name: state.mode for name, state in states.items()} == {
        "dev": WriteMode.WRITE,
        "staging": WriteMode.READ_ONLY,
        "prod": WriteMode.READ_ONLY,
    }
    assert f"{file}:2" in states["staging"].why
    forbidden = load.load(file, {"BRCONSOLE_READ_ONLY": "yes"}, tmp_path, {})
    assert modes.open_modes(forbidden, loaded.environments()[0]).state().mode is WriteMode.FORBIDDEN
    allowed = load.load(file, {"BRCONSOLE_READ_ONLY": "yes"}, tmp_path, {"read_only": False})
    assert modes.open_modes(allowed, loaded.environment("prod")).state().mode is WriteMode.WRITE


# ---------------------------------------------------------------------------------------------------------- confirming


class Terminal(io.StringIO):
    """A person who types."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("level", "typed", "confirmed"),
    [
        (Confirmation.DIALOG, "y", True),
        (Confirmation.DIALOG, "yes", True),
        (Confirmation.DIALOG, "", False),
        (Confirmation.DIALOG, "n", False),
        (Confirmation.DIALOG, "prod", False),
        (Confirmation.YES_NO, "y", True),
        (Confirmation.TYPED, "prod", True),
        (Confirmation.TYPED, "y", False),
        (Confirmation.TYPED, "", False),
        (Confirmation.TYPED, "PROD", False),
    ],
)
def test_only_the_right_word_at_the_level_of_the_plan_confirms(
    level: Confirmation, typed: str, confirmed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", Terminal(f"{typed}\n"))
    if confirmed:
        assert confirming.confirm(level, "prod", Options(), []).covers(level, "prod")
        return
    with pytest.raises(CommandError, match="not confirmed") as refused:
        confirming.confirm(level, "prod", Options(), [])
    assert refused.value.exit_code == exit_codes.REFUSED


@pytest.mark.parametrize("level", [Confirmation.YES_NO, Confirmation.DIALOG, Confirmation.TYPED])
def test_where_nobody_can_be_asked_nothing_is_confirmed(level: Confirmation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("y\nprod\n"))
    with pytest.raises(CommandError, match=r"--yes|--confirm prod") as refused:
        confirming.confirm(level, "prod", Options(), [])
    assert refused.value.exit_code == exit_codes.REFUSED


def test_yes_stands_for_y_but_never_for_the_name() -> None:
    assert confirming.confirm(Confirmation.DIALOG, "prod", Options(yes=True), []).covers(Confirmation.DIALOG, "prod")
    with pytest.raises(CommandError, match="--confirm prod"):
        confirming.confirm(Confirmation.TYPED, "prod", Options(yes=True), [])
    named = confirming.confirm(Confirmation.TYPED, "prod", Options(yes=True), [], typed="prod")
    assert named.covers(Confirmation.TYPED, "prod")
    assert not named.covers(Confirmation.TYPED, "staging")


def test_a_question_that_is_not_answered_confirms_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", Terminal(""))
    with pytest.raises(CommandError, match="not confirmed"):
        confirming.confirm(Confirmation.DIALOG, "prod", Options(), [])


def test_a_plan_stands_in_columns_and_steers_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    output.show(["  api-00041-abc  100 % →  90 %", "  \x1b[2Jowned\x07"])
    told = capsys.readouterr().err
    assert "  api-00041-abc  100 % →  90 %\n" in told
    assert not {"\x1b", "\x07"} & set(told)


# ------------------------------------------------------------------------------------------------------------- traffic


@pytest.mark.parametrize(
    ("arms", "words"),
    [
        ([], "which split"),
        (["api-00041-abc"], "REVISION=PERCENT"),
        (["api-00041-abc=ten"], "REVISION=PERCENT"),
        (["api-00041-abc=101"], "0 to 100"),
        (["api-00041-abc=-5", "b=105"], "REVISION=PERCENT"),
        (["api-00041-abc=50", "api-00041-abc=50"], "named twice"),
        (["api-00041-abc=60", "api-00042-def=30"], "90 %, not to 100 %: 10 % are missing"),
        (["api-00041-abc=60", "api-00042-def=50"], "10 % are too many"),
        (["api-00041-abc=100", "--undo"], "--undo"),
    ],
)
def test_a_split_that_is_none_is_a_mistake(
    arms: list[str], words: str, opened: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert entry.run(["traffic", "staging", "api", *arms]) == exit_codes.USAGE
    told = capsys.readouterr().err
    assert words in told
    assert opened == []


# -------------------------------------------------------------------------------------------------------------- who


class Named:
    """An access port that tells a name, or fails to."""

    def __init__(self, answer: str | Exception) -> None:
        self._answer = answer

    async def identity(self) -> str:
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer


def test_who_acts_is_googles_account_or_else_the_login_on_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(actor.getpass, "getuser", lambda: "anna")
    monkeypatch.setattr(actor.socket, "gethostname", lambda: "laptop")

    class Cloud:
        access = Named("anna@example.com\x1b[2J")

    assert "\x1b" not in asyncio.run(actor.name_of(Cloud(), None))  # type: ignore[arg-type]
    Cloud.access = Named(ConnectionError("no"))
    assert asyncio.run(actor.name_of(Cloud(), "127.0.0.1:1")) == "anna@laptop"  # type: ignore[arg-type]
    assert asyncio.run(actor.name_of(Cloud(), None)) == "anna@laptop"  # type: ignore[arg-type]


# ------------------------------------------------------------------------------------------------------------ journal


@pytest.fixture
def journal() -> Journal:
    """The journal of this test's user, with one act in it."""
    kept = Journal(Path(os.environ["XDG_STATE_HOME"]) / "brconsole")
    fields = {
        "environment": "prod",
        "service": "api",
        "action": "traffic.shift",
        "who": "anna\x1b[2J",
        "before": {"split": {"api-00041-abc": 100}},
        "after": {"split": {"api-00042-def": 100}},
    }
    intent = kept.append("intent", {**fields, "why": "[red]compare"}, NOW)
    kept.append("outcome", {**fields, "intent": intent.id, "result": "done", "what": "served"}, NOW)
    return kept


def test_the_journal_is_a_time_line_of_intents_and_outcomes(
    journal: Journal, capsys: pytest.CaptureFixture[str]
) -> None:
    assert entry.run(["journal"]) == exit_codes.DONE
    told = capsys.readouterr().out
    first, second = told.splitlines()[1:]
    assert "2026-11-23 14:00:00" in first
    assert "traffic.shift: api-00041-abc 100 % → api-00042-def 100 % ([red]compare)" in first
    assert "✔ done: served" in second
    assert "\x1b" not in told
    assert entry.run(["journal", "--json", "-n", "1", "--env", "prod"]) == exit_codes.DONE
    (line,) = capsys.readouterr().out.splitlines()
    assert json.loads(line)["result"] == "done"
    assert entry.run(["journal", "--env", "staging"]) == exit_codes.DONE
    assert "nothing was written yet to staging" in capsys.readouterr().err


def test_a_chain_that_holds_is_0_and_the_first_broken_entry_is_named(
    journal: Journal, capsys: pytest.CaptureFixture[str]
) -> None:
    assert entry.run(["journal", "--verify"]) == exit_codes.DONE
    assert "the chain holds: 2 entries" in capsys.readouterr().out
    journal.path.write_text(journal.path.read_text().replace("served", "nothing"))
    assert entry.run(["journal", "--verify"]) == exit_codes.FAILED
    assert "broken at line 2" in capsys.readouterr().err
    assert entry.run(["journal", "--verify", "--json"]) == exit_codes.FAILED
    assert json.loads(capsys.readouterr().out)["broken_at"] == 2


def test_what_is_done_behind_an_endpoint_is_journaled_apart(
    journal: Journal, capsys: pytest.CaptureFixture[str]
) -> None:
    assert entry.run(["journal", "--endpoint", "127.0.0.1:8790"]) == exit_codes.DONE
    assert "nothing was written yet" in capsys.readouterr().err
    assert entry.run(["journal", "--simulate"]) == exit_codes.USAGE
