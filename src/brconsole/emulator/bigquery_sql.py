"""GoogleSQL on DuckDB: checked, translated by sqlglot, and refused where the two engines might disagree.

Only what is on the list of known functions is let through: sqlglot translates more, but not always to the same meaning
(TIMESTAMP_DIFF counts whole hours in BigQuery and boundaries in DuckDB), and a wrong number is worse than a refusal.
Time comes from the simulated clock, never from the engine.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import sqlglot
from sqlglot import exp
from sqlglot.errors import ErrorLevel, ParseError, SqlglotError, TokenError, UnsupportedError

from brconsole.emulator.bigquery_errors import BigQueryError, invalid_query, not_found, not_implemented

PSEUDO_COLUMNS = frozenset({"_PARTITIONTIME", "_PARTITIONDATE"})
"""Columns that can be filtered by and that `SELECT *` does not show."""

_AGREED: tuple[type[exp.Expr], ...] = (
    exp.Abs,
    exp.And,
    exp.AnyValue,
    exp.Array,
    exp.ArrayAgg,
    exp.ArraySize,
    exp.Avg,
    exp.Case,
    exp.Cast,
    exp.Ceil,
    exp.Coalesce,
    exp.Count,
    exp.CountIf,
    exp.CurrentDate,
    exp.CurrentTimestamp,
    exp.Date,
    exp.DateAdd,
    exp.DateDiff,
    exp.DateSub,
    exp.DateTrunc,
    exp.EndsWith,
    exp.Exists,
    exp.Extract,
    exp.Floor,
    exp.Greatest,
    exp.If,
    exp.Lag,
    exp.Lead,
    exp.Least,
    exp.Lower,
    exp.Max,
    exp.Min,
    exp.Nullif,
    exp.Or,
    exp.Rank,
    exp.RegexpLike,
    exp.Round,
    exp.RowNumber,
    exp.SafeDivide,
    exp.StartsWith,
    exp.Struct,
    exp.Sum,
    exp.TimeToStr,
    exp.Timestamp,
    exp.TimestampAdd,
    exp.TimestampSub,
    exp.TimestampTrunc,
    exp.TryCast,
    exp.TsOrDsToDate,
    exp.TsOrDsToTimestamp,
    exp.Unnest,
    exp.Upper,
)
"""Functions (and operators that sqlglot holds as such) that mean the same on both engines."""

_REFUSED: Mapping[type[exp.Expr], str] = {
    exp.TableSample: "TABLESAMPLE",
    exp.Version: "FOR SYSTEM_TIME AS OF",
    exp.Pivot: "PIVOT and UNPIVOT",
    exp.SessionParameter: "System variables",
    exp.JSONExtract: "JSON access",
}
_UNITS = frozenset({"YEAR", "QUARTER", "MONTH", "DAY", "HOUR", "MINUTE", "SECOND"})
"""Weeks are left out: they begin on Sunday in BigQuery and on Monday in DuckDB."""
_EXTRACTED = _UNITS | {"DATE"}
_FORMAT = re.compile(r"(?:%[YmdHMSFT%]|[^%])*")
_SCALARS: Mapping[str, str] = {
    "STRING": "TEXT",
    "INT64": "BIGINT",
    "INTEGER": "BIGINT",
    "FLOAT64": "DOUBLE",
    "FLOAT": "DOUBLE",
    "BOOL": "BOOLEAN",
    "BOOLEAN": "BOOLEAN",
    "NUMERIC": "DECIMAL(38, 9)",
    "TIMESTAMP": "TIMESTAMPTZ",
    "DATETIME": "TIMESTAMP",
    "DATE": "DATE",
}
"""BigQuery's parameter types → DuckDB's."""


@dataclass(frozen=True, slots=True)
class TableId:
    """A table's full name."""

    project: str
    dataset: str
    table: str

    def __str__(self) -> str:
        return f"{self.project}:{self.dataset}.{self.table}"


@dataclass(frozen=True, slots=True)
class Parameter:
    """A query parameter: its type and its value as text (None is NULL), or the elements of an array."""

    type: str
    value: str | tuple[str | None, ...] | None
    is_array: bool = False


