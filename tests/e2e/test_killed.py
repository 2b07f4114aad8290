"""The command line killed at every step between a write's intent and its verification: nothing is left undefined.

The embedded cloud holds the process at a call that it names, so that it dies at a known step and not at some moment.
"""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

# Found by conftest.py: what these tests share.
from embedded import embedded_cloud
from prompt import CANARY, STABLE, Prompt, endpoint, generation, kept, move_by_hand, put_faults

from brconsole.cli import exit_codes
from brconsole.operations import gateway
from brconsole.operations.unfinished import Found

SPEED = 20.0
WRITE = ("ReplaceService", "UpdateService")
"""Of Run v1 and v2: which of them writes is the environment's choice."""
READ = ("GetService",)
LOST: tuple[dict[str, Any], ...] = tuple({"api": "run", "method": name, "lost": True, "count": 1} for name in WRITE)
"""The write is taken and its answer never comes."""
ENDED = ("idle", "rolled_back", "released")


@dataclass(frozen=True)
class Interrupted:
    """A command that is killed, what leads up to it, and the status of what follows once its write was taken."""

    words: str
    before: tuple[str, ...] = ()
    status: int = exit_codes.DONE
    then: str = ""
    """What follows the kill, where it is not the same command."""


START = "release start prod api --manual --write"
PROMOTE = "release promote prod api --to 5 --write"
HOLD = "release hold prod api --write"
SHIFT = f"traffic prod api {STABLE}=80 {CANARY}=20 --write"
BY_HAND = "by hand"
UNDER_WAY = (START, PROMOTE)
ORDERS = {
    "start": Interrupted(START, (), exit_codes.REFUSED),  # it is under way
    "promote": Interrupted(PROMOTE, (START,)),
    "hold": Interrupted(HOLD, UNDER_WAY),
    "resume": Interrupted("release resume prod api --write", (*UNDER_WAY, HOLD)),
    "abort": Interrupted("release abort prod api", UNDER_WAY),
    "rollback": Interrupted("rollback prod api", UNDER_WAY),
    "traffic": Interrupted(SHIFT),
    "undo": Interrupted("traffic prod api --undo --write", (SHIFT,)),
    "adopt": Interrupted("release adopt prod api --write", (*UNDER_WAY, BY_HAND)),
    "restore": Interrupted("release restore prod api --write", (*UNDER_WAY, BY_HAND)),
    "dismiss": Interrupted("release dismiss prod api --write"),
    "run": Interrupted("release run prod api --write", then="release abort prod api"),
    "agent": Interrupted("agent prod --once --write", ("release start prod api --write",)),
}


@pytest.fixture
def world(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Prompt]:
    """A candidate of prod's api that is ready, and a command line on it."""
    monkeypatch.setattr(gateway, "LEAST_LOOK_S", 0.1)
    with embedded_cloud(port=0, http_port=0, scenario="release-ready", speed=SPEED) as cloud:
        yield Prompt(cloud, capsys)


def hold(*methods: str) -> tuple[dict[str, Any], ...]:
    """Holds the next call of any of these until the faults are replaced."""
    return tuple({"api": "run", "method": name, "stall_s": 600, "count": 1} for name in methods)


def kill_at(brconsole: Prompt, words: str, *steps: tuple[dict[str, Any], ...]) -> None:
    """Start a command; each step is reached where one of its calls is held, which lets go of the one before. The
    process is killed at the last.
    """
    put_faults(brconsole.cloud, *steps[0])
    command = [sys.executable, "-m", "brconsole", *words.split(), "--yes", *endpoint(brconsole.cloud)]
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as doomed:
        try:
            for number, step in enumerate(steps):
                if number:
                    put_faults(brconsole.cloud, *step)
                held_at(brconsole, step, doomed)
        finally:
            doomed.kill()


def held_at(brconsole: Prompt, step: tuple[dict[str, Any], ...], doomed: subprocess.Popen[bytes]) -> None:
    """Wait until a call is held. The first to be met is the one that holds."""
    url = f"http://{brconsole.cloud.options(8.0).http_endpoint}/control/faults"
    holding = [fault["method"] for fault in step if "stall_s" in fault]
    while {fault["method"] for fault in httpx.get(url, trust_env=False).json() if "stall_s" in fault} == set(holding):
        if doomed.poll() is not None:
            assert doomed.stdout is not None
            pytest.fail(f"it ended before it called {' or '.join(holding)}: {doomed.stdout.read().decode()}")
        threading.Event().wait(0.02)


def come_to(brconsole: Prompt, before: tuple[str, ...]) -> None:
    """Everything that comes before the order."""
    for words in before:
        if words == BY_HAND:
            move_by_hand(brconsole.cloud, {STABLE: 60, CANARY: 40})
        else:
            ended = brconsole(*words.split(), "--yes")
            assert ended.status == exit_codes.DONE, ended.err


def is_defined(brconsole: Prompt) -> dict[str, Any]:
    """The rollout; traffic is whole and on two arms at most, and the journal's chain holds."""
    seen = brconsole("release", "status", "prod", "api", "--json").document
    for split in (seen["desired"], seen["serving"]):
        assert sum(split.values()) == 100
        assert len(split) <= 2
    assert brconsole("journal", "--verify").status == exit_codes.DONE
    return seen


def found_out(brconsole: Prompt) -> list[str]:
    """What a later start found out about interrupted writes, oldest first; none is left open."""
    journal = kept(brconsole.cloud)
    assert journal.open_intents("prod") == []
    return [entry.text("result") for entry in journal.entries("prod", "api") if entry.found_afterwards]


