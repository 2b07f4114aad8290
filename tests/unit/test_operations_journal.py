"""The journal: its chain, a torn last line, two processes, a full disk, and what never stands in it."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from release_fakes import START

from brconsole.operations import journal as module
from brconsole.operations.journal import CUT, GENESIS, INTENT, OUTCOME, Journal, JournalFailure, harmless

FIELDS: dict[str, object] = {
    "environment": "prod",
    "service": "api",
    "who": "operator@example.com",
    "why": "canary looks well",
    "what": "api-00042-def 5 → 50 %",
    "before": {"split": {"api-00041-abc": 95, "api-00042-def": 5}},
    "after": {"split": {"api-00041-abc": 50, "api-00042-def": 50}},
}


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "state")


def test_entries_are_chained_and_read_back_as_written(journal: Journal) -> None:
    first = journal.append(INTENT, FIELDS, START)
    second = journal.append(OUTCOME, {**FIELDS, "intent": first.id, "result": "done"}, START)
    assert first.document["previous"] == GENESIS
    assert second.document["previous"] == first.document["hash"]
    assert [entry.id for entry in journal.entries("prod", "api")] == [first.id, second.id]
    assert list(journal.entries("staging")) == []
    assert second.split_after == {"api-00041-abc": 50, "api-00042-def": 50}
    assert second.at == START
    assert journal.verify().broken_at is None
    assert journal.verify().entries == 2


def test_a_journal_that_was_never_written_is_empty_and_whole(journal: Journal) -> None:
    assert list(journal.entries()) == []
    assert journal.verify().broken_at is None
    assert journal.unsent("prod", 10) == ([], 0)


@pytest.mark.parametrize("tampering", ["changed", "removed", "moved", "garbage"])
def test_what_was_changed_afterwards_is_found(journal: Journal, tampering: str) -> None:
    for number in range(4):
        journal.append(INTENT, {**FIELDS, "number": number}, START)
    lines = journal.path.read_bytes().splitlines(keepends=True)
    match tampering:
        case "changed":
            lines[1] = lines[1].replace(b"operator@", b"somebody@")
        case "removed":
            del lines[1]
        case "moved":
            lines[1], lines[2] = lines[2], lines[1]
        case "garbage":
            lines[1] = b"\xff\x00 no entry\n"
    journal.path.write_bytes(b"".join(lines))
    assert journal.verify().broken_at == 2


@given(kept=st.integers(min_value=0, max_value=400))
def test_a_line_that_a_crash_cut_off_is_kept_as_what_it_is(kept: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    journal = Journal(tmp_path_factory.mktemp("state"))
    journal.append(INTENT, FIELDS, START)
    whole = journal.path.read_bytes()
    journal.append(OUTCOME, FIELDS, START)
    line = journal.path.read_bytes()[len(whole) :]
    rest = line[: min(kept, len(line) - 2)]
    journal.path.write_bytes(whole + rest)
    journal.append(INTENT, {**FIELDS, "number": 3}, START)
    verified = journal.verify()
    assert (verified.broken_at, verified.cut) == (None, 1 if rest else 0)
    cut = [entry for entry in journal.entries() if entry.kind == CUT]
    assert [entry.document["what"] for entry in cut] == (
        [f"a line of {len(rest)} bytes was cut off, by a crash or a full disk"] if rest else []
    )


def test_an_entry_that_lost_only_its_line_end_stays_an_entry(journal: Journal) -> None:
    journal.append(INTENT, FIELDS, START)
    last = journal.append(OUTCOME, FIELDS, START)
    journal.path.write_bytes(journal.path.read_bytes()[:-1])
    journal.append(INTENT, FIELDS, START)
    assert journal.verify().broken_at is None
    assert (journal.verify().entries, journal.verify().cut) == (3, 0)
    assert last.id in {entry.id for entry in journal.entries()}


def test_a_file_that_is_no_journal_is_not_written_over(journal: Journal) -> None:
    journal.path.parent.mkdir()
    journal.path.write_text("a letter to my aunt\n")
    with pytest.raises(JournalFailure, match="move the file away"):
        journal.append(INTENT, FIELDS, START)
    assert journal.path.read_text() == "a letter to my aunt\n"


def test_a_full_disk_fails_before_the_write_and_leaves_the_file_as_it_was(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal.append(INTENT, FIELDS, START)
    before = journal.path.read_bytes()
    really = os.write

    def full(handle: int, data: Any) -> int:
        if len(data) > 10:
            return really(handle, bytes(data)[:10])  # some bytes still fit
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(module.os, "write", full)
    with pytest.raises(JournalFailure, match=r"cannot write the journal .*No space left on device; make room"):
        journal.append(OUTCOME, FIELDS, START)
    monkeypatch.undo()
    assert journal.path.read_bytes() == before
    journal.append(OUTCOME, FIELDS, START)
    assert journal.verify().broken_at is None


def test_a_disk_that_does_not_take_what_was_written_fails(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(handle: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(module.os, "fsync", broken)
    with pytest.raises(JournalFailure, match="Input/output error"):
        journal.append(INTENT, FIELDS, START)
    monkeypatch.undo()
    assert list(journal.entries()) == []


def test_a_folder_that_may_not_be_written_fails_with_its_name(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file where the folder should be")
    with pytest.raises(JournalFailure, match=str(tmp_path / "state")):
        Journal(tmp_path / "state").append(INTENT, FIELDS, START)


_WRITE_MANY = """
import sys
from pathlib import Path
from brconsole.operations.journal import Journal
journal = Journal(Path(sys.argv[1]), lock_within_s=30)
for number in range(40):
    journal.append("intent", {"environment": "prod", "service": "api", "number": number}, None)