@dataclass(frozen=True, slots=True)
class Translated:
    """A query for DuckDB, the values it binds, and what is needed to estimate the bytes it reads."""

    sql: str
    bound: Mapping[str, Any]
    columns: frozenset[str]
    """Top-level columns of the table that are read; "*" for all."""
    partitions_sql: str
    """A condition on the pseudo columns that every row read meets."""
    partitions_bound: Mapping[str, Any]


def position(sql: str, offset: int) -> str:
    """A place in a query as BigQuery names it: `[line:column]`."""
    before = sql[:offset]
    return f"[{before.count(chr(10)) + 1}:{offset - before.rfind(chr(10))}]"


def place_of(sql: str, node: exp.Expr | None) -> str:
    """Where a node stands, `[1:1]` where the parser did not keep it."""
    for found in (node, *(node.find_all(exp.Identifier) if node is not None else ())):
        start = found.meta.get("start") if found is not None else None
        if start is not None:
            return position(sql, int(start))
    return "[1:1]"


def translate(
    sql: str,
    *,
    table: TableId,
    project: str,
    now: float,
    named: Mapping[str, Parameter],
    positional: tuple[Parameter, ...],
) -> Translated:
    """Check a query and translate it; raises BigQueryError. `project` is that of an unqualified name."""
    tree = _parsed(sql)
    _check_tables(sql, tree, table, project)
    _check_functions(sql, tree)
    _number_placeholders(tree)
    own = [node for node in tree.find_all(exp.Table) if node.name == table.table and node.db]
    partitions = _partition_conditions(tree, own)
    columns = _columns(tree, own)
    _name_columns(tree)
    _hide_pseudo_columns(tree, own)
    rewriter = _Rewriter(sql, now, named, positional)
    rewritten, bound = rewriter.rewrite(tree)
    condition, partitions_bound = rewriter.rewrite(exp.and_(exp.true(), *partitions))
    return Translated(_generated(rewritten), bound, columns, _generated(condition), partitions_bound)


def _parsed(sql: str) -> exp.Query:
    try:
        statements = sqlglot.parse(sql, read="bigquery")
    except ParseError as error:
        first = error.errors[0] if error.errors else {}
        highlight = str(first.get("highlight") or "")
        line, column = int(first.get("line") or 1), int(first.get("col") or 1)
        description = str(first.get("description") or "cannot be parsed")
        raise invalid_query(
            f'Syntax error: {description}, got "{highlight}" at [{line}:{max(1, column - max(len(highlight) - 1, 0))}]'
        ) from error
    except (TokenError, SqlglotError) as error:
        raise invalid_query(f"Syntax error: {error}") from error
    except RecursionError as error:
        raise invalid_query("Syntax error: the query is nested too deeply") from error
    present = [statement for statement in statements if statement is not None]
    if not present:
        raise invalid_query("Syntax error: Unexpected end of statement at [1:1]")
    if len(present) > 1:
        raise not_implemented("Scripts of several statements are not part of the embedded BigQuery.")
    statement = present[0]
    if not isinstance(statement, exp.Query):
        raise invalid_query(f"Only SELECT statements are allowed, found {statement.key.upper()}.")
    return statement


def _check_tables(sql: str, tree: exp.Expr, table: TableId, project: str) -> None:
    common = {cte.alias_or_name for cte in tree.find_all(exp.CTE)}
    for node in tree.find_all(exp.Table):
        if not isinstance(node.this, exp.Identifier):
            raise not_implemented(f"Table functions are not part of the embedded BigQuery, at {place_of(sql, node)}.")
        if not node.db:
            if node.name in common:
                continue
            raise invalid_query(
                f'Table "{node.name}" must be qualified with a dataset (e.g. dataset.table) at {place_of(sql, node)}'
            )
        aliases = {one.alias_or_name for one in tree.find_all(exp.Table) if one is not node}
        if not node.catalog and node.db in aliases:
            raise not_implemented(
                f"Joining an array by its path is not part of the embedded BigQuery, at {place_of(sql, node)}."
            )
        wanted = TableId(node.catalog or project, node.db, node.name)
        if "*" in wanted.table or wanted.dataset.upper() == "INFORMATION_SCHEMA":
            raise not_implemented(f"{wanted} is a wildcard or metadata table, which the embedded BigQuery has not.")
        if wanted == table:
            node.set("catalog", exp.to_identifier(table.project, quoted=True))
            continue
        if wanted.project != table.project:
            raise BigQueryError(
                403,
                "accessDenied",
                f"Access Denied: Table {wanted}: User does not have permission to query table {wanted}, "
                "or perhaps it does not exist.",
            )
        missing = f"Table {wanted}" if wanted.dataset == table.dataset else f"Dataset {wanted.project}:{wanted.dataset}"
        raise not_found(f"{missing} was not found in location US")


