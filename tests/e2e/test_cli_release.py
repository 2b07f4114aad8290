"""Releases from the command line against the embedded Google Cloud, each driven to its end."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import jsonschema
import pytest

# Found by conftest.py: what these tests share.
from embedded import EmbeddedCloud, embedded_cloud
from pexpect import fdpexpect
from prompt import CANARY, STABLE, Prompt, endpoint, generation, kept, put_faults, put_world

from brconsole.cli import exit_codes, rollout_document
from brconsole.operations import gateway, rollouts

FAST = 1200.0
QUICK_PLAN = """
[environments.prod.plan]
steps = [{ percent = 5, dwell = "1m" }, { percent = 50, dwell = "1m" }, { percent = 100, dwell = "1m" }]
"""


World = Callable[..., AbstractContextManager[Prompt]]


@pytest.fixture
def world(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> World:
    """Makes a world of its own with a command line on it; a driver looks at it more often than at Google's."""
    monkeypatch.setattr(rollouts, "LEAST_LOOK_S", 0.4)
    monkeypatch.setattr(gateway, "LEAST_LOOK_S", 0.1)

    @contextmanager
    def made(scenario: str, speed: float = FAST) -> Iterator[Prompt]:
        with embedded_cloud(port=0, http_port=0, scenario=scenario, speed=speed) as cloud:
            yield Prompt(cloud, capsys)

    return made


@pytest.fixture(scope="module")
def schema() -> jsonschema.Draft202012Validator:
    text = rollout_document.ROLLOUT_SCHEMA_FILE.read_text("utf-8")
    return jsonschema.Draft202012Validator(json.loads(text), format_checker=jsonschema.FormatChecker())


# ------------------------------------------------------------------------------------------------- driven to the end


def test_a_healthy_candidate_is_released_in_prod(world: World, schema: jsonschema.Draft202012Validator) -> None:
    with world("release-ready") as brconsole:
        ended = brconsole("release", "run", "prod", "api", "--write", "--yes", "--json", "--reason", "Tuesday")
        assert ended.status == exit_codes.DONE, ended.err
        schema.validate(ended.document)
        assert (ended.document["phase"], ended.document["serving"]) == ("idle", {CANARY: 100})
        shares = [f"{CANARY} {percent} %" for percent in (5, 50, 100)]
        assert [share for share in shares if share in ended.err] == shares
        assert brconsole("journal", "--verify").status == exit_codes.DONE


@pytest.mark.parametrize(
    ("scenario", "why", "not_again"),
    [
        ("bad-5xx", "errors", "--retry"),
        ("bad-latency", "latency", "--retry"),
        ("bad-crash", "not ready", "is not ready"),
    ],
)
def test_a_broken_candidate_ends_at_stable_by_itself(
    world: World, schema: jsonschema.Draft202012Validator, scenario: str, why: str, not_again: str
) -> None:
    with world(scenario) as brconsole:
        ended = brconsole("release", "run", "prod", "api", "--write", "--yes", "--json")
        assert ended.status == exit_codes.ROLL_BACK, ended.err
        schema.validate(ended.document)
        assert (ended.document["phase"], ended.document["serving"]) == ("rolled_back", {STABLE: 100})
        assert why in ended.err
        assert "next deploy gets 0 %" in ended.err
        again = brconsole("release", "start", "prod", "api", "--write", "--yes")
        assert again.status == exit_codes.REFUSED
        assert not_again in again.err


def test_the_plan_of_staging_goes_from_10_to_100(world: World) -> None:
    with world("quiet") as brconsole:
        newest, *older = revisions(brconsole, "staging")
        ended = brconsole("release", "run", "staging", "api", "--revision", older[0], "--yes", "--json")
        assert ended.status == exit_codes.DONE, ended.err
        assert [step["percent"] for step in ended.document["steps"]] == [10, 100]
        assert ended.document["serving"] == {older[0]: 100}
        assert ended.document["stable"] == newest


def test_a_canary_that_breaks_in_staging_is_rolled_back(world: World) -> None:
    with world("quiet") as brconsole:
        newest, *older = revisions(brconsole, "staging")
        put_world(brconsole.cloud, kind="error-rate", target=f"br-stage-4821/{older[0]}", magnitude=0.3)
        ended = brconsole("release", "run", "staging", "api", "--revision", older[0], "--yes", "--json")
        assert ended.status == exit_codes.ROLL_BACK, ended.err
        assert ended.document["serving"] == {newest: 100}


