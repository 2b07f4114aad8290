"""Rendered SQL read by PostgreSQL's own parser (pglast) into facts that the rules can judge.

What cannot be read, and what hides what it does (DO, CALL, EXECUTE), is a fact of its own kind: OPAQUE. It is never
taken for harmless.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from brconsole.domain.statement import Fact, Kind, Lock, Statement
from brconsole.operations.migration_ports import RenderedStatement

Node = Mapping[str, Any]

_PARAMETER = re.compile(r"%\(\w+\)s(?:::[\w ]+(?:\[\])?)?")
_SERIALS = ("serial", "bigserial", "smallserial", "serial4", "serial8", "serial2")
_STABLE_FUNCTIONS = frozenset(
    # Evaluated once for the whole statement, so a default of them is stored once and no row is written.
    (
        "now",
        "transaction_timestamp",
        "statement_timestamp",
        "current_setting",
        "current_database",
        "current_schema",
        "current_user",
        "session_user",
        "to_char",
        "to_date",
        "to_timestamp",
        "to_number",
        "lower",
        "upper",
        "length",
        "concat",
        "array_fill",
        "jsonb_build_object",
        "json_build_object",
        "jsonb_build_array",
        "json_build_array",
        "to_json",
        "to_jsonb",
        "make_interval",
        "make_date",
        "make_timestamp",
        "date_trunc",
        "coalesce",
        "md5",
        "int4range",
        "int8range",
        "numrange",
        "daterange",
        "tsrange",
        "tstzrange",
        "timezone",
        "point",
        "box",
    )
)
_HARMLESS_CALLS = frozenset(
    (
        "setval",
        "nextval",
        "currval",
        "lastval",
        "set_config",
        "current_setting",
        "now",
        "version",
        "pg_advisory_lock",
        "pg_advisory_xact_lock",
        "pg_try_advisory_lock",
        "pg_try_advisory_xact_lock",
        "pg_advisory_unlock",
        "pg_advisory_unlock_all",
        "pg_sleep",
        "pg_notify",
        "to_regclass",
        "pg_get_serial_sequence",
        "coalesce",
        "max",
        "min",
        "count",
        "greatest",
        "least",
        "current_database",
        "current_schema",
        "txid_current",
        "pg_current_xact_id",
        "pg_backend_pid",
    )
)
_LOCK_BY_NUMBER = dict(enumerate(Lock, start=1))
_DESTRUCTIVE_TYPES = {
    "OBJECT_TABLE": "table",
    "OBJECT_FOREIGN_TABLE": "foreign table",
    "OBJECT_VIEW": "view",
    "OBJECT_MATVIEW": "materialized view",
    "OBJECT_INDEX": "index",
}
_RANGE_OPERATORS = ("<", "<=", ">", ">=")


def read(rendered: Sequence[RenderedStatement]) -> tuple[Statement, ...]:
    """The statements of a revision's own code, each with its facts and whether a transaction is open around it.

    What Alembic and env.py write around them counts only as far as it opens and closes transactions.
    """
    found: list[Statement] = []
    in_transaction = True
    for piece in rendered:
        for statement in _statements(piece, in_transaction):
            kinds = {fact.kind for fact in statement.facts}
            in_transaction = (in_transaction or Kind.BEGIN in kinds) and Kind.COMMIT not in kinds
            if piece.own:
                found.append(statement)
    return tuple(found)


def _statements(piece: RenderedStatement, in_transaction: bool) -> Iterator[Statement]:
    import pglast

    if not piece.own and not re.match(r"\s*(BEGIN|COMMIT|ROLLBACK|START|END)\b", piece.sql, re.IGNORECASE):
        return
    text = _PARAMETER.sub("$1", piece.sql) if piece.bound else piece.sql
    try:
        parsed: Sequence[Any] = pglast.parse_sql(text)
    except pglast.parser.ParseError as error:
        reason = str(error).partition(", at")[0] or "it is no valid SQL"
        yield Statement(_tidy(text), piece.line, (Fact(Kind.OPAQUE),), in_transaction, reason)
        return
    except RecursionError:
        yield Statement(_tidy(text[:500]), piece.line, (Fact(Kind.OPAQUE),), in_transaction, "it is nested too deeply")
        return
    for raw in parsed:
        end = raw.stmt_location + raw.stmt_len if raw.stmt_len else len(text)
        sql = _tidy(text[raw.stmt_location : end]) if len(parsed) > 1 else _tidy(text)
        try:
            facts = facts_of(raw.stmt(skip_none=True))
        except RecursionError:
            facts = (Fact(Kind.OPAQUE),)
        if piece.marker:
            facts = tuple(_marked(fact) for fact in facts)
        problem = next((_WHY_OPAQUE for fact in facts if fact.kind is Kind.OPAQUE), None)
        yield Statement(sql, piece.line, facts, in_transaction, problem)
        kinds = {fact.kind for fact in facts}
        in_transaction = (in_transaction or Kind.BEGIN in kinds) and Kind.COMMIT not in kinds


_WHY_OPAQUE = "what it does cannot be seen from outside"


def _marked(fact: Fact) -> Fact:
    """A BEGIN or COMMIT that Alembic wrote for an `autocommit_block`, not the revision's author."""
    return Fact(fact.kind, value="alembic") if fact.kind in (Kind.BEGIN, Kind.COMMIT) else fact


