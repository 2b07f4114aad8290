"""Text from outside is data: a server that fills every name, label and message with markup, escape sequences, controls,
bidirectional overrides, combining floods and megabytes changes nothing but the words on the screen.

The server is a bare one, so this also shows that the console works on whatever serves Google's APIs, without an HTTP
side.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest
from plain_google import Served, plain_google
from rich.cells import cell_len
from terminal import Terminal

WITHIN_S = 60
QUIT_WITHIN_S = 3.0
HOSTILE = {
    "markup": "m[bold red]a[/bold red][/][link=file:///etc/passwd]b[/link][@click=app.quit]c[/][",
    "sgr": "s\x1b[31;7mred\x1b[0m",
    "osc": "o\x1b]0;owned\x07\x1b]52;c;b3duZWQ=\x07\x1b]8;;http://evil.example\x1b\\here\x1b]8;;\x1b\\",
    "cursor": "c\x1b[2J\x1b[H\x1b[6n\x1b[1000D\x1b[?1049l\x1bc\x1bP+q544e\x1b\\",
    "c1": "k\x9b31m\x9d0;owned\x9c\x90q\x9c\x85",
    "c0": "z\x00\x07\x08\x0b\x0c\r\n\t\x0e\x7fend",
    "bidi": "b\u202egnp.exe\u202c\u2066iso\u2069\u200f\u061c",
    "hidden": "h\u200bi\u200dd\u2060d\ufeffe\u00adn\u3164\u115f",
    "marks": "q" + "\u0301\u0489\u20dd" * 300,
    "wide": "w漢字ｗｉｄｅ👩\u200d👩\u200d👧🏳\ufe0f\u200d🌈❤\ufe0f🇩🇪",
    "long": "l" + "A" * 1_000_000,
    "long-wide": "L" + "漢" * 300_000,
}
_FOREIGN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]"
)
"""What no line of text may hold; escape sequences of our own are taken out before."""
_FLOOD = re.compile("[\u0300-\u036f\u0483-\u0489\u20d0-\u20f0]{5}")
_STYLE = re.compile(r"\x1b\[[0-9;]*m")
_SCREEN = re.compile(r"\x1b(\[\d+;\d+H|\[\?\d+[hl]|\[[<>=?]?\d*(;\d+)?u|\[\?\d+\$p|\[>\d*[qm]|\]22;[a-z-]*\x07)")
"""What the screen's toolkit itself writes: where a line stands, modes, the keyboard's protocol, questions, the shape of
the mouse pointer."""


def harmless(text: str) -> None:
    """Nothing foreign in a text, and no flood of marks over a letter."""
    found = _FOREIGN.search(text)
    assert found is None, repr(text[max(0, found.start() - 60) : found.end() + 20])
    assert _FLOOD.search(text) is None, "a flood of combining marks"


@pytest.fixture(scope="module")
def google() -> Iterator[Served]:
    with plain_google(list(HOSTILE.values())) as served:
        yield served


@pytest.fixture
def endpoint(google: Served) -> list[str]:
    return google.options


def brconsole(*arguments: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "brconsole", *arguments],
        check=False,
        capture_output=True,
        encoding="utf-8",
        timeout=WITHIN_S,
        stdin=subprocess.DEVNULL,
        env={name: value for name, value in os.environ.items() if not name.startswith(("BRCONSOLE_", "GOOGLE_"))},
    )
    assert "Traceback" not in done.stderr
    harmless(done.stderr)
    return done


def not_a_number(text: str) -> None:
    raise AssertionError(f"{text} is no JSON")


def read(line: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(line, parse_constant=not_a_number)
    return document


def test_status_json_is_valid_and_everything_but_spend_is_read_without_an_http_side(endpoint: list[str]) -> None:
    done = brconsole("status", "prod", "--json", *endpoint)

    harmless(done.stdout)
    document = read(done.stdout)
    assert done.returncode == 1
    assert {source["name"] for source in document["sources"] if source["state"] != "live"} == {"spend"}
    assert document["spend"]["month_to_date"] is None
    error = next(source["error"] for source in document["sources"] if source["name"] == "spend")
    assert error.startswith("BigQuery: ")
    assert len(document["services"]) == len(HOSTILE)
    assert len(done.stdout) < 2_000_000, "a megabyte is cut"


def test_status_plain_and_watch_are_lines_of_harmless_text(endpoint: list[str]) -> None:
    for arguments in (["status", "prod", "--plain"], ["watch", "prod", "--count", "1"]):
        done = brconsole(*arguments, *endpoint)
        assert done.returncode == 1
        assert done.stdout
        harmless(done.stdout)
        assert max(len(line) for line in done.stdout.splitlines()) < 20_000, "a megabyte is cut"


def test_watch_json_is_valid(endpoint: list[str]) -> None:
    done = brconsole("watch", "prod", "--json", "--count", "1", *endpoint)
    harmless(done.stdout)
    assert read(done.stdout)["environment"] == "prod"


def test_the_table_in_a_terminal_stays_within_it(endpoint: list[str]) -> None:
    terminal = Terminal(["status", "prod", *endpoint], 100, 400)
    try:
        assert terminal.until_ended() == 1
    finally:
        terminal.close()
    text = _STYLE.sub("", terminal.written.decode().replace("\r\n", "\n"))
    harmless(text)
    assert max(cell_len(line) for line in text.splitlines()) <= 100
    assert "m[bold red]a[/bold red]" in text, "brackets are text"


def test_the_screens_stay_whole_and_a_server_that_hangs_does_not_keep_anybody() -> None:
    with plain_google(list(HOSTILE.values())) as google:
        _look_around(google)


def _look_around(google: Served) -> None:
    console = Terminal(["prod", *google.options], 160, 45)

    def whole() -> bool:
        lines = [line.rstrip() for line in console.lines[2:-1]]
        return all(line.startswith(tuple("┏┃┠┗╭│╰├")) and cell_len(line) == 160 for line in lines)

    try:
        console.until_shown("▌prod▐", "m[bold red]a", "s�[31;7mred")
        console.until(whole, "the fleet stays aligned")
        for _ in HOSTILE:
            console.send("\r")
            console.until_shown("Revisions · ")
            console.until(whole, "the page of a service stays aligned")
            console.send("\x1b")
            console.until_shown("Services · ")
            console.send("j")
        console.send("0")
        console.until_shown("environments", "BigQuery")
        console.until(whole, "the wall stays aligned")

        google.stall()
        console.send("r")
        console.send("?")
        console.until_shown("brconsole help")
        began = time.monotonic()
        console.send("q")
        assert console.until_ended() == 0
        assert time.monotonic() - began < QUIT_WITHIN_S
    finally:
        console.close()
    harmless(_SCREEN.sub("", _STYLE.sub("", console.written.decode().replace("\r\n", "\n"))))
