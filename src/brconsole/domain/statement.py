"""One SQL statement of a migration as PostgreSQL's own parser reads it: what it does to which table, under which lock.

The facts are plain values, so that the rules that judge them are pure (`migration_rules`).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What a statement, or one part of an ALTER TABLE, does."""

    CREATE_TABLE = "create table"
    DROP_TABLE = "drop table"
    RENAME_TABLE = "rename table"
    ADD_COLUMN = "add column"
    DROP_COLUMN = "drop column"
    RENAME_COLUMN = "rename column"
    CHANGE_TYPE = "change type"
    SET_NOT_NULL = "set not null"
    DROP_NOT_NULL = "drop not null"
    SET_DEFAULT = "set default"
    DROP_DEFAULT = "drop default"
    ADD_CONSTRAINT = "add constraint"
    VALIDATE_CONSTRAINT = "validate constraint"
    DROP_CONSTRAINT = "drop constraint"
    RENAME_OBJECT = "rename object"
    """Anything but a table or column: a type, an enum value, a view, a function, a constraint, an index."""
    CREATE_INDEX = "create index"
    DROP_INDEX = "drop index"
    REINDEX = "reindex"
    CREATE_TYPE = "create type"
    ADD_ENUM_VALUE = "add enum value"
    CREATE_OBJECT = "create object"
    """A view, function, trigger, sequence, extension, schema, policy: something that did not exist."""
    DROP_OBJECT = "drop object"
    ALTER_OBJECT = "alter object"
    """A change that neither adds nor takes away: an option, an owner, statistics."""
    RESTRICT = "restrict"
    """Takes a right or rows away from those who had them: REVOKE, row level security."""
    REWRITE = "rewrite"
    """Writes a whole table anew: CLUSTER, VACUUM FULL, SET TABLESPACE, SET LOGGED, REFRESH MATERIALIZED VIEW."""
    INSERT = "insert"
    UPDATE = "update"
    DELETE = "delete"
    TRUNCATE = "truncate"
    SELECT = "select"
    LOCK = "lock"
    SET = "set"
    COMMENT = "comment"
    BEGIN = "begin"
    COMMIT = "commit"
    SAVEPOINT = "savepoint"
    OTHER = "other"
    """Harmless and of no account here: NOTIFY, ANALYZE, EXPLAIN."""
    OPAQUE = "opaque"
    """Cannot be told what it does: DO, CALL, EXECUTE, or no valid SQL."""


class Lock(StrEnum):
    """PostgreSQL's lock modes on tables, weakest first."""

    ACCESS_SHARE = "ACCESS SHARE"
    ROW_SHARE = "ROW SHARE"
    ROW_EXCLUSIVE = "ROW EXCLUSIVE"
    SHARE_UPDATE_EXCLUSIVE = "SHARE UPDATE EXCLUSIVE"
    SHARE = "SHARE"
    SHARE_ROW_EXCLUSIVE = "SHARE ROW EXCLUSIVE"
    EXCLUSIVE = "EXCLUSIVE"
    ACCESS_EXCLUSIVE = "ACCESS EXCLUSIVE"

    @property
    def strength(self) -> int:
        """A stronger one has a greater number."""
        return list(Lock).index(self)

    @property
    def blocks_writes(self) -> bool:
        """Whether nobody can change rows of the table meanwhile."""
        return self.strength >= Lock.SHARE.strength


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing that a statement does. Names are as PostgreSQL stores them, `schema.table` where a schema is written
    that is not `public`.
    """

    kind: Kind
    table: str | None = None
    """The table it is about; for an index its table; None where there is none or it is not said (DROP INDEX)."""
    name: str | None = None
    """The column, constraint, index, type or object that it is about; for a rename the old name."""
    new_name: str | None = None
    lock: Lock | None = None
    """On `table`."""
    rewrites: bool = False
    scans: bool = False
    type_name: str | None = None
    """The column's type as written, such as `varchar(50)`."""
    not_null: bool = False
    has_default: bool = False
    """A default that is not NULL, an identity, a serial or a generated value."""
    volatile_default: bool = False
    """The default differs from row to row, so every row is written."""
    constraint: str | None = None
    """`check`, `foreign key`, `unique`, `primary key`, `exclude`, `not null`."""
    references: str | None = None
    """The table that a foreign key points to."""
    not_valid: bool = False
    using_index: bool = False
    columns: tuple[str, ...] = ()
    """Written by an INSERT or UPDATE; of a created table all of them; of a constraint or index the ones it covers."""
    required_columns: tuple[str, ...] = ()
    """Of a created table those that are NOT NULL."""
    not_null_check: str | None = None
    """The column of a CHECK that is nothing but `column IS NOT NULL`."""
    concurrently: bool = False
    unique: bool = False
    if_exists: bool = False
    """IF EXISTS, or IF NOT EXISTS."""
    cascade: bool = False
    restricted: bool = False
    """The UPDATE or DELETE has a WHERE that is not always true."""
    bounded: bool = False
    """Rows are taken by a LIMIT or a range of keys."""
    reads: tuple[str, ...] = ()
    """Tables that it reads rows of."""
    many_rows: bool = False
    """The INSERT takes its rows from a query."""
    setting: str | None = None
    value: str | None = None
    converts: bool = False
    """The type change has a USING expression."""
    nowait: bool = False
    object_type: str | None = None
    """Such as `view`, `function`; only with the kinds that are about any object."""


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement as rendered, where it stands in the revision's file, and the facts of it."""

    sql: str
    line: int | None
    facts: tuple[Fact, ...]
    in_transaction: bool = True
    problem: str | None = None
    """Why it could not be read."""