def _tidy(sql: str) -> str:
    return sql.strip().rstrip(";").strip()


def facts_of(node: Node) -> tuple[Fact, ...]:
    """The facts of one parsed statement."""
    reader = _READERS.get(node["@"])
    if reader is None:
        return (Fact(Kind.OPAQUE),)
    facts = tuple(reader(node))
    if node["@"] in ("SelectStmt", "InsertStmt", "UpdateStmt", "DeleteStmt", "CreateTableAsStmt"):
        # WITH gone AS (DELETE …) SELECT …: the statements inside are facts as well.
        facts += tuple(_inner_changes(node))
    return facts


# ------------------------------------------------------------------------------------------------------- tables


def _create_table(node: Node) -> Iterator[Fact]:
    table = _table(node["relation"])
    columns: list[tuple[str, Node]] = [
        (element["colname"], element) for element in node.get("tableElts", ()) if element["@"] == "ColumnDef"
    ]
    yield Fact(
        Kind.CREATE_TABLE,
        table,
        columns=tuple(name for name, _ in columns),
        required_columns=tuple(name for name, column in columns if _requires(column)),
        if_exists=bool(node.get("if_not_exists")),
    )
    for name, column in columns:
        yield Fact(
            Kind.ADD_COLUMN,
            table,
            name,
            type_name=_type(column.get("typeName")),
            not_null=_requires(column),
            has_default=_has_default(column),
        )
        for constraint in column.get("constraints", ()):
            yield from _constraint(table, constraint, (name,), inline=True)
    for element in node.get("tableElts", ()):
        if element["@"] == "Constraint":
            yield from _constraint(table, element, (), inline=True)
    for parent in node.get("inhRelations", ()):
        # A partition or child: its parent is locked while it is put in.
        lock = Lock.ACCESS_EXCLUSIVE if node.get("partbound") else Lock.SHARE_UPDATE_EXCLUSIVE
        yield Fact(Kind.ALTER_OBJECT, _table(parent), lock=lock, object_type="partition")


def _create_table_as(node: Node) -> Iterator[Fact]:
    into = node.get("into") or {}
    table = _table(into["rel"]) if into.get("rel") else None
    if _enum(node.get("objtype")) == "OBJECT_MATVIEW":
        yield Fact(Kind.CREATE_OBJECT, None, table, object_type="materialized view", reads=_reads(node))
        return
    yield Fact(Kind.CREATE_TABLE, table, if_exists=bool(node.get("if_not_exists")))
    yield Fact(Kind.INSERT, table, many_rows=True, reads=_reads(node))


def _alter_table(node: Node) -> Iterator[Fact]:
    relation = _table(node["relation"])
    kind = _enum(node.get("objtype"))
    if kind in ("OBJECT_INDEX", "OBJECT_SEQUENCE", "OBJECT_VIEW", "OBJECT_MATVIEW", "OBJECT_TYPE"):
        yield Fact(Kind.ALTER_OBJECT, None, relation, object_type=_spoken(kind))
        return
    for command in node.get("cmds", ()):
        reader = _ALTERATIONS.get(_enum(command["subtype"]))
        if reader is None:
            yield Fact(Kind.ALTER_OBJECT, relation, command.get("name"), lock=Lock.ACCESS_EXCLUSIVE)
        else:
            yield from reader(relation, command)


def _add_column(table: str, command: Node) -> Iterator[Fact]:
    column = command["def_"]
    name = column["colname"]
    identity = any(_enum(each["contype"]) == "CONSTR_IDENTITY" for each in column.get("constraints", ()))
    generated = any(_enum(each["contype"]) == "CONSTR_GENERATED" for each in column.get("constraints", ()))
    virtual = any(each.get("generated_kind") == "v" for each in column.get("constraints", ()))
    serial = _base_type(column.get("typeName")) in _SERIALS
    default = _default(column)
    volatile = identity or serial or (generated and not virtual) or (default is not None and _volatile(default))
    yield Fact(
        Kind.ADD_COLUMN,
        table,
        name,
        lock=Lock.ACCESS_EXCLUSIVE,
        rewrites=volatile,
        type_name=_type(column.get("typeName")),
        not_null=_requires(column),
        has_default=_has_default(column),
        volatile_default=volatile,
        if_exists=bool(command.get("missing_ok")),
    )
    for constraint in column.get("constraints", ()):
        for fact in _constraint(table, constraint, (name,), inline=False):
            # PostgreSQL does not look at old rows for the foreign key of a column that is NULL in all of them.
            skipped = fact.constraint == "foreign key" and default is None
            yield _with(fact, scans=False, not_valid=True) if skipped else fact


def _drop_column(table: str, command: Node) -> Iterator[Fact]:
    yield Fact(
        Kind.DROP_COLUMN,
        table,
        command["name"],
        lock=Lock.ACCESS_EXCLUSIVE,
        if_exists=bool(command.get("missing_ok")),
        cascade=_cascades(command),
    )


def _change_type(table: str, command: Node) -> Iterator[Fact]:
    column = command["def_"]
    using = column.get("raw_default")
    yield Fact(
        Kind.CHANGE_TYPE,
        table,
        command["name"],
        lock=Lock.ACCESS_EXCLUSIVE,
        rewrites=True,
        type_name=_type(column.get("typeName")),
        converts=using is not None and not _is_plain_cast(using, command["name"], column.get("typeName")),
        value=None if using is None else _shortening(using),
    )


