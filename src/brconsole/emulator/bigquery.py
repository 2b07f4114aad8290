"""BigQuery's REST API, as far as the spend queries need it: jobs.query and jobs.getQueryResults.

It runs the SQL over a real table (billing_table.py).
Reference: cloud.google.com/bigquery/docs/reference/rest/v2/jobs/query.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import math
import re
import threading
import uuid
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, ClassVar

from brconsole.emulator import quota
from brconsole.emulator.bigquery_errors import BigQueryError, error_json, invalid_query, not_found, not_implemented
from brconsole.emulator.billing_table import BILLING_PROJECT, DATASET, TABLE, BillingTable, Column, Result
from brconsole.emulator.cloud import Cloud, Rule
from brconsole.emulator.errors import ApiError, invalid_argument
from brconsole.emulator.http import HttpApi, HttpRequest, Route
from brconsole.emulator.paging import offset_of, token_of

if TYPE_CHECKING:
    from brconsole.emulator.bigquery_sql import Parameter

LOCATION = "US"
"""Where the dataset is; a query elsewhere does not find it."""
MIN_BILLED = 10 * 1024 * 1024
"""Bytes billed for a table that is read at all."""
_MEGABYTE = 1024 * 1024
_MAX_JOBS = 100
_MAX_ROWS = 10_000
_DEFAULT_TIMEOUT_MS = 10_000
_LONGEST_S = 30.0
"""Real seconds after which a query is ended."""
_WARM_UP_S = 1.0
_KNOWN = frozenset(
    {
        "kind", "query", "useLegacySql", "timeoutMs", "maxResults", "maximumBytesBilled", "parameterMode",
        "queryParameters", "dryRun", "location", "useQueryCache", "labels", "requestId", "formatOptions",
        "defaultDataset", "preserveNulls", "jobCreationMode", "jobTimeoutMs",
    }
)  # fmt: skip
_TABLE_PERMISSION = "bigquery.tables.getData"


@dataclass(frozen=True, slots=True)
class _Request:
    """A jobs.query request, checked."""

    sql: str
    project: str
    dry_run: bool
    most_bytes: int | None
    named: Mapping[str, Parameter]
    positional: tuple[Parameter, ...]


@dataclass(frozen=True, slots=True)
class _Answer:
    """A query that has run (or, with no rows read, was only planned)."""

    schema: Sequence[Mapping[str, Any]]
    rows: Sequence[Mapping[str, Any]]
    bytes_read: int


@dataclass(frozen=True, slots=True)
class _Job:
    id: str
    project: str
    task: asyncio.Task[_Answer]
    int_timestamps: bool


class BigQuery(HttpApi):
    """jobs.query over the billing export."""

    API = "bigquery"
    ROUTES: ClassVar[Sequence[Route]] = (
        Route("POST", "/bigquery/v2/projects/{project}/queries", "query", Rule("bigquery.jobs.create", quota.BIGQUERY)),
        Route("GET", "/bigquery/v2/projects/{project}/queries/{job}", "getQueryResults", Rule("bigquery.jobs.create")),
    )

    def __init__(self, cloud: Cloud) -> None:
        super().__init__(cloud)
        self._table = BillingTable(cloud.world)
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="bigquery")
        self._jobs: OrderedDict[str, _Job] = OrderedDict()
        with contextlib.suppress(RuntimeError):
            # Off the start-up path, so that neither the start nor the first query waits for the imports.
            asyncio.get_running_loop().call_later(_WARM_UP_S, self._warm)

    def _warm(self) -> None:
        for module in ("duckdb", "brconsole.emulator.bigquery_sql"):
            self._worker.submit(importlib.import_module, module)

    def error(self, error: ApiError) -> tuple[int, Any]:
        """See HttpApi."""
        return error_json(error)

    async def query(self, request: HttpRequest) -> dict[str, Any]:
        """jobs.query: run a query and answer its first page, or where it takes longer than timeoutMs its job."""
        body = request.json()
        project = self.cloud.project(request.params["project"])
        if not isinstance(body, dict) or project is None:
            raise invalid_argument("Invalid JSON payload received: an object is required.")
        checked = _checked(body, project.id)
        if _TABLE_PERMISSION in self.cloud.denied:
            name = f"{BILLING_PROJECT}:{DATASET}.{TABLE}"
            raise BigQueryError(
                403,
                "accessDenied",
                f"Access Denied: Table {name}: User does not have permission to query table {name}, "
                "or perhaps it does not exist.",
            )
        task = asyncio.create_task(self._run(checked, self.cloud.now()))
        # A job that nobody fetches may fail in silence.
        task.add_done_callback(lambda done: done.cancelled() or done.exception())
        options = body.get("formatOptions") or {}
        job = _Job(f"job_{uuid.uuid4().hex[:28]}", project.id, task, bool(options.get("useInt64Timestamp")))
        if not checked.dry_run:
            self._remember(job)
        timeout_ms = _whole(body, "timeoutMs", _DEFAULT_TIMEOUT_MS)
        page_rows = _whole(body, "maxResults", _MAX_ROWS)
        answer = await self._wait(job, _LONGEST_S * 1000 if checked.dry_run else timeout_ms)
        document = self._document("bigquery#queryResponse", job, answer, 0, page_rows)
        if checked.dry_run:
            del document["jobReference"]["jobId"]
        return document

    async def getQueryResults(self, request: HttpRequest) -> dict[str, Any]:  # noqa: N802
        """jobs.getQueryResults: a page of a query that was started before."""
        job = self._jobs.get(request.params["job"])
        project = self.cloud.project(request.params["project"])
        if job is None or project is None or job.project != project.id:
            raise not_found(f"Job {request.params['project']}:{LOCATION}.{request.params['job']}")
        _check_location(request.query.get("location"), f"Job {job.project}:{job.id}")
        timeout_ms = _whole(request.query, "timeoutMs", _DEFAULT_TIMEOUT_MS)
        page_rows = _whole(request.query, "maxResults", _MAX_ROWS)
        offset = _whole(request.query, "startIndex", 0)
        if request.query.get("pageToken"):
            offset = offset_of(request.query["pageToken"], job.id)
        answer = await self._wait(job, timeout_ms)
        return self._document("bigquery#getQueryResultsResponse", job, answer, offset, page_rows)

    async def _wait(self, job: _Job, timeout_ms: float) -> _Answer | None:
        await asyncio.wait({job.task}, timeout=timeout_ms / 1000)
        return job.task.result() if job.task.done() else None

    def _remember(self, job: _Job) -> None:
        self._jobs[job.id] = job
        while len(self._jobs) > _MAX_JOBS:
            _, oldest = self._jobs.popitem(last=False)
            oldest.task.cancel()

    def _document(self, kind: str, job: _Job, answer: _Answer | None, offset: int, page_rows: int) -> dict[str, Any]:
        reference = {"projectId": job.project, "jobId": job.id, "location": LOCATION}
        if answer is None:
            return {"kind": kind, "jobReference": reference, "jobComplete": False}
        rows = answer.rows[offset : offset + page_rows]
        document: dict[str, Any] = {
            "kind": kind,
            "schema": {"fields": answer.schema},
            "jobReference": reference,
            "totalRows": str(len(answer.rows)),
            "rows": _with_int_timestamps(rows, answer.schema) if job.int_timestamps else rows,
            "totalBytesProcessed": str(answer.bytes_read),
            "jobComplete": True,
            "cacheHit": False,
        }
        if offset + len(rows) < len(answer.rows):
            document["pageToken"] = token_of(offset + len(rows), job.id)
        return document

    async def _run(self, request: _Request, now: float) -> _Answer:
        return await asyncio.get_running_loop().run_in_executor(self._worker, self._answer, request, now)

    def _answer(self, request: _Request, now: float) -> _Answer:
        """Everything about a query, in the worker thread, and not for ever."""
        # A timer of its own: the event loop may be gone before the query ends, and the thread would outlive it.
        end = threading.Timer(_LONGEST_S, self._table.interrupt)
        end.daemon = True
        end.start()
        try:
            return self._worked_out(request, now)
        finally:
            end.cancel()

    def _worked_out(self, request: _Request, now: float) -> _Answer:
        from brconsole.emulator.bigquery_sql import TableId, translate

        query = translate(
            request.sql,
            table=TableId(BILLING_PROJECT, DATASET, TABLE),
            project=request.project,
            now=now,
            named=request.named,
            positional=request.positional,
        )
        self._table.fill(now)
        with _in_bigquerys_words(request.sql):
            bytes_read = self._table.bytes_read(query)
            billed = max(MIN_BILLED, math.ceil(bytes_read / _MEGABYTE) * _MEGABYTE) if bytes_read else 0
            if request.most_bytes is not None and billed > request.most_bytes and not request.dry_run:
                raise BigQueryError(
                    400,
                    "bytesBilledLimitExceeded",
                    f"Query exceeded limit for bytes billed: {request.most_bytes}. {billed} or higher required.",
                )
            columns = self._table.describe(query)
            _check_names(columns)
            result = Result(columns, ()) if request.dry_run else self._table.run(query, columns)
        schema = [_field(column.name, column.type) for column in result.columns]
        rows = [
            {"f": [{"v": _cell(value, field)} for value, field in zip(row, schema, strict=True)]} for row in result.rows
        ]
        return _Answer(schema, rows, bytes_read)


def _check_names(columns: Sequence[Column]) -> None:
    names = [column.name.lower() for column in columns]
    for name in names:
        if names.count(name) > 1:
            raise invalid_query(f"Duplicate column names in the result are not supported. Found duplicate(s): {name}")


def _checked(body: Mapping[str, Any], project: str) -> _Request:
    from brconsole.emulator.bigquery_sql import Parameter

    for key in body:
        if key not in _KNOWN:
            raise BigQueryError(
                400, "invalid", f'Invalid JSON payload received. Unknown name "{key}": Cannot find field.'
            )
    sql = body.get("query")
    if not isinstance(sql, str) or not sql.strip():
        raise BigQueryError(400, "required", "Required parameter is missing: query")
    if body.get("useLegacySql", True) is not False:
        raise not_implemented(
            "Legacy SQL, which is the default, is not part of the embedded BigQuery: set useLegacySql to false."
        )
    if body.get("defaultDataset"):
        raise not_implemented("defaultDataset is not part of the embedded BigQuery: write dataset.table.")
    _check_location(body.get("location"), f"Dataset {BILLING_PROJECT}:{DATASET}")
    mode = str(body.get("parameterMode") or "NAMED").upper()
    if mode not in {"NAMED", "POSITIONAL"}:
        raise BigQueryError(400, "invalid", f'Invalid value for parameterMode: "{mode}" is not a valid value')
    entries = [_parameter(entry, Parameter) for entry in body.get("queryParameters") or ()]
    most_bytes = _whole(body, "maximumBytesBilled", 0)
    return _Request(
        sql=sql,
        project=project,
        dry_run=body.get("dryRun") is True,
        most_bytes=most_bytes or None,
        named={name: parameter for name, parameter in entries if name} if mode == "NAMED" else {},
        positional=tuple(parameter for _, parameter in entries) if mode == "POSITIONAL" else (),
    )


def _parameter(entry: Any, make: type[Parameter]) -> tuple[str, Parameter]:
    try:
        name = str(entry.get("name") or "")
        kind = entry["parameterType"]
        held = entry["parameterValue"]
        if kind["type"] == "ARRAY":
            values = tuple(_text(item.get("value")) for item in held.get("arrayValues") or ())
            return name, make(str(kind["arrayType"]["type"]), values, is_array=True)
        return name, make(str(kind["type"]), _text(held.get("value")))
    except (AttributeError, KeyError, TypeError) as error:
        raise BigQueryError(
            400, "invalid", "Invalid query parameter: parameterType.type and parameterValue.value are required"
        ) from error


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def _whole(source: Mapping[str, Any], key: str, default: int) -> int:
    """A whole number that is not negative; JSON carries int64 as text."""
    value = source.get(key)
    if value is None or value == "":
        return default
    try:
        number = int(value)
    except (TypeError, ValueError):
        number = -1
    if number < 0 or isinstance(value, bool):
        raise BigQueryError(400, "invalid", f'Invalid value for {key}: "{value}" is not a valid value')
    return number


def _check_location(location: Any, what: str) -> None:
    if location and str(location).upper() != LOCATION:
        raise not_found(f"{what} was not found in location {location}")


@contextlib.contextmanager
def _in_bigquerys_words(sql: str) -> Iterator[None]:
    """Turn the engine's errors into BigQuery's."""
    import duckdb

    try:
        yield
    except duckdb.InterruptException as error:
        raise BigQueryError(400, "stopped", f"The query ran for more than {_LONGEST_S:.0f} s and was ended.") from error
    except duckdb.Error as error:
        raise _engine_error(sql, str(error)) from error


def _engine_error(sql: str, text: str) -> BigQueryError:
    from brconsole.emulator.bigquery_sql import position

    def at(name: str) -> str:
        found = re.search(rf"\b{re.escape(name)}\b", sql)
        return position(sql, found.start()) if found else "[1:1]"

    if match := re.search(r'Referenced column "(.+?)" not found', text):
        return invalid_query(f"Unrecognized name: {match[1]} at {at(match[1])}")
    if match := re.search(r'Could not find key "(.+?)" in struct', text):
        return invalid_query(f"Field name {match[1]} does not exist in STRUCT at {at(match[1])}")
    if match := re.search(r'column "?([\w.]+?)"? must appear in the GROUP BY clause', text):
        return invalid_query(
            f"SELECT list expression references column {match[1]} which is neither grouped nor aggregated "
            f"at {at(match[1])}"
        )
    if "division by zero" in text:
        return invalid_query("division by zero")
    first = text.splitlines()[0].partition(": ")[2] or text.splitlines()[0]
    return invalid_query(f"Invalid query: {first}")


_SCALAR_TYPES: Mapping[str, str] = {
    "null": "INTEGER",  # an untyped NULL is an INT64
    "varchar": "STRING",
    "boolean": "BOOLEAN",
    "tinyint": "INTEGER",
    "smallint": "INTEGER",
    "integer": "INTEGER",
    "bigint": "INTEGER",
    "hugeint": "INTEGER",
    "ubigint": "INTEGER",
    "float": "FLOAT",
    "double": "FLOAT",
    "decimal": "NUMERIC",
    "date": "DATE",
    "timestamp": "DATETIME",
    "timestamp with time zone": "TIMESTAMP",
}


def _field(name: str, kind: Any, *, nested: bool = False) -> dict[str, Any]:
    """A TableFieldSchema of a column."""
    if kind.id == "list":
        if nested and dict(kind.children)["child"].id == "list":
            raise not_implemented("Arrays of arrays are not part of BigQuery.")
        return _field(name, dict(kind.children)["child"], nested=True) | {"mode": "REPEATED"}
    if kind.id == "struct":
        fields = [_field(child_name, child, nested=True) for child_name, child in kind.children]
        return {"name": name, "type": "RECORD", "mode": "NULLABLE", "fields": fields}
    type_name = _SCALAR_TYPES.get(kind.id)
    if type_name is None or (nested and type_name == "TIMESTAMP"):
        raise not_implemented(f"Results of type {kind} are not part of the embedded BigQuery (column {name}).")
    return {"name": name, "type": type_name, "mode": "NULLABLE"}


def _cell(value: Any, field: Mapping[str, Any]) -> Any:
    """A value in BigQuery's JSON form: text, {"f": […]} for a record, [{"v": …}] for an array."""
    if field["mode"] == "REPEATED":
        single = {**field, "mode": "NULLABLE"}
        return [{"v": _cell(item, single)} for item in value or ()]
    if value is None:
        return None
    if field["type"] == "RECORD":
        return {"f": [{"v": _cell(value.get(child["name"]), child)} for child in field["fields"]]}
    return _scalar(value, str(field["type"]))


