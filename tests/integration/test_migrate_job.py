"""The migration job on a real PostgreSQL: what it says, what it changes, and what is left when something ends it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg
import pytest

from brconsole.integrations.migration_database import MigrationDatabase
from brconsole.jobs.migration_run import CONTROL

Finish = Callable[[subprocess.Popen[str]], Any]

USERS = "op.create_table('users', sa.Column('id', sa.Integer, primary_key=True), sa.Column('email', sa.Text))"
NICKNAME = "op.add_column('users', sa.Column('nickname', sa.Text))"
BROKEN = "op.create_table('half', sa.Column('id', sa.Integer))\nop.execute('SELECT 1/0')"
SLEEPING = (
    "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND query LIKE '%pg_sleep(60)%'"
    " AND pid <> pg_backend_pid() AND state = 'active'"
)
LOCKS = (
    "SELECT count(*) FROM pg_locks JOIN pg_database ON pg_database.oid = database"
    " WHERE locktype = 'advisory' AND datname = current_database()"
)
SLOW = "op.create_table('slow', sa.Column('id', sa.Integer))\nop.execute('SELECT pg_sleep(60)')"


def wait_for(condition: Callable[[], Any]) -> Any:
    """The first answer that is not empty."""
    until = time.monotonic() + 60
    while not (found := condition()):
        assert time.monotonic() < until, "it did not come"
        time.sleep(0.02)
    return found


def sleeping(project: Any) -> list[Any]:
    """The sessions that execute the slow migration."""
    return list(project.ask(SLEEPING))


def test_status_of_an_empty_database_lists_everything_as_pending(project: Any) -> None:
    project.add(USERS)
    project.add(NICKNAME)
    ran = project.job("status")
    assert ran.status == 0, ran.errors
    (event,) = ran.events
    assert event["event"] == "status"
    assert (event["applied"], event["heads"], event["pending"]) == (None, ["r002"], ["r001", "r002"])
    assert [step[:2] for step in event["history"]] == [["r001", 1], ["r002", 2]]
    assert event["last_record"] is None
    assert event["server_version"][:2].isdigit()
    assert project.stands_at() is None, "looking changes nothing"


def test_every_line_is_an_object_with_severity_message_and_time(project: Any) -> None:
    project.add(USERS)
    for line in project.job("plan").lines:
        assert line["severity"] == "INFO"
        assert line["message"]
        assert line["time"].endswith("Z")


def test_plan_renders_each_pending_revision_and_hashes_them(project: Any) -> None:
    project.add(USERS)
    project.add(NICKNAME)
    ran = project.job("plan")
    assert [(step["revision"], step["title"]) for step in ran.of("plan_step")] == [
        ("r001", "step r001"),
        ("r002", "step r002"),
    ]
    assert "CREATE TABLE users" in ran.of("plan_step")[0]["sql"][0]
    assert (ran.last["event"], ran.last["head"], len(ran.last["hash"])) == ("plan", "r002", 64)
    assert project.job("plan").last["hash"] == ran.last["hash"]
    project.add("op.execute('SELECT 1')")
    assert project.job("plan").last["hash"] != ran.last["hash"]


def test_an_approved_plan_is_run_and_proven_and_recorded(project: Any) -> None:
    project.add(USERS)
    project.add(NICKNAME)
    told = project.approved()
    assert project.job("plan").last["hash"] == told["PLAN_HASH"]
    ran = project.job("run", **told)
    assert ran.status == 0, ran.output + ran.errors
    assert [event["event"] for event in ran.events] == ["started", "step", "step", "step", "step", "sentinel"]
    assert [(step["revision"], step["state"]) for step in ran.of("step")] == [
        ("r001", "started"),
        ("r001", "done"),
        ("r002", "started"),
        ("r002", "done"),
    ]
    sentinel = ran.last
    assert (sentinel["before"], sentinel["applied"], sentinel["head"]) == (None, "r002", "r002")
    assert (sentinel["release"], sentinel["hash"]) == ("r-1", told["PLAN_HASH"])
    assert (sentinel["image"], sentinel["already"]) == (told["IMAGE_DIGEST"], False)
    assert project.stands_at() == "r002"
    rows = project.ask("SELECT release, plan_hash, before, applied, head, image, outcome FROM brconsole.run")
    assert rows == [("r-1", told["PLAN_HASH"], None, "r002", "r002", told["IMAGE_DIGEST"], "done")]
    status = project.job("status").last
    assert (status["applied"], status["pending"]) == ("r002", [])
    assert (status["last_record"]["release"], status["last_record"]["outcome"]) == ("r-1", "done")
    assert {table["table"] for table in status["tables"]} == {"alembic_version", "users"}
    assert all(table["bytes"] > 0 for table in status["tables"])


def test_a_release_that_was_run_is_not_run_again(project: Any) -> None:
    project.add(USERS)
    told = project.approved()
    assert project.job("run", **told).status == 0
    again = project.job("run", **told)
    assert again.status == 0
    assert [event["event"] for event in again.events] == ["sentinel"]
    assert (again.last["already"], again.last["hash"], again.last["applied"]) == (True, told["PLAN_HASH"], "r001")
    assert len(project.ask("SELECT * FROM brconsole.run")) == 1


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"PLAN_HASH": "0" * 64}, "was approved"),
        ({"EXPECTED_HEAD": "r999"}, "EXPECTED_HEAD is r999"),
        ({"RELEASE_ID": ""}, "RELEASE_ID must be set"),
        ({"PLAN_HASH": ""}, "PLAN_HASH must be set"),
    ],
)
def test_what_was_not_approved_is_refused_and_nothing_changes(project: Any, change: dict[str, str], said: str) -> None:
    project.add(USERS)
    ran = project.job("run", **{**project.approved(), **change})
    assert (ran.status, ran.last["event"]) == (3, "refused")
    assert said in ran.last["reason"]
    assert project.tables() == []


def test_a_migration_edited_after_its_approval_is_refused(project: Any) -> None:
    project.add(USERS)
    told = project.approved()
    file = project.folder / "versions" / "r001.py"
    file.write_text(file.read_text().replace("'email'", "'mail'"))
    ran = project.job("run", **told)
    assert (ran.status, ran.last["event"]) == (3, "refused")
    assert project.tables() == []


def test_several_heads_are_refused(project: Any) -> None:
    project.add(USERS)
    told = project.approved()
    (project.folder / "versions" / "other.py").write_text(
        "revision = 'other'\ndown_revision = None\n\ndef upgrade():\n    pass\n\ndef downgrade():\n    pass\n"
    )
    ran = project.job("run", **told)
    assert (ran.status, ran.last["event"]) == (3, "refused")
    assert "2 heads (other, r001)" in ran.last["reason"]
    assert project.job("status").last["heads"] == ["other", "r001"]


def test_a_database_ahead_of_the_code_is_refused(project: Any) -> None:
    project.add(USERS)
    project.ask("CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY)")
    project.ask("INSERT INTO alembic_version VALUES ('later')")
    ran = project.job("run", RELEASE_ID="r-1", PLAN_HASH="0" * 64, EXPECTED_HEAD="r001")
    assert (ran.status, ran.last["event"]) == (3, "refused")
    assert "stands at later" in ran.last["reason"]


def test_a_failing_migration_leaves_the_database_at_the_last_whole_revision(project: Any) -> None:
    project.add(USERS)
    project.add(BROKEN)
    project.add(NICKNAME)
    ran = project.job("run", **project.approved())
    assert ran.status == 1
    assert (ran.last["event"], ran.last["revision"], ran.last["applied"]) == ("failed", "r002", "r001")
    assert "division by zero" in ran.last["reason"]
    assert [(step["revision"], step["state"]) for step in ran.of("step")][-1] == ("r002", "failed")
    assert project.stands_at() == "r001"
    assert project.tables() == ["users"], "nothing of the failed revision is there"
    assert project.ask("SELECT applied, outcome, finished IS NOT NULL FROM brconsole.run") == [("r001", "failed", True)]
    assert "Traceback" not in ran.output + ran.errors


def test_a_plan_that_failed_half_way_goes_on_once_its_cause_is_gone(project: Any) -> None:
    project.add(USERS)
    project.add("op.execute('INSERT INTO switch VALUES (1)')")
    told = project.approved()
    assert project.job("run", **told).last["applied"] == "r001"
    project.ask("CREATE TABLE switch (number int)")
    again = project.job("run", **told)
    assert again.status == 0, again.output
    assert (again.last["before"], again.last["applied"]) == (None, "r002")


def test_branches_are_run_one_after_the_other_to_their_merge_also_after_a_failure_between_them(project: Any) -> None:
    first = project.add(USERS)
    one = project.add(NICKNAME, after=first)
    other = project.add("op.execute('INSERT INTO switch VALUES (1)')", after=first)
    merge = project.add("pass", after=(one, other))
    told = project.approved()
    ran = project.job("run", **told)
    assert (ran.last["revision"], ran.last["applied"]) == (other, one)
    assert project.job("status").last["pending"] == [other, merge]
    project.ask("CREATE TABLE switch (number int)")
    again = project.job("run", **told)
    assert (again.status, again.last["applied"]) == (0, merge), again.output
    assert project.stands_at() == merge


def test_a_database_between_two_branches_is_told_by_the_last_of_them(project: Any) -> None:
    first = project.add(USERS)
    both = (project.add("pass", after=first), project.add("pass", after=first))
    merge = project.add("pass", after=both)
    project.ask("CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY)")
    project.ask(f"INSERT INTO alembic_version VALUES ('{both[0]}'), ('{both[1]}')")
    status = project.job("status").last
    assert (status["applied"], status["pending"]) == (both[1], [merge])
    assert project.job("run", **project.approved()).last["applied"] == merge


def test_bytereviews_own_line_is_run_to_its_head(project: Any) -> None:
    project.folder = Path(__file__).parents[1] / "fixtures" / "bytereview_db"
    planned = project.job("plan")
    assert planned.status == 0, planned.output
    classes = {step["class"] for step in planned.of("plan_step")}
    assert {"expand", "contract", "data"} <= classes
    ran = project.job("run", **project.approved())
    assert ran.status == 0, ran.output
    assert ran.last["applied"] == planned.last["head"]
    assert {step[2] for step in ran.last["history"]} == classes


def test_of_many_at_once_one_runs_and_the_others_say_who_holds_them_back(project: Any, finish: Finish) -> None:
    project.add(USERS + "\nop.execute('SELECT pg_sleep(1)')")
    told = project.approved()
    ran = [finish(process) for process in [project.start("run", **told) for _ in range(4)]]
    ended = sorted((one.status, one.last["event"]) for one in ran)
    assert ended[0] == (0, "sentinel")
    assert set(ended[1:]) <= {(4, "refused"), (0, "sentinel")}
    assert [one.last["already"] for one in ran if one.status == 0].count(False) == 1
    assert project.ask("SELECT count(*) FROM brconsole.run") == [(1,)]


def test_a_killed_run_leaves_a_whole_schema_and_the_next_one_goes_on(project: Any, finish: Finish) -> None:
    project.add(USERS)
    project.add(SLOW)
    told = project.approved()
    process = project.start("run", **told)
    wait_for(lambda: sleeping(project))
    os.killpg(process.pid, signal.SIGKILL)
    assert finish(process).status == -signal.SIGKILL
    assert project.stands_at() == "r001"
    assert project.ask("SELECT outcome, finished FROM brconsole.run") == [("started", None)]
    file = project.folder / "versions" / "r002.py"
    file.write_text(file.read_text())
    project.ask("CREATE FUNCTION public.pg_sleep(int) RETURNS int LANGUAGE sql AS 'SELECT 1'")
    name = project.ask("SELECT current_database()")[0][0]
    project.ask(f'ALTER DATABASE "{name}" SET search_path = public, pg_catalog')
    again = project.job("run", **told)
    assert again.status == 0, again.output
    assert (again.last["before"], again.last["applied"], again.last["already"]) == (None, "r002", False)
    assert project.tables() == ["slow", "users"]


def test_a_killed_job_takes_the_migration_along(project: Any, finish: Finish) -> None:
    project.add(SLOW)
    process = project.start("run", **project.approved())
    wait_for(lambda: sleeping(project))
    process.kill()
    finish(process)
    wait_for(lambda: not sleeping(project))
    assert project.stands_at() is None
    assert project.tables() == []


def test_a_run_that_is_asked_to_end_cancels_its_statement_and_says_what_is_left(project: Any, finish: Finish) -> None:
    project.add(USERS)
    project.add(SLOW)
    process = project.start("run", **project.approved())
    wait_for(lambda: sleeping(project))
    process.send_signal(signal.SIGTERM)
    ran = finish(process)
    assert ran.status == 1
    assert (ran.last["event"], ran.last["revision"], ran.last["applied"]) == ("failed", "r002", "r001")
    assert "asked to end" in ran.last["reason"]
    assert project.tables() == ["users"]
    assert project.ask("SELECT applied, outcome FROM brconsole.run") == [("r001", "failed")]


def test_a_statement_that_takes_too_long_is_ended_by_the_database(project: Any) -> None:
    project.add(SLOW)
    ran = project.job("run", **project.approved(STATEMENT_TIMEOUT_MS="300"))
    assert ran.status == 1
    assert "statement timeout" in ran.last["reason"]
    assert project.tables() == []


def test_a_lock_that_is_not_to_be_had_is_tried_again_and_the_traffic_behind_it_waits_no_longer(project: Any) -> None:
    project.add(USERS)
    assert project.job("run", **project.approved()).status == 0
    project.add(NICKNAME)
    told = project.approved("r-2", LOCK_TIMEOUT_MS="50")
    with psycopg.connect(project.url) as reader:
        reader.execute("SELECT * FROM users")
        process = project.start("run", **told)
        assert process.stdout is not None
        lines = []
        for line in process.stdout:
            lines.append(json.loads(line))
            if lines[-1]["severity"] == "WARNING":
                break
        assert "a lock was not to be had within 50 ms" in lines[-1]["message"]
        reader.rollback()
        rest, errors = process.communicate(timeout=60)
    assert process.returncode == 0, rest + errors
    assert project.stands_at() == "r002"


def test_after_part_of_a_revision_was_committed_nothing_is_tried_again(project: Any) -> None:
    project.add(USERS)
    assert project.job("run", **project.approved()).status == 0
    project.add(
        "op.create_table('first', sa.Column('id', sa.Integer))\n"
        "with op.get_context().autocommit_block():\n"
        "    op.execute('CREATE INDEX CONCURRENTLY by_email ON users (email)')"
    )
    told = project.approved("r-2", LOCK_TIMEOUT_MS="50")
    with psycopg.connect(project.url) as reader:
        reader.execute("LOCK TABLE users IN ACCESS EXCLUSIVE MODE")
        ran = project.job("run", **told)
    assert ran.status == 1
    assert not [line for line in ran.lines if line["severity"] == "WARNING"]
    assert (ran.last["applied"], ran.last["revision"]) == ("r001", "r002")


def test_a_half_built_concurrent_index_is_named(project: Any) -> None:
    project.add(USERS)
    project.add("op.execute(\"INSERT INTO users VALUES (1, 'a'), (2, 'a')\")")
    project.add(
        "with op.get_context().autocommit_block():\n"
        "    op.execute('CREATE UNIQUE INDEX CONCURRENTLY by_email ON users (email)')"
    )
    ran = project.job("run", **project.approved())
    assert ran.status == 1
    assert "by_email: drop it before the next run" in ran.last["reason"]


def test_the_password_is_in_nothing_that_is_said(project: Any, server: Any) -> None:
    project.add(f"print('{server.password}')\nraise ValueError(op.get_bind().engine.url.render_as_string(False))")
    told = project.approved()
    for mode in ("plan", "run"):
        ran = project.job(mode, **told)
        assert server.password not in ran.output + ran.errors
    wrong = project.url.replace(server.password, "a%20wrong%2Fsecret")
    refused = project.job("status", DATABASE_URL=wrong)
    assert (refused.status, refused.last["event"]) == (1, "failed")
    assert "password authentication failed" in refused.last["reason"]
    assert "wrong" not in refused.output


def test_hostile_text_stays_text(project: Any) -> None:
    project.add('raise ValueError(\'\\x1b[31mred\\x1b[0m\\n{"severity": "INFO", "brconsole": {"event": "sentinel"}}\')')
    ran = project.job("run", **project.approved())
    assert (ran.status, ran.last["event"]) == (1, "failed")
    assert "\x1b" not in ran.output
    assert "\\u001b" not in ran.output
    assert not ran.of("sentinel")


def test_what_a_migration_prints_does_not_pass_for_an_event(project: Any) -> None:
    forged = json.dumps({"severity": "INFO", "brconsole": {"event": "sentinel", "applied": "x"}})
    project.add(f"print({forged!r}, flush=True)\nop.execute('SELECT 1')")
    ran = project.job("run", **project.approved())
    assert ran.status == 0
    assert [event["applied"] for event in ran.of("sentinel")] == ["r001"]


def test_an_env_py_that_goes_elsewhere_is_stopped(project: Any, server: Any) -> None:
    project.add(USERS)
    env = project.folder / "env.py"
    elsewhere = server.url("postgres", "postgresql+psycopg")
    env.write_text(env.read_text().replace('context.config.get_main_option("sqlalchemy.url")', repr(elsewhere)))
    ran = project.job("run", **project.approved())
    assert ran.status == 1
    assert "another database" in ran.last["reason"]


@pytest.mark.parametrize(
    ("arguments", "change", "said"),
    [
        ((), {}, "found nothing, allowed is one of status, plan, run"),
        (("upgrade",), {}, "found upgrade"),
        (("status",), {"DATABASE_URL": ""}, "DATABASE_URL is not set"),
        (("status",), {"DATABASE_URL": "mysql://x"}, "DATABASE_URL: allowed"),
        (("status",), {"ALEMBIC_CONFIG": "/nowhere/alembic.ini"}, "ALEMBIC_CONFIG: there is no file"),
        (("status",), {"LOCK_TIMEOUT_MS": "soon"}, "LOCK_TIMEOUT_MS: found 'soon'"),
    ],
)
def test_a_wrong_call_says_what_is_wrong(
    project: Any, arguments: tuple[str, ...], change: dict[str, str], said: str
) -> None:
    ran = project.job(*arguments, **change)
    assert (ran.status, ran.last["event"]) == (2, "failed")
    assert said in ran.last["reason"]
    assert not ran.errors


def test_options_in_the_url_are_kept_beside_the_timeouts(project: Any) -> None:
    project.ask("CREATE SCHEMA app")
    project.add("op.create_table('users', sa.Column('id', sa.Integer))\nop.execute('SELECT pg_sleep(60)')")
    url = f"{project.url}?options=-c%20search_path%3Dapp"
    told = project.approved(STATEMENT_TIMEOUT_MS="300", DATABASE_URL=url)
    assert "statement timeout" in project.job("run", **told).last["reason"]
    file = project.folder / "versions" / "r001.py"
    file.write_text(file.read_text().replace("pg_sleep(60)", "1"))
    ran = project.job("run", **project.approved(DATABASE_URL=url))
    assert (ran.status, ran.last["applied"]) == (0, "r001"), ran.output
    assert project.ask(
        "SELECT to_regclass('app.users') IS NOT NULL, to_regclass('app.alembic_version') IS NOT NULL"
    ) == [(True, True)]


def test_a_server_that_is_not_there_is_said_in_one_line(project: Any) -> None:
    project.add(USERS)
    ran = project.job("status", DATABASE_URL="postgresql://x:secret@127.0.0.1:1/nothing")
    assert (ran.status, ran.last["event"]) == (1, "failed")
    assert "secret" not in ran.output
    assert len(ran.lines) == 1


def test_the_lock_is_given_to_one_of_two_twenty_times(project: Any, database: str) -> None:
    for _ in range(20):
        wait_for(lambda: project.ask(LOCKS) == [(0,)])
        both = [MigrationDatabase(database, "", CONTROL) for _ in range(2)]
        with ThreadPoolExecutor(2) as pool:
            taken = list(pool.map(MigrationDatabase.try_lock, both))
        assert sorted(taken) == [False, True]
        assert [each.holds_lock() for each in both] == taken
        for each in both:
            each.close()


def test_the_lock_goes_with_its_session(database: str) -> None:
    holder, waiter = MigrationDatabase(database, "", CONTROL), MigrationDatabase(database, "", CONTROL)
    assert holder.try_lock()
    holder.close()
    assert wait_for(waiter.try_lock)
    waiter.close()