def _column_default(table: str, command: Node) -> Iterator[Fact]:
    expression = command.get("def_")
    if expression is None or _is_null(expression):
        yield Fact(Kind.DROP_DEFAULT, table, command["name"], lock=Lock.ACCESS_EXCLUSIVE)
    else:
        yield Fact(Kind.SET_DEFAULT, table, command["name"], lock=Lock.ACCESS_EXCLUSIVE)


def _simple(kind: Kind, lock: Lock = Lock.ACCESS_EXCLUSIVE, **settings: Any) -> Callable[[str, Node], Iterator[Fact]]:
    def reader(table: str, command: Node) -> Iterator[Fact]:
        extra = {"if_exists": bool(command.get("missing_ok")), "cascade": _cascades(command)}
        yield Fact(kind, table, command.get("name"), lock=lock, **(extra | settings))

    return reader


def _add_constraint(table: str, command: Node) -> Iterator[Fact]:
    yield from _constraint(table, command["def_"], (), inline=False)


def _attach(table: str, command: Node) -> Iterator[Fact]:
    yield Fact(Kind.ALTER_OBJECT, table, lock=Lock.SHARE_UPDATE_EXCLUSIVE, object_type="partition")
    part = (command.get("def_") or {}).get("name")
    if part:
        yield Fact(Kind.ALTER_OBJECT, _table(part), lock=Lock.ACCESS_EXCLUSIVE, scans=True, object_type="partition")


def _detach(table: str, command: Node) -> Iterator[Fact]:
    concurrent = bool((command.get("def_") or {}).get("concurrent"))
    lock = Lock.SHARE_UPDATE_EXCLUSIVE if concurrent else Lock.ACCESS_EXCLUSIVE
    yield Fact(Kind.RESTRICT, table, lock=lock, concurrently=concurrent, object_type="partition")


_SHARE_UPDATE = Lock.SHARE_UPDATE_EXCLUSIVE
_ALTERATIONS: Mapping[str, Callable[[str, Node], Iterator[Fact]]] = {
    "AT_AddColumn": _add_column,
    "AT_DropColumn": _drop_column,
    "AT_AlterColumnType": _change_type,
    "AT_ColumnDefault": _column_default,
    "AT_SetNotNull": _simple(Kind.SET_NOT_NULL, scans=True),
    "AT_DropNotNull": _simple(Kind.DROP_NOT_NULL),
    "AT_AddConstraint": _add_constraint,
    "AT_ValidateConstraint": _simple(Kind.VALIDATE_CONSTRAINT, _SHARE_UPDATE, scans=True),
    "AT_DropConstraint": _simple(Kind.DROP_CONSTRAINT),
    "AT_AttachPartition": _attach,
    "AT_DetachPartition": _detach,
    "AT_SetTableSpace": _simple(Kind.REWRITE, rewrites=True),
    "AT_SetLogged": _simple(Kind.REWRITE, rewrites=True),
    "AT_SetUnLogged": _simple(Kind.REWRITE, rewrites=True),
    "AT_SetAccessMethod": _simple(Kind.REWRITE, rewrites=True),
    "AT_SetExpression": _simple(Kind.REWRITE, rewrites=True),
    "AT_AddIdentity": _simple(Kind.ALTER_OBJECT),
    "AT_EnableRowSecurity": _simple(Kind.RESTRICT, object_type="row level security"),
    "AT_ForceRowSecurity": _simple(Kind.RESTRICT, object_type="row level security"),
    "AT_DropExpression": _simple(Kind.DROP_DEFAULT),
    "AT_DropIdentity": _simple(Kind.DROP_DEFAULT),
    "AT_DisableTrig": _simple(Kind.RESTRICT, Lock.SHARE_ROW_EXCLUSIVE, object_type="trigger"),
    "AT_DisableTrigAll": _simple(Kind.RESTRICT, Lock.SHARE_ROW_EXCLUSIVE, object_type="trigger"),
    "AT_DisableTrigUser": _simple(Kind.RESTRICT, Lock.SHARE_ROW_EXCLUSIVE, object_type="trigger"),
    "AT_EnableTrig": _simple(Kind.ALTER_OBJECT, Lock.SHARE_ROW_EXCLUSIVE),
    "AT_EnableTrigAll": _simple(Kind.ALTER_OBJECT, Lock.SHARE_ROW_EXCLUSIVE),
    "AT_EnableTrigUser": _simple(Kind.ALTER_OBJECT, Lock.SHARE_ROW_EXCLUSIVE),
    "AT_SetStatistics": _simple(Kind.ALTER_OBJECT, _SHARE_UPDATE),
    "AT_SetRelOptions": _simple(Kind.ALTER_OBJECT, _SHARE_UPDATE),
    "AT_ResetRelOptions": _simple(Kind.ALTER_OBJECT, _SHARE_UPDATE),
    "AT_SetOptions": _simple(Kind.ALTER_OBJECT, _SHARE_UPDATE),
    "AT_ResetOptions": _simple(Kind.ALTER_OBJECT, _SHARE_UPDATE),
    "AT_ClusterOn": _simple(Kind.ALTER_OBJECT, _SHARE_UPDATE),
    "AT_DropCluster": _simple(Kind.ALTER_OBJECT, _SHARE_UPDATE),
}