def _check_functions(sql: str, tree: exp.Expr) -> None:
    for node in tree.walk():
        for kind, name in _REFUSED.items():
            if isinstance(node, kind):
                raise not_implemented(f"{name} is not part of the embedded BigQuery.")
        if isinstance(node, exp.Anonymous | exp.AnonymousAggFunc):
            raise invalid_query(f"Function not found: {node.name} at {place_of(sql, node)}")
        if isinstance(node, exp.Func) and not isinstance(node, _AGREED):
            raise not_implemented(
                f"Function {node.sql_name()} is not part of the embedded BigQuery, at {place_of(sql, node)}."
            )
        _check_units(sql, node)


def _check_units(sql: str, node: exp.Expr) -> None:
    unit = ""
    allowed = _UNITS
    if isinstance(node, exp.DateTrunc | exp.TimestampTrunc | exp.DateDiff | exp.DateAdd | exp.DateSub):
        unit = node.text("unit").upper()
    elif isinstance(node, exp.Extract):
        unit, allowed = node.name.upper(), _EXTRACTED
    elif isinstance(node, exp.Interval):
        unit = node.text("unit").upper()
    elif isinstance(node, exp.TimeToStr):
        form = node.args.get("format")
        if not (isinstance(form, exp.Literal) and form.is_string and _FORMAT.fullmatch(form.name)):
            raise not_implemented(
                "Only the format elements %Y %m %d %H %M %S %F %T are part of the embedded BigQuery, "
                f"at {place_of(sql, node)}."
            )
    if unit and unit not in allowed:
        raise not_implemented(f"The date part {unit} is not part of the embedded BigQuery, at {place_of(sql, node)}.")


def _partition_conditions(tree: exp.Expr, own: Iterable[exp.Table]) -> list[exp.Expr]:
    """The conditions on pseudo columns alone, where the table is read once; otherwise none is sure to hold."""
    tables = list(own)
    if len(tables) != 1:
        return []
    select = tables[0].parent_select
    where = select.args.get("where") if select is not None else None
    if not isinstance(where, exp.Where):
        return []
    parts = where.this.flatten() if isinstance(where.this, exp.And) else iter([where.this])
    chosen = []
    for part in parts:
        condition = part.unnest()
        names = {column.name.upper() for column in condition.find_all(exp.Column)}
        if names and names <= PSEUDO_COLUMNS and not condition.find(exp.Query):
            unqualified = condition.copy()
            for column in unqualified.find_all(exp.Column):
                column.set("table", None)
            chosen.append(unqualified)
    return chosen


def _columns(tree: exp.Expr, own: Iterable[exp.Table]) -> frozenset[str]:
    aliases = {table.alias_or_name for table in own}
    names: set[str] = set()
    for star in tree.find_all(exp.Star):
        if not isinstance(star.parent, exp.Count):
            names.add("*")
    for column in tree.find_all(exp.Column):
        parts = [part.name for part in column.parts]
        names.add(parts[1] if len(parts) > 1 and parts[0] in aliases else parts[0])
    return frozenset(names)


def _name_columns(tree: exp.Expr) -> None:
    """Columns without a name are called f0_, f1_, … as BigQuery does."""
    for select in _result_selects(tree):
        count = 0
        renamed: list[exp.Expr] = []
        for projection in select.expressions:
            if isinstance(projection, exp.Alias | exp.Star | exp.Column | exp.Dot):
                renamed.append(projection)
                continue
            renamed.append(exp.alias_(projection.copy(), f"f{count}_", quoted=True))
            count += 1
        select.set("expressions", renamed)