def can_be_released_anew(brconsole: Prompt) -> None:
    """Whatever happened: back to stable, the rollout has ended, and the next one starts."""
    ended = brconsole("rollback", "prod", "api", "--to", STABLE, "--yes")
    assert ended.status == exit_codes.DONE, ended.err
    seen = is_defined(brconsole)
    assert seen["phase"] in ENDED
    assert seen["serving"] == {STABLE: 100}
    started = brconsole("release", "start", "prod", "api", "--retry", "--write", "--yes")
    assert started.status == exit_codes.DONE, started.err
    assert is_defined(brconsole)["phase"] == "prepared"


@pytest.mark.parametrize("order", ORDERS)
def test_a_command_killed_before_and_after_its_write_leaves_a_way_on(world: Prompt, order: str) -> None:
    asked = ORDERS[order]
    come_to(world, asked.before)
    before = generation(world.cloud)
    kill_at(world, asked.words, hold(*WRITE))
    assert generation(world.cloud) == before
    is_defined(world)
    # The next start tells it, and is killed in its turn when its write is taken and not yet read back.
    kill_at(world, asked.words, hold(*WRITE), hold(*READ))
    assert generation(world.cloud) == before + 1
    is_defined(world)
    again = world(*(asked.then or asked.words).split(), "--yes")
    assert again.status == asked.status, again.err
    assert "was interrupted; it was taken" in again.err
    assert found_out(world) == [Found.NOT_TAKEN, Found.TAKEN]
    assert "afterwards" in world("journal", "--service", "api").out
    is_defined(world)
    can_be_released_anew(world)


ON_AN_UNRECORDED_ROLLBACK = {
    "rollback": ("rollback prod api", exit_codes.DONE, "rolled_back"),
    "group": ("rollback prod --group --confirm prod", exit_codes.DONE, "rolled_back"),
    "abort": ("release abort prod api", exit_codes.DONE, "rolled_back"),
    "start": ("release start prod api --retry --write", exit_codes.DONE, "prepared"),
    "dismiss": ("release dismiss prod api --write", exit_codes.DONE, "released"),
    "agent": ("agent prod --once --write", exit_codes.DONE, "rolled_back"),
    "run": ("release run prod api --write", exit_codes.ROLL_BACK, "rolled_back"),
    "a look": ("release status prod api", exit_codes.DONE, "rolling_back"),
    "traffic": (SHIFT, exit_codes.REFUSED, "rolling_back"),
}
"""What may follow a rollback that is served and was never recorded as complete: its status, and the phase after it."""


@pytest.mark.parametrize("following", ON_AN_UNRECORDED_ROLLBACK)
def test_a_rollback_killed_before_it_was_recorded_as_complete_binds_nobody(world: Prompt, following: str) -> None:
    words, status, phase = ON_AN_UNRECORDED_ROLLBACK[following]
    come_to(world, UNDER_WAY)
    kill_at(world, "rollback prod api", hold(*WRITE), hold(*WRITE))
    unrecorded = is_defined(world)
    assert (unrecorded["phase"], unrecorded["serving"]) == ("rolling_back", {STABLE: 100})
    ended = world(*words.split(), *(() if following == "a look" else ("--yes",)))
    assert ended.status == status, ended.err
    assert is_defined(world)["phase"] == phase
    can_be_released_anew(world)


@pytest.mark.parametrize("path", ["v1", "v2"])
@pytest.mark.parametrize("order", ["promote", "rollback"])
def test_a_command_killed_after_its_answer_was_lost_was_taken(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, order: str, path: str
) -> None:
    monkeypatch.setattr(gateway, "LEAST_LOOK_S", 0.1)
    with embedded_cloud(
        port=0, http_port=0, scenario="release-ready", speed=SPEED, etag_enforced=path == "v2"
    ) as cloud:
        brconsole = Prompt(cloud, capsys)
        probe = ("doctor", "prod", "--probe-writes", "--service", "frontend", "--write", "--yes", "--json")
        assert f"{path} with its" in brconsole(*probe).out
        asked = ORDERS[order]
        come_to(brconsole, asked.before)
        before = generation(cloud)
        # What is read before the write passes one by one; the first read after the lost answer is the last.
        reads = 3 if path == "v2" else 2  # v2 looks once more itself, behind its fence
        kill_at(brconsole, asked.words, *(hold(*READ) for _ in range(reads)), (*LOST, *hold(*READ)))
        assert generation(cloud) == before + 1
        is_defined(brconsole)
        again = brconsole(*asked.words.split(), "--yes")
        assert again.status == exit_codes.DONE, again.err
        assert found_out(brconsole) == [Found.TAKEN]
        can_be_released_anew(brconsole)


def test_a_group_killed_between_its_writes_is_finished_by_the_next(world: Prompt) -> None:
    come_to(world, UNDER_WAY)
    group = "rollback prod --group --confirm prod"
    kill_at(world, group, hold(*WRITE), hold(*WRITE))
    assert kept(world.cloud).open_intents("prod")
    is_defined(world)
    ended = world(*group.split(), "--yes", "--json")
    assert ended.status == exit_codes.DONE, ended.err
    assert kept(world.cloud).open_intents("prod") == []
    for service in ("api", "frontend"):
        seen = world("release", "status", "prod", service, "--json").document
        assert (seen["phase"], set(seen["serving"].values())) == ("rolled_back", {100})
    can_be_released_anew(world)