_CONSTRAINTS = {
    "CONSTR_CHECK": "check",
    "CONSTR_FOREIGN": "foreign key",
    "CONSTR_UNIQUE": "unique",
    "CONSTR_PRIMARY": "primary key",
    "CONSTR_EXCLUSION": "exclude",
}


def _constraint(table: str, node: Node, columns: tuple[str, ...], inline: bool) -> Iterator[Fact]:
    """A constraint. `inline` is one of a table that is just made, whose rows nobody has to look at."""
    contype = _enum(node["contype"])
    if contype == "CONSTR_NOTNULL" and not columns:
        keys = _names(node.get("keys", ()))
        yield Fact(
            Kind.SET_NOT_NULL,
            table,
            keys[0] if keys else None,
            lock=Lock.ACCESS_EXCLUSIVE,
            scans=not node.get("skip_validation"),
            not_valid=bool(node.get("skip_validation")),
        )
        return
    kind = _CONSTRAINTS.get(contype)
    if kind is None:
        return
    references = _table(node["pktable"]) if kind == "foreign key" and node.get("pktable") else None
    not_valid = bool(node.get("skip_validation"))
    using_index = bool(node.get("indexname"))
    yield Fact(
        Kind.ADD_CONSTRAINT,
        table,
        node.get("conname"),
        lock=None if inline else Lock.SHARE_ROW_EXCLUSIVE if kind == "foreign key" else Lock.ACCESS_EXCLUSIVE,
        scans=not (inline or not_valid or using_index),
        constraint=kind,
        references=references,
        not_valid=not_valid,
        using_index=using_index,
        columns=_names(node.get("fk_attrs", ())) or _names(node.get("keys", ())) or columns,
        not_null_check=_not_null_check(node.get("raw_expr")) if kind == "check" else None,
        unique=kind in ("unique", "primary key"),
    )


def _not_null_check(expression: Node | None) -> str | None:
    if not expression or expression["@"] != "NullTest" or _enum(expression["nulltesttype"]) != "IS_NOT_NULL":
        return None
    argument = expression.get("arg") or {}
    fields = argument.get("fields", ()) if argument.get("@") == "ColumnRef" else ()
    return _names(fields)[-1] if fields else None


# ------------------------------------------------------------------------------------------------ other objects


def _create_index(node: Node) -> Iterator[Fact]:
    concurrently = bool(node.get("concurrent"))
    yield Fact(
        Kind.CREATE_INDEX,
        _table(node["relation"]),
        node.get("idxname"),
        lock=Lock.SHARE_UPDATE_EXCLUSIVE if concurrently else Lock.SHARE,
        scans=True,
        concurrently=concurrently,
        unique=bool(node.get("unique")),
        if_exists=bool(node.get("if_not_exists")),
        columns=tuple(each["name"] for each in node.get("indexParams", ()) if each.get("name")),
    )


def _drop(node: Node) -> Iterator[Fact]:
    kind = _enum(node["removeType"])
    settings: dict[str, Any] = {"if_exists": bool(node.get("missing_ok")), "cascade": _cascades(node)}
    for each in node.get("objects", ()):
        path = _object_path(each)
        name = ".".join(path[1:] if path[:1] == ("public",) else path)
        if kind in ("OBJECT_TABLE", "OBJECT_FOREIGN_TABLE"):
            yield Fact(Kind.DROP_TABLE, name, lock=Lock.ACCESS_EXCLUSIVE, **settings)
        elif kind == "OBJECT_INDEX":
            yield Fact(Kind.DROP_INDEX, None, name, concurrently=bool(node.get("concurrent")), **settings)
        elif kind in ("OBJECT_TRIGGER", "OBJECT_POLICY", "OBJECT_RULE"):
            table = ".".join(path[:-1][1:] if path[:1] == ("public",) and len(path) > 2 else path[:-1])
            yield Fact(
                Kind.DROP_OBJECT, table, path[-1], lock=Lock.ACCESS_EXCLUSIVE, object_type=_spoken(kind), **settings
            )
        else:
            yield Fact(Kind.DROP_OBJECT, None, name, object_type=_spoken(kind), **settings)


def _rename(node: Node) -> Iterator[Fact]:
    kind, new = _enum(node["renameType"]), node.get("newname")
    relation = _table(node["relation"]) if node.get("relation") else None
    if kind == "OBJECT_TABLE":
        yield Fact(Kind.RENAME_TABLE, relation, relation, new, lock=Lock.ACCESS_EXCLUSIVE)
    elif kind == "OBJECT_COLUMN":
        lock = Lock.ACCESS_EXCLUSIVE
        yield Fact(Kind.RENAME_COLUMN, relation, node.get("subname"), new, lock=lock)
    elif kind == "OBJECT_TABCONSTRAINT":
        yield Fact(
            Kind.RENAME_OBJECT, relation, node.get("subname"), new, lock=Lock.ACCESS_EXCLUSIVE, object_type="constraint"
        )
    else:
        name = relation if node.get("relation") and not node.get("subname") else node.get("subname")
        if name is None and node.get("object") is not None:
            name = ".".join(_object_path(node["object"]))
        yield Fact(Kind.RENAME_OBJECT, None, name, new, object_type=_spoken(kind))