def _result_selects(tree: exp.Expr) -> Iterator[exp.Select]:
    if isinstance(tree, exp.Select):
        yield tree
    elif isinstance(tree, exp.SetOperation):
        yield from _result_selects(tree.left)
        yield from _result_selects(tree.right)
    elif isinstance(tree, exp.Subquery):
        yield from _result_selects(tree.this)


def _hide_pseudo_columns(tree: exp.Expr, own: Iterable[exp.Table]) -> None:
    hidden = sorted(PSEUDO_COLUMNS)
    for table in own:
        select = table.parent_select
        for projection in select.expressions if select is not None else ():
            star = projection.this if isinstance(projection, exp.Column) else projection
            qualifier = projection.table if isinstance(projection, exp.Column) else ""
            if isinstance(star, exp.Star) and qualifier in ("", table.alias_or_name):
                excluded = star.args.get("except_") or []
                star.set("except_", [*excluded, *(exp.to_identifier(name) for name in hidden)])


def _number_placeholders(tree: exp.Expr) -> None:
    """Give each `?` its number in the order of the text, which the order of the tree need not be."""
    placeholders = [node for node in tree.find_all(exp.Placeholder) if not node.this]
    for index, node in enumerate(placeholders):
        node.set("this", f"unnumbered_{index}_")
    order = re.findall(r"unnumbered_(\d+)_", tree.sql(dialect="bigquery")) if placeholders else []
    for number, index in enumerate(order):
        placeholders[int(index)].set("this", str(number))


@dataclass(frozen=True, slots=True)
class _Rewriter:
    """Replaces what the engine must not decide (time, parameters) or decides differently (division by zero)."""

    sql: str
    now: float
    named: Mapping[str, Parameter]
    positional: tuple[Parameter, ...]

    def rewrite(self, tree: exp.Expr) -> tuple[exp.Expr, dict[str, Any]]:
        """The tree rewritten, and the values that it binds."""
        bound: dict[str, Any] = {}
        holder = exp.Paren(this=tree.copy())
        # Innermost first, so that what replaces a node already holds its rewritten parts.
        for node in reversed(list(holder.this.walk())):
            replacement = self._replacement(node, bound)
            if replacement is not None:
                node.replace(replacement)
        return holder.this, bound

    def _replacement(self, node: exp.Expr, bound: dict[str, Any]) -> exp.Expr | None:
        if isinstance(node, exp.Parameter):
            return self._by_name(node, bound)
        if isinstance(node, exp.Placeholder):
            return self._by_number(node, bound)
        if isinstance(node, exp.CurrentTimestamp):
            return _literal(datetime.fromtimestamp(self.now, UTC).isoformat(), "TIMESTAMPTZ")
        if isinstance(node, exp.CurrentDate):
            if node.this is not None and node.this.name != "UTC":
                raise not_implemented("CURRENT_DATE of a zone other than UTC is not part of the embedded BigQuery.")
            return _literal(datetime.fromtimestamp(self.now, UTC).date().isoformat(), "DATE")
        if isinstance(node, exp.Div):
            return _checked_division(node)
        if isinstance(node, exp.DateTrunc):
            return self._date_trunc(node)
        if isinstance(node, exp.DateAdd | exp.DateSub):
            return exp.Cast(this=node.copy(), to=exp.DataType.build("DATE"))  # DuckDB makes it a timestamp
        if isinstance(node, exp.Extract) and node.name.upper() == "DATE":
            return exp.Cast(this=node.expression.copy(), to=exp.DataType.build("DATE"))
        if isinstance(node, exp.Unnest):
            return _with_columns(node)
        if isinstance(node, exp.Literal) and not node.is_string and not node.name.isdigit():
            return exp.Cast(this=node.copy(), to=exp.DataType.build("DOUBLE"))  # FLOAT64; DuckDB takes it for a decimal
        return _exact_decimal(node)

    def _by_name(self, node: exp.Parameter, bound: dict[str, Any]) -> exp.Expr:
        parameter = {name.lower(): one for name, one in self.named.items()}.get(node.name.lower())
        if parameter is None:
            found = re.search(rf"@{re.escape(node.name)}\b", self.sql)
            place = position(self.sql, found.start() if found else 0)
            raise invalid_query(f"Query parameter '{node.name}' not found at {place}")
        return _placeholder(f"named_{node.name.lower()}", parameter, bound)

    def _by_number(self, node: exp.Placeholder, bound: dict[str, Any]) -> exp.Expr:
        number = int(node.name)
        if number >= len(self.positional):
            raise invalid_query(
                f"Query has more positional parameters than were given ({len(self.positional)}); parameterMode is "
                "POSITIONAL for '?' and NAMED for '@name'"
            )
        return _placeholder(f"positional_{number}", self.positional[number], bound)

    def _date_trunc(self, node: exp.DateTrunc) -> exp.Expr:
        """DATE_TRUNC of a date is a date; DuckDB makes it a timestamp."""
        inner = node.this
        dated = inner.is_type("date") or isinstance(inner, exp.Date | exp.TsOrDsToDate)
        if not dated and not (isinstance(inner, exp.Cast) and inner.to.is_type("date")):
            raise not_implemented(
                "DATE_TRUNC is only part of the embedded BigQuery as DATE_TRUNC(DATE(…), part), "
                f"at {place_of(self.sql, node)}."
            )
        return exp.Cast(this=node.copy(), to=exp.DataType.build("DATE"))


