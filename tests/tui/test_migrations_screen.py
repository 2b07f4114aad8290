"""The migrations as a person sees and orders them: what is pending, why it may not run, the run with its log."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import migrating
import pytest
import samples
from acting import FakeDesk, acting, done
from rich.cells import cell_len
from standing import Stand, standing
from textual.pilot import Pilot

from brconsole.domain.job_plan import JobPlan
from brconsole.domain.plan import Confirmation
from brconsole.operations.desk import (
    ApproveMigration,
    CancelMigration,
    LookAtSchema,
    MigrationSeen,
    RunMigration,
    Stage,
)
from brconsole.operations.gateway_jobs import JobProposal
from brconsole.operations.outcome import BY_DIALOG, NOT_CONFIRMED, OutcomeKind, by_name
from brconsole.tui import writes
from brconsole.tui.app import BrconsoleApp
from brconsole.tui.console import Console
from brconsole.tui.panels import sql
from brconsole.tui.screens import migration_dialog
from brconsole.tui.screens.migration_dialog import MigrationDialog
from brconsole.tui.screens.migrations import MigrationsScreen

STATES = {
    "pending": migrating.checked(),
    "approved": migrating.checked(approved=True),
    "refused": migrating.checked(migrating.DROPPED),
    "running": migrating.running(),
    "failed": migrating.failed(),
    "loading": MigrationSeen(),
    "not configured": MigrationSeen(configured=False),
    "never asked": MigrationSeen(True, migrating.view(reports=(), executions=())),
}


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A person who looks first: no key comes sooner than it may."""
    monkeypatch.setattr(migration_dialog, "LOOK_FIRST_S", 0.0)
    monkeypatch.setattr(writes, "DEBOUNCE_S", 0.0)


def console(seen: MigrationSeen, level: Confirmation = Confirmation.DIALOG, **options: Any) -> tuple[Console, FakeDesk]:
    """A console that may write, in front of migrations as they stand."""

    def proposal(order: Any, reason: str) -> JobProposal:
        plan = JobPlan(
            "migration.run",
            "prod",
            "bytereview-prod",
            "us-central1",
            "migrate-db",
            reason,
            level,
            "run 3 migrations, 0007_index → 0010_drop_comment",
        )
        return JobProposal(plan, notes=("not reversible: 0010_drop_comment",))

    found, desk = acting(read_only=options.pop("read_only", False), answer=options.pop("answer", proposal), **options)
    desk.migrations = seen
    return found, desk


async def opened(stand: Stand) -> MigrationsScreen:
    """The migrations of prod, by their key."""
    await stand.until(lambda: "api" in stand.text())
    await stand.press("m")
    front = stand.app.front
    assert isinstance(front, MigrationsScreen), stand.text()
    return front


@pytest.mark.parametrize("size", [(80, 24), (118, 30), (160, 45), (200, 60), (60, 16)])
@pytest.mark.parametrize("state", STATES)
async def test_every_line_fills_the_screen_exactly_in_every_state(state: str, size: tuple[int, int]) -> None:
    found, _ = console(STATES[state])
    async with standing(found, size) as stand:
        await opened(stand)
        for keys in ((), ("tab",), ("z",), ("z", "tab", "j", "G", "k"), ("tab", "pagedown")):
            await stand.press(*keys)
            assert {cell_len(line) for line in stand.lines()} == {size[0]}
            assert "prod" in stand.lines()[0]


async def test_80x24_shows_where_the_database_stands_what_is_pending_and_the_key_that_is_next() -> None:
    found, desk = console(STATES["pending"])
    async with standing(found, (80, 24)) as stand:
        await opened(stand)
        assert desk.watching_migrations
        text = stand.text()
        assert "3 pending; the plan is not approved  V approves it" in stand.lines()[1]
        assert "7 of 10, 3 pending" in text
        assert "0007_index → 0010_drop_comment" in text
        assert "told 2 min ago by" in text
        assert "✔ 0008_notes        expand   ✔ reversible" in text
        assert "✔ 0010_drop_comment CONTRACT ✖ one way" in text
        assert "no rollback any more to api-00041-abc" in text
        assert "access exclusive on documents  1.2M rows, 700 MiB" in text