def _alter_schema(node: Node) -> Iterator[Fact]:
    relation = _table(node["relation"]) if node.get("relation") else None
    new = node.get("newschema")
    if _enum(node["objectType"]) == "OBJECT_TABLE":
        moved = f"{new}.{(relation or '').rpartition('.')[2]}"
        yield Fact(Kind.RENAME_TABLE, relation, relation, moved, lock=Lock.ACCESS_EXCLUSIVE)
    else:
        name = relation or (".".join(_object_path(node["object"])) if node.get("object") is not None else None)
        yield Fact(Kind.RENAME_OBJECT, None, name, new, object_type=_spoken(_enum(node["objectType"])))


def _alter_enum(node: Node) -> Iterator[Fact]:
    name = ".".join(each for each in _names(node["typeName"]) if each != "public")
    if node.get("oldVal"):
        yield Fact(Kind.RENAME_OBJECT, None, f"{name}.{node['oldVal']}", node["newVal"], object_type="enum value")
    else:
        exists = bool(node.get("skipIfNewValExists"))
        yield Fact(Kind.ADD_ENUM_VALUE, None, name, value=node["newVal"], if_exists=exists)


def _create_type(node: Node) -> Iterator[Fact]:
    name = node.get("typeName") or node.get("domainname") or node.get("typevar") or node.get("defnames") or ()
    path = (_table(name),) if isinstance(name, Mapping) else _names(name)
    yield Fact(Kind.CREATE_TYPE, None, ".".join(each for each in path if each != "public"))


def _create_view(node: Node) -> Iterator[Fact]:
    replaces = bool(node.get("replace"))
    yield Fact(Kind.CREATE_OBJECT, None, _table(node["view"]), object_type="view", if_exists=replaces)


def _create_function(node: Node) -> Iterator[Fact]:
    name = ".".join(each for each in _names(node.get("funcname", ())) if each != "public")
    yield Fact(Kind.CREATE_OBJECT, None, name, object_type="function", if_exists=bool(node.get("replace")))


def _create_trigger(node: Node) -> Iterator[Fact]:
    yield Fact(
        Kind.CREATE_OBJECT,
        _table(node["relation"]),
        node.get("trigname"),
        lock=Lock.SHARE_ROW_EXCLUSIVE,
        object_type="trigger",
        if_exists=bool(node.get("replace")),
    )


def _create_policy(node: Node) -> Iterator[Fact]:
    table = _table(node["table"])
    yield Fact(Kind.CREATE_OBJECT, table, node.get("policy_name"), lock=Lock.ACCESS_EXCLUSIVE, object_type="policy")


def _create_named(object_type: str, *keys: str) -> Callable[[Node], Iterator[Fact]]:
    def reader(node: Node) -> Iterator[Fact]:
        value = next((node[key] for key in keys if node.get(key)), None)
        if isinstance(value, Mapping):
            value = _table(value)
        elif isinstance(value, list | tuple):
            value = ".".join(_names(value))
        exists = bool(node.get("if_not_exists"))
        yield Fact(Kind.CREATE_OBJECT, None, value, object_type=object_type, if_exists=exists)

    return reader


def _altered(node: Node) -> Iterator[Fact]:
    relation = node.get("relation") or node.get("sequence") or node.get("table")
    table = _table(relation) if isinstance(relation, Mapping) and relation.get("relname") else None
    yield Fact(Kind.ALTER_OBJECT, None, table)


def _alter_domain(node: Node) -> Iterator[Fact]:
    name = ".".join(_names(node.get("typeName", ())))
    if node.get("subtype") in ("C", "O"):
        # Adding a constraint, or NOT NULL, reads every table that has a column of the domain.
        constraint = node.get("def_") or {}
        yield Fact(Kind.ALTER_OBJECT, None, name, scans=not constraint.get("skip_validation"), object_type="domain")
    else:
        yield Fact(Kind.ALTER_OBJECT, None, name, object_type="domain")


def _grant(node: Node) -> Iterator[Fact]:
    if node.get("is_grant"):
        yield Fact(Kind.ALTER_OBJECT, object_type="privilege")
    else:
        yield Fact(Kind.RESTRICT, object_type="privilege")


# ---------------------------------------------------------------------------------------------------- rows


def _insert(node: Node) -> Iterator[Fact]:
    source = node.get("selectStmt") or {}
    yield Fact(
        Kind.INSERT,
        _table(node["relation"]),
        lock=Lock.ROW_EXCLUSIVE,
        columns=tuple(each["name"] for each in node.get("cols", ()) if each.get("name")),
        many_rows=bool(source.get("fromClause")) or bool(source.get("larg")),
        if_exists=bool(node.get("onConflictClause")),
        reads=_reads(source),
    )


def _update(node: Node) -> Iterator[Fact]:
    yield Fact(
        Kind.UPDATE,
        _table(node["relation"]),
        lock=Lock.ROW_EXCLUSIVE,
        columns=tuple(each["name"] for each in node.get("targetList", ()) if each.get("name")),
        restricted=_restricts(node.get("whereClause")) or bool(node.get("fromClause") and node.get("whereClause")),
        bounded=_bounds(node),
        reads=_reads(node.get("fromClause")) + _reads(node.get("whereClause")),
        value=_constant(node.get("targetList", ())),
    )


