"""`status --json`: the published schema, and what the document says of what is not known."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import jsonschema
import pytest

from brconsole.cli import documents, json_values, rollout_document, status_plain, status_table
from brconsole.cli.terminal import Terminal
from brconsole.domain.alert import AlertReport, AlertState
from brconsole.domain.environment import Environment, PlanStep
from brconsole.domain.fleet import ColdStarts, Fleet, RequestSeries, RevisionKey
from brconsole.domain.freshness import Reading, SourceInfo
from brconsole.domain.intent import ANNOTATION, Phase, Rollout, dump, plan_id
from brconsole.domain.queue import QueueReport, QueueStatus
from brconsole.domain.series import Series
from brconsole.domain.service import Revision, Service
from brconsole.domain.slo import Objective, SloReport, SloStatus
from brconsole.domain.spend import SpendReport
from brconsole.domain.traffic import TrafficTarget

NOW = datetime(2026, 11, 23, 14, 3, 22, tzinfo=UTC)
ENVIRONMENT = Environment("prod", "bytereview-prod", "us-central1", protected=True)
HOSTILE = "[red]\x1b]0;owned\x07\x1b[2J\u202e" + "x" * 5000

SOURCES = {
    name: SourceInfo(name, "api", 60.0, 180.0)
    for name in (
        "services",
        "revisions",
        "requests",
        "latency",
        "cold_starts",
        "instances",
        "slos",
        "queues",
        "spend",
        "alerts",
        "changes",
    )
}
WIDE = Terminal(is_terminal=False, width=160, ascii_only=False, colour=False)
NARROW = Terminal(is_terminal=True, width=80, ascii_only=False, colour=False)
CI = Terminal(is_terminal=False, width=80, ascii_only=True, colour=False)
COLOUR = Terminal(is_terminal=True, width=100, ascii_only=False, colour=True)


@pytest.fixture(scope="module")
def validator() -> jsonschema.Draft202012Validator:
    schema = json.loads(documents.STATUS_SCHEMA_FILE.read_text("utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema, format_checker=jsonschema.FormatChecker())


def service(name: str, desired: tuple[TrafficTarget, ...], serving: tuple[TrafficTarget, ...]) -> Service:
    return Service(
        name=name,
        uri=f"https://{name}.run.app",
        ready=True,
        reason=None,
        reconciling=False,
        generation=4,
        observed_generation=4,
        etag="e",
        created=NOW - timedelta(days=90),
        updated=NOW - timedelta(hours=1),
        last_modifier="ci@example",
        latest_ready=f"{name}-00042-def",
        latest_created=f"{name}-00042-def",
        desired=desired,
        serving=serving,
    )


def minutes(*values: float | None) -> Series:
    return Series(NOW.replace(second=0), 60, values)


def full() -> Fleet:
    """A fleet in which every source has answered."""
    stable, canary = TrafficTarget("api-00041-abc", 95, "prev"), TrafficTarget("api-00042-def", 5)
    api = service("api", (stable, canary), (stable, canary))
    worker = service("worker-extract", (TrafficTarget(None, 100),), (TrafficTarget("worker-extract-00042-def", 100),))
    key = RevisionKey("api", "api-00041-abc")
    objective = Objective("api", "availability", "projects/1/x", 0.999, 30)
    at = NOW.replace(second=0)
    return Fleet(
        ENVIRONMENT,
        NOW,
        services=Reading((api, worker), NOW),
        revisions=Reading(
            {
                "api": (
                    Revision("api-00042-def", "api", "img", "sha256:9f", NOW, True),
                    Revision("api-00007-old", "api", "img", None, None, False, "ContainerMissing"),
                )
            },
            NOW,
        ),
        requests=Reading({key: RequestSeries(minutes(*[600.0] * 5), minutes(*[3.0] * 5))}, at),
        latency=Reading({"api": minutes(182.5)}, at),
        cold_starts=Reading({"api": ColdStarts(900.0, 3)}, at),
        instances=Reading({"api": minutes(14.0), "worker-extract": minutes(8.0)}, at),
        slos=Reading(
            (
                SloReport(
                    objective,
                    0.71,
                    {"5m": 0.3, "30m": None, "1h": 0.4, "6h": 0.6, "3d": 0.9},
                    SloStatus.OK,
                    NOW + timedelta(days=3),
                ),
            ),
            at,
        ),
        queues=Reading((QueueReport("extract", 8214.0, 192.0, 4.0, 5.0, 3200.0, 10_000, QueueStatus.WARN),), at),
        spend=Reading(
            SpendReport(
                "USD", 4212.4, 10_000.0, 8950.0, None, (("Vertex AI", 2100.0),), ((date(2026, 11, 1), 180.25),)
            ),
            NOW - timedelta(hours=6),
        ),
        alerts=Reading(
            (
                AlertReport("Worker queue depth", AlertState.PENDING, NOW, 8214.0, 8000.0, "warning", "extract"),
                AlertReport("API error rate", AlertState.OK, None, 0.001, 0.02, "critical"),
            ),
            at,
        ),
        changes=Reading((), NOW),
        sources=SOURCES,
    )


def with_a_rollout() -> Fleet:
    """The full fleet, with the record of a canary at 5 % on the api."""
    steps = (PlanStep(5, 900), PlanStep(100, 900))
    record = Rollout(
        id="r-20261123-1400-7f3",
        seq=2,
        phase=Phase.OBSERVING,
        plan=plan_id("prod-canary", steps),
        steps=steps,
        step=0,
        stable="api-00041-abc",
        canary="api-00042-def",
        step_started=NOW.replace(second=0),
        deadline=NOW.replace(second=0) + timedelta(hours=4),
        latest="api-00042-def",
    )
    fleet = full()
    api, worker = fleet.services.value or ()
    stable = Revision("api-00041-abc", "api", "img", "sha256:1c", NOW, True)
    known = fleet.revisions.value or {}
    return replace(
        fleet,
        services=Reading((replace(api, annotations={ANNOTATION: dump(record)}), worker), NOW),
        revisions=Reading({"api": (*known["api"], stable)}, NOW),
    )


def dark() -> Fleet:
    """A fleet of which nothing could be read."""
    return Fleet(ENVIRONMENT, None, sources=SOURCES, services=Reading().failing("Cloud Run: unavailable (prod)", None))


def hostile() -> Fleet:
    """A fleet whose every text comes from somebody who means harm."""
    fleet = full()
    services = tuple(
        replace(entry, name=HOSTILE, last_modifier=HOSTILE, desired=(TrafficTarget(HOSTILE, 100, HOSTILE),), serving=())
        for entry in fleet.services.value or ()
    )
    return replace(
        fleet,
        services=Reading(services, NOW),
        queues=Reading((QueueReport(HOSTILE, None, None, None, None, None, 1, QueueStatus.UNKNOWN),), NOW),
        alerts=Reading((AlertReport(HOSTILE, AlertState.FIRING, NOW, 1.0, 0.5, "critical", HOSTILE),), NOW),
        spend=Reading(error=HOSTILE, failed_at=NOW),
    )


def document(fleet: Fleet, service: str | None = None) -> dict[str, Any]:
    return documents.status(fleet, service)


@pytest.mark.parametrize(
    "fleet",
    [full(), with_a_rollout(), dark(), hostile(), Fleet(ENVIRONMENT)],
    ids=["full", "rollout", "dark", "hostile", "bare"],
)
def test_every_fleet_conforms_to_the_published_schema(fleet: Fleet, validator: jsonschema.Draft202012Validator) -> None:
    validator.validate(json.loads(json.dumps(documents.status(fleet), allow_nan=False)))


def test_the_schema_refuses_a_key_more_and_a_key_less(validator: jsonschema.Draft202012Validator) -> None:
    good = document(full())
    assert not validator.is_valid(good | {"extra": 1})
    assert not validator.is_valid({key: value for key, value in good.items() if key != "slos"})
    good["services"][0]["ratio"] = 1
    assert not validator.is_valid(good)


def test_the_schema_refuses_words_that_are_not_enumerated(validator: jsonschema.Draft202012Validator) -> None:
    good = document(full())
    assert not validator.is_valid(good | {"health": "fine"})
    good["queues"][0]["status"] = "full"
    assert not validator.is_valid(good)


def test_a_fleet_is_written_with_its_numbers_in_the_units_of_the_schema() -> None:
    said = document(full())
    api = said["services"][0]
    assert said["as_of"] == "2026-11-23T14:03:22Z"
    assert (api["requests_per_s"], api["error_ratio"], api["latency_p95_ms"]) == (10, 0.005, 182.5)
    assert [row["serving_percent"] for row in api["traffic"]] == [95, 5]
    assert api["traffic"][0]["tags"] == ["prev"]
    assert [(row["name"], row["serving_percent"]) for row in api["revisions"]] == [
        ("api-00042-def", 5),
        ("api-00007-old", 0),
    ]
    assert said["slos"][0]["burn"] == {"5m": 0.3, "30m": None, "1h": 0.4, "6h": 0.6, "3d": 0.9}
    assert said["spend"]["daily"] == [{"date": "2026-11-01", "cost": 180.25}]
    assert said["alerts"][0]["since"] == "2026-11-23T14:03:22Z"
    assert {source["name"]: source["state"] for source in said["sources"]}["spend"] == "stale"


def test_what_was_never_read_is_null_and_not_empty_or_zero() -> None:
    said = document(dark())
    assert said["health"] == "unknown"
    assert [said[part] for part in ("services", "slos", "queues", "alerts", "as_of")] == [None] * 5
    assert set(said["spend"].values()) == {None}
    assert said["reasons"] == ["Cloud Run: unavailable (prod)"]
    assert {source["name"]: source["state"] for source in said["sources"]} == {
        name: "failed" if name == "services" else "never" for name in SOURCES
    }


def test_revisions_that_were_not_read_are_null_while_the_services_are_there() -> None:
    said = document(replace(full(), revisions=Reading()))
    assert [entry["revisions"] for entry in said["services"]] == [None, None]


def test_workers_have_no_request_columns() -> None:
    worker = document(full())["services"][1]
    assert (worker["requests_per_s"], worker["error_ratio"], worker["latency_p95_ms"]) == (None, None, None)
    assert worker["instances"] == 8


def test_the_rollouts_are_those_that_the_services_tell_of_and_no_gate_is_made_up() -> None:
    (rollout,) = document(with_a_rollout())["rollouts"]
    assert (rollout["service"], rollout["phase"], rollout["step"]) == ("api", "observing", 0)
    assert rollout["desired"] == {"api-00041-abc": 95, "api-00042-def": 5}
    assert (rollout["gates"], rollout["next"], rollout["blocked_by"]) == (None, None, [])
    assert document(with_a_rollout(), "worker-extract")["rollouts"] == []
    assert document(dark())["rollouts"] is None


def test_what_does_not_agree_with_a_rollout_stands_against_its_next_step() -> None:
    fleet = with_a_rollout()
    api, worker = fleet.services.value or ()
    moved = replace(api, desired=(TrafficTarget("api-00042-def", 100),), serving=(TrafficTarget("api-00042-def", 100),))
    (rollout,) = document(replace(fleet, services=Reading((moved, worker), NOW)))["rollouts"]
    assert "the rollout wants" in rollout["blocked_by"][0]


def test_the_schema_of_a_rollout_is_the_same_in_both_published_files() -> None:
    own = json.loads(rollout_document.ROLLOUT_SCHEMA_FILE.read_text("utf-8"))
    jsonschema.Draft202012Validator.check_schema(own)
    within = json.loads(documents.STATUS_SCHEMA_FILE.read_text("utf-8"))["$defs"]["rollout"]
    assert {**own, **within} | {"description": ""} == {**own, "description": ""}


def test_one_service_leaves_the_others_and_their_objectives_out() -> None:
    said = document(full(), "worker-extract")
    assert [entry["name"] for entry in said["services"]] == ["worker-extract"]
    assert said["slos"] == []
    assert said["queues"] != []


@pytest.mark.parametrize(
    ("value", "shown"),
    [(None, None), (0.1 + 0.2, 0.3), (14.0, 14), (float("nan"), None), (float("inf"), None), (1e-7, 1e-7)],
)
def test_numbers_are_exact_enough_short_and_always_valid_json(value: float | None, shown: float | None) -> None:
    assert json_values.number(value) == shown


@pytest.mark.parametrize("terminal", [WIDE, NARROW, CI, COLOUR], ids=["wide", "narrow", "ascii", "colour"])
@pytest.mark.parametrize(
    "fleet", [full(), dark(), hostile(), Fleet(ENVIRONMENT)], ids=["full", "dark", "hostile", "bare"]
)
def test_a_table_fits_its_terminal_and_carries_no_foreign_control_characters(fleet: Fleet, terminal: Terminal) -> None:
    from rich.text import Text

    text = status_table.render(fleet, terminal)
    plain = Text.from_ansi(text).plain if terminal.colour else text
    assert max(Text(line).cell_len for line in plain.splitlines()) <= terminal.width
    assert not {character for character in plain if character in "\x1b\x07\u202e"}
    assert ("\x1b[" in text) == terminal.colour
    assert not terminal.ascii_only or text.isascii()


def test_a_table_shows_health_by_glyph_and_word_and_every_part() -> None:
    text = status_table.render(full(), NARROW)
    assert "✔ healthy" in text
    for part in (
        "00041-abc 95 %",
        "00042-def 5 %",
        "71 %",
        "8,214",
        "$4,212 of $10,000",
        "Worker queue depth",
        "10 live",
    ):
        assert part in text, text


def test_a_table_says_what_is_not_known_and_why() -> None:
    text = status_table.render(dark(), NARROW)
    assert "? unknown" in text
    assert "? not known, see Sources" in text
    assert "services (never read): Cloud Run: unavailable (prod)" in " ".join(text.split())


def test_a_split_that_is_not_served_as_asked_shows_both() -> None:
    drifting = service("api", (TrafficTarget("api-00042-def", 100),), (TrafficTarget("api-00041-abc", 100),))
    text = status_table.render(replace(full(), services=Reading((drifting,), NOW)), NARROW)
    assert "00041-abc 100 % → 0 %" in text
    assert "drift" in text


def test_one_cause_of_many_failures_is_told_once() -> None:
    why = "no credentials were found ({}); log in"
    fleet = replace(
        dark(),
        services=Reading().failing(f"Cloud Run: {why.format('projects/p')}", None),
        queues=Reading().failing(f"Cloud Monitoring: {why.format('arq/queue_depth')}", None),
    )
    text = " ".join(status_table.render(fleet, WIDE).split("Sources")[-1].split())
    assert text.count("no credentials were found; log in") == 1
    assert "services (never read), queues (never read): no credentials were found; log in" in text


def test_plain_is_sentences_without_glyphs() -> None:
    lines = list(status_plain.lines(full()))
    assert lines[0] == ("Environment prod, project bytereview-prod, region us-central1, at 2026-11-23T14:03:22Z.")
    assert lines[1] == "Health: healthy."
    assert all(line.endswith(".") for line in lines)
    assert "".join(lines).isascii()
    assert any("api-00041-abc serves 95 percent" in line for line in lines)
    assert any(line.startswith("Queue extract: warn, depth 8,214") for line in lines)


def test_plain_says_what_is_not_known_and_passes_no_escape_on() -> None:
    assert "The services are not known: Cloud Run: unavailable (prod)." in list(status_plain.lines(dark()))
    assert not {"\x1b", "\x07", "\u202e"} & set("".join(status_plain.lines(hostile())))
