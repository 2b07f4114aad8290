"""The console in a real terminal: what is painted at each size, the keys of the first minute, and every way to leave.

A console and its simulation take seconds to come up, so each serves many assertions.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from rich.cells import cell_len
from terminal import Terminal, ended

QUIT_WITHIN_S = 3.0
"""A person waits one second at most; a machine that runs other tests beside gets more."""
PANELS = ("Services · 5", "Error budget · 30 days", "Alerts", "Queues", "Spend · June", "Changes")
LIVE = r"[^●\n┃│├┤┬┼┯┨┓]* ● \d+ (s|min|h) [━─]"
"""The rest of a panel's own heading, with a live badge and an age."""
GIVEN_BACK = (b"\x1b[?1049l", b"\x1b[?25h", b"\x1b[?1003l", b"\x1b[?2004l")
"""The normal screen, the cursor, the mouse and pasting."""

on_linux = pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="waiting for another's process needs Linux")
Open = Callable[..., Terminal]


@pytest.fixture
def opened() -> Iterator[Open]:
    terminals: list[Terminal] = []

    def open_console(columns: int, rows: int, **environment: str) -> Terminal:
        terminals.append(Terminal(["prod", "--simulate"], columns, rows, **environment))
        return terminals[-1]

    yield open_console
    for terminal in terminals:
        terminal.close()


def children_of(pid: int) -> list[int]:
    """The processes that any of its threads has started."""
    return [
        int(child) for task in Path(f"/proc/{pid}/task").iterdir() for child in (task / "children").read_text().split()
    ]


def framed(terminal: Terminal, columns: int, rows: int) -> bool:
    """Whether one closed frame stands between the header and the footer, every line as wide as the screen."""
    top, *middle, bottom = (line.rstrip() for line in terminal.lines[2:-1])
    return (
        len(terminal.lines) == rows
        and all(cell_len(line) == columns for line in (*terminal.lines, top, *middle, bottom))
        and top.startswith("┏")
        and top.endswith("┓")
        and bottom.startswith("┗")
        and bottom.endswith("┛")
        and all(line.startswith(("┃", "┠")) and line.endswith(("┃", "┨")) for line in middle)
    )


def says_where_it_is(terminal: Terminal) -> bool:
    """Whether the header names the environment, that it is a simulation, and the time."""
    header = terminal.lines[0]
    return "▌prod▐" in header and "SIMULATED" in header and bool(re.search(r"\b14:\d\d:\d\d", header))


def all_live(terminal: Terminal, panels: tuple[str, ...]) -> bool:
    return all(re.search(re.escape(panel) + LIVE, terminal.text) for panel in panels)


def test_a_person_looks_around_resizes_and_leaves(opened: Open) -> None:
    console = opened(160, 45)

    console.until(lambda: all_live(console, (*PANELS, "api · last hour")), "every panel has live data")
    console.until(lambda: framed(console, 160, 45) and says_where_it_is(console), "the frame is whole")
    console.until_shown("95│5", "$10,000", "forecast $", "extract", "availability 99.9 %", "ci-deployer", "Cloud Run")
    assert not re.search(r"NaN|None|nan\b|\binf\b|loading", console.text)

    console.resize(80, 24)
    console.until(lambda: framed(console, 80, 24), "80x24 is painted anew")
    console.until(lambda: all_live(console, PANELS), "every panel is there at 80x24")
    assert says_where_it_is(console)
    console.resize(60, 16)
    console.until(lambda: framed(console, 60, 16), "60x16 is painted anew")
    assert says_where_it_is(console)
    assert "healthy" in console.lines[0]
    console.resize(160, 45)
    console.until(lambda: framed(console, 160, 45) and all_live(console, PANELS), "it grows back")

    console.send("\r")
    console.until_shown("Revisions · ", "DESIRED", "api-00042-qv9", "canary")
    assert says_where_it_is(console)
    console.send("\x1b")
    console.until(lambda: all_live(console, PANELS), "esc goes back to the fleet")
    console.send("0")
    console.until_shown(
        "environments", "br-dev-4821", "br-stage-4821", "bytereview-prod", "84 % $421 of $500", "pending"
    )
    assert "SIMULATED" in console.lines[0]
    console.send("?")
    console.until_shown("brconsole help", "Keys that work here")
    console.send("\x1b")
    console.until(lambda: "brconsole help" not in console.text, "esc closes help")

    began = time.monotonic()
    console.send("q")
    assert console.until_ended() == 0
    assert time.monotonic() - began < QUIT_WITHIN_S
    after = console.written[console.written.rindex(b"\x1b[?1049l") :]
    assert all(sequence in console.written[-400:] for sequence in GIVEN_BACK)
    assert b"brconsole:" not in after
    assert b"Traceback" not in console.written


@on_linux
def test_closing_the_terminal_ends_the_console_and_its_simulation_in_silence(opened: Open) -> None:
    console = opened(60, 16, NO_COLOR="1")
    console.until(lambda: framed(console, 60, 16) and says_where_it_is(console), "it is painted")
    console.until_shown("worker-extract", "95│5", "spend 42 %")
    colours = re.findall(rb"\x1b\[[0-9;]*?[34]8;2;(\d+);(\d+);(\d+)m", console.written)
    assert all(len(set(rgb)) == 1 for rgb in colours), "without colour everything is grey"
    assert not re.search(rb"\x1b\[[0-9;]*?\b(3[1-6]|4[1-6]|9[1-6])m", console.written)
    (simulation,) = children_of(console.pid)

    console.hang_up()

    assert console.spawned.wait() != 0
    assert ended(simulation), "the simulation outlived the terminal"
    state = Path(os.environ["XDG_STATE_HOME"])
    assert [file for file in state.rglob("*") if file.is_file() and file.stat().st_size] == []


def test_without_utf8_and_on_a_dumb_terminal_it_is_ascii_and_ctrl_c_twice_leaves(opened: Open) -> None:
    console = opened(80, 24, TERM="dumb", LANG="C", LC_ALL="C")
    console.until_shown("[prod]", "SIMULATED", "worker-extract", "95|5", "of $10,000", "Changes . ")
    assert console.text.isascii()
    assert console.written.isascii()
    lines = console.lines
    assert lines[2].startswith("+-") and lines[-2].startswith("+-")  # noqa: PT018
    assert all(line[0] in "|+" and line.rstrip()[-1] in "|+" for line in lines[2:-1])

    console.send("\x03")
    console.until_shown("q quits")
    console.send("\x03")

    assert console.until_ended() == 0
    assert b"Traceback" not in console.written