def _delete(node: Node) -> Iterator[Fact]:
    yield Fact(
        Kind.DELETE,
        _table(node["relation"]),
        lock=Lock.ROW_EXCLUSIVE,
        restricted=_restricts(node.get("whereClause")),
        bounded=_bounds(node),
        reads=_reads(node.get("usingClause")) + _reads(node.get("whereClause")),
    )


def _merge(node: Node) -> Iterator[Fact]:
    yield Fact(Kind.UPDATE, _table(node["relation"]), lock=Lock.ROW_EXCLUSIVE, restricted=True, reads=_reads(node))


def _truncate(node: Node) -> Iterator[Fact]:
    for relation in node.get("relations", ()):
        yield Fact(Kind.TRUNCATE, _table(relation), lock=Lock.ACCESS_EXCLUSIVE, cascade=_cascades(node))


def _copy(node: Node) -> Iterator[Fact]:
    if node.get("is_from") and node.get("relation"):
        yield Fact(Kind.INSERT, _table(node["relation"]), lock=Lock.ROW_EXCLUSIVE, many_rows=True)
    else:
        yield Fact(Kind.SELECT, reads=_reads(node))


def _select(node: Node) -> Iterator[Fact]:
    if node.get("intoClause"):
        table = _table(node["intoClause"]["rel"])
        yield Fact(Kind.CREATE_TABLE, table)
        yield Fact(Kind.INSERT, table, many_rows=True, reads=_reads(node.get("fromClause")))
        return
    for call in _nodes(node, "FuncCall"):
        name = _names(call["funcname"])[-1]
        if name == "set_config":
            values = [_value(argument) for argument in call.get("args", ())]
            if len(values) > 1 and values[0]:
                yield Fact(Kind.SET, setting=values[0], value=values[1])
        elif name not in _HARMLESS_CALLS and not node.get("fromClause"):
            yield Fact(Kind.OPAQUE, name=name)
    yield Fact(Kind.SELECT, reads=_reads(node))


def _inner_changes(node: Node) -> Iterator[Fact]:
    clause = node.get("withClause") or {}
    for expression in clause.get("ctes", ()):
        query = expression.get("ctequery") or {}
        if query.get("@") in ("InsertStmt", "UpdateStmt", "DeleteStmt"):
            yield from facts_of(query)


def _lock(node: Node) -> Iterator[Fact]:
    mode = _LOCK_BY_NUMBER.get(node.get("mode") or 0)
    for relation in node.get("relations", ()):
        yield Fact(Kind.LOCK, _table(relation), lock=mode, nowait=bool(node.get("nowait")))


def _set(node: Node) -> Iterator[Fact]:
    kind = _enum(node["kind"])
    if kind == "VAR_RESET_ALL":
        yield Fact(Kind.SET, setting="all", value=None)
    elif kind == "VAR_SET_VALUE":
        arguments = [_value(each) for each in node.get("args", ())]
        yield Fact(Kind.SET, setting=str(node.get("name")).lower(), value=arguments[0] if arguments else None)
    else:
        yield Fact(Kind.SET, setting=str(node.get("name") or "").lower(), value=None)


def _set_elsewhere(node: Node) -> Iterator[Fact]:
    """ALTER ROLE, ALTER DATABASE … SET: holds for connections to come, the job's next one among them."""
    inner = node.get("setstmt")
    if inner:
        yield from _set(inner)
    else:
        yield Fact(Kind.ALTER_OBJECT)


def _transaction(node: Node) -> Iterator[Fact]:
    kind = _enum(node["kind"])
    if kind in ("TRANS_STMT_BEGIN", "TRANS_STMT_START"):
        yield Fact(Kind.BEGIN)
    elif kind in ("TRANS_STMT_SAVEPOINT", "TRANS_STMT_RELEASE", "TRANS_STMT_ROLLBACK_TO"):
        yield Fact(Kind.SAVEPOINT)
    else:
        yield Fact(Kind.COMMIT)


def _reindex(node: Node) -> Iterator[Fact]:
    concurrently = any(option.get("defname") == "concurrently" for option in node.get("params", ()))
    relation = _table(node["relation"]) if node.get("relation") else node.get("name")
    table = relation if _enum(node["kind"]) == "REINDEX_OBJECT_TABLE" else None
    yield Fact(
        Kind.REINDEX,
        table,
        relation,
        lock=Lock.SHARE_UPDATE_EXCLUSIVE if concurrently else Lock.SHARE,
        scans=True,
        concurrently=concurrently,
    )


def _cluster(node: Node) -> Iterator[Fact]:
    table = _table(node["relation"]) if node.get("relation") else None
    yield Fact(Kind.REWRITE, table, lock=Lock.ACCESS_EXCLUSIVE, rewrites=True)


def _vacuum(node: Node) -> Iterator[Fact]:
    full = any(option.get("defname") == "full" for option in node.get("options", ()))
    if not node.get("is_vacuumcmd") or not full:
        yield Fact(Kind.OTHER)
        return
    relations: Sequence[Node] = node.get("rels") or ({},)
    for each in relations:
        table = _table(each["relation"]) if each.get("relation") else None
        yield Fact(Kind.REWRITE, table, lock=Lock.ACCESS_EXCLUSIVE, rewrites=True)


