"""Terraform through python-terraform 0.10.1, to look and never to touch.

The library dates from 2019 and has traps (reference: infra and pipelines §9), so only its building of command lines is
used. Of Terraform itself only `version`, `init`, `plan`, `show` and `output` can be run from here; every call has a
time limit, no terminal and an environment of its own. Terraform 1.8 and later.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import IO, Any

from python_terraform import IsFlagged, Terraform  # type: ignore[import-untyped]  # it has no types

from brconsole.domain.infra_outputs import Output
from brconsole.domain.terraform_plan import TerraformPlan, UnreadablePlanError, loads
from brconsole.domain.text import clean
from brconsole.operations.failure import FailureKind, SourceFailure

API = "Terraform"
SAFE = frozenset({"version", "init", "plan", "show", "output"})
"""All that may be run. None of them changes the infrastructure or the state."""
VAR_FILE = "main.tfvars"
LOCK_FILE = ".terraform.lock.hcl"
OLDEST = (1, 8)
LARGEST_BYTES = 128 * 2**20
"""Of what a call may print; a plan of a large environment has a few megabytes."""
GRACE_S = 20.0
"""An interrupted Terraform gets so long to stop its providers and to give its lock back."""
CLOSE_S = 2.0
"""What a dead Terraform's providers may still hold open is waited for so long."""
_POLL_S = 0.05
_ASKED_S = 10.0

_PASSED = frozenset(
    {
        "ALL_PROXY", "CLOUDSDK_CONFIG", "CLOUDSDK_CORE_PROJECT", "HOME", "HTTPS_PROXY", "HTTP_PROXY", "LANG", "LC_ALL",
        "LC_CTYPE", "LOGNAME", "NO_PROXY", "PATH", "SSL_CERT_DIR", "SSL_CERT_FILE", "TF_CLI_CONFIG_FILE", "TF_DATA_DIR",
        "TF_PLUGIN_CACHE_DIR", "TF_PLUGIN_CACHE_MAY_BREAK_DEPENDENCY_LOCK_FILE", "TF_WORKSPACE", "TMPDIR", "TZ", "USER",
        "XDG_CONFIG_HOME", "XDG_DATA_DIRS", "XDG_DATA_HOME", "all_proxy", "http_proxy", "https_proxy", "no_proxy",
    }
)  # fmt: skip
_PASSED_PREFIXES = ("GOOGLE_", "TF_TOKEN_", "TF_VAR_")
"""What Terraform and Google's provider need of the caller's environment. Not among it: TF_CLI_ARGS*, which could turn a
look into something else (`-destroy`, `-target`, `-refresh=false`), TF_LOG*, which writes requests with their tokens,
and TF_REATTACH_PROVIDERS, which puts another process in a provider's place.
"""
_FILES = ("GOOGLE_APPLICATION_CREDENTIALS", "GOOGLE_CREDENTIALS", "TF_CLI_CONFIG_FILE", "TF_PLUGIN_CACHE_DIR")
"""Paths that are relative to where brconsole was called, and Terraform runs in the folder."""
_FIXED = {"TF_IN_AUTOMATION": "1", "TF_INPUT": "0", "CHECKPOINT_DISABLE": "1"}


class ForbiddenCommandError(Exception):
    """A Terraform command that brconsole does not run."""


@dataclass(eq=False)
class _Stop:
    """The way to end a running Terraform from another thread."""

    asked: threading.Event = field(default_factory=threading.Event)
    _process: subprocess.Popen[bytes] | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self) -> None:
        """Interrupt it at once; whoever waits for it ends it for good where that is not enough."""
        self.asked.set()
        self.interrupt()

    def interrupt(self) -> None:
        """Ask the process to stop, once: a second time would end it at once, with the lock kept."""
        with self._lock:
            process, self._process = self._process, None
        if process is not None and process.poll() is None:
            process.send_signal(signal.SIGINT)

    def watch(self, process: subprocess.Popen[bytes] | None) -> None:
        """The process that is meant from now on."""
        with self._lock:
            self._process = process


class _TooLongError(Exception):
    """The time is up."""


class _TooMuchError(Exception):
    """It printed more than can be meant."""


class _StoppedError(Exception):
    """Nobody waits for the answer any more."""


