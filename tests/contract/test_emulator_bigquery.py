"""jobs.query of the embedded BigQuery over the billing export, by REST."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from datetime import UTC, datetime

import httpx
import pytest
import pytest_asyncio

from brconsole.emulator.composition import Emulator
from brconsole.emulator.options import EmulatorOptions

pytestmark = pytest.mark.asyncio(loop_scope="module")

PROJECT = "bytereview-prod"
TABLE = "`bytereview-prod.billing.gcp_billing_export_v1_01A2B3_C4D5E6_F70819`"
NET = "SUM(cost) + SUM(IFNULL((SELECT SUM(c.amount) FROM UNNEST(credits) AS c), 0))"
DAY = 86_400


class Warehouse:
    def __init__(self, cloud, client):
        self.cloud = cloud.cloud
        self.client = client

    async def post(self, sql, project=PROJECT, **fields):
        body = {"query": sql, "useLegacySql": False, **fields}
        return await self.client.post(f"/bigquery/v2/projects/{project}/queries", json=body)

    async def query(self, sql, **fields):
        reply = await self.post(sql, **fields)
        assert reply.status_code == 200, reply.text
        return reply.json()

    async def rows(self, sql, **fields):
        document = await self.query(sql, **fields)
        return [tuple(cell["v"] for cell in row["f"]) for row in document["rows"]]

    async def refused(self, sql, **fields):
        reply = await self.post(sql, **fields)
        error = reply.json()["error"]
        assert error["code"] == reply.status_code >= 400
        assert error["errors"][0]["message"] == error["message"]
        return reply.status_code, error["errors"][0]["reason"], error["message"]

    def exported(self, project, since):
        """What the world has exported by now of usage since a moment."""
        now = self.cloud.now()
        return [row for row in self.cloud.world.usage(project, since, now) if row.export_time <= now]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def warehouse():
    """One for all: nothing here writes, and filling the table takes a third of a second."""
    async with (
        Emulator(EmulatorOptions()) as cloud,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{cloud.http_port}", timeout=30) as client,
    ):
        yield Warehouse(cloud, client)


def text_of(moment):
    return datetime.fromtimestamp(moment, UTC).isoformat()


def parameter(name, kind, value):
    return {"name": name, "parameterType": {"type": kind}, "parameterValue": {"value": value}}


# -------------------------------------------------------------------------------------------------------------- values


async def test_net_cost_by_day_and_service_is_what_the_world_exported(warehouse):
    since = warehouse.cloud.now() // DAY * DAY - 20 * DAY
    found = await warehouse.rows(
        f"""
        SELECT DATE(usage_start_time) AS day, service.description AS service, {NET} AS net
        FROM {TABLE}
        WHERE _PARTITIONTIME >= TIMESTAMP(@since) AND usage_start_time >= TIMESTAMP(@since) AND project.id = @project
        GROUP BY day, service.description
        ORDER BY day, net DESC
        """,
        queryParameters=[parameter("since", "TIMESTAMP", text_of(since)), parameter("project", "STRING", PROJECT)],
    )
    expected = defaultdict(float)
    for row in warehouse.exported(PROJECT, since):
        day = datetime.fromtimestamp(row.usage_start, UTC).date().isoformat()
        expected[day, row.service] += row.cost + sum(amount for _, amount in row.credits)
    assert {(day, service): float(net) for day, service, net in found} == pytest.approx(dict(expected))
    assert [day for day, _, _ in found] == sorted(day for day, _, _ in found)
    assert len({row[1] for row in found}) > 3


@pytest.mark.parametrize(
    "credits_sum",
    [
        "(SELECT SUM(c.amount) FROM UNNEST(credits) AS c)",
        "(SELECT SUM(amount) FROM UNNEST(credits))",
        "(SELECT SUM(c.amount) FROM UNNEST(t.credits) c)",
    ],
)
async def test_credits_are_summed_in_every_usual_form(warehouse, credits_sum):
    since = warehouse.cloud.now() - 5 * DAY
    ((found,),) = await warehouse.rows(
        f"SELECT SUM(IFNULL({credits_sum}, 0)) FROM {TABLE} AS t WHERE usage_start_time >= @since",
        queryParameters=[parameter("since", "TIMESTAMP", text_of(since))],
    )
    expected = sum(
        amount
        for project in warehouse.cloud.world.projects
        for row in warehouse.exported(project.id, since)
        for _, amount in row.credits
    )
    assert float(found) == pytest.approx(expected)
    assert expected < 0


async def test_credits_are_joined(warehouse):
    joined = await warehouse.rows(
        f"SELECT c.name, SUM(c.amount) AS a FROM {TABLE} LEFT JOIN UNNEST(credits) AS c "
        "WHERE c.name IS NOT NULL GROUP BY c.name ORDER BY a"
    )
    crossed = await warehouse.rows(
        f"SELECT c.name, SUM(c.amount) AS a FROM {TABLE}, UNNEST(credits) AS c GROUP BY c.name ORDER BY a"
    )
    assert joined == crossed
    assert joined


async def test_all_projects_are_in_the_one_table(warehouse):
    found = await warehouse.rows(f"SELECT project.id, project.number FROM {TABLE} GROUP BY 1, 2")
    assert set(found) == {(project.id, str(project.number)) for project in warehouse.cloud.world.projects}


@pytest.mark.asyncio(loop_scope="function")
async def test_what_is_not_exported_yet_is_missing_and_comes_with_time(emulator):
    cloud = await emulator(speed=36_000)
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{cloud.http_port}", timeout=30) as client:
        warehouse = Warehouse(cloud, client)

        async def newest():
            sql = f"SELECT MAX(usage_end_time), MAX(export_time), COUNT(*) FROM {TABLE}"
            ((usage, export, count),) = await warehouse.rows(sql)
            assert float(export) <= cloud.cloud.now()
            return float(usage), int(count)

        before, counted = await newest()
        async with asyncio.timeout(20):
            while (await newest())[0] <= before:
                pass
        usage, count = await newest()
        assert count > counted
        rows = cloud.cloud.world.usage(PROJECT, usage - DAY, usage)
        assert max(row.usage_end for row in rows) == usage


async def test_time_is_that_of_the_simulation(warehouse):
    ((now, today),) = await warehouse.rows("SELECT CURRENT_TIMESTAMP(), CURRENT_DATE()")
    assert float(now) == pytest.approx(warehouse.cloud.now(), abs=10)
    assert today == datetime.fromtimestamp(warehouse.cloud.now(), UTC).date().isoformat()


async def test_dates_are_worked_out_as_bigquery_does(warehouse):
    ((month, days, text, hour, later),) = await warehouse.rows(
        """
        SELECT DATE_TRUNC(DATE(TIMESTAMP "2026-11-23 14:05:06+00"), MONTH),
               DATE_DIFF(DATE "2026-11-23", DATE "2026-11-01", DAY),
               FORMAT_TIMESTAMP("%Y%m", TIMESTAMP "2026-11-23 14:05:06+00"),
               EXTRACT(HOUR FROM TIMESTAMP_TRUNC(TIMESTAMP "2026-11-23 14:05:06+00", HOUR)),
               TIMESTAMP_ADD(TIMESTAMP "2026-11-23 00:00:00+00", INTERVAL 1 DAY)
        """
    )
    assert (month, days, text, hour, later) == ("2026-11-01", "22", "202611", "14", "1.7954784E9")
    document = await warehouse.query(
        "SELECT DATE_SUB(DATE '2026-11-01', INTERVAL 1 DAY) AS a, "
        "EXTRACT(DATE FROM TIMESTAMP '2026-11-01 09:00:00+00') AS b, "
        "CAST('0.123456789' AS NUMERIC) AS c"
    )
    assert [field["type"] for field in document["schema"]["fields"]] == ["DATE", "DATE", "NUMERIC"]
    assert [cell["v"] for cell in document["rows"][0]["f"]] == ["2026-10-31", "2026-11-01", "0.123456789"]


# ---------------------------------------------------------------------------------------------------------------- form


async def test_a_reply_has_bigquerys_form(warehouse):
    document = await warehouse.query(
        "SELECT 1 AS i, 1.5 AS f, 'x' AS s, TRUE AS b, NULL AS n, DATE '2026-11-01' AS d, "
        "TIMESTAMP '2026-11-01 00:00:00.25+00' AS t, [1, 2] AS a, STRUCT('y' AS k, 2 AS v) AS r"
    )
    assert document["kind"] == "bigquery#queryResponse"
    assert (document["jobComplete"], document["totalRows"], document["cacheHit"]) == (True, "1", False)
    assert document["jobReference"]["projectId"] == PROJECT
    fields = [(field["name"], field["type"], field["mode"]) for field in document["schema"]["fields"]]
    assert fields == [
        ("i", "INTEGER", "NULLABLE"),
        ("f", "FLOAT", "NULLABLE"),
        ("s", "STRING", "NULLABLE"),
        ("b", "BOOLEAN", "NULLABLE"),
        ("n", "INTEGER", "NULLABLE"),
        ("d", "DATE", "NULLABLE"),
        ("t", "TIMESTAMP", "NULLABLE"),
        ("a", "INTEGER", "REPEATED"),
        ("r", "RECORD", "NULLABLE"),
    ]
    assert [cell["v"] for cell in document["rows"][0]["f"]] == [
        "1",
        "1.5",
        "x",
        "true",
        None,
        "2026-11-01",
        "1.79349120025E9",
        [{"v": "1"}, {"v": "2"}],
        {"f": [{"v": "y"}, {"v": "2"}]},
    ]


async def test_timestamps_come_as_whole_microseconds_on_request(warehouse):
    found = await warehouse.rows(
        "SELECT TIMESTAMP '2026-11-01 00:00:00.25+00'", formatOptions={"useInt64Timestamp": True}
    )
    assert found == [("1793491200250000",)]


async def test_a_column_without_a_name_gets_one(warehouse):
    document = await warehouse.query(f"SELECT project.id, COUNT(*), SUM(cost) FROM {TABLE} GROUP BY 1")
    assert [field["name"] for field in document["schema"]["fields"]] == ["id", "f0_", "f1_"]


async def test_the_table_has_the_standard_export_schema_and_hides_its_pseudo_columns(warehouse):
    document = await warehouse.query(
        f"SELECT * FROM {TABLE} WHERE _PARTITIONTIME > TIMESTAMP_SUB(CURRENT_TIMESTAMP(), INTERVAL 3 DAY) LIMIT 1",
        dryRun=True,
    )
    fields = {field["name"]: field for field in document["schema"]["fields"]}
    assert {"billing_account_id", "service", "sku", "project", "labels", "usage", "invoice", "export_time"} <= set(
        fields
    )
    assert not any(name.startswith("_") for name in fields)
    assert (fields["credits"]["type"], fields["credits"]["mode"]) == ("RECORD", "REPEATED")
    assert {field["name"] for field in fields["credits"]["fields"]} >= {"name", "amount"}


async def test_rows_come_in_pages(warehouse):
    sql = f"SELECT usage_start_time, sku.id, project.id AS p FROM {TABLE} ORDER BY 1, 2, 3 LIMIT 25"
    whole = await warehouse.query(sql)
    page = await warehouse.query(sql, maxResults=10)
    job = page["jobReference"]["jobId"]
    rows, sizes = list(page["rows"]), [len(page["rows"])]
    while "pageToken" in page:
        reply = await warehouse.client.get(
            f"/bigquery/v2/projects/{PROJECT}/queries/{job}",
            params={"pageToken": page["pageToken"], "maxResults": 10, "location": "US"},
        )
        page = reply.json()
        rows += page["rows"]
        sizes.append(len(page["rows"]))
    assert rows == whole["rows"]
    assert sizes == [10, 10, 5]


async def test_a_query_that_takes_longer_than_asked_is_fetched_by_its_job(warehouse):
    document = await warehouse.query(f"SELECT COUNT(*) FROM {TABLE}", timeoutMs=0)
    job = document["jobReference"]["jobId"]
    assert document["jobComplete"] is False
    reply = await warehouse.client.get(f"/bigquery/v2/projects/{PROJECT}/queries/{job}")
    assert reply.json()["jobComplete"] is True
    assert int(reply.json()["rows"][0]["f"][0]["v"]) > 0


async def test_a_query_without_end_is_ended_and_others_go_on(warehouse, monkeypatch):
    monkeypatch.setattr("brconsole.emulator.bigquery._LONGEST_S", 0.5)
    endless = f"SELECT COUNT(*) FROM {TABLE} a, {TABLE} b, {TABLE} c WHERE a.cost + b.cost + c.cost > 1"
    document = await warehouse.query(endless, timeoutMs=1)
    assert document["jobComplete"] is False
    reply = await warehouse.client.get("/control/clock")
    assert reply.status_code == 200
    job = document["jobReference"]["jobId"]
    reply = await warehouse.client.get(f"/bigquery/v2/projects/{PROJECT}/queries/{job}")
    assert reply.status_code == 400
    assert "was ended" in reply.json()["error"]["message"]
    assert await warehouse.rows("SELECT 1") == [("1",)]


async def test_a_job_that_is_not_there_is_not_found(warehouse):
    reply = await warehouse.client.get(f"/bigquery/v2/projects/{PROJECT}/queries/job_nothing")
    assert reply.status_code == 404
    assert reply.json()["error"]["errors"][0]["reason"] == "notFound"


# ---------------------------------------------------------------------------------------------------------- parameters


async def test_positional_parameters_are_bound_in_the_order_of_the_text(warehouse):
    kinds = [("INT64", "3"), ("STRING", "x"), ("INT64", "1")]
    parameters = [{"parameterType": {"type": kind}, "parameterValue": {"value": value}} for kind, value in kinds]
    found = await warehouse.rows(
        "WITH a AS (SELECT ? AS n) SELECT n, ? AS s FROM a WHERE n > ?",
        parameterMode="POSITIONAL",
        queryParameters=parameters,
    )
    assert found == [("3", "x")]


async def test_an_array_parameter_is_searched(warehouse):
    ids = {
        "name": "ids",
        "parameterType": {"type": "ARRAY", "arrayType": {"type": "STRING"}},
        "parameterValue": {"arrayValues": [{"value": PROJECT}, {"value": "br-dev-4821"}]},
    }
    found = await warehouse.rows(
        f"SELECT DISTINCT project.id FROM {TABLE} WHERE project.id IN UNNEST(@ids)", queryParameters=[ids]
    )
    assert {row[0] for row in found} == {PROJECT, "br-dev-4821"}


async def test_a_parameter_is_data_and_never_sql(warehouse):
    evil = "x' OR '1' = '1"
    found = await warehouse.rows(
        f"SELECT COUNT(*), @evil FROM {TABLE} WHERE project.id = @evil",
        queryParameters=[parameter("evil", "STRING", evil)],
    )
    assert found == [("0", evil)]


# --------------------------------------------------------------------------------------------------------------- bytes


async def test_a_partition_filter_lessens_the_bytes_read(warehouse):
    whole = await warehouse.query(f"SELECT SUM(cost) FROM {TABLE}", dryRun=True)
    part = await warehouse.query(
        f"SELECT SUM(cost) FROM {TABLE} "
        "WHERE _PARTITIONTIME >= TIMESTAMP_SUB(CURRENT_TIMESTAMP(), INTERVAL 7 DAY) AND project.id = 'x'",
        dryRun=True,
    )
    assert 0 < int(part["totalBytesProcessed"]) < int(whole["totalBytesProcessed"]) * 2
    assert "jobId" not in part["jobReference"]
    assert part["rows"] == []


async def test_a_query_over_its_byte_limit_is_not_run(warehouse):
    status, reason, message = await warehouse.refused(f"SELECT SUM(cost) FROM {TABLE}", maximumBytesBilled="1000")
    assert (status, reason) == (400, "bytesBilledLimitExceeded")
    assert message == "Query exceeded limit for bytes billed: 1000. 10485760 or higher required."
    assert await warehouse.rows(f"SELECT COUNT(*) > 0 FROM {TABLE}", maximumBytesBilled="10485760") == [("true",)]


# ------------------------------------------------------------------------------------------------------------ refusals


@pytest.mark.parametrize(
    ("sql", "status", "reason", "message"),
    [
        (f"SELECT nope FROM {TABLE}", 400, "invalidQuery", "Unrecognized name: nope at [1:8]"),
        (
            f"SELECT 1,\n  service.nope FROM {TABLE}",
            400,
            "invalidQuery",
            "Field name nope does not exist in STRUCT at [2:11]",
        ),
        ("SELECT a b c FROM x.y", 400, "invalidQuery", "at [1:12]"),
        ("SELECT 'open", 400, "invalidQuery", "Syntax error"),
        ("", 400, "required", "query"),
        ("SELECT 1 / 0", 400, "invalidQuery", "division by zero"),
        ("SELECT 1 AS a, 2 AS a", 400, "invalidQuery", "Duplicate column names in the result"),
        ("SELECT @missing", 400, "invalidQuery", "Query parameter 'missing' not found at [1:8]"),
        ("SELECT ?", 400, "invalidQuery", "positional parameters"),
        ("SELECT getenv('HOME')", 400, "invalidQuery", "Function not found: getenv at [1:8]"),
        ("SELECT current_setting('threads')", 400, "invalidQuery", "Function not found: current_setting"),
        (f"SELECT project.id, cost FROM {TABLE} GROUP BY 1", 400, "invalidQuery", "cost which is neither grouped"),
        ("DELETE FROM billing.x WHERE TRUE", 400, "invalidQuery", "Only SELECT statements are allowed"),
        ("CREATE TABLE billing.x AS SELECT 1", 400, "invalidQuery", "Only SELECT statements are allowed"),
        ("ATTACH 'x' AS y", 400, "invalidQuery", ""),
        ("SELECT 1; SELECT 2", 501, "notImplemented", "Scripts"),
        ("SELECT * FROM gcp_billing", 400, "invalidQuery", 'Table "gcp_billing" must be qualified with a dataset'),
        ("SELECT * FROM billing.nothing", 404, "notFound", "Not found: Table bytereview-prod:billing.nothing was not"),
        ("SELECT * FROM nothing.x", 404, "notFound", "Not found: Dataset bytereview-prod:nothing was not found"),
        ("SELECT * FROM `somebody.else.x`", 403, "accessDenied", "Access Denied: Table somebody:else.x"),
        ("SELECT * FROM `bytereview-prod.billing.gcp_*`", 501, "notImplemented", "wildcard"),
        ("SELECT * FROM read_csv('/etc/passwd')", 501, "notImplemented", "Table functions"),
        ("SELECT TIMESTAMP_DIFF(CURRENT_TIMESTAMP(), CURRENT_TIMESTAMP(), HOUR)", 501, "notImplemented", "not part of"),
        ("SELECT DATE_TRUNC(DATE '2026-11-01', WEEK)", 501, "notImplemented", "WEEK"),
        ("SELECT CAST(1 AS BIGNUMERIC)", 501, "notImplemented", "BIGNUMERIC"),
        ("SELECT RAND()", 501, "notImplemented", "Function RAND"),
    ],
)
async def test_a_query_that_cannot_be_run_is_refused_in_bigquerys_words(warehouse, sql, status, reason, message):
    found = await warehouse.refused(sql)
    assert found[:2] == (status, reason)
    assert message in found[2]


@pytest.mark.parametrize(
    ("fields", "status", "reason"),
    [
        ({"useLegacySql": True}, 501, "notImplemented"),
        ({"location": "EU"}, 404, "notFound"),
        ({"mystery": 1}, 400, "invalid"),
        ({"maxResults": "many"}, 400, "invalid"),
        ({"timeoutMs": -1}, 400, "invalid"),
        ({"parameterMode": "SOMEHOW"}, 400, "invalid"),
        ({"queryParameters": [{"name": "x"}]}, 400, "invalid"),
        ({"defaultDataset": {"datasetId": "billing"}}, 501, "notImplemented"),
    ],
)
async def test_a_request_of_another_form_is_refused(warehouse, fields, status, reason):
    assert (await warehouse.refused("SELECT 1", **fields))[:2] == (status, reason)


async def test_legacy_sql_is_the_default_as_with_google(warehouse):
    reply = await warehouse.client.post(f"/bigquery/v2/projects/{PROJECT}/queries", json={"query": "SELECT 1"})
    assert reply.status_code == 501
    assert "useLegacySql" in reply.json()["error"]["message"]


@pytest.mark.asyncio(loop_scope="function")
async def test_who_may_not_read_the_table_is_told_so(emulator):
    for permission in ("bigquery.jobs.create", "bigquery.tables.getData"):
        cloud = await emulator(denied=frozenset({permission}))
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{cloud.http_port}", timeout=30) as client:
            status, reason, message = await Warehouse(cloud, client).refused(f"SELECT SUM(cost) FROM {TABLE}")
        assert (status, reason) == (403, "accessDenied")
        assert permission in message or "does not have permission to query table" in message


async def test_a_table_may_be_named_without_its_project_from_its_own(warehouse):
    short = TABLE.replace("bytereview-prod.", "")
    assert await warehouse.rows(f"SELECT COUNT(*) > 0 FROM {short}") == [("true",)]
    reply = await warehouse.post(f"SELECT COUNT(*) FROM {short}", project="br-dev-4821")
    assert reply.status_code == 403