def _refresh(node: Node) -> Iterator[Fact]:
    concurrently = bool(node.get("concurrent"))
    lock = Lock.EXCLUSIVE if concurrently else Lock.ACCESS_EXCLUSIVE
    yield Fact(Kind.ALTER_OBJECT, None, _table(node["relation"]), lock=lock, object_type="materialized view")


def _comment(node: Node) -> Iterator[Fact]:
    yield Fact(Kind.COMMENT)


def _other(node: Node) -> Iterator[Fact]:
    yield Fact(Kind.OTHER)


def _drop_database(node: Node) -> Iterator[Fact]:
    yield Fact(Kind.DROP_OBJECT, None, node.get("dbname"), object_type="database")


def _drop_role(node: Node) -> Iterator[Fact]:
    yield Fact(Kind.DROP_OBJECT, object_type="role")


_READERS: Mapping[str, Callable[[Node], Iterator[Fact]]] = {
    "CreateStmt": _create_table,
    "CreateTableAsStmt": _create_table_as,
    "AlterTableStmt": _alter_table,
    "IndexStmt": _create_index,
    "DropStmt": _drop,
    "RenameStmt": _rename,
    "AlterObjectSchemaStmt": _alter_schema,
    "AlterEnumStmt": _alter_enum,
    "CreateEnumStmt": _create_type,
    "CompositeTypeStmt": _create_type,
    "CreateRangeStmt": _create_type,
    "CreateDomainStmt": _create_type,
    "DefineStmt": _create_type,
    "ViewStmt": _create_view,
    "CreateFunctionStmt": _create_function,
    "CreateTrigStmt": _create_trigger,
    "CreatePolicyStmt": _create_policy,
    "CreateSeqStmt": _create_named("sequence", "sequence"),
    "CreateExtensionStmt": _create_named("extension", "extname"),
    "CreateSchemaStmt": _create_named("schema", "schemaname"),
    "CreateStatsStmt": _create_named("statistics", "defnames"),
    "CreatePublicationStmt": _create_named("publication", "pubname"),
    "CreateEventTrigStmt": _create_named("event trigger", "trigname"),
    "CreateForeignServerStmt": _create_named("server", "servername"),
    "CreateFdwStmt": _create_named("foreign-data wrapper", "fdwname"),
    "CreateRoleStmt": _create_named("role", "role"),
    "CreateCastStmt": _create_named("cast"),
    "CreateUserMappingStmt": _create_named("user mapping", "servername"),
    "RuleStmt": _create_named("rule", "rulename"),
    "AlterOwnerStmt": _altered,
    "AlterSeqStmt": _altered,
    "AlterExtensionStmt": _altered,
    "AlterExtensionContentsStmt": _altered,
    "AlterFunctionStmt": _altered,
    "AlterStatsStmt": _altered,
    "AlterPolicyStmt": _altered,
    "AlterPublicationStmt": _altered,
    "AlterTypeStmt": _altered,
    "AlterObjectDependsStmt": _altered,
    "AlterDefaultPrivilegesStmt": _altered,
    "AlterRoleStmt": _altered,
    "AlterDatabaseStmt": _altered,
    "AlterRoleSetStmt": _set_elsewhere,
    "AlterDatabaseSetStmt": _set_elsewhere,
    "AlterDomainStmt": _alter_domain,
    "GrantStmt": _grant,
    "GrantRoleStmt": _grant,
    "InsertStmt": _insert,
    "UpdateStmt": _update,
    "DeleteStmt": _delete,
    "MergeStmt": _merge,
    "TruncateStmt": _truncate,
    "CopyStmt": _copy,
    "SelectStmt": _select,
    "LockStmt": _lock,
    "VariableSetStmt": _set,
    "TransactionStmt": _transaction,
    "ReindexStmt": _reindex,
    "ClusterStmt": _cluster,
    "VacuumStmt": _vacuum,
    "RefreshMatViewStmt": _refresh,
    "CommentStmt": _comment,
    "SecLabelStmt": _comment,
    "DropdbStmt": _drop_database,
    "DropRoleStmt": _drop_role,
    "NotifyStmt": _other,
    "ListenStmt": _other,
    "UnlistenStmt": _other,
    "VariableShowStmt": _other,
    "ConstraintsSetStmt": _other,
    "CheckPointStmt": _other,
    "DiscardStmt": _other,
}

# -------------------------------------------------------------------------------------------- parts of statements


def _enum(value: Any) -> str:
    return str(value["name"]) if isinstance(value, Mapping) else str(value)


def _spoken(object_kind: str) -> str:
    return _DESTRUCTIVE_TYPES.get(object_kind, object_kind.removeprefix("OBJECT_").lower())


def _cascades(node: Node) -> bool:
    return _enum(node.get("behavior", "")) == "DROP_CASCADE"


def _table(relation: Node) -> str:
    schema, name = relation.get("schemaname"), relation.get("relname")
    return f"{schema}.{name}" if schema and schema != "public" else str(name)


def _names(nodes: Any) -> tuple[str, ...]:
    return tuple(str(node["sval"]) for node in nodes if isinstance(node, Mapping) and node.get("@") == "String")


def _object_path(value: Any) -> tuple[str, ...]:
    if isinstance(value, list | tuple):
        return tuple(part for each in value for part in _object_path(each))
    if not isinstance(value, Mapping):
        return ()
    if value["@"] == "String":
        return (str(value["sval"]),)
    if value["@"] == "ObjectWithArgs":
        return _names(value.get("objname", ()))
    if value["@"] == "TypeName":
        return _names(value.get("names", ()))
    return (str(value.get("relname", "")),)


