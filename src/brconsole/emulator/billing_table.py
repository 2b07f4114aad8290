"""The billing export as a DuckDB table of Google's standard export schema, filled as the exports arrive.

Schema: cloud.google.com/billing/docs/how-to/export-data-bigquery-tables/standard-usage. A day's usage is exported hours
later, so at any moment the newest rows are missing, as they are in the real table.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from brconsole.simulation.model import Project, UsageRow

if TYPE_CHECKING:
    import duckdb

    from brconsole.emulator.bigquery_sql import Translated
    from brconsole.simulation.world import World

BILLING_PROJECT = "bytereview-prod"
DATASET = "billing"
TABLE = "gcp_billing_export_v1_01A2B3_C4D5E6_F70819"
ACCOUNT = "01A2B3-C4D5E6-F70819"
HISTORY_S = 70 * 86_400.0
"""How far back the export reaches, from the first query."""

_KEY_VALUES = 'STRUCT("key" VARCHAR, "value" VARCHAR)[]'
SCHEMA: Mapping[str, tuple[str, int]] = {
    "billing_account_id": ("VARCHAR", 22),
    "service": ("STRUCT(id VARCHAR, description VARCHAR)", 32),
    "sku": ("STRUCT(id VARCHAR, description VARCHAR)", 48),
    "usage_start_time": ("TIMESTAMPTZ", 8),
    "usage_end_time": ("TIMESTAMPTZ", 8),
    "project": (
        f'STRUCT(id VARCHAR, "number" VARCHAR, "name" VARCHAR, labels {_KEY_VALUES}, ancestry_numbers VARCHAR)',
        64,
    ),
    "labels": (_KEY_VALUES, 24),
    "system_labels": (_KEY_VALUES, 24),
    "location": ('STRUCT("location" VARCHAR, country VARCHAR, region VARCHAR, "zone" VARCHAR)', 32),
    "export_time": ("TIMESTAMPTZ", 8),
    "cost": ("DOUBLE", 8),
    "currency": ("VARCHAR", 5),
    "currency_conversion_rate": ("DOUBLE", 8),
    "usage": (
        "STRUCT(amount DOUBLE, unit VARCHAR, amount_in_pricing_units DOUBLE, pricing_unit VARCHAR)",
        40,
    ),
    "credits": ('STRUCT("name" VARCHAR, amount DOUBLE, full_name VARCHAR, id VARCHAR, "type" VARCHAR)[]', 48),
    "invoice": ('STRUCT("month" VARCHAR, publisher_type VARCHAR)', 16),
    "cost_type": ("VARCHAR", 9),
    "_PARTITIONTIME": ("TIMESTAMPTZ", 8),
    "_PARTITIONDATE": ("DATE", 8),
}
"""Column → type in DuckDB, and about how many bytes a value takes (what BigQuery bills by)."""

_ROW_JSON = """[{
    "service_id": "VARCHAR", "service": "VARCHAR", "sku_id": "VARCHAR", "sku": "VARCHAR",
    "start": "DOUBLE", "end": "DOUBLE", "export": "DOUBLE", "month": "VARCHAR",
    "project": "VARCHAR", "number": "VARCHAR", "env": "VARCHAR", "region": "VARCHAR",
    "cost": "DOUBLE", "currency": "VARCHAR", "credits": [{"name": "VARCHAR", "amount": "DOUBLE"}]
}]"""
_INSERT = f"""
INSERT INTO "{BILLING_PROJECT}"."{DATASET}"."{TABLE}"
SELECT
    '{ACCOUNT}',
    {{'id': r.service_id, 'description': r.service}},
    {{'id': r.sku_id, 'description': r.sku}},
    to_timestamp(r."start"),
    to_timestamp(r."end"),
    {{'id': r.project, 'number': r."number", 'name': r.project, 'labels': [{{'key': 'env', 'value': r.env}}],
      'ancestry_numbers': NULL}},
    [],
    [],
    {{'location': r.region, 'country': 'US', 'region': r.region, 'zone': NULL}},
    to_timestamp(r.export),
    r.cost,
    r.currency,
    1.0,
    {{'amount': NULL, 'unit': NULL, 'amount_in_pricing_units': NULL, 'pricing_unit': NULL}},
    [{{'name': c.name, 'amount': c.amount, 'full_name': c.name, 'id': c.name, 'type': NULL}} FOR c IN r.credits],
    {{'month': r.month, 'publisher_type': 'GOOGLE'}},
    'regular',
    date_trunc('day', to_timestamp(r.export)),
    CAST(date_trunc('day', to_timestamp(r.export)) AS DATE)
FROM (SELECT unnest(from_json($rows, $shape)) AS r)
"""  # nosec B608


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a result: its name and DuckDB's type."""

    name: str
    type: Any


@dataclass(frozen=True, slots=True)
class Result:
    """What a query came to. Top-level timestamps are whole microseconds since the epoch."""

    columns: tuple[Column, ...]
    rows: Sequence[tuple[Any, ...]]