def _scalar(value: Any, type_name: str) -> str:
    if type_name == "TIMESTAMP":
        return _float_seconds(int(value))
    if type_name == "BOOLEAN":
        return "true" if value else "false"
    if type_name == "FLOAT":
        return _float_text(float(value))
    if type_name == "NUMERIC":
        return f"{Decimal(value).normalize():f}"
    if isinstance(value, datetime | date):
        return value.isoformat()
    return str(value)


def _float_text(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return repr(value)


def _float_seconds(microseconds: int) -> str:
    """Seconds since the epoch as BigQuery writes them, such as `1.7954424E9`."""
    if not microseconds:
        return "0.0"
    sign, digits, exponent = Decimal(microseconds).normalize().as_tuple()
    power = len(digits) - 1 + int(exponent) - 6
    fraction = "".join(map(str, digits[1:])) or "0"
    return f"{'-' if sign else ''}{digits[0]}.{fraction}E{power}"


def _with_int_timestamps(
    rows: Sequence[Mapping[str, Any]], schema: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """The same rows with timestamps as whole microseconds (formatOptions.useInt64Timestamp)."""
    timestamps = [field["type"] == "TIMESTAMP" for field in schema]
    return [
        {
            "f": [
                {"v": str(int(Decimal(cell["v"]) * 1_000_000))} if is_timestamp and cell["v"] is not None else cell
                for cell, is_timestamp in zip(row["f"], timestamps, strict=True)
            ]
        }
        for row in rows
    ]
