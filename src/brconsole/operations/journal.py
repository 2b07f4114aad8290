"""The journal: what was meant to be done and what became of it, one JSON object a line, each chained to the one before.

A line is on the disk before the write that it announces is sent. Several processes share the file under a lock. An
entry's `hash` covers all its fields and the hash before it, so that a changed, missing or moved line is found; a line
that a crash cut off is put into an entry of its own, not hidden. Entries hold no secrets and no control characters.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import math
import os
import re
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from brconsole.domain.annotation import moment
from brconsole.domain.text import clean

SCHEMA = "brconsole.journal/1"
FILE = "journal.jsonl"
GENESIS = "0" * 64
"""The hash before the first entry."""
LONGEST_TEXT = 500
LONGEST_LINE = 65_536
MOST_ITEMS = 64
LOCK_WITHIN_S = 2.0
_REDACTED = "(removed)"
_SECRET = re.compile(
    r"ya29\.[\w.-]+"
    r"|AIza[\w-]{30,}"
    r"|gh[opsu]_\w{20,}"
    r"|eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----.*"
    r"|(?i:bearer|basic)\s+[\w.~+/=-]{8,}"
    r"|(?<=://)[^/\s:@]+:[^/\s@]+(?=@)"
    r"|(?i:(?<=password=)|(?<=passwd=)|(?<=secret=)|(?<=token=)|(?<=api_key=)|(?<=apikey=))\S+"
)

INTENT, OUTCOME, CUT = "intent", "outcome", "cut"
"""What is about to be sent, what became of it, and the rest of a line that a crash cut off."""


class JournalFailure(Exception):  # noqa: N818 - as SourceFailure: the disk fails, nothing in the program is in error
    """The journal cannot be written or read. `str()` says where, why and what to do."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One line as read back; `document` is the whole of it."""

    document: Mapping[str, object]

    def text(self, key: str) -> str:
        """A field as text, empty where it is absent."""
        value = self.document.get(key)
        return value if isinstance(value, str) else ""

    @property
    def id(self) -> str:
        """Unique; the insertId in Cloud Logging."""
        return self.text("id")

    @property
    def kind(self) -> str:
        """`intent`, `outcome` or `cut`."""
        return self.text("kind")

    @property
    def split_before(self) -> dict[str, int] | None:
        """Percent by revision before, None where it was not known."""
        return _split(self.document.get("before"))

    @property
    def split_after(self) -> dict[str, int] | None:
        """Percent by revision that was asked for."""
        return _split(self.document.get("after"))

    def record(self, side: str) -> str | None:
        """The digest of the rollout's record `before` or `after`, None where there was none."""
        part = self.document.get(side)
        found = part.get("record") if isinstance(part, Mapping) else None
        return found if isinstance(found, str) else None

    @property
    def found_afterwards(self) -> bool:
        """Whether this outcome was found out by a later start, since a crash interrupted the write."""
        return self.document.get("found_afterwards") is True

    @property
    def at(self) -> datetime | None:
        """When it was written, in service time; None where that was not known."""
        try:
            return datetime.fromisoformat(self.text("at"))
        except ValueError:
            return None


@dataclass(frozen=True, slots=True)
class Verified:
    """What a check of the whole chain found; `broken_at` counts lines from 1, None where the chain holds."""

    entries: int
    broken_at: int | None = None
    why: str = ""
    cut: int = 0
    """Lines that crashes cut off. They are no break: their rests are kept in entries of their own."""


class JournalWriter(Protocol):
    """What the gateway needs of a journal."""

    def append(self, kind: str, fields: Mapping[str, object], at: datetime | None) -> Entry:
        """Write an entry through to the disk. Raises JournalFailure, and then has written nothing."""

    def entries(self, environment: str | None = None, service: str | None = None) -> Iterator[Entry]:
        """The readable entries, oldest first."""

    def open_intents(self, environment: str) -> list[Entry]:
        """The intents without an outcome, oldest first; those of another process that is still alive are its own."""