class SafeTerraform(Terraform):  # type: ignore[misc]  # the base has no types
    """The library with its one way to a process replaced: every method of it ends in `cmd`."""

    def __init__(
        self,
        working_dir: str,
        program: str,
        environ: Mapping[str, str],
        timeout_s: float,
        stop: _Stop,
        grace_s: float = GRACE_S,
    ) -> None:
        super().__init__(working_dir=working_dir, terraform_bin_path=program)
        self._environ = dict(environ)
        self._timeout_s = timeout_s
        self._grace_s = grace_s
        self._stop = stop

    def __getattr__(self, item: str) -> Any:
        """No command by accident: in the library a misspelling runs as one, by way of the root logger."""
        raise AttributeError(item)

    def read_state_file(self, file_path: str | None = None) -> None:
        """Never: the state holds secrets in clear, and nothing here needs it."""

    def cmd(self, cmd: str, *args: str, **kwargs: Any) -> tuple[int, str, str]:
        """Run a command; its status and what it printed. Only a safe command runs."""
        if cmd not in SAFE:
            raise ForbiddenCommandError(f"terraform {cmd}")
        try:
            return self._run(self.generate_cmd_string(cmd, *args, **kwargs))
        finally:
            self.temp_var_files.clean_up()

    def _run(self, command: Sequence[str]) -> tuple[int, str, str]:
        process = subprocess.Popen(
            command,
            cwd=self.working_dir,
            env=self._environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            # A session of its own has no terminal to ask on, and a Ctrl+C reaches it once: the second ends it at once,
            # with the lock kept.
            start_new_session=True,
        )
        assert process.stdout is not None
        assert process.stderr is not None
        self._stop.watch(process)
        output, errors = _Drain(process.stdout), _Drain(process.stderr)
        try:
            self._wait(process, (output, errors))
        except BaseException:
            self._end(process)
            raise
        finally:
            self._stop.watch(None)
            if not (output.close() and errors.close()):
                _kill_group(process)  # a provider outlived Terraform
        return process.returncode, output.text(), errors.text()

    def _wait(self, process: subprocess.Popen[bytes], drains: Sequence[_Drain]) -> None:
        until = monotonic() + self._timeout_s
        while True:
            try:
                process.wait(_POLL_S)
                return
            except subprocess.TimeoutExpired:
                pass
            if self._stop.asked.is_set():
                raise _StoppedError
            if any(drain.overflowed for drain in drains):
                raise _TooMuchError
            if monotonic() >= until:
                raise _TooLongError

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        """Ask it to stop, so that it gives its lock back; then end it with all that it started."""
        self._stop.interrupt()
        try:
            process.wait(self._grace_s)
        except subprocess.TimeoutExpired:
            pass
        finally:
            _kill_group(process)
            process.wait()


class _Drain:
    """Reads a pipe to its end in a thread, keeping a bounded part."""

    def __init__(self, pipe: IO[bytes]) -> None:
        self._pipe = pipe
        self._parts: list[bytes] = []
        self._size = 0
        self.overflowed = False
        self._thread = threading.Thread(target=self._read, name="brconsole-terraform", daemon=True)
        self._thread.start()

    def _read(self) -> None:
        try:
            while part := os.read(self._pipe.fileno(), 65_536):
                self._size += len(part)
                if self._size > LARGEST_BYTES:
                    self.overflowed = True
                else:
                    self._parts.append(part)
        except (OSError, ValueError):  # closed meanwhile
            return

    def close(self) -> bool:
        """Take what is left; False where somebody else still holds the other end open."""
        self._thread.join(CLOSE_S)
        if self._thread.is_alive():
            return False
        self._pipe.close()
        return True

    def text(self) -> str:
        """Everything that was read."""
        return b"".join(self._parts).decode("utf-8", "replace")


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    """End a process and all that it started; its session is its own."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


def environment_for_terraform(environ: Mapping[str, str], cwd: Path) -> dict[str, str]:
    """The environment of a call: what Terraform needs of the caller's, and that nobody is there to answer."""
    kept = {name: value for name, value in environ.items() if name in _PASSED or name.startswith(_PASSED_PREFIXES)}
    for name in _FILES:
        value = kept.get(name, "")
        if value and not value.lstrip().startswith("{"):  # GOOGLE_CREDENTIALS may be the key itself
            there = cwd / Path(value).expanduser()
            kept[name] = str(there) if there.exists() else value
    return {**kept, **_FIXED}