def _placeholder(key: str, parameter: Parameter, bound: dict[str, Any]) -> exp.Expr:
    type_name = _SCALARS.get(parameter.type.upper())
    if type_name is None:
        raise not_implemented(f"Parameters of type {parameter.type} are not part of the embedded BigQuery.")
    bound[key] = list(parameter.value or ()) if parameter.is_array else parameter.value
    target = exp.DataType.build(f"{type_name}[]" if parameter.is_array else type_name, dialect="duckdb")
    return exp.Cast(this=exp.Placeholder(this=key), to=target)


def _literal(text: str, type_name: str) -> exp.Expr:
    return exp.Cast(this=exp.Literal.string(text), to=exp.DataType.build(type_name, dialect="duckdb"))


def _with_columns(node: exp.Unnest) -> exp.Expr | None:
    """UNNEST of records without a name, whose fields are columns."""
    if node.args.get("alias") is not None or not isinstance(node.parent, exp.From | exp.Join):
        return None
    depth = exp.PropertyEQ(this=exp.to_identifier("max_depth"), expression=exp.Literal.number(2))
    unnested = exp.Anonymous(this="UNNEST", expressions=[*(one.copy() for one in node.expressions), depth])
    return exp.Subquery(this=exp.Select(expressions=[unnested]))


def _exact_decimal(node: exp.Expr) -> exp.Expr | None:
    """NUMERIC has 9 places; DuckDB's own default has 3."""
    if not isinstance(node, exp.DataType):
        return None
    if node.is_type("bigdecimal"):
        raise not_implemented("BIGNUMERIC is not part of the embedded BigQuery.")
    if node.is_type("decimal") and not node.expressions:
        return exp.DataType.build("DECIMAL(38, 9)", dialect="duckdb")
    return None


def _checked_division(node: exp.Div) -> exp.Expr:
    """Division that fails on zero, as in BigQuery; DuckDB gives infinity."""
    below = node.expression
    refusal = exp.func("ERROR", exp.Literal.string("division by zero"))
    zero = exp.EQ(this=exp.paren(below.copy()), expression=exp.Literal.number(0))
    checked = exp.Case(ifs=[exp.If(this=zero, true=refusal)], default=below.copy())
    return exp.Div(this=node.this.copy(), expression=checked, typed=node.args.get("typed"), safe=node.args.get("safe"))


def _generated(tree: exp.Expr) -> str:
    try:
        return tree.sql(dialect="duckdb", unsupported_level=ErrorLevel.RAISE)
    except UnsupportedError as error:
        raise not_implemented(f"The embedded BigQuery cannot run this: {error}") from error
