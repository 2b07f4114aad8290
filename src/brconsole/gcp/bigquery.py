"""BigQuery over REST: one bounded query at a time, and the spend query over the billing export.

Facts: reference/google-cloud-facts.md §8. Google serves `jobs.query` by REST; bytes scanned are billed, so every query
filters the partition and carries `maximumBytesBilled`.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractContextManager
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

from brconsole.domain.spend import DailyCost
from brconsole.domain.text import clean
from brconsole.gcp import errors
from brconsole.gcp.apis import BIGQUERY, QUERY
from brconsole.gcp.caller import Call, Caller
from brconsole.operations.failure import FailureKind, SourceFailure

if TYPE_CHECKING:
    import httpx

MAXIMUM_BYTES_BILLED = 1_000_000_000
"""$0.006 at on-demand prices: a month of a standard export is a few megabytes."""
_ROWS = 10_000
_WAIT_MS = 2000

# Dataset and table names go into the SQL, where no parameter can stand.
_TABLE = re.compile(
    r"(?P<project>[a-z][a-z0-9.:-]{2,80}[a-z0-9])\.(?P<dataset>[A-Za-z0-9_]{1,1024})\.(?P<table>[A-Za-z0-9_-]{1,1024})"
)

# Net cost as Google's own examples compute it: https://cloud.google.com/billing/docs/how-to/bq-examples
_SPEND = """\
SELECT
  DATE(usage_start_time) AS day,
  service.description AS service,
  SUM(cost) + SUM(IFNULL((SELECT SUM(credit.amount) FROM UNNEST(credits) AS credit), 0)) AS cost,
  MAX(usage_end_time) AS newest
FROM `{table}`
WHERE _PARTITIONTIME >= @since
  AND usage_start_time >= @since
  AND usage_start_time < @until
  AND project.id = @project
GROUP BY day, service
ORDER BY day, service
"""


class BigQuery:
    """`jobs.query` in one project."""

    def __init__(self, caller: Caller, project: str) -> None:
        self._caller = caller
        self._queries = f"/bigquery/v2/projects/{project}/queries"

    async def rows(
        self, sql: str, parameters: Mapping[str, tuple[str, str]], resource: str, *, dry_run: bool = False
    ) -> list[list[str | None]]:
        """The rows of a query, every page of them; `parameters` are (type, value) by name. A dry run has none."""
        request = {
            "query": sql,
            "useLegacySql": False,
            "maximumBytesBilled": str(MAXIMUM_BYTES_BILLED),
            "timeoutMs": _WAIT_MS,
            "maxResults": _ROWS,
            "dryRun": dry_run,
            "parameterMode": "NAMED",
            "queryParameters": [
                {"name": name, "parameterType": {"type": kind}, "parameterValue": {"value": value}}
                for name, (kind, value) in parameters.items()
            ],
        }
        async with self._caller.call(QUERY, resource) as call:
            rows: list[list[str | None]] = []
            async for page in self._pages(call, request):
                rows.extend([cell.get("v") for cell in row["f"]] for row in page.get("rows") or ())
            return rows

    def reading(self, resource: str) -> AbstractContextManager[None]:
        """The scope of reading the rows: what is not as asked for leaves it as SourceFailure."""
        return self._caller.reading(QUERY, resource)

    async def _pages(self, call: Call, request: Mapping[str, Any]) -> AsyncIterator[Mapping[str, Any]]:
        page = await self._ask(call, "POST", self._queries, json=request)
        while True:
            complete = page.get("jobComplete", True)
            if complete:
                yield page
            token = page.get("pageToken")
            if complete and not token:
                return
            job = page["jobReference"]
            query = {"timeoutMs": _WAIT_MS, "maxResults": _ROWS, "location": job.get("location"), "pageToken": token}
            await call.next_page()
            page = await self._ask(
                call,
                "GET",
                f"{self._queries}/{job['jobId']}",
                params={name: value for name, value in query.items() if value is not None},
            )

    async def _ask(self, call: Call, verb: str, path: str, **content: Any) -> Mapping[str, Any]:
        async def attempt() -> httpx.Response:
            return await call.rest(verb, BIGQUERY.host, path, **content)

        answer = json.loads((await call.retry(attempt)()).content)
        if not isinstance(answer, dict):
            raise errors.UnreadableReplyError("it is no object")
        for problem in answer.get("errors") or ():
            raise errors.ApiRefusalError(400, clean(str(problem.get("message", problem))))
        return answer


class SpendReader:
    """Daily costs of one project from a standard billing export."""

    def __init__(self, queries: BigQuery, project: str, table: str) -> None:
        self._queries = queries
        self._project = project
        self._table = table

    async def daily(self, since: date, until: datetime) -> tuple[tuple[DailyCost, ...], datetime | None]:
        """Net cost by day (UTC) and Google service, and the newest usage end that the export holds."""
        rows = await self._query(since, until)
        with self._queries.reading(self._table):
            costs = tuple(
                DailyCost(date.fromisoformat(day or ""), clean(service or "", 200), float(cost or ""))
                for day, service, cost, _ in rows
            )
            # A TIMESTAMP comes as seconds since the epoch, such as 1.7954424E9.
            newest = max((float(seconds) for *_, seconds in rows if seconds), default=None)
            return costs, None if newest is None else datetime.fromtimestamp(newest, UTC)

    async def may_query(self) -> None:
        """Have the query checked without running it, which costs nothing; raises SourceFailure where it would not
        run.
        """
        today = datetime.fromtimestamp(0, UTC)
        await self._query(today.date(), today, dry_run=True)

    async def _query(self, since: date, until: datetime, *, dry_run: bool = False) -> list[list[str | None]]:
        if not _TABLE.fullmatch(self._table):
            raise SourceFailure(
                FailureKind.NOT_CONFIGURED,
                QUERY.api.title,
                clean(self._table, 200),
                "export_table is no table name",
                remedy="write it as project.dataset.table",
            )
        parameters = {
            "since": ("TIMESTAMP", f"{since.isoformat()} 00:00:00+00:00"),
            "until": ("TIMESTAMP", until.astimezone(UTC).isoformat(sep=" ")),
            "project": ("STRING", self._project),
        }
        return await self._queries.rows(_SPEND.format(table=self._table), parameters, self._table, dry_run=dry_run)
