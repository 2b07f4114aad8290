"""The way to Terraform: what is run and what never, how it ends, and what a failure says."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from brconsole.integrations import terraform
from brconsole.integrations.terraform import FolderOnDisk, ForbiddenCommandError, SafeTerraform, _Stop
from brconsole.operations.failure import FailureKind, SourceFailure
from plans import change, document, service
from terraform_fakes import calls, fake, root_module

PLAN = document(change(service(), service(instances=3)))
WAIT_S = 20.0


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return root_module(tmp_path / "infra" / "envs" / "staging")


def opened(
    folder: Path, program: Path | str, *, timeout_s: float = 60, grace_s: float = 20, **environ: str
) -> FolderOnDisk:
    """The folder as wiring opens it."""
    settings = {"PATH": os.environ["PATH"], "HOME": os.environ["HOME"], **environ}
    return FolderOnDisk(folder, str(program), timeout_s, settings, folder.parents[2], grace_s=grace_s)


def failure(work: Any) -> SourceFailure:
    with pytest.raises(SourceFailure) as caught:
        asyncio.run(work)
    return caught.value


def until(condition: Callable[[], bool]) -> None:
    """Wait for a condition, in another thread's time."""
    end, nothing = monotonic() + WAIT_S, threading.Event()
    while not condition():
        assert monotonic() < end, "it never came true"
        nothing.wait(0.01)


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    status = Path(f"/proc/{pid}/stat")
    return status.exists() and status.read_text().rpartition(")")[2].split()[0] == "Z"


# -- what is run -------------------------------------------------------------------------------------------------------


def test_a_plan_is_made_without_a_lock_into_a_private_file_that_is_gone_afterwards(
    folder: Path, tmp_path: Path
) -> None:
    (folder / "main.tfvars").write_text("")
    program = fake(tmp_path / "bin", answers={"plan": "", "show": PLAN})
    found = asyncio.run(opened(folder, program).plan())
    assert [one.name for one in found.changes] == ["api"]
    version, plan, show = calls(program)
    assert version["argv"] == ["version", "-json"]
    assert isinstance(plan["argv"], list)
    words = set(plan["argv"])
    assert {"-input=false", "-lock=false", "-refresh=true", "-detailed-exitcode", "-no-color", "-json"} <= words
    assert "-var-file=main.tfvars" in words
    (out,) = (word.removeprefix("-out=") for word in words if word.startswith("-out="))
    assert show["argv"] == ["show", "-json", "-no-color", out]
    assert not Path(out).parent.exists()
    assert plan["cwd"] == str(folder)
    assert plan["stdin"] == ""
    assert plan["tty"] is False


def test_without_a_file_of_variables_none_is_named(folder: Path, tmp_path: Path) -> None:
    program = fake(tmp_path / "bin", answers={"plan": "", "show": PLAN})
    asyncio.run(opened(folder, program).plan())
    assert not any("-var-file" in word for word in calls(program)[1]["argv"])  # type: ignore[attr-defined]


def test_the_environment_holds_what_terraform_needs_and_nothing_that_changes_what_a_look_means(
    folder: Path, tmp_path: Path
) -> None:
    program = fake(tmp_path / "bin", answers={"output": {}})
    (folder.parents[2] / "x.tfrc").write_text("")
    asyncio.run(
        opened(
            folder,
            program,
            TF_CLI_ARGS_plan="-destroy",
            TF_CLI_ARGS="-destroy",
            TF_LOG="TRACE",
            TF_REATTACH_PROVIDERS="{}",
            DATABASE_URL="postgres://secret",
            TF_INPUT="1",
            TF_CLI_CONFIG_FILE="x.tfrc",
            TF_DATA_DIR=".data",
            TF_VAR_image="i",
            GOOGLE_CREDENTIALS='{"type": "service_account"}',
        ).outputs()
    )
    env = calls(program)[1]["env"]
    assert isinstance(env, dict)
    assert not {"TF_CLI_ARGS", "TF_CLI_ARGS_plan", "TF_LOG", "TF_REATTACH_PROVIDERS", "DATABASE_URL"} & set(env)
    assert env["TF_INPUT"] == "0"
    assert env["TF_IN_AUTOMATION"] == env["CHECKPOINT_DISABLE"] == "1"
    assert env["TF_CLI_CONFIG_FILE"] == str(folder.parents[2] / "x.tfrc"), "it is relative to where brconsole runs"
    assert env["TF_DATA_DIR"] == ".data", "it is relative to the folder, as with terraform -chdir"
    assert env["TF_VAR_image"] == "i"
    assert env["GOOGLE_CREDENTIALS"] == '{"type": "service_account"}'


@pytest.mark.parametrize("locked", [True, False])
def test_initialising_never_changes_a_lock_file(folder: Path, tmp_path: Path, locked: bool) -> None:
    if locked:
        (folder / ".terraform.lock.hcl").write_text("")
    program = fake(tmp_path / "bin", answers={"init": ""})
    asyncio.run(opened(folder, program).initialise())
    assert ("-lockfile=readonly" in calls(program)[1]["argv"]) is locked  # type: ignore[operator]


