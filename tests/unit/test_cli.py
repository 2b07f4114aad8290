"""The command line: what it accepts where, what it says to a mistake, and how it ends."""

from __future__ import annotations

import errno
import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar

import pytest

from brconsole.cli import crash, entry, exit_codes, options, output, root, simulated, snapshot, terminal
from brconsole.cli.failures import CommandError
from brconsole.cli.options import Options, SimulationOptions
from brconsole.cli.session import Session
from brconsole.domain.environment import Environment
from brconsole.domain.fleet import Fleet
from brconsole.domain.freshness import Reading, SourceInfo
from brconsole.wiring import ConnectionOptions

NOW = datetime(2026, 11, 23, 14, 0, tzinfo=UTC)


class Recorded:
    """A stand-in for the connection and the observer: keeps how it was called and shows the fleet it was given."""

    fleet: ClassVar[Fleet]
    seen: ClassVar[list[tuple[Environment, ConnectionOptions]]]


@pytest.fixture
def fleet(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Recorded]]:
    """Make `status` show a fleet without any cloud."""
    Recorded.fleet = Fleet(Environment("prod", "p", "r"), NOW, services=Reading((), NOW), sources=source("services"))
    Recorded.seen = []

    async def observe_once(environment: Environment, connection: Any) -> Fleet:
        Recorded.seen.append((environment, connection.options()))
        return Recorded.fleet

    monkeypatch.setattr(snapshot, "observe_once", observe_once)
    return Recorded  # type: ignore[return-value]


def source(*names: str) -> dict[str, SourceInfo]:
    return {name: SourceInfo(name, "run", 60.0) for name in names}


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch, fleet: type[Recorded]) -> list[Options]:
    """The options in force at each call of a command that begins a session."""
    heard: list[Options] = []
    connection = Session.connection

    @contextmanager
    def listening(self: Session) -> Iterator[Any]:
        heard.append(self.options)
        if self.options.simulate:

            class Simulated:
                simulated = True

                def options(self) -> ConnectionOptions:
                    return ConnectionOptions("127.0.0.1:1", None, 1.0)

            yield Simulated()
        else:
            with connection(self) as real:
                yield real

    monkeypatch.setattr(Session, "connection", listening)
    return heard


# ------------------------------------------------------------------------------------------------------------ options


def test_global_options_mean_the_same_before_and_after_the_subcommand(said: list[Options]) -> None:
    entry.run(["--simulate", "--speed", "60", "status", "prod", "--plain"])
    entry.run(["status", "prod", "--simulate", "--plain", "--speed", "60"])
    assert said[0] == said[1] == Options(simulate=True, simulation=SimulationOptions(speed=60.0))


def test_of_an_option_said_twice_the_later_counts(said: list[Options]) -> None:
    entry.run(["--simulate", "--seed", "1", "status", "prod", "--seed", "2"])
    assert said[0].simulation.seed == 2