class FolderOnDisk:
    """A `TerraformFolder`."""

    def __init__(
        self,
        folder: Path,
        program: str,
        timeout_s: float,
        environ: Mapping[str, str],
        cwd: Path,
        *,
        grace_s: float = GRACE_S,
    ) -> None:
        self.folder = _shown(folder, cwd)
        self._path = folder
        self._program = program
        self._timeout_s = timeout_s
        self._environ = environment_for_terraform(environ, cwd)
        self._grace_s = grace_s
        self._usable = False

    async def initialise(self) -> None:
        """`terraform init`. With a lock file, providers other than those in it are refused."""
        await self._checked()
        options: dict[str, Any] = {"input": False, "no_color": IsFlagged, "lock_timeout": "60s"}
        if (self._path / LOCK_FILE).exists():
            options["lockfile"] = "readonly"
        status, output, errors = await self._call("init", **options)
        if status:
            raise self._failure("init", _told(output, errors))

    async def plan(self) -> TerraformPlan:
        """`terraform plan` into a private file, and `terraform show -json` of it."""
        await self._checked()
        with tempfile.TemporaryDirectory(prefix="brconsole-plan-") as private:  # a plan holds secrets: mode 0700
            file = Path(private) / "plan"
            options: dict[str, Any] = {
                "input": False,
                "lock": False,
                "refresh": True,
                "detailed_exitcode": IsFlagged,
                "no_color": IsFlagged,
                "json": IsFlagged,
                "out": str(file),
            }
            if (self._path / VAR_FILE).exists():
                options["var_file"] = VAR_FILE
            status, output, errors = await self._call("plan", **options)
            if status not in (0, 2):
                raise self._failure("plan", _told(output, errors))
            status, output, errors = await self._call("show", str(file), json=IsFlagged, no_color=IsFlagged)
        if status:
            raise self._failure("show", _told(output, errors))
        try:
            return await asyncio.to_thread(loads, output)
        except UnreadablePlanError as error:
            raise SourceFailure(
                FailureKind.UNREADABLE, API, self.folder, f"the plan cannot be read: {error}", remedy=_AGE_REMEDY
            ) from None

    async def outputs(self) -> tuple[Output, ...]:
        """`terraform output -json`; what is sensitive loses its value here."""
        await self._checked()
        status, output, errors = await self._call("output", json=IsFlagged, no_color=IsFlagged)
        if status:
            raise self._failure("output", _told(output, errors))
        try:
            document = json.loads(output)
            return tuple(_output(name, entry) for name, entry in sorted(document.items()))
        except (ValueError, AttributeError, KeyError, TypeError, RecursionError):
            raise SourceFailure(
                FailureKind.UNREADABLE, API, self.folder, "the outputs are not the JSON that Terraform prints",
                remedy=_AGE_REMEDY,
            ) from None  # fmt: skip

    # -- calls --------------------------------------------------------------------------------------------------------

    async def _checked(self) -> None:
        """The folder and the program are there, and the program is not too old. Found out once."""
        if self._usable:
            return
        if not self._path.is_dir():
            raise SourceFailure(
                FailureKind.NOT_CONFIGURED,
                API,
                self.folder,
                "there is no such folder",
                remedy='name it in the configuration: [infra] folder = "infra/envs/{environment}"',
            )
        if not any(self._path.glob("*.tf")) and not any(self._path.glob("*.tf.json")):
            raise SourceFailure(
                FailureKind.NOT_CONFIGURED, API, self.folder, "the folder holds no Terraform configuration",
                remedy="name the environment's root module in the configuration ([infra] folder)",
            )  # fmt: skip
        found = shutil.which(self._program, path=self._environ.get("PATH"))
        if found is None:
            raise SourceFailure(
                FailureKind.NOT_CONFIGURED,
                API,
                clean(self._program, 200),
                "the program is not installed",
                remedy="install Terraform 1.8 or later, or name it in the configuration ([infra] terraform)",
            )
        self._program = found
        status, output, _ = await self._call("version", timeout_s=min(_ASKED_S, self._timeout_s), json=IsFlagged)
        version = _version(output) if status == 0 else None
        if version is None:
            raise SourceFailure(
                FailureKind.UNREADABLE,
                API,
                clean(self._program, 200),
                "it does not answer as Terraform does when asked for its version",
                remedy="look at what is installed under that name",
            )
        if version < OLDEST:
            raise SourceFailure(
                FailureKind.NOT_CONFIGURED,
                API,
                clean(self._program, 200),
                f"version {version[0]}.{version[1]} is too old",
                remedy="install Terraform 1.8 or later",
            )
        self._usable = True

    async def _call(
        self, command: str, *args: str, timeout_s: float | None = None, **options: Any
    ) -> tuple[int, str, str]:
        stop = _Stop()
        limit_s = self._timeout_s if timeout_s is None else timeout_s
        terraform = SafeTerraform(str(self._path), self._program, self._environ, limit_s, stop, self._grace_s)
        try:
            return await asyncio.to_thread(terraform.cmd, command, *args, **options)
        except asyncio.CancelledError:
            stop()
            raise
        except _TooLongError:
            raise SourceFailure(
                FailureKind.TIMEOUT,
                API,
                self.folder,
                f"terraform {command} was not done within {limit_s:.0f} s and was interrupted",
                remedy="a larger limit is [infra] timeout in the configuration",
            ) from None
        except _TooMuchError:
            raise SourceFailure(
                FailureKind.UNREADABLE, API, self.folder,
                f"terraform {command} printed more than {LARGEST_BYTES // 2**20} MB and was interrupted",
            ) from None  # fmt: skip
        except OSError as error:
            raise SourceFailure(
                FailureKind.NOT_CONFIGURED,
                API,
                clean(self._program, 200),
                f"it cannot be run: {clean(error.strerror or type(error).__name__, 200).lower()}",
                remedy="see [infra] terraform in the configuration",
            ) from None

    def _failure(self, command: str, told: str) -> SourceFailure:
        """What Terraform said, as a sentence that ends in what to do."""
        for pattern, kind, reason, remedy in _FAILURES:
            if pattern.search(told):
                return SourceFailure(
                    kind, API, self.folder, reason.format(command=command), remedy=remedy.format(folder=self.folder)
                )
        first = clean(told, 400).rstrip(".") or "it said nothing"
        return SourceFailure(FailureKind.INVALID, API, self.folder, f"terraform {command} failed: {first}")