"""


def test_two_processes_write_one_chain(tmp_path: Path) -> None:
    writers = [
        subprocess.Popen([sys.executable, "-c", _WRITE_MANY, str(tmp_path)], stderr=subprocess.PIPE) for _ in range(2)
    ]
    for writer in writers:
        _, errors = writer.communicate(timeout=60)
        assert writer.returncode == 0, errors
    verified = Journal(tmp_path).verify()
    assert (verified.entries, verified.broken_at, verified.cut) == (80, None, 0)


_WRITE_FOR_EVER = _WRITE_MANY.replace("range(40)", "iter(int, 1)")


def test_a_process_that_is_killed_leaves_a_chain_to_go_on_with(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    writer = subprocess.Popen([sys.executable, "-c", _WRITE_FOR_EVER, str(tmp_path)])
    try:
        ends = time.monotonic() + 30
        while sum(1 for _ in journal.entries()) < 5 and time.monotonic() < ends:
            assert writer.poll() is None
    finally:
        writer.kill()
        writer.wait(timeout=30)
    journal.append(OUTCOME, FIELDS, START)
    verified = journal.verify()
    assert verified.broken_at is None
    assert verified.entries > 5


_HOLD_THE_LOCK = """
import fcntl, sys
handle = open(sys.argv[1], "w")
fcntl.flock(handle, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
"""


def test_a_process_that_holds_the_journal_is_not_waited_for_without_end(tmp_path: Path) -> None:
    journal = Journal(tmp_path, lock_within_s=0.05)
    journal.append(INTENT, FIELDS, START)
    holder = subprocess.Popen(
        [sys.executable, "-c", _HOLD_THE_LOCK, str(tmp_path / "journal.jsonl.lock")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        began = time.monotonic()
        with pytest.raises(JournalFailure, match="held by another process"):
            journal.append(OUTCOME, FIELDS, START)
        assert time.monotonic() - began < 5
    finally:
        holder.communicate(timeout=30)


def test_the_intents_of_a_process_that_lives_are_its_own(journal: Journal) -> None:
    mine = journal.append(INTENT, FIELDS, START)
    settled = journal.append(INTENT, FIELDS, START)
    journal.append(OUTCOME, {**FIELDS, "intent": settled.id}, START)
    assert [entry.id for entry in journal.open_intents("prod")] == [mine.id]
    assert journal.open_intents("staging") == []
    _rewritten(journal, {"process": os.getppid()})
    assert journal.open_intents("prod") == []
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait(timeout=30)
    _rewritten(journal, {"process": child.pid})
    assert [entry.id for entry in journal.open_intents("prod")] == [mine.id]


def _rewritten(journal: Journal, changes: dict[str, object]) -> None:
    lines = [json.loads(line) | changes for line in journal.path.read_text().splitlines()]
    journal.path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def test_what_is_unsent_is_kept_by_environment_and_in_order(journal: Journal) -> None:
    written = [
        journal.append(INTENT, {**FIELDS, "environment": name}, START) for name in ("prod", "staging", "prod", "prod")
    ]
    unsent, position = journal.unsent("prod", 2)
    assert [entry.id for entry in unsent] == [written[0].id, written[2].id]
    journal.sent("prod", position)
    unsent, position = journal.unsent("prod", 2)
    assert [entry.id for entry in unsent] == [written[3].id]
    journal.sent("prod", position)
    journal.sent("prod", 0)  # nobody takes back what was sent
    assert journal.unsent("prod", 2)[0] == []
    assert [entry.id for entry in journal.unsent("staging", 5)[0]] == [written[1].id]


def test_where_it_is_not_known_what_was_sent_everything_is_sent_again(journal: Journal) -> None:
    entry = journal.append(INTENT, FIELDS, START)
    journal.sent("prod", 10**9)
    assert [unsent.id for unsent in journal.unsent("prod", 5)[0]] == [entry.id]


@pytest.mark.parametrize(
    "secret",
    [
        "ya29.a0AfH6SMBx-secret-token",
        "Bearer abcdef0123456789",
        "AIzaSyA1234567890abcdefghijklmnopqrstuv",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.sig",
        "-----BEGIN PRIVATE KEY----- MIIE",
        "postgresql://user:hunter2@db/prod",
        "password=hunter2",
    ],
)
def test_what_looks_like_a_credential_is_not_written(journal: Journal, secret: str) -> None:
    journal.append(INTENT, {**FIELDS, "why": f"because {secret} says so"}, START)
    text = journal.path.read_text()
    assert "(removed)" in text
    assert not any(
        part in text for part in ("hunter2", "a0AfH6SMBx", "abcdef0123456789", "AIzaSyA", "MIIE", "eyJzdWIi")
    )
    assert "because" in text


@given(
    value=st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
        max_leaves=20,
    )
)
def test_whatever_comes_from_outside_is_written_as_harmless_text(value: object) -> None:
    text = json.dumps(harmless(value), ensure_ascii=False)
    assert not any(ord(character) < 32 or 0x7F <= ord(character) < 0xA0 for character in text)
    text.encode()  # no lone surrogate
    json.loads(text, parse_constant=pytest.fail)  # no number that is none in JSON


def test_a_text_without_end_is_cut(journal: Journal) -> None:
    journal.append(INTENT, {**FIELDS, "why": "long " * 100_000, "listed": list(range(10_000))}, START)
    assert journal.path.stat().st_size < 4000


def test_the_file_is_its_owners_alone(journal: Journal) -> None:
    journal.append(INTENT, FIELDS, START)
    assert journal.path.stat().st_mode & 0o777 == 0o600
    assert journal.path.parent.stat().st_mode & 0o777 == 0o700