def _base_type(node: Node | None) -> str:
    names = _names((node or {}).get("names", ()))
    return names[-1] if names else ""


def _type(node: Node | None) -> str | None:
    if not node:
        return None
    modifiers = [_value(each) or "?" for each in node.get("typmods", ())]
    text = _base_type(node)
    if modifiers:
        text += f"({','.join(modifiers)})"
    return text + "[]" * len(node.get("arrayBounds", ()))


def _kinds_of_constraints(column: Node) -> set[str]:
    return {_enum(each["contype"]) for each in column.get("constraints", ())}


def _requires(column: Node) -> bool:
    kinds = _kinds_of_constraints(column)
    return bool(kinds & {"CONSTR_NOTNULL", "CONSTR_PRIMARY", "CONSTR_IDENTITY"}) or (
        _base_type(column.get("typeName")) in _SERIALS
    )


def _default(column: Node) -> Node | None:
    """The DEFAULT of a column, None where it has none or NULL."""
    for constraint in column.get("constraints", ()):
        if _enum(constraint["contype"]) == "CONSTR_DEFAULT":
            expression = constraint.get("raw_expr")
            return None if expression is None or _is_null(expression) else expression
    return None


def _has_default(column: Node) -> bool:
    return (
        _default(column) is not None
        or bool(_kinds_of_constraints(column) & {"CONSTR_IDENTITY", "CONSTR_GENERATED"})
        or _base_type(column.get("typeName")) in _SERIALS
    )


def _is_null(expression: Node) -> bool:
    if expression.get("@") == "TypeCast":
        return _is_null(expression["arg"])
    return expression.get("@") == "A_Const" and bool(expression.get("isnull"))


def _volatile(expression: Node) -> bool:
    """Whether a default may differ from row to row; a function that we do not know is taken for one that does."""
    return any(_names(call["funcname"])[-1] not in _STABLE_FUNCTIONS for call in _nodes(expression, "FuncCall"))


def _is_plain_cast(expression: Node, column: str, wanted: Node | None) -> bool:
    """`USING column` and `USING column::type` say no more than the type change itself."""
    if expression.get("@") == "TypeCast" and _type(expression.get("typeName")) == _type(wanted):
        expression = expression["arg"]
    return expression.get("@") == "ColumnRef" and _names(expression.get("fields", ()))[-1:] == (column,)


def _shortening(expression: Node) -> str | None:
    """The function by which a conversion cuts values; None where it has none."""
    cutting = {"left", "right", "substr", "substring", "trunc", "floor", "round", "date_trunc", "split_part"}
    for call in _nodes(expression, "FuncCall"):
        name = _names(call["funcname"])[-1]
        if name in cutting:
            return name
    for cast in _nodes(expression, "TypeCast"):
        if cast["typeName"].get("typmods"):
            return _type(cast["typeName"])
    return None


def _value(node: Node) -> str | None:
    if node.get("@") == "TypeCast":
        return _value(node["arg"])
    if node.get("@") == "Integer":
        return str(node.get("ival", 0))
    if node.get("@") != "A_Const" or node.get("isnull"):
        return None
    inner = node.get("val") or {}
    for key in ("sval", "fval", "ival", "boolval"):
        if key in inner:
            return str(inner[key])
    return "0"


def _constant(targets: Any) -> str | None:
    """`constant` where an UPDATE sets nothing but constants, among them NULL: it keeps nothing of what was there."""
    values = [each.get("val") or {} for each in targets]
    plain = all(_is_null(value) or _value(value) is not None for value in values)
    return "constant" if values and plain else None


def _restricts(where: Node | None) -> bool:
    """Whether a WHERE can leave out a row: `true`, `1 = 1` cannot."""
    return where is not None and bool(_nodes(where, "ColumnRef") or _nodes(where, "CurrentOfExpr"))


def _bounds(node: Node) -> bool:
    """Whether the rows are taken in a piece: a LIMIT below, or two ends of a range."""
    if any(select.get("limitCount") for select in _nodes(node, "SelectStmt")):
        return True
    where = node.get("whereClause")
    if where is None:
        return False
    for expression in _nodes(where, "A_Expr"):
        if _enum(expression["kind"]) in ("AEXPR_BETWEEN", "AEXPR_IN"):
            return True
    operators = {_names(each.get("name", ()))[-1:] for each in _nodes(where, "A_Expr")}
    return bool(operators & {(operator,) for operator in _RANGE_OPERATORS})


def _reads(node: Any) -> tuple[str, ...]:
    return tuple(dict.fromkeys(_table(each) for each in _nodes(node, "RangeVar")))


def _nodes(value: Any, kind: str) -> list[Node]:
    """Every node of a kind below, in the order in which they are written."""
    found: list[Node] = []
    stack = [value]
    while stack:
        each = stack.pop()
        if isinstance(each, Mapping):
            if each.get("@") == kind:
                found.append(each)
            stack.extend(reversed(list(each.values())))
        elif isinstance(each, list | tuple):
            stack.extend(reversed(each))
    return found


def _with(fact: Fact, **settings: Any) -> Fact:
    from dataclasses import replace

    return replace(fact, **settings)