_AGE_REMEDY = "brconsole reads what Terraform 1.8 and later print"
_INIT = "run “terraform -chdir={folder} init”, or “brconsole infra drift” with --init"
_FAILURES: tuple[tuple[re.Pattern[str], FailureKind, str, str], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), kind, reason, remedy)
    for pattern, kind, reason, remedy in (
        (
            r"acquir\w+ the state lock",
            FailureKind.CONFLICT,
            "somebody holds the lock of the state",
            "wait for their apply; a lock that a dead process left is given back with “terraform force-unlock”",
        ),
        (
            r"could not find default credentials|application default credentials|invalid_grant|reauth"
            r"|token (?:has )?expired|oauth2: ",
            FailureKind.UNAUTHENTICATED,
            "there are no Google credentials that it could use",
            "run “gcloud auth application-default login”",
        ),
        (
            r"error 403|permission_?denied|does not have .* (?:permission|access)|accessdenied",
            FailureKind.PERMISSION,
            "Google refused: a permission is missing",
            "the read-only planner of the environment has what a plan needs; see docs/infra.md",
        ),
        (
            r"backend initialization required|initial configuration of the requested backend|module not installed"
            r"|module (?:source|version) has changed|please run \"?terraform init|run \"?terraform init",
            FailureKind.NOT_CONFIGURED,
            "the folder is not initialised",
            _INIT,
        ),
        (
            r"missing required provider|required plugins are not installed|inconsistent dependency lock file"
            r"|no package for registry|failed to (?:query available|install) provider|unavailable provider"
            r"|failed to instantiate provider|provider registry|could not load (?:the )?(?:schema|plugin)",
            FailureKind.NOT_CONFIGURED,
            "a provider is missing or is not the one of the lock file",
            _INIT,
        ),
        (
            r"no value for required variable",
            FailureKind.NOT_CONFIGURED,
            "a variable has no value",
            f"set it in {VAR_FILE} of {{folder}}, or as TF_VAR_… in the environment",
        ),
        (
            r"unsupported terraform core version",
            FailureKind.NOT_CONFIGURED,
            "the configuration asks for another version of Terraform",
            "install that one, or name it in the configuration ([infra] terraform)",
        ),
        (
            r"no such host|connection refused|i/o timeout|network is unreachable|tls handshake|deadline exceeded",
            FailureKind.UNAVAILABLE,
            "Google or the state's bucket cannot be reached",
            "try again when the network is there",
        ),
    )
)


def _told(output: str, errors: str) -> str:
    """What went wrong: the diagnostics where Terraform gave them as JSON, else what it printed."""
    told = []
    for line in output.splitlines():
        try:
            event = json.loads(line)
        except (ValueError, RecursionError):
            continue
        diagnostic = event.get("diagnostic") if isinstance(event, dict) else None
        if isinstance(diagnostic, dict) and diagnostic.get("severity") == "error":
            place = diagnostic.get("range")
            where = ""
            if isinstance(place, dict) and isinstance(place.get("start"), dict):
                where = f"{place.get('filename')}:{place['start'].get('line')}: "
            told.append(f"{where}{diagnostic.get('summary', '')}: {diagnostic.get('detail', '')}")
    return "\n".join(told) if told else _plain(errors) or _plain(output)


def _plain(text: str) -> str:
    """A message of Terraform without its frame."""
    return re.sub(r"\x1b\[[0-9;]*m|[╷│╵]", "", text).replace("Error: ", "", 1).strip()


def _output(name: str, entry: Any) -> Output:
    sensitive = entry["sensitive"] is not False
    return Output(name, None if sensitive else entry["value"], sensitive)


def _version(output: str) -> tuple[int, int] | None:
    try:
        found = re.match(r"(\d+)\.(\d+)", json.loads(output)["terraform_version"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return None if found is None else (int(found[1]), int(found[2]))


def _shown(folder: Path, cwd: Path) -> str:
    return str(folder.relative_to(cwd)) if folder.is_relative_to(cwd) and folder != cwd else str(folder)
