"""The rules that a revision of the schema is judged by. Pure: statements as facts in, class, findings and locks out.

A rule has squawk's name where squawk has one for the thing, else one of the same form. Two things are never taken for
granted: that a table is small, and that what could not be read is harmless.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from brconsole.domain.catalogue import Catalogue, widens
from brconsole.domain.migration import Finding, MigrationClass, RevisionFile, RunningCode, TableLock
from brconsole.domain.statement import Fact, Kind, Lock, Statement

SMALL_TABLE_ROWS = 1000
"""Up to here a table is read or written anew faster than anybody notices the lock."""
LONGEST_LOCK_TIMEOUT_MS = 10_000
"""A migration may wait so long for a lock; everything that comes after it waits as well."""

_DATA = (Kind.INSERT, Kind.UPDATE, Kind.DELETE, Kind.TRUNCATE)
_NO_EFFECT = (Kind.SELECT, Kind.SET, Kind.BEGIN, Kind.COMMIT, Kind.SAVEPOINT, Kind.OTHER, Kind.LOCK)
_NOTHING_TO_UNDO = (Kind.UPDATE, Kind.ADD_ENUM_VALUE, Kind.VALIDATE_CONSTRAINT, Kind.COMMENT, *_NO_EFFECT)
"""A revision of nothing else may have an empty downgrade: the schema before is the schema after, or PostgreSQL has no
way back (an enum's value).
"""
_OF_NO_ANSWER = ("AttributeError", "TypeError", "UnboundExecutionError", "NoInspectionAvailable")
"""What Python raises where the answer of a query is None, as it is offline."""
_MADE_AGAIN = ("view", "materialized view", "function", "procedure", "trigger", "rule", "policy", "statistics")
_HARMLESS_DROPS = ("trigger", "rule", "statistics", "publication", "subscription", "event_trigger", "index")


@dataclass(frozen=True, slots=True)
class Rendered:
    """One direction of a revision as it renders offline."""

    statements: tuple[Statement, ...] = ()
    failure: str | None = None
    """Why it does not render."""
    failure_type: str = ""
    """The exception's class."""
    failure_line: int | None = None
    asked_connection: int | None = None
    """The line that asked for the database connection."""
    mode_line: int | None = None
    """The line that asked whether it runs offline."""
    values_line: int | None = None
    """The line that passed values beside a statement; the rendering shows none of them."""

    @property
    def facts(self) -> tuple[Fact, ...]:
        """Of all statements in their order."""
        return tuple(fact for statement in self.statements for fact in statement.facts)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A revision to be judged."""

    file: RevisionFile
    up: Rendered
    down: Rendered


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What is known beyond the revision itself."""

    before: Catalogue
    """What the revisions before made."""
    index: Mapping[str, int] = field(default_factory=dict)
    """The place of each revision on the line, from 1."""
    ancestors: frozenset[str] = frozenset()
    """Of the revision."""
    applied: frozenset[str] | None = None
    """The revisions that the database has; None where that is not known."""
    rows: Mapping[str, int] | None = None
    """Row counts of the tables that are known."""
    empty_tables: frozenset[str] = frozenset()
    """Made by revisions that are still to run, and not filled by them."""
    running: RunningCode | None = None
    """None where nobody asked."""
    approved: Mapping[str, str] | None = None
    """The hashes of the sources that a reviewer has approved, by revision."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What came out."""

    migration_class: MigrationClass
    findings: tuple[Finding, ...]
    locks: tuple[TableLock, ...]


def judge(candidate: Candidate, around: Surroundings) -> Judgement:
    """Judge one revision by its own code; what a real server says is added by whoever tried it."""
    reader = _Reader(candidate, around)
    reader.read()
    migration_class = _class_of(candidate, reader)
    findings = [*reader.findings, *_edited(candidate, around), *_downgrade(candidate, around)]
    if candidate.up.failure is not None:
        failed = _failed_to_render(candidate.up, "upgrade")
        if failed.rule not in {finding.rule for finding in reader.findings}:  # the query itself tells more
            findings.append(failed)
    findings += _otherwise_online(candidate)
    if migration_class is MigrationClass.CONTRACT:
        findings = _declared(candidate, around, findings)
    unique = list(dict.fromkeys(findings))
    return Judgement(migration_class, tuple(sorted(unique, key=_place)), tuple(reader.locks.values()))


def multiple_heads(heads: Sequence[str], revision: str) -> Finding | None:
    """The finding on each head of a project that has several; None where the revision is none of them."""
    if len(heads) < 2 or revision not in heads:
        return None
    others = ", ".join(head for head in heads if head != revision)
    return Finding(
        "multiple-heads",
        f"The line has {len(heads)} heads: {revision} and {others}; which one a release needs cannot be told.",
        f'Rebase one onto the other (its down_revision), or join them: alembic merge -m "merge" {" ".join(heads)}',
    )


def _place(finding: Finding) -> tuple[bool, int, str, str]:
    return not finding.refuses, finding.line or 0, finding.rule, finding.message


def _class_of(candidate: Candidate, reader: _Reader) -> MigrationClass:
    facts = candidate.up.facts
    if candidate.up.failure is not None or _otherwise_online(candidate) or reader.unknown:
        return MigrationClass.UNKNOWN
    if reader.contracts:
        return MigrationClass.CONTRACT
    structure = [fact for fact in facts if fact.kind not in (*_DATA, *_NO_EFFECT)]
    if not structure and any(fact.kind in _DATA for fact in facts):
        return MigrationClass.DATA
    return MigrationClass.EXPAND


def _failed_to_render(rendered: Rendered, function: str) -> Finding:
    last = rendered.statements[-1].facts if rendered.statements else ()
    read = any(fact.kind is Kind.SELECT for fact in last)
    words = rendered.failure or ""
    of_nothing = rendered.failure_type in (
        "AttributeError",
        "TypeError",
        "UnboundExecutionError",
        "NoInspectionAvailable",
    )
    if rendered.asked_connection is not None or (read and of_nothing):
        return Finding(
            "reads-rows-offline",
            f"{function}() reads from the database, so it cannot be rendered offline and nobody can review its SQL"
            f" ({rendered.failure_type}: {words}).",
            "Say it in SQL that needs no answer: INSERT … SELECT, UPDATE … FROM, a CASE.",
            rendered.failure_line or rendered.asked_connection,
        )
    kind = f"{rendered.failure_type}: " if rendered.failure_type else ""
    return Finding(
        "not-renderable",
        f"{function}() cannot be rendered offline (alembic --sql): {kind}{words}.",
        "Mend it so that `alembic upgrade A:B --sql` prints its statements.",
        rendered.failure_line,
    )


def _otherwise_online(candidate: Candidate) -> list[Finding]:
    """Where what is rendered is known not to be what is done."""
    mode_line = candidate.file.mode_line or candidate.up.mode_line or candidate.down.mode_line
    values_line = candidate.up.values_line or candidate.down.values_line
    found = []
    if mode_line is not None:
        found.append(
            Finding(
                "not-renderable",
                "It looks whether it runs offline, so what it renders is not what it does on a database.",
                "Do the same in both modes; what needs the database's rows belongs into statements (INSERT … SELECT).",
                mode_line,
            )
        )
    if values_line is not None:
        found.append(
            Finding(
                "not-renderable",
                "It passes values beside the statement; offline they are left out, so nobody can review them.",
                "Bind them to the statement: sa.text(…).bindparams(…), or write them into it.",
                values_line,
            )
        )
    return found


def _edited(candidate: Candidate, around: Surroundings) -> list[Finding]:
    source = candidate.file.source
    approved = (around.approved or {}).get(source.revision)
    if approved is None or approved == source.source_sha256:
        return []
    return [
        Finding(
            "edited-after-approval",
            f"The file is another one than the one that was approved (sha256 {source.source_sha256[:12]}…, approved"
            f" {approved[:12]}…).",
            "Have the new plan reviewed and approve it, or restore the approved file.",
        )
    ]


# ---------------------------------------------------------------------------------------------------- the way back


def _downgrade(candidate: Candidate, around: Surroundings) -> list[Finding]:
    file, up, down = candidate.file, candidate.up, candidate.down
    kinds = {fact.kind for fact in up.facts}
    idle = not kinds - set(_NO_EFFECT) and up.failure is None and file.mode_line is None
    merges = len(file.source.down_revisions) > 1
    raises = file.downgrade == "raises" or down.failure_type == "NotImplementedError"
    effective = [fact for fact in down.facts if fact.kind not in _NO_EFFECT]
    if file.downgrade == "absent" or raises:
        word = "raises an error" if raises else "is not there"
        return [_missing(f"downgrade() {word}, so `alembic downgrade` stops at this revision.", file)]
    if down.failure is not None:
        return [_failed_to_render(down, "downgrade")]
    if not effective and not (idle or (merges and not kinds)):
        if up.failure is None and not kinds - set(_NOTHING_TO_UNDO) and file.downgrade == "empty":
            return [
                Finding(
                    "missing-downgrade",
                    "downgrade() does nothing; there is nothing of the schema that it could undo.",
                    "Say so in the file for the reader.",
                    file.downgrade_line,
                    refuses=False,
                )
            ]
        return [_missing("downgrade() does nothing, so the schema stays as the upgrade made it.", file)]
    # Where the upgrade does not render, nobody knows what it makes, so nothing can be told to be too much.
    return [] if up.failure is not None else _losses(candidate, around)


def _missing(message: str, file: RevisionFile) -> Finding:
    return Finding(
        "missing-downgrade",
        message,
        "Write the downgrade that undoes the upgrade, and let the check try it.",
        file.downgrade_line,
    )


def _losses(candidate: Candidate, around: Surroundings) -> list[Finding]:
    """What the downgrade throws away that its own upgrade did not bring."""
    before, own = around.before, candidate.up.facts
    moved = _moved(candidate)
    found: list[Finding] = []
    for statement in candidate.down.statements:
        for fact in statement.facts:
            loss = _loss(fact, before, own, moved)
            if loss is not None:
                found.append(
                    Finding(
                        "data-loss-in-downgrade",
                        f"downgrade() {loss}.",
                        "Keep the rows: copy them back before, or leave what was there before the upgrade alone.",
                        statement.line,
                        statement.sql,
                    )
                )
            elif fact.kind is Kind.OPAQUE:
                found.append(
                    Finding(
                        "opaque-statement",
                        f"Nobody can tell what downgrade() does here: {statement.problem or 'it is not readable'}.",
                        "Write plain statements.",
                        statement.line,
                        statement.sql,
                    )
                )
    return found


def _moved(candidate: Candidate) -> frozenset[tuple[str, str | None]]:
    """Tables and columns that the upgrade filled from a source which it then took away, unless the downgrade copies
    them back.
    """
    facts = candidate.up.facts
    gone = {
        fact.table for fact in facts if fact.kind in (Kind.DROP_TABLE, Kind.DROP_COLUMN, Kind.DELETE, Kind.TRUNCATE)
    }
    back = {fact.table for fact in candidate.down.facts if fact.kind in (Kind.INSERT, Kind.UPDATE)}
    lost = {table for table in gone - back if table is not None}
    targets: set[tuple[str, str | None]] = set()
    for fact in facts:
        sources = {fact.table, *fact.reads} if fact.kind is Kind.UPDATE else set(fact.reads)
        if fact.kind is Kind.UPDATE and sources & lost:
            targets |= {(fact.table or "", column) for column in fact.columns}
        if fact.kind is Kind.INSERT and sources & lost:
            targets.add((fact.table or "", None))
    return frozenset(targets)


def _loss(fact: Fact, before: Catalogue, own: Sequence[Fact], moved: frozenset[tuple[str, str | None]]) -> str | None:
    """What a fact of the downgrade throws away, None where nothing."""
    created = {each.table for each in own if each.kind is Kind.CREATE_TABLE and each.table not in before.tables}
    created |= {each.new_name for each in own if each.kind is Kind.RENAME_TABLE and each.table in created}
    match fact.kind:
        case Kind.DROP_TABLE | Kind.DROP_COLUMN | Kind.DROP_OBJECT:
            return _lost_thing(fact, before, own, created, moved)
        case Kind.TRUNCATE | Kind.DELETE | Kind.UPDATE | Kind.CHANGE_TYPE:
            return _lost_rows(fact, own, created, moved)
        case _:
            return None


def _lost_thing(
    fact: Fact,
    before: Catalogue,
    own: Sequence[Fact],
    created: set[str | None],
    moved: frozenset[tuple[str, str | None]],
) -> str | None:
    table, what = fact.table or "", f"the {fact.object_type} {fact.name}"
    if fact.kind is Kind.DROP_OBJECT:
        if fact.cascade:
            return f"drops {what} with CASCADE, and with it whatever uses it"
        holds_data = fact.object_type in ("database", "schema", "sequence")
        made = any(each.kind is Kind.CREATE_OBJECT and each.name == fact.name for each in own)
        return f"drops {what}, which was not made by this upgrade" if holds_data and not made else None
    if fact.kind is Kind.DROP_TABLE:
        what, made, column = f"the table {table}", table in created, None
    else:
        what = f"the column {table}.{fact.name}"
        made, column = _made_column(table, fact.name, before, own, created), fact.name
    if not made:
        return f"drops {what}, which was not made by this upgrade"
    return f"drops {what} with the data that the upgrade moved into it" if (table, column) in moved else None


def _lost_rows(
    fact: Fact, own: Sequence[Fact], created: set[str | None], moved: frozenset[tuple[str, str | None]]
) -> str | None:
    table = fact.table or ""
    if fact.kind is Kind.CHANGE_TYPE:
        return None if fact.value is None else f"cuts the values of {table}.{fact.name} ({fact.value})"
    if table in created and (table, None) not in moved:
        return None
    if fact.kind is Kind.TRUNCATE:
        return f"empties the table {table}"
    if fact.kind is Kind.DELETE:
        if not _inserted(table, own):
            return f"deletes rows of {table} that this upgrade did not insert"
        return None if fact.restricted else f"deletes every row of {table}"
    written = {name for each in own if each.kind is Kind.UPDATE and each.table == table for name in each.columns}
    written |= {each.name or "" for each in own if each.kind is Kind.ADD_COLUMN and each.table == table}
    over = [column for column in fact.columns if column not in written]
    taken = any(each.kind is Kind.DROP_COLUMN and each.table == table for each in own)
    if over and fact.value == "constant" and not taken:
        return f"overwrites {table}.{over[0]}, which this upgrade did not write"
    return None


def _made_column(
    table: str, column: str | None, before: Catalogue, own: Sequence[Fact], created: set[str | None]
) -> bool:
    if table in created:
        return True
    if before.has_column(table, column) and not any(
        each.kind is Kind.DROP_COLUMN and each.table == table and each.name == column for each in own
    ):
        return False
    return any(each.kind is Kind.ADD_COLUMN and each.table == table and each.name == column for each in own) or any(
        each.kind is Kind.RENAME_COLUMN and each.table == table and each.new_name == column for each in own
    )


def _inserted(table: str, own: Sequence[Fact]) -> bool:
    return any(each.kind is Kind.INSERT and each.table == table for each in own)


# ----------------------------------------------------------------------------------------- a declared second release


_DECLARABLE = frozenset(
    ("ban-drop-column", "ban-drop-table", "ban-drop-not-null", "ban-drop-default", "contract-undeclared")
)


def _declared(candidate: Candidate, around: Surroundings, findings: Sequence[Finding]) -> list[Finding]:
    """The findings of a CONTRACT with its declaration taken into account."""
    source = candidate.file.source
    named = source.contract_after
    if named is None:
        if candidate.file.declared is None:
            return list(findings)
        wrong = f"`brconsole = {candidate.file.declared}` declares no contract"
        return [*findings, _undeclared(wrong)]
    if named not in around.ancestors:
        where = "no earlier revision of this line" if named in around.index else "no revision of this project"
        return [*findings, _undeclared(f'`contract_after` names "{named}", which is {where}')]
    early = _too_early(named, around)
    if early is not None:
        return [*(each for each in findings if each.rule not in _DECLARABLE), early]
    return [
        replace(each, refuses=False, cure=f"Declared as the second of two releases, after {named}.")
        if each.rule in _DECLARABLE
        else each
        for each in findings
    ]


def _undeclared(what: str) -> Finding:
    return Finding(
        "contract-undeclared",
        f"{what[:1].upper()}{what[1:]}.",
        'Declare it in the file: brconsole = {"contract_after": "the revision of the release that stopped using it"}',
    )


def _too_early(named: str, around: Surroundings) -> Finding | None:
    if around.applied is not None and named not in around.applied:
        reason = (
            f"the first release's revision {named} is itself not applied yet, so this would be one release, not two"
        )
    elif around.running is None:
        return None
    elif around.running.oldest_index is None:
        reason = f"it is not known which code still runs: {around.running.named}"
    elif around.running.oldest_index < around.index.get(named, 0):
        reason = f"code from before {named} still runs: {around.running.named}"
    else:
        return None
    return Finding(
        "contract-too-early",
        f"What it takes away may still be in use: {reason}.",
        "Wait until no older revision carries traffic or has the tag prev, then run it.",
    )


# ----------------------------------------------------------------------------------------- statement by statement


class _Reader:
    """Goes through the upgrade's statements and collects what is to be said of them."""

    def __init__(self, candidate: Candidate, around: Surroundings) -> None:
        self.candidate = candidate
        self.around = around
        self.before = around.before
        self.now = around.before.copy()
        self.findings: list[Finding] = []
        self.locks: dict[str, TableLock] = {}
        self.contracts = False
        self.unknown = False
        self._created: set[str] = set()
        self._held: dict[str, Lock] = {}
        self._unvalidated: set[tuple[str, str]] = set()
        self._statement = Statement("", None, ())
        self._timeout_set = False
        facts = candidate.up.facts
        self._made = {(each.object_type, each.name) for each in facts if each.kind is Kind.CREATE_OBJECT}
        self._views = {each.name for each in facts if each.kind is Kind.CREATE_OBJECT and each.object_type == "view"}
        self._made_types = {each.name for each in facts if each.kind is Kind.CREATE_TYPE}
        self._columns_added: dict[tuple[str, str], Statement] = {}

    def read(self) -> None:
        """Read all of them, then look at what the whole leaves behind."""
        for statement in self.candidate.up.statements:
            self._statement = statement
            if not statement.in_transaction:
                self._release()
            for fact in statement.facts:
                self._lock(fact)
                rule = _RULES.get(fact.kind)
                if rule is not None:
                    rule(self, fact)
                self._note_down(fact)
            self.now.apply(statement.facts)
        self._required_columns()

    # What a rule asks.

    def exempt(self, table: str | None) -> bool:
        """Whether nobody has a row in the table or waits for it: it is made here, or still empty."""
        return table is not None and (table in self._created or table in self.around.empty_tables)

    def small(self, table: str | None) -> bool:
        """Whether the table is known to be small."""
        rows = (self.around.rows or {}).get(table or "")
        return rows is not None and rows <= SMALL_TABLE_ROWS

    def holds(self) -> tuple[str, Lock] | None:
        """A table that others cannot write while this transaction goes on."""
        return next(((table, lock) for table, lock in self._held.items() if lock.blocks_writes), None)

    @property
    def problem(self) -> str:
        """Why the statement cannot be read."""
        return self._statement.problem or "it is not readable"

    @property
    def in_transaction(self) -> bool:
        """Whether the statement runs within one."""
        return self._statement.in_transaction

    def refuse(self, rule: str, message: str, cure: str) -> None:
        """The revision may not run for it."""
        self._add(rule, message, cure, refuses=True)

    def note(self, rule: str, message: str, cure: str = "") -> None:
        """It is only said."""
        self._add(rule, message, cure, refuses=False)

    def costly(self, rule: str, fact: Fact, message: str, cure: str) -> None:
        """Refused on a table that may be big, said on one that is known to be small, nothing on an empty one."""
        if self.exempt(fact.table):
            return
        self._add(rule, message, cure, refuses=not self.small(fact.table))

    def contract(self, rule: str, message: str, cure: str) -> None:
        """Takes away what the release before may use."""
        self.contracts = True
        self._add(rule, message, cure, refuses=True)

    def _add(self, rule: str, message: str, cure: str, *, refuses: bool) -> None:
        self.findings.append(Finding(rule, message, cure, self._statement.line, self._statement.sql, refuses))

    # Bookkeeping.

    def _release(self) -> None:
        self._held.clear()
        self._unvalidated.clear()

    def _lock(self, fact: Fact) -> None:
        if fact.kind in (Kind.BEGIN, Kind.COMMIT):
            self._release()
        for table, mode in ((fact.table, fact.lock), (fact.references, _reference_lock(fact))):
            if table is None or mode is None or self.exempt(table):
                continue
            self.locks[table] = self._stronger(self.locks.get(table), self._as_lock(table, mode, fact))
            if self.in_transaction and fact.kind not in _DATA:
                held = self._held.get(table)
                if held is None or held.strength < mode.strength:
                    self._held[table] = mode

    def _as_lock(self, table: str, mode: Lock, fact: Fact) -> TableLock:
        mine = table == fact.table
        return TableLock(
            table,
            mode.value,
            rewrites=mine and fact.rewrites and not self._widens(fact),
            scans=mine and fact.scans and not self._proven(fact),
            rows=(self.around.rows or {}).get(table),
        )

    @staticmethod
    def _stronger(known: TableLock | None, new: TableLock) -> TableLock:
        """The stronger of two locks on a table; of equal ones what both do under it."""
        if known is None or Lock(known.mode).strength < Lock(new.mode).strength:
            return new
        if known.mode != new.mode:
            return known
        return replace(new, rewrites=known.rewrites or new.rewrites, scans=known.scans or new.scans)

    def _proven(self, fact: Fact) -> bool:
        return fact.kind is Kind.SET_NOT_NULL and self.now.proves_not_null(fact.table or "", fact.name)

    def _widens(self, fact: Fact) -> bool:
        if fact.kind is not Kind.CHANGE_TYPE or fact.converts:
            return False
        return widens(self.now.column(fact.table, fact.name).type_name, fact.type_name)

    def _note_down(self, fact: Fact) -> None:
        table = fact.table or ""
        if fact.kind is Kind.CREATE_TABLE and not (fact.if_exists and table in self.before.tables):
            self._created.add(table)
        elif fact.kind is Kind.RENAME_TABLE and table in self._created:
            self._created.add(fact.new_name or table)
        elif fact.kind is Kind.ADD_CONSTRAINT and fact.not_valid and self.in_transaction:
            self._unvalidated.add((table, fact.name or ""))
        elif fact.kind is Kind.ADD_COLUMN and fact.lock is not None:
            self._columns_added[table, fact.name or ""] = self._statement

    def _required_columns(self) -> None:
        """A column that this revision adds and that is NOT NULL without a default at its end: the release before
        inserts rows without it.
        """
        for (table, name), statement in self._columns_added.items():
            column = self.now.column(table, name)
            if self.exempt(table) or not column.not_null or column.has_default is not False:
                continue
            if not self.now.has_column(table, name):
                continue
            self._statement = statement
            self.contracts = True
            self.refuse(
                "adding-required-field",
                f"{table}.{name} is NOT NULL without a default: a table with rows refuses it, and the release before"
                " inserts rows without it.",
                "Add it with a constant server_default and keep that, or nullable: fill it, then make it NOT NULL in a"
                " later release.",
            )

    def unvalidated_here(self, table: str | None, name: str | None) -> bool:
        """Whether the constraint was added NOT VALID in this very transaction."""
        return (table or "", name or "") in self._unvalidated

    def made_again(self, fact: Fact) -> bool:
        """Whether what is dropped is also made by this revision."""
        if fact.object_type in ("type", "domain", "enum"):
            return fact.name in self._made_types
        kind = "function" if fact.object_type in ("procedure", "routine") else fact.object_type
        return kind in _MADE_AGAIN and (kind, fact.name) in self._made

    def keeps_old_name(self, fact: Fact) -> bool:
        """Whether a view takes over the name that a table gives up."""
        return fact.name in self._views

    def fresh_type(self, name: str | None) -> bool:
        """Whether this revision made the type."""
        return name in self._made_types and name not in self.before.types

    @property
    def timeout_set(self) -> bool:
        """Whether the revision has set a lock_timeout of its own before."""
        return self._timeout_set

    def remember_timeout(self) -> None:
        """It has."""
        self._timeout_set = True


def _reference_lock(fact: Fact) -> Lock | None:
    return Lock.SHARE_ROW_EXCLUSIVE if fact.constraint == "foreign key" else None


Rule = Callable[[_Reader, Fact], None]


def _add_column(reader: _Reader, fact: Fact) -> None:
    if fact.volatile_default:
        reader.costly(
            "adding-field-with-default",
            fact,
            f"{fact.table}.{fact.name} has another value in every row, so the whole table is written anew under"
            " ACCESS EXCLUSIVE.",
            "Add it nullable without the default, set the default after, and fill the old rows in batches.",
        )


def _drop_table(reader: _Reader, fact: Fact) -> None:
    if reader.exempt(fact.table) and fact.table not in reader.before.tables:
        return
    reader.contract(
        "ban-drop-table",
        f"It drops the table {fact.table}; code that still reads it fails.",
        'Stop using it in one release; drop it in the next, declared with brconsole = {"contract_after": …}.',
    )


def _drop_column(reader: _Reader, fact: Fact) -> None:
    if reader.exempt(fact.table) or (
        not reader.before.has_column(fact.table, fact.name) and reader.now.has_column(fact.table, fact.name)
    ):
        return
    reader.contract(
        "ban-drop-column",
        f"It drops the column {fact.table}.{fact.name}; code that still reads or writes it fails.",
        'Stop using it in one release; drop it in the next, declared with brconsole = {"contract_after": …}.',
    )


def _rename_table(reader: _Reader, fact: Fact) -> None:
    if reader.exempt(fact.table):
        return
    if reader.keeps_old_name(fact):
        reader.note("renaming-table", f"{fact.name} becomes {fact.new_name}; a view keeps the old name.")
        return
    reader.contract(
        "renaming-table",
        f"It renames the table {fact.name} to {fact.new_name}; code that runs knows only one of the two names.",
        "Keep the name, or leave a view with the old name behind in the same revision; for a new shape make a new"
        " table, write to both, and drop the old one two releases later.",
    )


def _rename_column(reader: _Reader, fact: Fact) -> None:
    if reader.exempt(fact.table):
        return
    reader.contract(
        "renaming-column",
        f"It renames {fact.table}.{fact.name} to {fact.new_name}; code that runs knows only one of the two names.",
        "Map the new name in the code, or add the new column, write to both, copy, and drop the old one later.",
    )


def _rename_object(reader: _Reader, fact: Fact) -> None:
    if fact.object_type in ("index", "constraint", "tabconstraint", "trigger", "policy", "rule", "statistics", "role"):
        reader.note("renaming-object", f"It renames the {fact.object_type} {fact.name} to {fact.new_name}.")
        return
    if fact.object_type in ("type", "domain") and reader.fresh_type(fact.name):
        return
    reader.contract(
        "renaming-object",
        f"It renames the {fact.object_type} {fact.name} to {fact.new_name}; code that runs knows only one of the two.",
        "Make the new one beside the old, and drop the old one in a later release.",
    )


def _change_type(reader: _Reader, fact: Fact) -> None:
    if reader.exempt(fact.table):
        return
    old = reader.now.column(fact.table, fact.name).type_name
    if not fact.converts and widens(old, fact.type_name):
        reader.note(
            "changing-column-type",
            f"{fact.table}.{fact.name} becomes wider ({old} → {fact.type_name}); no row is written.",
        )
        return
    reader.contract(
        "changing-column-type",
        f"It changes the type of {fact.table}.{fact.name} ({old or 'unknown'} → {fact.type_name}): the table may be"
        " written anew under ACCESS EXCLUSIVE, and code that runs expects the old type.",
        "Add a column of the new type, write to both, copy in batches, read the new one, and drop the old one later.",
    )


def _set_not_null(reader: _Reader, fact: Fact) -> None:
    table = fact.table or ""
    if reader.exempt(table) or fact.not_valid or reader.now.proves_not_null(table, fact.name):
        return
    if reader.now.column(table, fact.name).not_null:
        return
    reader.contracts = True
    reader.costly(
        "adding-not-nullable-field",
        fact,
        f"SET NOT NULL reads all of {table} under ACCESS EXCLUSIVE, and the release before may still write NULL.",
        f"First ADD CONSTRAINT … CHECK ({fact.name} IS NOT NULL) NOT VALID, in the next revision VALIDATE CONSTRAINT,"
        " then SET NOT NULL: it reads no row.",
    )


def _drop_not_null(reader: _Reader, fact: Fact) -> None:
    if reader.exempt(fact.table) or (
        not reader.before.has_column(fact.table, fact.name) and reader.now.has_column(fact.table, fact.name)
    ):
        return
    reader.contract(
        "ban-drop-not-null",
        f"{fact.table}.{fact.name} may be NULL from now on; code of the release before does not expect it.",
        'Let a release that can read NULL go first, and declare this with brconsole = {"contract_after": …}.',
    )


def _drop_default(reader: _Reader, fact: Fact) -> None:
    column = reader.now.column(fact.table, fact.name)
    # alter_column renders DROP DEFAULT also where there was none.
    if reader.exempt(fact.table) or column.has_default is False:
        return
    if not reader.before.has_column(fact.table, fact.name) and reader.now.has_column(fact.table, fact.name):
        return  # added by this revision: judged by what is left of it at the end
    if column.not_null is False:
        reader.note("ban-drop-default", f"{fact.table}.{fact.name} loses its default; rows without it get NULL.")
        return
    reader.contract(
        "ban-drop-default",
        f"{fact.table}.{fact.name} is NOT NULL and loses its default; the release before may insert rows without it.",
        'Let a release that always writes it go first, and declare this with brconsole = {"contract_after": …}.',
    )


def _add_constraint(reader: _Reader, fact: Fact) -> None:
    if fact.lock is None or reader.exempt(fact.table):
        if fact.references is not None and not reader.exempt(fact.references):
            reader.note(
                "adding-foreign-key-constraint",
                f"The foreign key locks {fact.references} against writing (SHARE ROW EXCLUSIVE) until the commit.",
            )
        return
    if not fact.scans:
        reader.note(
            "constraint-missing-not-valid", f"From now on new rows of {fact.table} must satisfy {fact.name or 'it'}."
        )
        return
    if fact.constraint == "unique":
        reader.costly(
            "disallowed-unique-constraint",
            fact,
            f"The unique constraint builds its index while {fact.table} is locked (ACCESS EXCLUSIVE).",
            "Create a unique index CONCURRENTLY in an autocommit_block, then ADD CONSTRAINT … UNIQUE USING INDEX.",
        )
    elif fact.constraint == "primary key":
        reader.costly(
            "adding-serial-primary-key-field",
            fact,
            f"The primary key builds its index while {fact.table} is locked (ACCESS EXCLUSIVE).",
            "Create a unique index CONCURRENTLY in an autocommit_block, then ADD CONSTRAINT … PRIMARY KEY USING INDEX.",
        )
    else:
        reader.costly(
            "constraint-missing-not-valid",
            fact,
            f"The {fact.constraint} constraint reads all of {fact.table} while it is locked against writing.",
            "Add it NOT VALID (postgresql_not_valid=True), and VALIDATE CONSTRAINT in the next revision.",
        )


def _validate(reader: _Reader, fact: Fact) -> None:
    if reader.unvalidated_here(fact.table, fact.name):
        reader.costly(
            "constraint-missing-not-valid",
            fact,
            f"{fact.name} is validated in the transaction that added it: its lock on {fact.table} lasts as long as all"
            " rows are read.",
            "VALIDATE CONSTRAINT in the next revision.",
        )
    else:
        _slow_under_lock(reader, fact, f"all rows of {fact.table} are read")


def _drop_constraint(reader: _Reader, fact: Fact) -> None:
    if not reader.exempt(fact.table):
        known = reader.now.constraints.get((fact.table or "", fact.name or ""))
        if known is not None and known.kind == "primary key":
            reader.contract(
                "contract-undeclared",
                f"It drops the primary key of {fact.table}; ON CONFLICT and replication need it.",
                'Declare it as the second of two releases: brconsole = {"contract_after": …}.',
            )
            return
        reader.note("dropping-constraint", f"{fact.name} of {fact.table} holds no longer.")


def _create_index(reader: _Reader, fact: Fact) -> None:
    if fact.concurrently:
        _needs_autocommit(reader, fact, "ban-concurrent-index-creation-in-transaction", "CREATE INDEX CONCURRENTLY")
        return
    reader.costly(
        "require-concurrent-index-creation",
        fact,
        f"Nobody can write to {fact.table} while the index {fact.name or ''} is built.".replace("  ", " "),
        "with op.get_context().autocommit_block(): op.create_index(…, postgresql_concurrently=True,"
        " if_not_exists=True)",
    )


def _drop_index(reader: _Reader, fact: Fact) -> None:
    if fact.concurrently:
        _needs_autocommit(reader, fact, "ban-concurrent-index-deletion-in-transaction", "DROP INDEX CONCURRENTLY")
        return
    table = reader.now.indexes.get(fact.name or "")
    made_here = fact.name not in reader.before.indexes and table is not None
    if made_here or reader.exempt(table):
        return
    reader.costly(
        "require-concurrent-index-deletion",
        replace(fact, table=table),
        f"DROP INDEX {fact.name} locks the table of the index (ACCESS EXCLUSIVE) until all before it are done.",
        "with op.get_context().autocommit_block(): op.drop_index(…, postgresql_concurrently=True, if_exists=True)",
    )


def _reindex(reader: _Reader, fact: Fact) -> None:
    if fact.concurrently:
        _needs_autocommit(reader, fact, "ban-concurrent-index-creation-in-transaction", "REINDEX CONCURRENTLY")
    else:
        table = fact.table or reader.now.indexes.get(fact.name or "")
        reader.costly(
            "require-concurrent-index-creation",
            replace(fact, table=table),
            f"Nobody can write while {fact.name} is built anew.",
            "REINDEX … CONCURRENTLY in an autocommit_block.",
        )


def _needs_autocommit(reader: _Reader, fact: Fact, rule: str, what: str) -> None:
    if reader.in_transaction:
        reader.refuse(
            rule,
            f"{what} cannot run inside a transaction, and Alembic opens one.",
            "Put it into: with op.get_context().autocommit_block():",
        )
    elif not fact.if_exists:
        reader.note("prefer-robust-stmts", f"{what} without IF [NOT] EXISTS cannot be repeated after it was cut off.")


def _add_enum_value(reader: _Reader, fact: Fact) -> None:
    if reader.in_transaction and not reader.fresh_type(fact.name):
        reader.refuse(
            "enum-value-in-transaction",
            f"The new value of {fact.name} is added inside a transaction: before PostgreSQL 12 that fails, and until"
            " the commit nothing can use the value.",
            'with op.get_context().autocommit_block(): op.execute("ALTER TYPE … ADD VALUE IF NOT EXISTS …")',
        )


def _drop_object(reader: _Reader, fact: Fact) -> None:
    if reader.made_again(fact):
        return
    if fact.object_type == "database":
        reader.contract("ban-drop-database", f"It drops the database {fact.name}.", "Leave that to an administrator.")
        return
    if fact.object_type in _HARMLESS_DROPS:
        reader.note("dropping-object", f"It drops the {fact.object_type} {fact.name}.")
        return
    reader.contract(
        "contract-undeclared",
        f"It drops the {fact.object_type} {fact.name or ''}, which code may still use.".replace(" ,", ","),
        'Stop using it in one release; drop it in the next, declared with brconsole = {"contract_after": …}.',
    )


def _restrict(reader: _Reader, fact: Fact) -> None:
    if reader.exempt(fact.table):
        return
    what = {
        "privilege": "It takes a privilege away",
        "row level security": f"Row level security hides rows of {fact.table} from who has no policy",
        "partition": f"It takes a partition with its rows away from {fact.table}",
        "trigger": f"It switches triggers of {fact.table} off",
    }.get(fact.object_type or "", "It takes something away")
    reader.contract(
        "contract-undeclared",
        f"{what}; code of the release before may need it.",
        'Declare it as the second of two releases: brconsole = {"contract_after": …}.',
    )


def _rewrite(reader: _Reader, fact: Fact) -> None:
    reader.costly(
        "rewriting-table",
        fact,
        f"The whole table {fact.table or ''} is written anew under ACCESS EXCLUSIVE.",
        "Do it outside of a release, in a maintenance window or with pg_repack.",
    )


def _alter_object(reader: _Reader, fact: Fact) -> None:
    if fact.object_type == "domain" and fact.scans:
        reader.refuse(
            "ban-alter-domain-with-add-constraint",
            f"Every table with a column of the domain {fact.name} is read while it is locked.",
            "Add the constraint NOT VALID and validate it in the next revision.",
        )
    elif fact.object_type == "materialized view" and fact.lock is Lock.ACCESS_EXCLUSIVE and fact.name:
        reader.note("refreshing-view", f"Nobody can read {fact.name} while it is refreshed.")
    elif fact.object_type == "partition" and fact.scans and not reader.exempt(fact.table):
        reader.note("attaching-partition", f"{fact.table} is read in full unless a CHECK proves its bounds.")


def _slow_under_lock(reader: _Reader, fact: Fact, what: str) -> None:
    """Long work in a transaction that keeps others from writing."""
    held = reader.holds()
    if held is None or not reader.in_transaction or reader.small(fact.table):
        return
    table, lock = held
    reader.refuse(
        "require-lock-timeout",
        f"While {what}, the transaction holds {lock.value} on {table}: everybody waits for its end, and no timeout"
        " limits that.",
        "Put the rows' change into a revision of its own.",
    )


def _insert(reader: _Reader, fact: Fact) -> None:
    if fact.many_rows:
        _slow_under_lock(reader, fact, f"rows are copied into {fact.table}")


def _update(reader: _Reader, fact: Fact) -> None:
    if reader.exempt(fact.table):
        return
    word = "changed" if fact.kind is Kind.UPDATE else "deleted"
    _slow_under_lock(reader, fact, f"rows of {fact.table} are {word}")
    cure = "Do it in batches: WHERE id IN (SELECT id … LIMIT 5000), committed one by one, or by ranges of the key."
    if not fact.restricted and not fact.bounded:
        reader.costly("unbatched-data-change", fact, f"Every row of {fact.table} is {word} in one transaction.", cure)
    elif not fact.bounded:
        reader.note("unbatched-data-change", f"How many rows of {fact.table} are {word} at once is not limited.", cure)


def _truncate(reader: _Reader, fact: Fact) -> None:
    if reader.exempt(fact.table):
        return
    if fact.cascade:
        reader.contract(
            "ban-truncate-cascade",
            f"TRUNCATE {fact.table} CASCADE empties every table that refers to it as well.",
            "Delete the rows that are meant, in batches.",
        )
    else:
        reader.contract(
            "contract-undeclared",
            f"It empties the table {fact.table} under ACCESS EXCLUSIVE.",
            'Delete the rows that are meant, or declare it: brconsole = {"contract_after": …}.',
        )


def _select(reader: _Reader, fact: Fact) -> None:
    if fact.reads:
        reader.unknown = True
        reader.refuse(
            "reads-rows-offline",
            f"It reads rows of {', '.join(fact.reads[:3])}; offline there are none, so what it does with them cannot be"
            " seen.",
            "Say it in SQL that needs no answer: INSERT … SELECT, UPDATE … FROM, a CASE.",
        )


def _lock_table(reader: _Reader, fact: Fact) -> None:
    weak = fact.lock is None or fact.lock.strength < Lock.SHARE_UPDATE_EXCLUSIVE.strength
    if reader.exempt(fact.table) or weak:
        return
    assert fact.lock is not None
    if fact.nowait or reader.timeout_set:
        reader.note("require-lock-timeout", f"It locks {fact.table} ({fact.lock.value}) until the commit.")
        return
    reader.refuse(
        "require-lock-timeout",
        f"It locks {fact.table} ({fact.lock.value}) by hand until the commit.",
        "Leave it out: each statement takes the lock that it needs. Where it must be, SET LOCAL lock_timeout = '2s'"
        " before it, or NOWAIT.",
    )


_UNITS_MS = {"us": 0.001, "ms": 1.0, "s": 1000.0, "min": 60_000.0, "h": 3_600_000.0, "d": 86_400_000.0}


def timeout_ms(value: str | None) -> float | None:
    """A setting such as `2s` or `500` in milliseconds; None where it says no time (DEFAULT, RESET)."""
    matched = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(us|ms|s|min|h|d)?\s*", value or "")
    return None if matched is None else float(matched[1]) * _UNITS_MS[matched[2] or "ms"]


def _set(reader: _Reader, fact: Fact) -> None:
    if fact.setting not in ("lock_timeout", "all"):
        return
    limit = timeout_ms(fact.value)
    if limit is not None and 0 < limit <= LONGEST_LOCK_TIMEOUT_MS:
        reader.remember_timeout()
        return
    said = "takes lock_timeout away" if limit in (None, 0) else f"waits up to {fact.value} for a lock"
    reader.refuse(
        "require-lock-timeout",
        f"It {said}: whoever comes after it waits as long.",
        f"Leave lock_timeout to the job, or set at most {LONGEST_LOCK_TIMEOUT_MS // 1000} s.",
    )


def _transaction(reader: _Reader, fact: Fact) -> None:
    if fact.value != "alembic":
        reader.refuse(
            "transaction-nesting",
            f"It says {fact.kind.value.upper()} itself, inside the transaction that Alembic has opened.",
            "Use: with op.get_context().autocommit_block():",
        )


def _opaque(reader: _Reader, fact: Fact) -> None:
    reader.unknown = True
    called = f"it calls {fact.name}(), whose effect cannot be seen" if fact.name else None
    reader.refuse(
        "opaque-statement",
        f"Nobody can tell what it does: {called or reader.problem}.",
        "Write plain statements: the check must be able to read them.",
    )


_RULES: Mapping[Kind, Rule] = {
    Kind.ADD_COLUMN: _add_column,
    Kind.DROP_TABLE: _drop_table,
    Kind.DROP_COLUMN: _drop_column,
    Kind.RENAME_TABLE: _rename_table,
    Kind.RENAME_COLUMN: _rename_column,
    Kind.RENAME_OBJECT: _rename_object,
    Kind.CHANGE_TYPE: _change_type,
    Kind.SET_NOT_NULL: _set_not_null,
    Kind.DROP_NOT_NULL: _drop_not_null,
    Kind.DROP_DEFAULT: _drop_default,
    Kind.ADD_CONSTRAINT: _add_constraint,
    Kind.VALIDATE_CONSTRAINT: _validate,
    Kind.DROP_CONSTRAINT: _drop_constraint,
    Kind.CREATE_INDEX: _create_index,
    Kind.DROP_INDEX: _drop_index,
    Kind.REINDEX: _reindex,
    Kind.ADD_ENUM_VALUE: _add_enum_value,
    Kind.DROP_OBJECT: _drop_object,
    Kind.RESTRICT: _restrict,
    Kind.REWRITE: _rewrite,
    Kind.ALTER_OBJECT: _alter_object,
    Kind.INSERT: _insert,
    Kind.UPDATE: _update,
    Kind.DELETE: _update,
    Kind.TRUNCATE: _truncate,
    Kind.SELECT: _select,
    Kind.LOCK: _lock_table,
    Kind.SET: _set,
    Kind.BEGIN: _transaction,
    Kind.COMMIT: _transaction,
    Kind.OPAQUE: _opaque,
}