async def test_a_refused_revision_names_rule_line_and_cure() -> None:
    found, _ = console(STATES["refused"])
    async with standing(found, (160, 45)) as stand:
        await opened(stand)
        assert "the check refuses 1 of 3; nothing may run" in stand.lines()[1]
        assert "✖ 0010_drop_comment" in stand.text()
        await stand.press("G")
        assert "✖ ban-drop-column:14" in stand.text()
        assert "→ declare it the second of two releases: brconsole =" in stand.text()
        assert "DROP COLUMN comment" in stand.text()


async def test_a_run_shows_its_steps_and_its_log_and_offers_to_cancel() -> None:
    found, desk = console(STATES["running"])
    async with standing(found, (160, 45)) as stand:
        await opened(stand)
        assert "migrate-db-x7k2p is at work  K cancels it" in stand.lines()[1]
        assert "↻ running" in stand.text()
        assert "↻ 0009_backfill" in stand.text()
        assert "14:03:17 0009_backfill begins" in stand.text()
        assert "migrate-db-a1b2" not in stand.text()
        assert "failed: lock timeout" in stand.text()
        await stand.press("K")
        await stand.until_shown("Cancel the run under way")
        assert desk.asked == [CancelMigration()]


async def test_a_failed_look_keeps_what_was_known_with_its_age_and_the_cause() -> None:
    found, _ = console(STATES["failed"])
    async with standing(found, (80, 24)) as stand:
        await opened(stand)
        assert "✖ failed · 4 s" in stand.text()
        assert "✖ as it was last known: 3 pending; the plan is not approved" in stand.lines()[1]
        assert "UNAVAILABLE" in stand.text()
        assert "0008_notes" in stand.text()


async def test_without_configuration_it_says_what_to_write_where() -> None:
    found, _ = console(STATES["not configured"])
    async with standing(found, (80, 24)) as stand:
        await opened(stand)
        assert 'alembic = "backend/alembic.ini"' in stand.text()


async def test_the_plan_in_sight_is_approved_by_its_whole_hash() -> None:
    found, desk = console(STATES["pending"])
    async with standing(found, (160, 45)) as stand:
        await opened(stand)
        await stand.press("V")
        await stand.until_shown("Approve the plan 1c7e99aa1c7e")
        assert desk.asked == [ApproveMigration(migrating.HASH)]
        assert "▸ [ n  Cancel ]" in stand.text()
        await stand.press("enter")
        assert desk.sent == []
        await stand.press("V")
        await stand.until_shown("[ y  approve it ]")
        await stand.press("y")
        assert [sent.confirmed for sent in desk.sent] == [BY_DIALOG]


async def test_a_run_that_cannot_be_undone_wants_the_name_of_the_environment() -> None:
    found, desk = console(STATES["approved"], Confirmation.TYPED)
    async with standing(found, (160, 45)) as stand:
        await opened(stand)
        assert "3 pending, checked and approved  M runs it" in stand.lines()[1]
        await stand.press("M")
        await stand.until_shown("type prod and enter")
        assert desk.asked == [RunMigration()]
        assert "not reversible: 0010_drop_comment" in stand.text()
        await stand.type("dev")
        await stand.press("enter")
        assert desk.sent == []
        await stand.type("prod")
        await stand.press("enter")
        assert [sent.confirmed for sent in desk.sent] == [by_name("prod")]
        assert not isinstance(stand.app.front, MigrationDialog)
        desk.sent[0].told(Stage.ACCEPTED, "0008_notes begins")
        desk.sent[0].ended(done("migrate-db-x: failed at 0009", OutcomeKind.FAILED))
        await stand.until(lambda: any("failed at 0009" in message for message in stand.messages()))


async def test_migrating_from_the_fleet_shows_the_migrations_with_the_question_over_them() -> None:
    found, desk = console(STATES["approved"])
    async with standing(found, (160, 45)) as stand:
        await stand.until_shown("Services · 5")
        await stand.press("M")
        await stand.until_shown("Run the migrations")
        assert desk.asked == [RunMigration()]
        await stand.press("escape")
        assert isinstance(stand.app.front, MigrationsScreen)