def test_an_endpoint_is_taken_from_the_flag_before_the_variable(
    fleet: type[Recorded], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BRCONSOLE_ENDPOINT", "127.0.0.1:7001")
    entry.run(["status", "prod"])
    entry.run(["--endpoint", "127.0.0.1:7003", "status", "prod"])
    assert [options.endpoint for _, options in fleet.seen] == ["127.0.0.1:7001", "127.0.0.1:7003"]
    assert [options.http_endpoint for _, options in fleet.seen] == ["127.0.0.1:7002", "127.0.0.1:7004"]


def test_a_simulation_asked_for_by_flag_counts_more_than_an_endpoint_variable(
    said: list[Options], fleet: type[Recorded], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BRCONSOLE_ENDPOINT", "127.0.0.1:7001")
    assert entry.run(["status", "prod", "--simulate"]) == exit_codes.DONE
    assert fleet.seen[0][1].endpoint == "127.0.0.1:1"


def test_the_scenarios_offered_are_those_that_the_simulation_has() -> None:
    from brconsole.simulation import scenarios

    assert options.SCENARIOS == scenarios.NAMES


# ----------------------------------------------------------------------------------------------------------- mistakes

MISTAKES = [
    (["status", "prdo"], "did you mean prod"),
    (["statsu"], "did you mean “status”"),
    (["prdo"], "did you mean “prod”"),
    (["status"], "Name one of dev, staging, prod"),
    (["status", "prod", "--json", "--plain"], "use one of the two"),
    (["status", "prod", "--simulate", "--endpoint", "127.0.0.1:1"], "does not go with --endpoint"),
    (["--read-only", "status", "prod", "--write"], "contradict"),
    (["status", "prod", "--endpoint", "10.0.0.1:8085"], "127.0.0.1"),
    (["status", "prod", "--endpoint", "localhost"], "--endpoint"),
    (["status", "prod", "--http-endpoint", "127.0.0.1:1"], "--endpoint"),
    (["status", "prod", "--endpoint", "127.0.0.1:65535"], "--http-endpoint"),
    (["status", "prod", "--simulate", "--scenario", "dmo"], "did you mean “demo”"),
    (["status", "prod", "--speed", "2"], "add --simulate"),
    (["status", "prod", "--simulate", "--speed", "0"], "--speed"),
    (["status", "prod", "--simulate", "--start", "noon"], "2026-11-23T14:00:00Z"),
    (["status", "prod", "--config", "/nowhere.toml"], "/nowhere.toml"),
    (["status", "prod", "--nonsense"], "--nonsense"),
    (["prod", "--theme", "bytereview-drak"], "did you mean “bytereview-dark”"),
    (["prod", "dev"], "one word too many"),
    (["simulate", "--simulate"], "neither --simulate"),
    (["config", "shwo"], "show"),
]


@pytest.mark.parametrize(("arguments", "words"), MISTAKES, ids=[" ".join(case[0]) for case in MISTAKES])
def test_a_mistake_ends_with_2_and_says_what_and_what_to_do(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert entry.run(arguments) == exit_codes.USAGE
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith("brconsole: ")
    assert words in told.err
    assert "Traceback" not in told.err
    assert len(told.err.splitlines()) == 1


def test_an_environment_named_like_a_command_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "brconsole.toml"
    file.write_text('[environments.status]\nproject = "project-1"\nregion = "us-central1"\n')
    assert entry.run(["status", "prod", "--config", str(file)]) == exit_codes.USAGE
    assert f"{file}:1" in capsys.readouterr().err


def test_without_a_terminal_the_console_names_the_commands_that_need_none(capsys: pytest.CaptureFixture[str]) -> None:
    assert entry.run(["prod", "--simulate"]) == exit_codes.USAGE
    assert "brconsole status prod" in capsys.readouterr().err


def test_a_hostile_name_is_shown_as_harmless_text(capsys: pytest.CaptureFixture[str]) -> None:
    assert entry.run(["\x1b]0;owned\x07"]) == exit_codes.USAGE
    assert not {"\x1b", "\x07"} & set(capsys.readouterr().err)


# --------------------------------------------------------------------------------------------------------- status, exit


def test_healthy_is_0(fleet: type[Recorded], capsys: pytest.CaptureFixture[str]) -> None:
    assert entry.run(["status", "prod", "--json"]) == exit_codes.DONE
    assert json.loads(capsys.readouterr().out)["health"] == "healthy"


def test_partly_read_is_1_and_says_what_is_missing(fleet: type[Recorded], capsys: pytest.CaptureFixture[str]) -> None:
    fleet.fleet = Fleet(
        Environment("prod", "p", "r"),
        NOW,
        services=Reading((), NOW),
        queues=Reading(error="Monitoring: unavailable (x)", failed_at=NOW),
        slos=Reading(error="Monitoring: unavailable (x)", failed_at=NOW),
        sources=source("services", "queues", "slos"),
    )
    assert entry.run(["status", "prod", "--json"]) == exit_codes.FAILED
    assert capsys.readouterr().err == "brconsole: could not read queues and slos: Monitoring: unavailable (x)\n"


def test_nothing_read_is_5_and_the_json_is_still_there(
    fleet: type[Recorded], capsys: pytest.CaptureFixture[str]
) -> None:
    fleet.fleet = Fleet(
        Environment("prod", "p", "r"), services=Reading().failing("Run: unavailable", None), sources=source("services")
    )
    assert entry.run(["status", "prod", "--json"]) == exit_codes.UNREACHABLE
    told = capsys.readouterr()
    document = json.loads(told.out)
    assert (document["health"], document["services"]) == ("unknown", None)
    assert "Run: unavailable" in told.err


def test_an_unknown_service_is_a_mistake(fleet: type[Recorded], capsys: pytest.CaptureFixture[str]) -> None:
    assert entry.run(["status", "prod", "--service", "apii"]) == exit_codes.USAGE
    assert "service in prod" in capsys.readouterr().err


def test_ctrl_c_is_130_without_a_word(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(snapshot, "observe_once", interrupted)
    assert entry.run(["status", "prod"]) == exit_codes.INTERRUPTED
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.strip() == ""


def test_an_unforeseen_error_is_one_sentence_and_a_private_log_file(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("of all \x1b[2J things")

    monkeypatch.setattr(snapshot, "observe_once", broken)
    assert entry.run(["status", "prod"]) == exit_codes.FAILED
    told = capsys.readouterr().err
    (file,) = crash.log_folder().iterdir()
    assert str(file) in told
    assert len(told.splitlines()) == 1
    assert "\x1b" not in told
    assert "ZeroDivisionError" in file.read_text()
    assert file.stat().st_mode & 0o077 == 0


def test_log_files_do_not_pile_up() -> None:
    folder = crash.log_folder()
    folder.mkdir(parents=True)
    for number in range(30):
        (folder / f"crash-2020010{number:02}.log").write_text("old")
    crash.record(ValueError("new"))
    files = sorted(folder.iterdir())
    assert len(files) == 20
    assert "new" in files[-1].read_text()


def test_a_log_that_cannot_be_written_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    assert "could not be kept" in crash.record(ValueError("boom"))


class Broken(io.StringIO):
    """A stream that fails as a pipe or a disk does."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number

    def write(self, text: str, /) -> int:
        raise OSError(self.number, os.strerror(self.number))


def test_a_full_disk_is_said_and_ends_with_1(
    fleet: type[Recorded], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdout", Broken(errno.ENOSPC))
    assert entry.run(["status", "prod"]) == exit_codes.FAILED
    assert "standard output could not be written: No space left on device" in capsys.readouterr().err


def test_a_reader_that_has_gone_is_no_reason_to_complain(
    fleet: type[Recorded], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdout", Broken(errno.EPIPE))
    assert entry.run(["status", "prod"]) == exit_codes.FAILED
    assert capsys.readouterr().err == ""


def test_a_closed_standard_output_is_said(
    fleet: type[Recorded], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    assert entry.run(["status", "prod"]) == exit_codes.FAILED
    assert "it is closed" in capsys.readouterr().err


def test_a_closed_standard_error_costs_nothing(fleet: type[Recorded], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    assert entry.run(["status", "prdo"]) == exit_codes.USAGE


# ---------------------------------------------------------------------------------------------------- other commands


def test_every_command_has_help_and_its_line_in_the_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert entry.run(["--help"]) == exit_codes.DONE
    listed = capsys.readouterr().out
    for name, command in root.COMMANDS.items():
        assert name in listed
        assert command.help in listed
        assert entry.run([name, "--help"]) == exit_codes.DONE
        assert f"Usage: brconsole {name}" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["info", "themes", "keys"])
def test_commands_about_the_program_itself_speak_json_too(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert entry.run([name]) == exit_codes.DONE
    assert capsys.readouterr().out
    assert entry.run([name, "--json"]) == exit_codes.DONE
    assert json.loads(capsys.readouterr().out)["schema"] == f"brconsole.{name}/1"


def test_info_shows_whose_the_credentials_are_and_no_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "key.json"
    file.write_text('{"type": "service_account", "client_email": "ci@x.iam", "private_key": "hush"}')
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(file))
    entry.run(["info", "--json"])
    told = capsys.readouterr().out
    assert json.loads(told)["credentials"]["account"] == "ci@x.iam"
    assert "hush" not in told


def test_config_show_tells_the_file_and_line_of_each_value(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "brconsole.toml"
    file.write_text('[interface]\ntheme = "mono"\n')
    assert entry.run(["config", "show", "--json", "--config", str(file), "--read-only"]) == exit_codes.DONE
    values = json.loads(capsys.readouterr().out)["values"]
    assert values["interface.theme"] == {"value": "mono", "origin": str(file), "line": 2}
    assert values["read_only"] == {"value": True, "origin": "--read-only", "line": None}
    entry.run(["config", "show", "--config", str(file)])
    assert f"{file}:2" in capsys.readouterr().out


def test_themes_names_a_broken_one_and_ends_with_1(config_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (config_folder / "themes").mkdir()
    (config_folder / "themes" / "mine.toml").write_text("colour = 1")
    assert entry.run(["themes"]) == exit_codes.FAILED
    told = capsys.readouterr()
    assert "bytereview-dark" in told.out
    assert "mine.toml" in told.err


def test_keys_shows_a_persons_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "brconsole.toml"
    file.write_text('[keymap]\n"app.refresh" = "f5"\n')
    assert entry.run(["keys", "--json", "--config", str(file)]) == exit_codes.DONE
    actions = {action["id"]: action for action in json.loads(capsys.readouterr().out)["actions"]}
    assert actions["app.refresh"]["keys"] == ["f5"]


# ------------------------------------------------------------------------------------------------------ import hygiene


def loaded_by(*arguments: str) -> set[str]:
    code = (
        "import sys; from brconsole.cli import session; from brconsole.cli.entry import run;"
        "session.CALL_DEADLINE_S = 0.2; run(sys.argv[1:]); print(' '.join(sys.modules), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL
    )
    return set(done.stderr.split())


def test_help_loads_nothing_heavy() -> None:
    code = "import sys; from brconsole.cli.entry import run; run(['--help']); print(*sys.modules, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    modules = set(done.stderr.split())
    assert "brconsole.cli.root" in modules
    assert not {"textual", "rich", "google", "grpc", "httpx", "msgspec", "asyncio", "brconsole.tui"} & modules


def test_status_and_watch_load_no_textual_and_no_emulator() -> None:
    for command in ("status", "watch"):
        modules = loaded_by(
            command, "prod", "--endpoint", "127.0.0.1:9", *(["--count", "1"] if command == "watch" else [])
        )
        assert "grpc" in modules
        assert not {"textual", "duckdb", "sqlglot", "brconsole.emulator", "brconsole.simulation"} & modules


# ------------------------------------------------------------------------------------------------------------ terminal


@pytest.mark.parametrize(
    ("environ", "ascii_only"),
    [
        ({"LANG": "en_US.UTF-8"}, False),
        ({"LANG": "C"}, True),
        ({"LC_ALL": "C", "LANG": "en_US.UTF-8"}, True),
        ({"LC_CTYPE": "C.UTF-8"}, False),
        ({"LC_CTYPE": "C.UTF-8", "LANG": "C"}, True),
        ({"LANG": "de_DE.ISO-8859-1"}, True),
        ({"LANG": "en_US.UTF-8", "TERM": "dumb"}, True),
    ],
)
def test_the_locale_decides_whether_there_is_more_than_ascii(environ: dict[str, str], ascii_only: bool) -> None:
    assert terminal.standard_output(environ).ascii_only is ascii_only


def test_a_pipe_has_no_colour_and_cuts_nothing() -> None:
    assert terminal.standard_output({}) == terminal.Terminal(False, terminal.PIPED_WIDTH, False, False)
    assert terminal.standard_output({"COLUMNS": "72"}).width == 72


# -------------------------------------------------------------------------------------------------- a child of its own


def child(script: str, **settings: Any) -> simulated.SimulatedConnection:
    return simulated.SimulatedConnection(SimulationOptions(), 1.0, command=(sys.executable, "-c", script), **settings)


ADDRESSES = '{"endpoint": "127.0.0.1:1", "http_endpoint": "127.0.0.1:2"}'


def test_a_simulation_tells_its_addresses_and_ends_when_its_input_does() -> None:
    with child(f"import sys; print('{ADDRESSES}', flush=True); sys.stdin.read()") as connection:
        kept = connection.state_folder
        assert connection.options() == ConnectionOptions("127.0.0.1:1", "127.0.0.1:2", 1.0, kept)
        assert kept.is_dir()
    assert connection.returncode == 0
    assert not kept.exists()


def test_a_simulation_starts_when_it_is_first_needed_and_not_before() -> None:
    with child(f"import sys; print('{ADDRESSES}', flush=True); sys.stdin.read()") as connection:
        assert connection.pid is None
        connection.addresses()
        assert connection.pid is not None
    with child("print('never')") as unused:
        pass
    assert unused.returncode is None
    with pytest.raises(CommandError, match="was ended"):
        unused.start()


def test_a_simulation_that_does_not_end_by_itself_is_ended() -> None:
    script = f"import signal; print('{ADDRESSES}', flush=True); signal.pause()"
    with child(script, stop_deadline_s=0.05) as connection:
        connection.addresses()
    assert connection.returncode is not None
    assert connection.returncode < 0


def test_a_simulation_that_dies_is_told_in_its_own_words() -> None:
    with (
        child("import sys; sys.exit('brconsole: the port is taken.')") as connection,
        pytest.raises(CommandError, match="did not start: the port is taken"),
    ):
        connection.addresses()


def test_a_simulation_that_says_something_else_is_not_believed() -> None:
    with child("print('hello')") as connection, pytest.raises(CommandError, match="other than its addresses"):
        connection.addresses()


def test_a_simulation_that_says_nothing_is_given_up() -> None:
    with (
        child("import sys; sys.stdin.read()", start_deadline_s=0.05) as connection,
        pytest.raises(CommandError, match="in time"),
    ):
        connection.addresses()


def test_the_childs_command_line_carries_every_option() -> None:
    words = simulated.command_line(
        SimulationOptions(60.0, 7, "bad-5xx", datetime(2026, 1, 2, 3, tzinfo=UTC), 80.0, 200)
    )
    text = " ".join(words)
    assert "--speed 60.0 --seed 7 --start 2026-01-02T03:00:00+00:00 --latency 80.0 --services 200" in text
    assert "--scenario bad-5xx" in text
    assert "--scenario demo" in " ".join(simulated.command_line(SimulationOptions()))


def test_the_child_is_told_its_database_and_where_the_project_is_configured() -> None:
    words = simulated.command_line(SimulationOptions(postgres="auto"), Path("/somewhere/brconsole.toml"))
    assert "--postgres auto --config /somewhere/brconsole.toml" in " ".join(words)
    assert "--config" not in simulated.command_line(SimulationOptions(), Path("/somewhere/brconsole.toml"))


def test_output_is_ascii_in_json_and_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    output.write_json({"name": "\u202e\x9b31m\nx"})
    told = capsys.readouterr().out
    assert told.isascii()
    assert told.count("\n") == 1
    assert json.loads(told) == {"name": "\u202e\x9b31m\nx"}


def test_bare_brconsole_is_the_console_and_takes_the_global_options(capsys: pytest.CaptureFixture[str]) -> None:
    assert entry.run(["--simulate"]) == entry.run([]) == exit_codes.USAGE
    assert capsys.readouterr().err.count("the console needs a terminal") == 2


def test_the_help_of_the_console_speaks_of_the_environment(capsys: pytest.CaptureFixture[str]) -> None:
    assert entry.run(["prod", "--help"]) == exit_codes.DONE
    assert "Usage: brconsole" in capsys.readouterr().out


def test_a_call_that_hangs_in_a_thread_does_not_hold_the_program_back() -> None:
    code = """
import threading
from brconsole.cli import entry, main

def run(arguments):
    threading.Thread(target=threading.Event().wait).start()
    return 3

entry.run = run
main()
"""
    assert subprocess.run([sys.executable, "-c", code], timeout=30, check=False).returncode == 3