# --------------------------------------------------------------------------------------------------------- step by step


def test_a_person_prepares_holds_resumes_and_aborts(world: World) -> None:
    with world("release-ready", speed=60.0) as brconsole:
        started = brconsole("release", "start", "prod", "api", "--manual", "--write", "--yes", "--json")
        assert (started.status, started.document["result"]) == (exit_codes.DONE, "done")
        assert brconsole("release", "start", "prod", "api", "--write", "--yes").status == exit_codes.REFUSED
        assert brconsole("release", "promote", "prod", "api", "--to", "5", "--write", "--yes").status == exit_codes.DONE
        twice = brconsole("release", "promote", "prod", "api", "--to", "5", "--write", "--yes", "--json")
        assert (twice.status, twice.document["result"]) == (exit_codes.DONE, "already done")
        early = brconsole("release", "promote", "prod", "api", "--to", "50", "--write", "--yes", "--json")
        assert early.status == exit_codes.HOLD
        assert any("dwell" in reason for reason in early.document["blocked_by"])
        assert brconsole("gate", "prod", "api", "--json").status == exit_codes.HOLD
        shift = brconsole("traffic", "prod", "api", f"{STABLE}=50", f"{CANARY}=50", "--write", "--yes")
        assert shift.status == exit_codes.REFUSED
        assert "hold or abort it first" in shift.err
        assert brconsole("release", "hold", "prod", "api", "--write", "--yes").status == exit_codes.DONE
        (held,) = brconsole("status", "prod", "--json").document["rollouts"]
        assert (held["phase"], held["gates"]) == ("holding", None)
        assert brconsole("release", "resume", "prod", "api", "--write", "--yes").status == exit_codes.DONE
        # It is let through where prod is read-only by default: confirming arms this one.
        assert brconsole("release", "abort", "prod", "api", "--yes").status == exit_codes.DONE
        assert brconsole.split("prod", "api") == {STABLE: 100}
        assert brconsole("release", "abort", "prod", "api", "--yes").status == exit_codes.REFUSED


def test_any_split_is_written_shown_and_undone(world: World) -> None:
    with world("release-ready") as brconsole:
        arms = (f"{STABLE}=60", f"{CANARY}=30", "api-00040-sx7=10")
        plan = brconsole("traffic", "prod", "api", *arms, "--dry-run")
        assert plan.status == exit_codes.DONE
        assert f"--to-revisions={STABLE}=60,{CANARY}=30,api-00040-sx7=10" in plan.out
        assert "40 % of the requests move, about" in plan.out
        assert brconsole.split("prod", "api") == {STABLE: 100}
        shifted = brconsole("traffic", "prod", "api", *arms, "--write", "--yes", "--json", "--reason", "compare")
        assert shifted.status == exit_codes.DONE
        assert shifted.document["plan"]["requests_per_minute"] > 1000
        assert brconsole.split("prod", "api") == {STABLE: 60, CANARY: 30, "api-00040-sx7": 10}
        again = brconsole("traffic", "prod", "api", *arms, "--write", "--yes", "--json")
        assert (again.status, again.document["result"]) == (exit_codes.DONE, "already done")
        assert brconsole("traffic", "prod", "api", "--undo", "--write", "--yes").status == exit_codes.DONE
        assert brconsole.split("prod", "api") == {STABLE: 100}
        shown = brconsole("journal")
        assert "compare" in shown.out
        assert shown.out.count("✔ done") == 2
        unknown = brconsole("traffic", "prod", "api", "api-00042-qv8=100", "--write", "--yes")
        assert unknown.status == exit_codes.REFUSED
        assert f"the nearest is {CANARY}" in unknown.err


def test_a_service_that_does_not_exist_is_answered_with_the_nearest(world: World) -> None:
    with world("quiet") as brconsole:
        for words in (("release", "status", "prod", "apii"), ("rollback", "prod", "apii", "--to", "x", "--yes")):
            ended = brconsole(*words)
            assert ended.status == exit_codes.USAGE
            assert "did you mean “api”" in ended.err


