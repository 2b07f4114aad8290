"""The console in a real terminal: how it begins and how it ends."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from time import monotonic

import pexpect
import pytest

SCRIPT = """
import sys, threading
sys.path.insert(0, {folder!r})
import samples
from brconsole.tui.app import BrconsoleApp

def hang():  # a call that never comes back, as on a thread of the feeds
    threading.Event().wait()

threading.Thread(target=hang, daemon=True).start()
BrconsoleApp(samples.console(samples.loading())).run()
print("left")
"""


@pytest.fixture
def terminal(tmp_path: Path) -> pexpect.spawn[str]:
    """The console whose backends hang, in a terminal of 80x24."""
    script = tmp_path / "console.py"
    script.write_text(SCRIPT.format(folder=str(Path(__file__).parent)))
    environment = {**os.environ, "TERM": "xterm-256color", "LANG": "C.UTF-8"}
    child: pexpect.spawn[str] = pexpect.spawn(
        sys.executable, [str(script)], dimensions=(24, 80), encoding="utf-8", env=environment, timeout=20
    )
    child.expect("connecting")
    return child


def test_q_leaves_at_once_while_backends_hang(terminal: pexpect.spawn[str]) -> None:
    asked = monotonic()
    terminal.send("q")
    terminal.expect("left")
    terminal.expect(pexpect.EOF)
    assert monotonic() - asked < 3
    terminal.close()
    assert terminal.exitstatus == 0


def test_a_terminal_that_closes_ends_the_console_quietly(terminal: pexpect.spawn[str]) -> None:
    os.close(terminal.child_fd)
    terminal.child_fd = -1
    terminal.closed = True
    terminal.wait()
    assert not terminal.isalive()
    assert terminal.exitstatus == 129 or terminal.signalstatus == 1


def test_a_polite_end_gives_the_terminal_back(terminal: pexpect.spawn[str]) -> None:
    terminal.kill(signal.SIGTERM)
    terminal.expect("left")
    terminal.expect(pexpect.EOF)
    terminal.close()
    assert terminal.exitstatus == 0
