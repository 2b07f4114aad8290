"""The pure parts of the migration rules: what widens, what a timeout means, and that a bad thing stays bad."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brconsole.domain.catalogue import Catalogue, Column, widens
from brconsole.domain.migration import MigrationClass, RevisionFile, Ruling, SchemaRevision
from brconsole.domain.migration_rules import Candidate, Rendered, Surroundings, judge, multiple_heads, timeout_ms
from brconsole.domain.statement import Fact, Kind, Lock, Statement

SOURCE = SchemaRevision("b", ("a",), "b.py", "B", "0" * 64)


def _candidate(*facts: Fact, downgrade: str = "present") -> Candidate:
    back = Statement("COMMENT ON TABLE t IS NULL", 9, (Fact(Kind.COMMENT),))
    up = tuple(Statement(f"statement {number}", number, (fact,)) for number, fact in enumerate(facts, start=1))
    return Candidate(RevisionFile(SOURCE, downgrade=downgrade), Rendered(up), Rendered((back,)))


@given(st.integers(1, 500), st.integers(1, 500))
def test_a_text_type_widens_exactly_when_it_gets_longer(old: int, new: int) -> None:
    assert widens(f"varchar({old})", f"varchar({new})") is (new >= old)
    assert widens(f"varchar({old})", "text")
    assert widens(f"varchar({old})", "varchar")
    assert not widens("text", f"varchar({new})")
    assert not widens(f"bpchar({old})", "text")


@given(st.integers(1, 30), st.integers(0, 10), st.integers(1, 30), st.integers(0, 10))
def test_a_number_widens_only_with_the_same_scale(old: int, old_scale: int, new: int, new_scale: int) -> None:
    expected = new >= old and new_scale == old_scale
    assert widens(f"numeric({old},{old_scale})", f"numeric({new},{new_scale})") is expected


@given(st.text(max_size=20), st.text(max_size=20))
def test_any_two_texts_can_be_compared(old: str, new: str) -> None:
    assert widens(old, old)
    assert widens(old, new) in (True, False)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("int4", "int8"),
        ("int8", "int4"),
        ("json", "jsonb"),
        (None, "text"),
        ("text[]", "text"),
        ("timestamp", "timestamptz"),
    ],
)
def test_what_rewrites_the_table_does_not_widen(old: str | None, new: str) -> None:
    assert not widens(old, new)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2s", 2000),
        ("500", 500),
        ("0", 0),
        ("1min", 60_000),
        (None, None),
        ("default", None),
        ("-1", None),
        ("2 s", 2000),
    ],
)
def test_a_timeout_is_read_as_postgresql_reads_it(value: str | None, expected: float | None) -> None:
    assert timeout_ms(value) == expected


SAFE = st.sampled_from(
    [
        Fact(Kind.ADD_COLUMN, "t", "x", lock=Lock.ACCESS_EXCLUSIVE),
        Fact(Kind.COMMENT),
        Fact(Kind.CREATE_TABLE, "new"),
        Fact(Kind.CREATE_OBJECT, None, "v", object_type="view"),
        Fact(Kind.SET_DEFAULT, "t", "y", lock=Lock.ACCESS_EXCLUSIVE),
        Fact(Kind.SELECT),
        Fact(Kind.SET, setting="statement_timeout", value="0"),
    ]
)
UNSAFE = st.sampled_from(
    [
        Fact(Kind.DROP_COLUMN, "t", "old", lock=Lock.ACCESS_EXCLUSIVE),
        Fact(Kind.DROP_TABLE, "t", lock=Lock.ACCESS_EXCLUSIVE),
        Fact(Kind.RENAME_COLUMN, "t", "a", "b", lock=Lock.ACCESS_EXCLUSIVE),
        Fact(Kind.CREATE_INDEX, "t", "ix", lock=Lock.SHARE, scans=True),
        Fact(Kind.OPAQUE),
        Fact(Kind.LOCK, "t", lock=Lock.SHARE),
        Fact(Kind.ADD_ENUM_VALUE, None, "mood", value="x"),
        Fact(Kind.SET, setting="lock_timeout", value="0"),
        Fact(Kind.SELECT, reads=("t",)),
        Fact(Kind.DELETE, "t", lock=Lock.ROW_EXCLUSIVE),
    ]
)


def _ruling(candidate: Candidate) -> Ruling:
    found = judge(candidate, Surroundings(Catalogue({"t": {"old": Column()}}))).findings
    return Ruling.REFUSED if any(finding.refuses for finding in found) else Ruling.ACCEPTED


@given(st.lists(SAFE, max_size=6), UNSAFE, st.integers(0, 6))
def test_nothing_around_a_bad_statement_makes_it_good(safe: list[Fact], unsafe: Fact, at: int) -> None:
    facts = [*safe[:at], unsafe, *safe[at:]]
    assert _ruling(_candidate(*facts)) is Ruling.REFUSED


@given(st.lists(SAFE, min_size=1, max_size=6))
def test_harmless_statements_stay_harmless_together(safe: list[Fact]) -> None:
    assert _ruling(_candidate(*safe)) is Ruling.ACCEPTED


def test_what_cannot_be_rendered_is_unknown_and_refused() -> None:
    up = Rendered((), "no such table", "ProgrammingError", 12)
    judged = judge(Candidate(RevisionFile(SOURCE), up, Rendered()), Surroundings(Catalogue()))
    assert judged.migration_class is MigrationClass.UNKNOWN
    assert {finding.rule for finding in judged.findings if finding.refuses} >= {"not-renderable"}


def test_the_strongest_lock_on_a_table_is_told_with_what_happens_under_it() -> None:
    validate = Fact(Kind.VALIDATE_CONSTRAINT, "t", "ck", lock=Lock.SHARE_UPDATE_EXCLUSIVE, scans=True)
    add = Fact(Kind.ADD_COLUMN, "t", "x", lock=Lock.ACCESS_EXCLUSIVE)
    (lock,) = judge(_candidate(validate, add), Surroundings(Catalogue(), rows={"t": 7})).locks
    assert (lock.mode, lock.scans, lock.rewrites, lock.rows) == ("ACCESS EXCLUSIVE", False, False, 7)


def test_only_heads_of_several_are_told_so() -> None:
    assert multiple_heads(["a"], "a") is None
    assert multiple_heads(["a", "b"], "c") is None
    finding = multiple_heads(["a", "b"], "a")
    assert finding is not None
    assert finding.rule == "multiple-heads"
    assert "alembic merge" in finding.cure
