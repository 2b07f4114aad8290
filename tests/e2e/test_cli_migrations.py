"""Migrations from the command line to a real PostgreSQL, through the embedded Google Cloud and its migration job."""

from __future__ import annotations

import json
import os
import signal

import psycopg

# Found by conftest.py: what these tests share.
from migration_world import CANARY, World, add_note

from brconsole.cli import exit_codes
from brconsole.config import locations
from brconsole.operations.journal import Journal


def test_check_plan_approve_run_and_the_gate_of_the_release_passes(world: World) -> None:
    name = add_note(world)
    checked = world("migrate", "check", "prod", "--json")
    assert checked.status == exit_codes.DONE, checked
    assert [json.loads(line)["revision"] for line in checked.out.splitlines()] == [name]
    planned = world("migrate", "plan", "prod", "--write", "--json").document
    (pending,) = planned["pending"]
    assert (pending["revision"], pending["class"], pending["reversible"]) == (name, "expand", True)
    assert any("ADD COLUMN" in statement for statement in pending["sql"])
    verdict, evidence = world.gate()
    assert (verdict, f"1 pending: {name}" in evidence) == ("hold", True)
    refused = world("migrate", "run", "prod", "--write", "--yes")
    assert (refused.status, "brconsole migrate approve prod" in refused.err) == (exit_codes.CONFLICT, True)
    assert world("migrate", "approve", "prod", "0" * 64, "--write", "--yes").status == exit_codes.CONFLICT
    world.approved()
    done = world("migrate", "run", "prod", "--write", "--yes", "--reason", "Tuesday", "--json")
    assert (done.status, done.document["result"]) == (exit_codes.DONE, "done"), done
    assert world.columns() == {"id", "note"}
    assert f"{name} done" in done.err
    assert world("release", "start", "prod", "api", "--write", "--yes").status == exit_codes.DONE
    verdict, evidence = world.gate()
    assert (verdict, f"at head {name}" in evidence, "plan matches" in evidence) == ("pass", True, True)
    fleet = world("status", "prod", "--json").document["migration"]
    assert (fleet["applied"], fleet["head"], fleet["pending"]) == (name, name, 0)
    assert fleet["last_run"]


def test_what_was_done_stands_in_the_journal_and_its_chain_holds(world: World) -> None:
    line = world("journal")
    assert line.status == exit_codes.DONE
    assert all(word in line.out for word in ("migration.look", "migration.approve", "migration.run", "migrate-db"))
    assert world("journal", "--verify").status == exit_codes.DONE
    assert not Journal(locations.state_folder()).open_intents("prod")


def test_a_migration_that_fails_moves_no_traffic_and_leaves_the_database_whole(world: World) -> None:
    with psycopg.connect(world.url) as link:
        link.execute("INSERT INTO reviews VALUES (-1)")
    constraint, gone = "CHECK (id > 0) NOT VALID", "ALTER TABLE reviews DROP CONSTRAINT counted"
    good = world.add(f"ALTER TABLE reviews ADD CONSTRAINT counted {constraint}", gone)
    bad = world.add(
        "ALTER TABLE reviews VALIDATE CONSTRAINT counted",
        f"{gone}; ALTER TABLE reviews ADD CONSTRAINT counted {constraint}",
    )
    world.approved()
    assert world("release", "start", "prod", "api", "--write", "--yes").status == exit_codes.DONE
    failed = world("migrate", "run", "prod", "--write", "--yes")
    assert (failed.status, f"failed at {bad}" in failed.err) == (exit_codes.FAILED, True), failed
    assert f"the database is at {good}" in failed.err
    verdict, evidence = world.gate()
    assert (verdict, "did not succeed" in evidence, "counted" in evidence) == ("hold", True, True)
    held = world("release", "promote", "prod", "api", "--write", "--yes")
    assert held.status == exit_codes.HOLD
    assert CANARY not in world.split()
    stands = world("migrate", "status", "prod", "--look", "--write", "--json").document
    assert (stands["applied"], stands["pending"], stands["doubt"]) == (good, [bad], None)
    assert world("migrate", "run", "prod", "--write", "--yes").status == exit_codes.REFUSED
    assert len(world.executions()) == 2  # the first made the table


def test_a_console_that_is_killed_changes_nothing_and_the_next_one_watches_the_run_to_its_end(world: World) -> None:
    add_note(world, seconds=4)
    world.approved()
    before = len(world.executions())
    console = world.process("migrate", "run", "prod", "--write", "--yes")
    assert console.stderr is not None
    said = ""
    for line in console.stderr:
        said += line
        if "started migrate-db-" in line:
            break
    os.kill(console.pid, signal.SIGKILL)
    console.wait(30)
    assert "started migrate-db-" in said
    assert "note" not in world.columns()
    done = world("migrate", "run", "prod", "--write", "--yes")
    assert done.status == exit_codes.DONE, done
    assert world.columns() == {"id", "note"}
    assert len(world.executions()) == before + 1


def test_two_runs_at_once_are_one_execution_and_both_see_its_end(world: World) -> None:
    add_note(world, seconds=1)
    world.approved()
    before = len(world.executions())
    consoles = [world.process("migrate", "run", "prod", "--write", "--yes") for _ in range(2)]
    ended = [(console.communicate(timeout=120), console.returncode) for console in consoles]
    assert [status for _, status in ended] == [exit_codes.DONE, exit_codes.DONE], ended
    assert len(world.executions()) == before + 1
    assert world.columns() == {"id", "note"}


def test_a_read_only_environment_shows_what_was_last_known_and_of_when(world: World) -> None:
    shown = world("migrate", "status", "prod", "--plain")
    assert (shown.status, "The database is at r001" in shown.out) == (exit_codes.DONE, True)
    assert "told by migrate-db-" in shown.out
    refused = world("migrate", "status", "prod", "--look", "--read-only")
    assert refused.status == exit_codes.REFUSED


def test_without_migrations_configured_every_command_says_how_to_and_the_gate_does_not_apply(world: World) -> None:
    (world.folder / "brconsole.toml").write_text("")
    for words in (("plan",), ("status",), ("run", "--write", "--yes")):
        refused = world("migrate", words[0], "prod", *words[1:])
        assert (refused.status, "[migrations] alembic" in refused.err) == (exit_codes.USAGE, True)
    assert world.gate()[0] == "pass"
    assert "migration" not in {one["name"] for one in world("status", "prod", "--json").document["sources"]}
