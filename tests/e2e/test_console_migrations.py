"""Migrations in the console, in a real terminal, on a real PostgreSQL: planned, approved, run and released by keys."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

# Found by conftest.py: what these tests share.
from migration_world import CANARY, World, add_note
from terminal import Terminal

WIDTH, HEIGHT = 160, 45


class Sitting:
    """A person in front of the console of prod, who looks before a key."""

    def __init__(self, terminal: Terminal) -> None:
        self.terminal = terminal

    def press(self, keys: str) -> None:
        """Type."""
        self.terminal.send(keys)

    def shown(self, *texts: str) -> None:
        """Wait until all of these stand on the screen."""
        self.terminal.until_shown(*texts)

    def say_yes(self, button: str) -> None:
        """Look at the question, then y: a yes that came too soon is said so and is not taken."""
        yes = f"[ y  {button} ]"
        self.shown(yes)

        def taken() -> bool:
            if yes in self.terminal.text:
                self.press("y")
            return yes not in self.terminal.text

        self.terminal.until(taken, f"{button!r} is taken")

    def leave(self, title: str) -> None:
        """Back, out of what has this title: what is typed after esc too soon would be one key with it."""
        self.press("\x1b")
        self.terminal.until(lambda: title not in self.terminal.text, f"{title!r} is left")

    def plan_and_approve(self) -> None:
        """From the fleet to an approved plan."""
        self.press("m")
        self.shown("Database · migrate-db")
        self.press("p")
        self.shown("V approves it, once reviewed")
        self.press("V")
        self.say_yes("approve it")
        self.shown("checked and approved  M runs it")

    def run(self) -> None:
        """Run what was approved."""
        self.press("M")
        self.say_yes("run them")


@contextmanager
def console(world: World) -> Iterator[Sitting]:
    """The console of prod, allowed to write."""
    folders = {name: value for name, value in os.environ.items() if name.startswith("XDG_")}
    terminal = Terminal(world.words("prod", "--write"), WIDTH, HEIGHT, **folders)
    try:
        terminal.until_shown("Services · 5")
        yield Sitting(terminal)
        if not terminal.spawned.closed:
            terminal.send("q")
            terminal.until_ended()
    finally:
        terminal.close()


def test_by_keys_a_migration_is_planned_approved_and_run_and_its_canary_gets_its_share(world: World) -> None:
    name = add_note(world)
    with console(world) as person:
        person.plan_and_approve()
        person.shown(f"✔ {name}", "✔ reversible", "ADD COLUMN")
        person.run()
        person.shown(f"{name} done in", "✔ succeeded", f"the database is at {name}")
        assert world.columns() == {"id", "note"}
        person.leave("Database · migrate-db")
        person.shown("Services · 5")
        person.press("v")
        person.shown("S starts one of")
        person.press("S")
        person.say_yes("start, and step it by hand")
        person.shown("✔ serving")
        person.leave("Start a rollout of api")
        person.shown("✔ pass migration", f"at head {name}", "your turn: the gates pass")
        person.press("P")
        person.say_yes("promote to 5 %")
        person.shown("✔ serving")
        person.leave("Promote api to 5 %")
        person.shown("● 5 %")
    assert world.split()[CANARY] == 5


def test_by_keys_a_failing_migration_moves_no_traffic_and_the_screen_says_where_the_database_stands(
    world: World,
) -> None:
    with psycopg.connect(world.url) as link:
        link.execute("INSERT INTO reviews VALUES (-1)")
    constraint, gone = "CHECK (id > 0) NOT VALID", "ALTER TABLE reviews DROP CONSTRAINT counted"
    good = world.add(f"ALTER TABLE reviews ADD CONSTRAINT counted {constraint}", gone)
    bad = world.add(
        "ALTER TABLE reviews VALIDATE CONSTRAINT counted",
        f"{gone}; ALTER TABLE reviews ADD CONSTRAINT counted {constraint}",
    )
    with console(world) as person:
        person.plan_and_approve()
        person.run()
        person.shown("✖ failed", f"stands at  {good}", "2 of 3, 1 pending")
        person.leave("Database · migrate-db")
        person.shown("Services · 5")
        person.press("v")
        person.shown("◷ hold migration", f"1 pending: {bad}")
    assert CANARY not in world.split()
    assert world.executions()[0]["state"] == "failed"


def test_a_console_that_is_killed_in_mid_run_changes_nothing_and_the_next_one_shows_the_end(world: World) -> None:
    name = add_note(world, seconds=4)
    before = len(world.executions())
    with console(world) as person:
        person.plan_and_approve()
        person.run()
        person.shown("is at work", f"{name}")
        os.kill(person.terminal.pid, signal.SIGKILL)
        person.terminal.close()
    assert "note" not in world.columns()
    with console(world) as person:
        person.press("m")
        person.shown("✔ succeeded", "at head", f"stands at  {name}")
    assert len(world.executions()) == before + 1
    assert world.columns() == {"id", "note"}
