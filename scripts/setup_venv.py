"""Makes the virtual environment that the Makefile's targets run in, and says what it does and how long it takes.

    python scripts/setup_venv.py VENV LOCK [--packages-only]

Standard library only: it runs before anything is installed. Packages come from the lock with their hashes, then the
project itself as an editable install, unless only the packages are wanted. A marker file stands in the folder while it
is being filled; a set-up that finds one (Ctrl+C, a lost connection, a full disk) starts again from nothing, because pip
cannot tell a package of which only half was written.
"""

from __future__ import annotations

import compileall
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

MARKER = ".brconsole-unfinished"
ROOT = Path(__file__).resolve().parent.parent


def say(text: str) -> None:
    print(f"brconsole: {text}", flush=True)


def say_step(text: str) -> None:
    """One of many small steps: on a terminal they share a line, in a log each has its own."""
    if sys.stdout.isatty():
        print(f"\r\x1b[Kbrconsole:   {text}", end="", flush=True)
    else:
        say(f"  {text}")


def interpreter_of(venv: Path) -> Path:
    return venv / "bin" / "python"


def is_usable(venv: Path) -> bool:
    """Whether the folder holds an environment that was finished and whose interpreter still runs."""
    if (venv / MARKER).exists() or not interpreter_of(venv).exists():
        return False
    probe = [interpreter_of(venv), "-c", "import sys; sys.exit(sys.version_info < (3, 11))"]
    return subprocess.run(probe, capture_output=True, check=False).returncode == 0


def create(venv: Path) -> None:
    """A new environment in place of what is there, with pip of its own where this Python can give it one."""
    if venv.exists():
        if not ((venv / "pyvenv.cfg").exists() or (venv / MARKER).exists() or not any(venv.iterdir())):
            sys.exit(f"brconsole: {venv} exists and is no virtual environment; move it away or choose another VENV=")
        shutil.rmtree(venv)
    venv.mkdir(parents=True)
    (venv / MARKER).touch()
    command = [sys.executable, "-m", "venv", str(venv)]
    if not has_ensurepip():
        command.append("--without-pip")
    subprocess.run(command, check=True)


def has_ensurepip() -> bool:
    """False on systems that keep it in a package of its own, such as Debian without python3-venv."""
    try:
        import ensurepip

        ensurepip.version()
    except (ImportError, OSError, IndexError):
        return False
    return True


def pip_of(venv: Path) -> list[str]:
    """pip of the environment; else this Python's, told to install into the environment."""
    inside = interpreter_of(venv)
    probe = subprocess.run([inside, "-c", "import pip"], capture_output=True, check=False)
    if probe.returncode == 0:
        return [str(inside), "-m", "pip"]
    return [sys.executable, "-m", "pip", "--python", str(inside)]


def count_pins(lock: Path) -> int:
    return sum("==" in line and not line.startswith((" ", "#", "-")) for line in lock.read_text("utf-8").splitlines())


def install(pip: list[str], arguments: list[str], total: int) -> None:
    """Run pip with one line per package, so that a slow connection shows where it is."""
    command = [*pip, "install", "--disable-pip-version-check", "--no-input", "--progress-bar", "off", *arguments]
    done = 0
    tail: list[str] = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout is not None  # PIPE was asked for
        for line in process.stdout:
            text = line.strip()
            tail = [*tail[-30:], text]
            if text.startswith(("Collecting ", "Requirement already satisfied: ")):
                done += 1
                name = text.removeprefix("Requirement already satisfied: ").removeprefix("Collecting ").split(" ")[0]
                say_step(f"[{min(done, total):>3}/{total}] {name}")
            elif text.startswith("Installing collected packages"):
                say_step("unpacking")
    if sys.stdout.isatty():
        print(end="\r\x1b[K", flush=True)
    if process.returncode != 0:
        print("\n".join(tail), file=sys.stderr)
        sys.exit(f"brconsole: pip could not install (exit {process.returncode}); the lines above say why")


def main(arguments: list[str]) -> None:
    started = time.monotonic()
    venv, lock = Path(arguments[0]).absolute(), Path(arguments[1])
    version = "{}.{}.{}".format(*sys.version_info[:3])
    if is_usable(venv):
        say(f"bringing {arguments[0]} up to date")
    else:
        say(f"making {arguments[0]} with Python {version}")
        create(venv)
    (venv / MARKER).touch()
    pip = pip_of(venv)
    total = count_pins(lock)
    say(f"installing {total} packages from {lock.name} (pinned, checked by hash)")
    install(pip, ["--require-hashes", "-r", str(lock)], total)
    if "--packages-only" not in arguments:
        say("installing brconsole itself (editable)")
        install(pip, ["--no-deps", "--no-build-isolation", "--editable", str(ROOT)], 1)
        # Where Python is told to write no bytecode, every start would compile the console anew.
        compileall.compile_dir(ROOT / "src", quiet=2)
    (venv / MARKER).unlink()
    say(f"ready in {time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    os.chdir(ROOT)
    try:
        main(sys.argv[1:])
    except KeyboardInterrupt:
        sys.exit("\nbrconsole: set-up interrupted; the next call starts it again")