class BillingTable:
    """The table and its engine. Not thread-safe but for `interrupt`: use it from one thread."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._projects: Mapping[str, Project] = {project.id: project for project in world.projects}
        self._engine: duckdb.DuckDBPyConnection | None = None
        self._read_until: float | None = None
        self._waiting: list[UsageRow] = []

    def fill(self, now: float) -> None:
        """Take in what has been exported by `now` and was not there before."""
        if self._engine is None:
            self._engine = _open()
        start = now - HISTORY_S if self._read_until is None else self._read_until
        if now > start:
            for project in self._projects:
                self._waiting.extend(self._world.usage(project, start, now))
            self._read_until = now
        arrived = [row for row in self._waiting if row.export_time <= now]
        if arrived:
            self._waiting = [row for row in self._waiting if row.export_time > now]
            rows = json.dumps([_row(row, self._projects[row.project]) for row in arrived])
            self._engine.execute(_INSERT, {"rows": rows, "shape": _ROW_JSON})

    def describe(self, query: Translated) -> tuple[Column, ...]:
        """The columns of a query, without running it."""
        if self._engine is None:
            raise RuntimeError("fill() comes first")
        relation = self._engine.sql(query.sql, params=dict(query.bound) or None)
        return tuple(Column(name, kind) for name, kind in zip(relation.columns, relation.types, strict=True))

    def run(self, query: Translated, columns: tuple[Column, ...]) -> Result:
        """Run a query to its end. Raises the engine's errors."""
        # Through a table, which keeps the order of the rows: the engine's Python side reads no zoned timestamps itself.
        self._execute(f"CREATE OR REPLACE TEMP TABLE result AS {query.sql}", query.bound)
        read = ", ".join(
            f'epoch_us("{_escaped(column.name)}")' if _is_timestamp(column.type) else f'"{_escaped(column.name)}"'
            for column in columns
        )
        rows = self._execute(f"SELECT {read} FROM result", {}).fetchall()  # nosec B608
        return Result(columns, rows)

    def bytes_read(self, query: Translated) -> int:
        """About how many bytes BigQuery would bill: the columns named, in the partitions that are not ruled out."""
        (rows,) = self._execute(
            f'SELECT COUNT(*) FROM "{BILLING_PROJECT}"."{DATASET}"."{TABLE}" WHERE {query.partitions_sql}',  # nosec B608
            query.partitions_bound,
        ).fetchall()[0]
        everything = "*" in query.columns
        width = sum(size for name, (_, size) in SCHEMA.items() if everything or name in query.columns)
        return int(rows) * width

    def interrupt(self) -> None:
        """End the query under way, from another thread."""
        if self._engine is not None:
            self._engine.interrupt()

    def _execute(self, sql: str, bound: Mapping[str, Any]) -> duckdb.DuckDBPyConnection:
        if self._engine is None:
            raise RuntimeError("fill() comes first")
        return self._engine.execute(sql, dict(bound)) if bound else self._engine.execute(sql)


def _open() -> duckdb.DuckDBPyConnection:
    """An engine in memory that reaches no file and no network, and whose settings cannot be changed."""
    import duckdb

    engine = duckdb.connect(":memory:", config={"threads": 1})
    columns = ", ".join(f'"{name}" {kind}' for name, (kind, _) in SCHEMA.items())
    engine.execute(f"ATTACH ':memory:' AS \"{BILLING_PROJECT}\"")
    engine.execute(f'CREATE SCHEMA "{BILLING_PROJECT}"."{DATASET}"')
    engine.execute(f'CREATE TABLE "{BILLING_PROJECT}"."{DATASET}"."{TABLE}" ({columns})')
    for setting in (
        "TimeZone = 'UTC'",
        "memory_limit = '512MB'",
        "autoinstall_known_extensions = false",
        "autoload_known_extensions = false",
        "enable_external_access = false",
        "lock_configuration = true",
    ):
        engine.execute(f"SET {setting}")
    return engine


def _row(row: UsageRow, project: Project) -> dict[str, Any]:
    return {
        "service_id": row.service_id,
        "service": row.service,
        "sku_id": row.sku_id,
        "sku": row.sku,
        "start": row.usage_start,
        "end": row.usage_end,
        "export": row.export_time,
        "month": datetime.fromtimestamp(row.usage_start, UTC).strftime("%Y%m"),
        "project": project.id,
        "number": str(project.number),
        "env": project.environment,
        "region": project.region,
        "cost": row.cost,
        "currency": row.currency,
        "credits": _credits(row.credits),
    }


def _credits(credits_: Iterable[tuple[str, float]]) -> list[dict[str, Any]]:
    return [{"name": name, "amount": amount} for name, amount in credits_]


def _is_timestamp(kind: Any) -> bool:
    return str(kind) == "TIMESTAMP WITH TIME ZONE"


def _escaped(name: str) -> str:
    return name.replace('"', '""')