async def test_a_refusal_is_shown_in_place_of_the_question_and_nothing_is_sent() -> None:
    refused = done("migrate-db: the plan 1c7e is not approved: review it", OutcomeKind.REFUSED)
    found, desk = console(STATES["pending"], answer=lambda _order, _reason: refused)
    async with standing(found, (80, 24)) as stand:
        await opened(stand)
        await stand.press("M")
        await stand.until_shown("is not approved")
        assert "nothing was written" in stand.text()
        await stand.press("y", "escape")
        assert desk.sent == []
        assert isinstance(stand.app.front, MigrationsScreen)


async def test_a_look_changes_nothing_and_is_sent_without_a_question() -> None:
    found, desk = console(STATES["never asked"])
    async with standing(found, (80, 24)) as stand:
        await opened(stand)
        assert "nobody has asked the database yet  a asks the database" in stand.lines()[1]
        await stand.press("a", "p")
        assert [sent.made for sent in desk.sent] == [LookAtSchema("status"), LookAtSchema("plan")]
        assert {sent.confirmed for sent in desk.sent} == {NOT_CONFIRMED}


async def test_read_only_refuses_each_of_its_writes_with_words() -> None:
    found, desk = console(STATES["approved"], read_only=True)
    async with standing(found, (80, 24)) as stand:
        await opened(stand)
        for key in ("M", "V", "Y", "K", "p", "a"):
            stand.app.clear_notifications()
            await stand.press(key)
            assert any("read-only" in message for message in stand.messages()), key
        assert desk.asked == []
        assert desk.sent == []


async def test_leaving_the_screen_ends_the_looks_and_escape_goes_to_the_fleet() -> None:
    found, desk = console(STATES["pending"])
    async with standing(found, (80, 24)) as stand:
        await opened(stand)
        await stand.press("tab", "z", "escape", "escape", "escape")
        await stand.until_shown("Services · 5")
        assert not desk.watching_migrations


async def test_the_log_follows_its_end_until_somebody_scrolls_up() -> None:
    seen = migrating.running()
    assert seen.run is not None
    found, _ = console(seen)
    async with standing(found, (80, 24)) as stand:
        await opened(stand)
        assert "0009_backfill begins" in stand.text()
        await stand.press("shift+tab", "shift+tab", "g")
        assert "begins: 3 revisions" in stand.text()
        assert " more ─" in stand.text()
        await stand.press("G")
        assert "0009_backfill begins" in stand.text()


def test_sql_is_broken_at_blanks_and_nothing_of_it_is_lost() -> None:
    statement = "CREATE TABLE a (id BIGINT PRIMARY KEY, name TEXT DEFAULT 'it''s ''long''', \"Kind\" VARCHAR(20))"
    for width in range(20, 60):
        narrow = sql.statements([statement, "SELECT 1"], width)
        assert max(sum(cell_len(text) for text, _ in line) for line in narrow) <= width
    lines = sql.statements([statement, "SELECT 1"], 30)
    words = " ".join("".join(text for text, _ in line).strip() for line in lines).split()
    assert words == f"{statement} SELECT 1".split()
    roles = {text.strip(): role for line in lines for text, role in line}
    assert roles["CREATE"] == "primary bold"
    assert roles["1"] == "warn"


def test_hostile_sql_and_logs_are_shown_as_harmless_text() -> None:
    text = "".join(
        part for line in sql.statements(["SELECT '\x1b]0;owned\x07[red]x[/]\u202e'"], 80) for part, _ in line
    )
    assert text.isprintable()
    assert "[red]x[/]" in text


@pytest.mark.parametrize(("state", "size"), [("refused", (160, 45)), ("running", (80, 24))])
def test_the_screen_looks_as_it_was_approved(
    state: str, size: tuple[int, int], snap_compare: Callable[..., bool]
) -> None:
    found, _ = console(STATES[state])
    app = BrconsoleApp(found)

    async def ready(pilot: Pilot[None]) -> None:
        while not app._followed:
            await pilot.pause()
        await pilot.press("m", "G")
        await pilot.pause()

    assert snap_compare(app, terminal_size=size, run_before=ready)


def test_the_samples_stand_at_one_frozen_moment() -> None:
    assert all(seen.view is None or seen.view.as_of < samples.NOW for seen in STATES.values())