@pytest.mark.parametrize("command", ["apply", "destroy", "import", "state", "state push", "taint", "force-unlock"])
def test_nothing_else_can_be_run(folder: Path, tmp_path: Path, command: str) -> None:
    program = fake(tmp_path / "bin")
    library = SafeTerraform(str(folder), str(program), {}, 10, _Stop())
    with pytest.raises(ForbiddenCommandError):
        library.cmd(command)
    with pytest.raises((ForbiddenCommandError, AttributeError)):
        library.apply() if command == "apply" else library.destroy()
    assert calls(program) == []


def test_a_misspelling_is_no_command_and_no_handler_is_installed(folder: Path, tmp_path: Path) -> None:
    before = list(logging.getLogger().handlers)
    library = SafeTerraform(str(folder), str(fake(tmp_path / "bin")), {}, 10, _Stop())
    with pytest.raises(AttributeError):
        library.outptu()
    assert logging.getLogger().handlers == before


def test_a_broken_state_file_beside_the_configuration_disturbs_nobody(folder: Path, tmp_path: Path) -> None:
    (folder / "terraform.tfstate").write_text("no JSON")
    program = fake(tmp_path / "bin", answers={"output": {}})
    assert asyncio.run(opened(folder, program).outputs()) == ()


def test_variables_in_a_temporary_file_do_not_stay(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    program = fake(tmp_path / "bin", "sys.exit(1)")
    SafeTerraform(str(folder), str(program), {}, 10, _Stop()).cmd("plan", var={"secret": "hush"})
    assert any(word.startswith("-var-file=") for word in calls(program)[0]["argv"])  # type: ignore[attr-defined]
    assert list(temporary.iterdir()) == []


# -- outputs -----------------------------------------------------------------------------------------------------------


def test_a_sensitive_output_leaves_its_value_behind(folder: Path, tmp_path: Path) -> None:
    document = {
        "password": {"sensitive": True, "type": "string", "value": "hunter2"},
        "project_id": {"sensitive": False, "type": "string", "value": "br-stage-4821"},
    }
    found = asyncio.run(opened(folder, fake(tmp_path / "bin", answers={"output": document})).outputs())
    assert "hunter2" not in str(found)
    assert [(one.name, one.sensitive, one.value) for one in found] == [
        ("password", True, None),
        ("project_id", False, "br-stage-4821"),
    ]


@pytest.mark.parametrize("text", ["", "no JSON", "[]", '{"a": {}}', '{"a": 1}', "[" * 50_000])
def test_outputs_that_cannot_be_read_are_a_failure_and_no_empty_list(folder: Path, tmp_path: Path, text: str) -> None:
    found = failure(opened(folder, fake(tmp_path / "bin", answers={"output": text})).outputs())
    assert found.kind is FailureKind.UNREADABLE


# -- what goes wrong ---------------------------------------------------------------------------------------------------


def test_without_the_folder_or_the_program_it_says_what_to_do(folder: Path, tmp_path: Path) -> None:
    program = fake(tmp_path / "bin")
    missing = failure(opened(folder.parent / "prod", program).plan())
    assert (missing.kind, missing.resource) == (FailureKind.NOT_CONFIGURED, "infra/envs/prod")
    assert "[infra] folder" in str(missing)
    (folder.parent / "empty").mkdir()
    assert "holds no Terraform configuration" in str(failure(opened(folder.parent / "empty", program).plan()))
    nothing = failure(opened(folder, "no-such-terraform").plan())
    assert nothing.kind is FailureKind.NOT_CONFIGURED
    assert "install Terraform 1.8 or later" in str(nothing)


def test_an_old_terraform_and_one_that_is_none_are_refused(folder: Path, tmp_path: Path) -> None:
    assert "1.5 is too old" in str(failure(opened(folder, fake(tmp_path / "old", version="1.5.7")).plan()))
    assert "does not answer as Terraform" in str(failure(opened(folder, fake(tmp_path / "x", version="x")).plan()))


@pytest.mark.parametrize(
    ("summary", "detail", "kind", "words"),
    [
        ("Backend initialization required, please run \"terraform init\"", "Reason: …", "not_configured", "--init"),
        ("Module not installed", "Run \"terraform init\" to install all modules", "not_configured", "--init"),
        ("Inconsistent dependency lock file", "google: required by …", "not_configured", "provider is missing"),
        ("Missing required provider", "This configuration requires …", "not_configured", "a provider is missing"),
        ("Error acquiring the state lock", "Error message: conditionNotMet", "conflict", "force-unlock"),
        ("storage.NewClient() failed", "could not find default credentials.", "unauthenticated", "gcloud auth"),
        ("Error when reading", "googleapi: Error 403: permission denied", "permission", "planner"),
        ("Error reading", "dial tcp: lookup run.googleapis.com: no such host", "unavailable", "cannot be reached"),
        ("No value for required variable", "The root module input variable \"image\"", "not_configured", "main.tfvars"),
        ("Unsupported attribute", "This object has no attribute named \"x\".", "invalid", "Unsupported attribute"),
    ],
)  # fmt: skip
def test_a_diagnostic_becomes_a_sentence_with_its_cure(
    folder: Path, tmp_path: Path, summary: str, detail: str, kind: str, words: str
) -> None:
    event = {"type": "diagnostic", "diagnostic": {"severity": "error", "summary": summary, "detail": detail}}
    body = f"if sys.argv[1] == 'plan':\n    print({json.dumps(event)!r}); sys.exit(1)"
    found = failure(opened(folder, fake(tmp_path / "bin", body)).plan())
    assert found.kind == kind
    assert words in str(found)
    assert "infra/envs/staging" in str(found) or found.kind is FailureKind.UNAUTHENTICATED
    assert "\n" not in str(found)


def test_a_place_in_the_configuration_is_named(folder: Path, tmp_path: Path) -> None:
    diagnostic = {
        "severity": "error",
        "summary": "Unsupported argument",
        "detail": "",
        "range": {"filename": "main.tf", "start": {"line": 7}},
    }
    body = f"if sys.argv[1] == 'plan':\n    print({json.dumps({'diagnostic': diagnostic})!r}); sys.exit(1)"
    assert "main.tf:7: Unsupported argument" in str(failure(opened(folder, fake(tmp_path / "bin", body)).plan()))


def test_garbage_in_place_of_a_plan_is_a_failure_and_never_no_drift(folder: Path, tmp_path: Path) -> None:
    for number, answer in enumerate(("", "{", "{}", "no", '{"format_version": "1.2"}')):
        program = fake(tmp_path / f"bin{number}", answers={"plan": "", "show": answer})
        assert failure(opened(folder, program).plan()).kind is FailureKind.UNREADABLE
    silent = failure(opened(folder, fake(tmp_path / "silent", "sys.exit(1)")).plan())
    assert "it said nothing" in str(silent)


def test_hostile_text_from_terraform_is_harmless(folder: Path, tmp_path: Path) -> None:
    body = "sys.stderr.buffer.write(b'\\x1b]0;owned\\x07\\x1b[2J[red]\\xff' + b'x' * 100_000); sys.exit(1)"
    told = str(failure(opened(folder, fake(tmp_path / "bin", body)).plan()))
    assert told.isprintable()
    assert len(told) < 1000


def test_output_without_end_is_cut_off(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(terraform, "LARGEST_BYTES", 2**20)
    found = failure(opened(folder, fake(tmp_path / "bin", "while True: os.write(1, b'x' * 65536)")).plan())
    assert "printed more than 1 MB" in str(found)


# -- time-outs ---------------------------------------------------------------------------------------------------------

STUBBORN = """
signal.signal(signal.SIGINT, lambda *_: (here / "interrupted").write_text("once"))
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
(here / "child").write_text(str(child.pid))
(here / "pid").write_text(str(os.getpid()))
while True: time.sleep(0.05)
"""
POLITE = """
def stop(*_):
    (here / "interrupted").write_text("and its lock given back")
    sys.exit(1)
signal.signal(signal.SIGINT, stop)
(here / "pid").write_text(str(os.getpid()))
while True: time.sleep(0.05)
"""


def pid_in(file: Path) -> int:
    return int(file.read_text() or 0) if file.exists() else 0


@pytest.fixture
def an_hour_passes_once_it_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The time is up as soon as the program stands there, however slow the machine is."""
    monkeypatch.setattr(terraform, "monotonic", lambda: monotonic() + 3600 * bool(pid_in(tmp_path / "bin" / "pid")))


@pytest.mark.usefixtures("an_hour_passes_once_it_runs")
def test_what_takes_too_long_is_interrupted_so_that_it_gives_its_lock_back(folder: Path, tmp_path: Path) -> None:
    program = fake(tmp_path / "bin", POLITE)
    found = failure(opened(folder, program, timeout_s=300).plan())
    assert found.kind is FailureKind.TIMEOUT
    assert "terraform plan was not done within 300 s" in str(found)
    assert "[infra] timeout" in str(found)
    assert (program.parent / "interrupted").read_text() == "and its lock given back"
    assert gone(pid_in(program.parent / "pid"))


@pytest.mark.usefixtures("an_hour_passes_once_it_runs")
def test_what_does_not_obey_is_ended_with_all_that_it_started(folder: Path, tmp_path: Path) -> None:
    program = fake(tmp_path / "bin", STUBBORN)
    assert failure(opened(folder, program, timeout_s=300, grace_s=0.3).plan()).kind is FailureKind.TIMEOUT
    assert (program.parent / "interrupted").exists()
    assert gone(pid_in(program.parent / "pid"))
    child = pid_in(program.parent / "child")
    until(lambda: gone(child))


def test_a_cancelled_look_interrupts_terraform_at_once(folder: Path, tmp_path: Path) -> None:
    program = fake(tmp_path / "bin", POLITE)

    async def cancelled() -> None:
        task = asyncio.create_task(opened(folder, program).plan())
        await asyncio.to_thread(until, lambda: bool(pid_in(program.parent / "pid")))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancelled())
    assert (program.parent / "interrupted").exists()
    assert gone(pid_in(program.parent / "pid"))
