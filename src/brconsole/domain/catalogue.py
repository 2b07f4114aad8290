"""What a database holds after some of a line's revisions, as far as their statements tell: enough to know whether a
column may be NULL, what its type was, and which CHECK is validated.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from brconsole.domain.statement import Fact, Kind


@dataclass(frozen=True, slots=True)
class Column:
    """A column; None where it is not known."""

    type_name: str | None = None
    not_null: bool | None = None
    has_default: bool | None = None


@dataclass(frozen=True, slots=True)
class Constraint:
    """A constraint of a table."""

    table: str
    kind: str | None
    validated: bool
    not_null_check: str | None = None
    columns: tuple[str, ...] = ()


@dataclass(slots=True)
class Catalogue:
    """The tables and what belongs to them. `apply` moves it on; `copy` keeps a state."""

    tables: dict[str, dict[str, Column]] = field(default_factory=dict)
    constraints: dict[tuple[str, str], Constraint] = field(default_factory=dict)
    """By table and name."""
    indexes: dict[str, str] = field(default_factory=dict)
    """The table of an index by its name."""
    types: set[str] = field(default_factory=set)
    objects: set[tuple[str, str]] = field(default_factory=set)
    """Views, functions and the like by type and name."""

    def copy(self) -> Catalogue:
        """An independent one."""
        tables = {name: dict(columns) for name, columns in self.tables.items()}
        return Catalogue(tables, dict(self.constraints), dict(self.indexes), set(self.types), set(self.objects))

    def column(self, table: str | None, name: str | None) -> Column:
        """What is known of a column."""
        return self.tables.get(table or "", {}).get(name or "", Column())

    def has_column(self, table: str | None, name: str | None) -> bool:
        """Whether an earlier statement made it."""
        return (name or "") in self.tables.get(table or "", {})

    def proves_not_null(self, table: str, column: str | None) -> bool:
        """Whether a validated CHECK says that the column is not NULL, so that SET NOT NULL reads no row."""
        return any(
            each.table == table and each.not_null_check == column and each.validated
            for each in self.constraints.values()
        )

    def apply(self, facts: Iterable[Fact]) -> None:
        """Move on by what statements do."""
        for fact in facts:
            self._apply(fact)

    def _apply(self, fact: Fact) -> None:
        table, name = fact.table or "", fact.name or ""
        match fact.kind:
            case Kind.CREATE_TABLE:
                if not (fact.if_exists and table in self.tables):
                    self.tables[table] = {}
            case Kind.DROP_TABLE:
                self._forget(table)
            case Kind.RENAME_TABLE:
                self._rename(table, fact.new_name or table)
            case Kind.ADD_COLUMN:
                column = Column(fact.type_name, fact.not_null, fact.has_default)
                self.tables.setdefault(table, {}).setdefault(name, column)
            case Kind.DROP_COLUMN:
                self.tables.get(table, {}).pop(name, None)
            case Kind.RENAME_COLUMN:
                columns = self.tables.setdefault(table, {})
                columns[fact.new_name or name] = columns.pop(name, Column())
            case Kind.CHANGE_TYPE:
                self._change(table, name, type_name=fact.type_name)
            case Kind.SET_NOT_NULL | Kind.DROP_NOT_NULL:
                self._change(table, name, not_null=fact.kind is Kind.SET_NOT_NULL)
            case Kind.SET_DEFAULT | Kind.DROP_DEFAULT:
                self._change(table, name, has_default=fact.kind is Kind.SET_DEFAULT)
            case _:
                self._apply_object(fact, table, name)

    def _apply_object(self, fact: Fact, table: str, name: str) -> None:
        match fact.kind:
            case Kind.ADD_CONSTRAINT:
                key = name or f"{fact.constraint} of {', '.join(fact.columns)}"
                self.constraints[table, key] = Constraint(
                    table, fact.constraint, not fact.not_valid, fact.not_null_check, fact.columns
                )
                if fact.unique and name:
                    self.indexes[name] = table
            case Kind.VALIDATE_CONSTRAINT:
                if (known := self.constraints.get((table, name))) is not None:
                    self.constraints[table, name] = replace(known, validated=True)
            case Kind.DROP_CONSTRAINT:
                self.constraints.pop((table, name), None)
            case Kind.CREATE_INDEX:
                if name:
                    self.indexes[name] = table
            case Kind.DROP_INDEX:
                self.indexes.pop(name, None)
            case Kind.CREATE_TYPE:
                self.types.add(name)
            case Kind.CREATE_OBJECT:
                self.objects.add((fact.object_type or "", name))
            case Kind.DROP_OBJECT:
                self.objects.discard((fact.object_type or "", name))
                if fact.object_type in ("type", "domain"):
                    self.types.discard(name)
            case _:
                return

    def _change(self, table: str, name: str, **changes: object) -> None:
        columns = self.tables.setdefault(table, {})
        columns[name] = replace(columns.get(name, Column()), **changes)  # type: ignore[arg-type]

    def _forget(self, table: str) -> None:
        self.tables.pop(table, None)
        self.constraints = {key: value for key, value in self.constraints.items() if key[0] != table}
        self.indexes = {name: of for name, of in self.indexes.items() if of != table}

    def _rename(self, table: str, new: str) -> None:
        self.tables[new] = self.tables.pop(table, {})
        self.constraints = {
            (new if of == table else of, name): replace(value, table=new) if of == table else value
            for (of, name), value in self.constraints.items()
        }
        self.indexes = {name: new if of == table else of for name, of in self.indexes.items()}


def widens(old: str | None, new: str | None) -> bool:
    """Whether a column's type can change from `old` to `new` without writing or reading a row, and whoever wrote and
    read the old one goes on working (PostgreSQL's ALTER TABLE notes; binary coercible types).
    """
    if old is None or new is None:
        return False
    before, after = _split(old), _split(new)
    if before == after:
        return True
    (old_base, old_sizes), (new_base, new_sizes) = before, after
    if (old_base, new_base) == ("varchar", "text") or (old_base, new_base, new_sizes) == ("text", "varchar", ()):
        return True
    if (old_base, new_base) == ("cidr", "inet"):
        return True
    if old_base != new_base:
        return False
    if old_base in ("varchar", "varbit", "timestamp", "timestamptz", "time", "timetz"):
        return not new_sizes or (bool(old_sizes) and new_sizes[0] >= old_sizes[0])
    if old_base == "numeric":
        if not new_sizes:
            return True
        scale = (*old_sizes, 0)[1:2], (*new_sizes, 0)[1:2]
        return bool(old_sizes) and new_sizes[0] >= old_sizes[0] and scale[0] == scale[1]
    return False


def _split(type_name: str) -> tuple[str, tuple[int, ...]]:
    base, _, sizes = type_name.partition("(")
    numbers = tuple(int(size) for size in sizes.rstrip(")[]").split(",") if size.strip().isdigit())
    return base + ("[]" if type_name.endswith("[]") else ""), numbers