def test_a_pipeline_ends_with_10_where_a_person_is_needed(world: World) -> None:
    with world("release-ready") as brconsole:
        assert brconsole("release", "start", "prod", "api", "--manual", "--write", "--yes").status == exit_codes.DONE
        ended = brconsole("release", "run", "prod", "api", "--write", "--yes", "--json")
        assert ended.status == exit_codes.HOLD
        assert (ended.document["phase"], ended.document["serving"]) == ("prepared", {STABLE: 100})
        assert "promote" in ended.err


def test_a_pipeline_without_a_candidate_or_for_another_one_is_refused(world: World) -> None:
    with world("quiet") as brconsole:
        ended = brconsole("release", "run", "staging", "api", "--yes")
        assert ended.status == exit_codes.REFUSED
        assert "no ready revision is newer" in ended.err
        older = revisions(brconsole, "staging")[1:3]
        started = brconsole("release", "start", "staging", "api", "--revision", older[0], "--yes")
        assert started.status == exit_codes.DONE
        other = brconsole("release", "run", "staging", "api", "--revision", older[1], "--yes")
        assert other.status == exit_codes.CONFLICT


# ------------------------------------------------------------------------------------------------------------ rollback


@contextmanager
def asked(cloud: EmbeddedCloud, *words: str) -> Iterator[tuple[fdpexpect.fdspawn, subprocess.Popen[bytes]]]:
    """A command with a person at its terminal, who is being asked. No fork of this process, which has threads."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "brconsole", *words, *endpoint(cloud)]
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True) as child:
        os.close(theirs)
        terminal = fdpexpect.fdspawn(ours, encoding="utf-8", timeout=30)
        try:
            terminal.expect(r"\[y/N\]|name to confirm")
            yield terminal, child
        finally:
            child.kill()
            os.close(ours)


def test_a_person_is_asked_and_only_a_yes_writes(world: World) -> None:
    with world("quiet") as brconsole:
        with asked(brconsole.cloud, "rollback", "prod", "api") as (terminal, child):
            assert "confirming arms this one rollback" in str(terminal.before)
            child.send_signal(signal.SIGINT)
            assert child.wait(30) == exit_codes.INTERRUPTED
        assert brconsole.split("prod", "api") == {STABLE: 100}
        with asked(brconsole.cloud, "rollback", "prod", "api") as (terminal, child):
            terminal.sendline("y")
            terminal.expect("api-00040-sx7 serves 100 %")
            assert child.wait(30) == exit_codes.DONE
        with asked(brconsole.cloud, "rollback", "prod", "--group") as (terminal, child):
            terminal.sendline("y")
            terminal.expect("not confirmed")
            assert child.wait(30) == exit_codes.REFUSED


def test_one_service_and_the_whole_group_go_back(world: World) -> None:
    with world("quiet") as brconsole:
        back = brconsole("rollback", "prod", "api", "--yes", "--json")
        assert back.status == exit_codes.DONE, back.err
        assert back.document["after"] == {"api-00040-sx7": 100}
        assert "next deploy gets 0 %" in back.err
        untyped = brconsole("rollback", "prod", "--group", "--yes")
        assert untyped.status == exit_codes.REFUSED
        assert "--confirm prod" in untyped.err
        mistyped = brconsole("rollback", "prod", "--group", "--yes", "--confirm", "staging")
        assert mistyped.status == exit_codes.REFUSED
        group = brconsole("rollback", "prod", "--group", "--yes", "--confirm", "prod", "--json")
        assert group.status == exit_codes.DONE, group.err
        services = {outcome["service"]: outcome["result"] for outcome in group.document["services"]}
        assert set(services) == {"api", "frontend", "worker-cron", "worker-extract", "worker-import"}
        assert services["frontend"] == "done"
        assert brconsole("journal", "--verify").status == exit_codes.DONE


def test_a_rollback_goes_while_everything_but_the_write_is_down(world: World) -> None:
    with world("demo") as brconsole:
        down = [{"api": api, "code": "UNAVAILABLE"} for api in ("monitoring", "logging", "bigquery")]
        lists = ("ListServices", "ListRevisions")
        spent = [{"api": "run", "method": method, "code": "RESOURCE_EXHAUSTED"} for method in lists]
        put_faults(brconsole.cloud, *down, *spent)
        back = brconsole("rollback", "prod", "api", "--to", STABLE, "--yes", "--json")
        assert back.status == exit_codes.DONE, back.err
        assert back.document["plan"]["requests_per_minute"] is None


def test_a_rollback_goes_with_the_read_quota_spent_and_is_verified_when_it_is_back(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gateway, "LEAST_WAIT_S", 1.0)
    with world("demo") as brconsole:
        down = [{"api": api, "code": "UNAVAILABLE"} for api in ("monitoring", "logging", "bigquery")]
        reads = ("ListServices", "ListRevisions", "GetService")
        spent = [{"api": "run", "method": method, "code": "RESOURCE_EXHAUSTED"} for method in reads]
        put_faults(brconsole.cloud, *down, *spent)
        back = brconsole("rollback", "prod", "api", "--to", STABLE, "--yes", "--json")
        assert back.document["result"] == "accepted, not verified", back.err
        assert back.status == exit_codes.FAILED
        brconsole.cloud.heal()
        assert brconsole.split("prod", "api") == {STABLE: 100}
        verified = brconsole("rollback", "prod", "api", "--yes", "--json")
        assert verified.status == exit_codes.DONE, verified.err
        assert brconsole("release", "status", "prod", "api", "--json").document["phase"] == "rolled_back"
        assert brconsole("journal", "--verify").status == exit_codes.DONE


# --------------------------------------------------------------------------------------------------------------- races

PROMOTERS = """
import sys, threading
from brconsole.cli import entry
from brconsole.cli import acting, writing, release  # what the first one would import
import brconsole.gcp.preload
brconsole.gcp.preload.preload()
print("ready", flush=True)
for line in sys.stdin:
    statuses = []
    step, *words = line.split()
    def promote():
        statuses.append(entry.run(["release", "promote", "prod", "api", "--to", step, "--write", "--yes", *words]))
    threads = [threading.Thread(target=promote) for _ in range(5)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
    print("ended", *statuses, flush=True)
"""


def test_of_ten_simultaneous_promotions_from_two_processes_one_is_written(world: World, tmp_path: Path) -> None:
    plan = tmp_path / "brconsole.toml"
    plan.write_text(QUICK_PLAN)
    with world("release-ready", speed=30.0) as brconsole:
        words = ("--config", str(plan), *endpoint(brconsole.cloud))
        assert brconsole("release", "start", "prod", "api", "--write", "--yes", "--config", str(plan)).status == 0
        with processes(2) as promoters:
            for step in (5, 50):
                while step > 5 and brconsole("gate", "prod", "api", "--config", str(plan)).status != exit_codes.DONE:
                    threading.Event().wait(0.5)  # the world's own time must pass
                before = generation(brconsole.cloud)
                for _ in range(20):
                    statuses = at_once(promoters, step, words)
                    if set(statuses) != {exit_codes.HOLD}:
                        break
                    assert generation(brconsole.cloud) == before  # a busy machine: the evidence was stale for all
                assert len(statuses) == 10
                assert set(statuses) <= {exit_codes.DONE, exit_codes.CONFLICT}
                assert generation(brconsole.cloud) == before + 1
        assert brconsole.split("prod", "api") == {STABLE: 50, CANARY: 50}
        results = [entry.text("result") for entry in kept(brconsole.cloud).entries("prod") if entry.kind == "outcome"]
        assert results.count("done") + results.count("accepted, not verified") == 3
        assert kept(brconsole.cloud).verify().broken_at is None


@contextmanager
def processes(number: int) -> Iterator[list[subprocess.Popen[str]]]:
    """Children that promote on demand; each has imported what it needs."""
    children = [
        subprocess.Popen(
            [sys.executable, "-c", PROMOTERS],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        for _ in range(number)
    ]
    try:
        for child in children:
            answer(child, "ready")
        yield children
    finally:
        for child in children:
            child.kill()
            child.communicate()


def answer(child: subprocess.Popen[str], word: str) -> list[str]:
    """The rest of the next line that begins with a word."""
    assert child.stdout is not None
    for line in child.stdout:
        if line.split()[:1] == [word]:
            return line.split()[1:]
    raise AssertionError(f"the child ended without saying {word}")


def at_once(promoters: list[subprocess.Popen[str]], step: int, words: tuple[str, ...]) -> list[int]:
    """The exit statuses of promotions to one step, five from each process at the same moment."""
    for promoter in promoters:
        assert promoter.stdin is not None
        promoter.stdin.write(" ".join((str(step), *words)) + "\n")
        promoter.stdin.flush()
    return [int(word) for promoter in promoters for word in answer(promoter, "ended")]


# ------------------------------------------------------------------------------------------------ pipelines and agents


def test_an_interrupted_run_says_how_to_go_on_and_the_next_one_does(world: World) -> None:
    with world("release-ready", speed=600.0) as brconsole:
        command = [sys.executable, "-m", "brconsole", "release", "run", "prod", "api", "--write", "--yes"]
        with subprocess.Popen(
            [*command, *endpoint(brconsole.cloud)], stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True
        ) as pipeline:
            assert pipeline.stderr is not None
            said = ""
            for line in pipeline.stderr:
                said += line
                if f"{CANARY} 5 %" in line:
                    pipeline.send_signal(signal.SIGTERM)
                    break
            said += pipeline.stderr.read()
        assert pipeline.returncode == exit_codes.INTERRUPTED
        assert "Go on: brconsole release run prod api" in said
        assert brconsole("release", "status", "prod", "api", "--json").document["phase"] == "observing"
        ended = brconsole("release", "run", "prod", "api", "--write", "--yes", "--json")
        assert ended.status == exit_codes.DONE, ended.err
        assert "going on with rollout" in ended.err


def test_an_agent_drives_what_somebody_started(world: World) -> None:
    with world("bad-5xx") as brconsole:
        idle = brconsole("agent", "prod", "--once", "--json", "--write", "--yes")
        assert (idle.status, idle.document["rollouts"], idle.document["page"]) == (exit_codes.DONE, [], False)
        assert brconsole("release", "start", "prod", "api", "--write", "--yes").status == exit_codes.DONE
        watching = brconsole("agent", "prod", "--once", "--json")
        assert watching.status == exit_codes.REFUSED
        assert "only watches" in watching.err
        phases = []
        while not phases or phases[-1] != "rolled_back":
            passed = brconsole("agent", "prod", "--once", "--json", "--write", "--yes")
            assert passed.status == exit_codes.DONE, passed.err
            phases.append(brconsole("release", "status", "prod", "api", "--json").document["phase"])
        assert "observing" in phases
        assert brconsole.split("prod", "api") == {STABLE: 100}


def test_an_agent_ends_in_peace_on_sigterm(world: World) -> None:
    with world("quiet") as brconsole:
        command = [sys.executable, "-m", "brconsole", "agent", "staging", "--yes", "--json", *endpoint(brconsole.cloud)]
        with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True) as agent:
            assert agent.stdout is not None
            assert json.loads(agent.stdout.readline())["schema"] == "brconsole.agent/1"
            agent.send_signal(signal.SIGTERM)
            agent.stdout.read()
        assert agent.returncode == exit_codes.DONE


# -------------------------------------------------------------------------------------------------- the write path


@pytest.mark.parametrize("enforced", [True, False], ids=["etag enforced", "etag ignored"])
def test_the_write_path_is_chosen_by_what_a_probe_has_proved(
    capsys: pytest.CaptureFixture[str], enforced: bool
) -> None:
    with embedded_cloud(port=0, http_port=0, scenario="quiet", speed=60.0, etag_enforced=enforced) as cloud:
        brconsole = Prompt(cloud, capsys)
        before = brconsole.split("staging", "api")
        ended = brconsole("doctor", "staging", "--probe-writes", "--service", "api", "--yes", "--json")
        (check,) = [check for check in ended.document["checks"] if check["group"] == "writes"]
        assert check["state"] == "ok", ended.err
        path = "v2 with its etag" if enforced else "v1 with its resourceVersion"
        assert path in check["detail"]
        assert brconsole.split("staging", "api") == before
        assert [entry.kind for entry in kept(cloud).entries("staging")] == ["intent", "outcome"]
        # And writes go on by that path.
        older = revisions(brconsole, "staging")[1]
        assert brconsole("traffic", "staging", "api", f"{older}=100", "--yes").status == exit_codes.DONE
        assert brconsole.split("staging", "api") == {older: 100}


def revisions(brconsole: Prompt, environment: str) -> list[str]:
    """The ready revisions of the api, the serving one first."""
    status = brconsole("status", environment, "--json", "--service", "api").document
    (service,) = status["services"]
    return [revision["name"] for revision in service["revisions"] if revision["ready"]]