class Journal:
    """The journal of this machine's user, one file for all environments."""

    def __init__(self, folder: Path, *, lock_within_s: float = LOCK_WITHIN_S) -> None:
        self.path = folder / FILE
        self._lock_path = folder / f"{FILE}.lock"
        self._lock_within_s = lock_within_s

    def append(self, kind: str, fields: Mapping[str, object], at: datetime | None) -> Entry:
        """Write an entry through to the disk, after the newest one of any process.

        Raises JournalFailure, and then the file ends as it did before.
        """
        with self._locked(), self._failing("write"):
            handle = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            try:
                previous = self._mended(handle)
                return self._written(handle, previous, kind, fields, at)
            finally:
                os.close(handle)

    def entries(self, environment: str | None = None, service: str | None = None) -> Iterator[Entry]:
        """The readable entries, oldest first; what cannot be read is left to `verify`."""
        for line in self._lines():
            document = _document(line)
            if document is None:
                continue
            if environment is not None and document.get("environment") != environment:
                continue
            if service is None or document.get("service") == service:
                yield Entry(document)

    def open_intents(self, environment: str) -> list[Entry]:
        """The intents without an outcome, oldest first; those of another process that is still alive are its own."""
        open_ones: dict[str, Entry] = {}
        for entry in self.entries(environment):
            if entry.kind == INTENT:
                open_ones[entry.id] = entry
            elif entry.kind == OUTCOME:
                open_ones.pop(entry.text("intent"), None)
        return [entry for entry in open_ones.values() if not _at_work(entry)]

    def verify(self) -> Verified:
        """Check every line of the chain."""
        previous, count, cut = GENESIS, 0, 0
        for number, line in enumerate(self._lines(), 1):
            document = _document(line)
            if document is None:
                return Verified(count, number, "the line is no entry", cut)
            if document.get("previous") != previous:
                return Verified(count, number, "the entry before it is not the one it was written after", cut)
            if document.get("hash") != digest(document):
                return Verified(count, number, "the entry was changed after it was written", cut)
            previous = str(document["hash"])
            count += 1
            cut += document.get("kind") == CUT
        return Verified(count, cut=cut)

    def unsent(self, environment: str, most: int) -> tuple[list[Entry], int]:
        """The environment's oldest entries that were not sent elsewhere, and the position after them."""
        start = self._sent_until(environment)
        found: list[Entry] = []
        position = start
        with self._failing("read"):
            try:
                with self.path.open("rb") as file:
                    file.seek(start)
                    for line in file:
                        if not line.endswith(b"\n") or len(found) == most:
                            break
                        position += len(line)
                        document = _document(line)
                        if document is not None and document.get("environment") in (environment, None):
                            found.append(Entry(document))
            except FileNotFoundError:
                return [], 0
        return found, position

    def sent(self, environment: str, position: int) -> None:
        """Everything before a position is sent."""
        with self._locked(), self._failing("write"):
            mark = self._sent_path(environment)
            fresh = mark.with_suffix(".new")
            fresh.write_text(str(max(position, self._sent_until(environment))))
            fresh.replace(mark)

    def _sent_until(self, environment: str) -> int:
        """Where sending stopped; from the start where that is not known, since sending twice does no harm."""
        try:
            position = int(self._sent_path(environment).read_text())
            return position if 0 <= position <= self.path.stat().st_size else 0
        except (OSError, ValueError):
            return 0

    def _sent_path(self, environment: str) -> Path:
        name = re.sub(r"[^a-z0-9-]", "_", environment.lower())[:64]
        return self.path.with_name(f"{FILE}.sent-{name}")

    # ---------------------------------------------------------------------------------------------------- the file

    def _written(
        self, handle: int, previous: str, kind: str, fields: Mapping[str, object], at: datetime | None
    ) -> Entry:
        document = entry_document(kind, fields, at, previous)
        line = (json.dumps(document, separators=(",", ":"), ensure_ascii=False) + "\n").encode()
        if len(line) > LONGEST_LINE:
            raise JournalFailure(f"the journal takes no entry of {len(line):,} bytes")
        before = os.fstat(handle).st_size
        try:
            self._write(handle, line)
        except OSError:
            with suppress(OSError):  # what cannot be cut off again is mended by the next writer
                os.ftruncate(handle, before)
            raise
        return Entry(document)

    def _write(self, handle: int, line: bytes) -> None:
        """One line, to the disk. A short write is a full disk that has not said so yet."""
        rest = memoryview(line)
        while rest:
            rest = rest[os.write(handle, rest) :]
        os.fsync(handle)

    def _mended(self, handle: int) -> str:
        """The hash of the newest entry; a rest of a line after it is moved into an entry that says what it is."""
        size = os.fstat(handle).st_size
        tail = _tail(handle, size)
        whole, _, rest = tail.rpartition(b"\n")
        if not whole and len(tail) < size:
            raise JournalFailure(
                f"{self.path} is no journal: a line is too long; move the file away to begin a new one"
            )
        if rest and (document := _document(rest)) is not None and document.get("hash") == digest(document):
            self._write(handle, b"\n")  # only the line's end was lost
            return str(document["hash"])
        newest = _document(whole.rpartition(b"\n")[2]) if whole else None
        if whole and newest is None:
            raise JournalFailure(
                f"the journal {self.path} ends in a line that is no entry; move the file away to begin a new one"
            )
        previous = GENESIS if newest is None else str(newest.get("hash"))
        if not rest:
            return previous
        os.ftruncate(handle, size - len(rest))
        kept = {
            "what": f"a line of {len(rest)} bytes was cut off, by a crash or a full disk",
            "rest": rest.decode(errors="replace"),
            "rest_sha256": hashlib.sha256(rest).hexdigest(),
        }
        return self._written(handle, previous, CUT, kept, None).text("hash")

    def _lines(self) -> Iterator[bytes]:
        """Whole lines; a rest at the end belongs to a writer at work, or to a crash that the next writer mends."""
        with self._failing("read"):
            try:
                with self.path.open("rb") as file:
                    for line in file:
                        if line.endswith(b"\n"):
                            yield line[:-1]
            except FileNotFoundError:
                return

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with self._failing("lock"):
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            handle = os.open(self._lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            self._take(handle)
            yield
        finally:
            os.close(handle)  # gives the lock back

    def _take(self, handle: int) -> None:
        ends = time.monotonic() + self._lock_within_s
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() >= ends:
                    raise JournalFailure(
                        f"the journal {self.path} is held by another process for {self._lock_within_s:g} s"
                    ) from None
                time.sleep(0.005)
            except OSError as error:
                raise self._failure("lock", error) from error
            else:
                return

    @contextmanager
    def _failing(self, what: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise self._failure(what, error) from error

    def _failure(self, what: str, error: OSError) -> JournalFailure:
        reason = clean(error.strerror or str(error), 200)
        return JournalFailure(f"cannot {what} the journal {self.path}: {reason}; make room or make it writable")


def entry_document(
    kind: str, fields: Mapping[str, object], at: datetime | None, previous: str | None
) -> dict[str, object]:
    """An entry with its hash; `previous` is None for one that could not be chained, which then has no hash either."""
    document: dict[str, object] = {
        "schema": SCHEMA,
        "id": uuid.uuid4().hex,
        "kind": kind,
        "at": None if at is None else moment(at),
        "process": os.getpid(),
        **{clean(key, 40): harmless(value) for key, value in fields.items()},
    }
    if previous is None:
        return document
    document["previous"] = previous
    document["hash"] = digest(document)
    return document


def digest(document: Mapping[str, object]) -> str:
    """The hash of an entry, over all its fields but the hash itself."""
    covered = {key: value for key, value in document.items() if key != "hash"}
    text = json.dumps(covered, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()


def harmless(value: object, longest: int = LONGEST_TEXT) -> object:
    """A value as the journal keeps it: JSON, texts of one printable line, bounded, and nothing that looks like a
    credential.
    """
    if value is None or isinstance(value, bool | int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    if isinstance(value, Mapping):
        pairs = list(value.items())[:MOST_ITEMS]
        return {clean(str(key), 120): harmless(item, longest) for key, item in pairs}
    if isinstance(value, list | tuple):
        return [harmless(item, longest) for item in value[:MOST_ITEMS]]
    return clean(_SECRET.sub(_REDACTED, str(value)[: 4 * longest]), longest)


def _document(line: bytes) -> dict[str, object] | None:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) and found.get("schema") == SCHEMA else None


def _tail(handle: int, size: int) -> bytes:
    """The end of the file: at least its last whole line and what follows it."""
    want = min(size, 2 * LONGEST_LINE + 2)
    return os.pread(handle, want, size - want)


def _split(side: object) -> dict[str, int] | None:
    found = side.get("split") if isinstance(side, Mapping) else None
    if not isinstance(found, Mapping):
        return None
    return {str(name): share for name, share in found.items() if isinstance(share, int)}


def _at_work(entry: Entry) -> bool:
    """Whether the process that wrote an intent still lives and is not this one."""
    process = entry.document.get("process")
    if not isinstance(process, int) or process <= 0 or process == os.getpid():
        return False
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True
