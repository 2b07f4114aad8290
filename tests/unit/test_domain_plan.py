"""A plan says before and after, what moves and how to do it by hand, and is refused when the world changed."""

from __future__ import annotations

import shlex
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from brconsole.domain.environment import Environment
from brconsole.domain.intent import ANNOTATION
from brconsole.domain.plan import Confirmation, Plan, check_traffic, confirmation, plan, recheck
from brconsole.domain.service import Service
from brconsole.domain.traffic import TrafficTarget

PROD = Environment("prod", "bytereview-prod", "us-central1", protected=True)
STAGING = Environment("staging", "br-stage-4821", "us-central1")
OLD, NEW = "api-00041-abc", "api-00042-def"
AFTER = (TrafficTarget(OLD, 95), TrafficTarget(NEW, 5), TrafficTarget(NEW, 0, "canary"), TrafficTarget(OLD, 0, "prev"))


def service(**changes: Any) -> Service:
    known = Service(
        name="api", uri=None, ready=True, reason=None, reconciling=False, generation=7, observed_generation=7,
        etag='"e7"', created=None, updated=datetime(2026, 11, 24, tzinfo=UTC), last_modifier="ci@example.com",
        latest_ready=NEW, latest_created=NEW, desired=(TrafficTarget(OLD, 100), TrafficTarget(OLD, 0, "live")),
        serving=(TrafficTarget(OLD, 100),),
    )  # fmt: skip
    return replace(known, **changes)


def shifted(**changes: Any) -> Plan:
    return plan("traffic.shift", PROD, service(), AFTER, "a reason", Confirmation.DIALOG, **changes)


def test_a_plan_says_before_and_after_and_how_many_requests_move() -> None:
    made = shifted(requests_per_s=400)
    assert made.before == {OLD: 100}
    assert made.target == {OLD: 95, NEW: 5}
    assert made.moved_percent == 5
    assert made.requests_per_minute == pytest.approx(1200)
    assert "1,200 a minute" in made.blast_radius


def test_an_unknown_rate_is_told_as_unknown() -> None:
    made = shifted()
    assert made.requests_per_minute is None
    assert "not known" in made.blast_radius


def test_the_gcloud_command_names_every_arm_and_the_changed_tags() -> None:
    words = shlex.split(shifted().gcloud)
    assert words[:5] == ["gcloud", "run", "services", "update-traffic", "api"]
    assert f"--to-revisions={OLD}=95,{NEW}=5" in words
    assert f"--update-tags=canary={NEW},prev={OLD}" in words
    assert "--remove-tags=live" in words


def test_the_api_call_names_the_resource_and_the_whole_list() -> None:
    assert "projects/bytereview-prod/locations/us-central1/services/api" in shifted().api_call
    assert f"{NEW}=0 tag=canary" in shifted().api_call
    assert "mask=traffic " in shifted().api_call
    assert "mask=traffic,annotations" in shifted(annotations={"a": "b"}).api_call


@pytest.mark.parametrize(
    "targets",
    [
        (TrafficTarget(OLD, 99),),
        (TrafficTarget(OLD, 101), TrafficTarget(NEW, -1)),
        (TrafficTarget(None, 100),),
        (TrafficTarget(OLD, 100, "a"), TrafficTarget(NEW, 0, "a")),
        (),
    ],
)
def test_a_list_that_may_not_be_written_is_no_plan(targets: tuple[TrafficTarget, ...]) -> None:
    with pytest.raises(ValueError, match=r"100|LATEST|tag"):
        check_traffic(targets)
    with pytest.raises(ValueError, match=r"100|LATEST|tag"):
        plan("traffic.shift", PROD, service(), targets, "", Confirmation.DIALOG)


def test_a_tag_on_latest_carries_no_traffic_and_is_allowed() -> None:
    check_traffic((TrafficTarget(OLD, 100), TrafficTarget(None, 0, "next")))


def test_an_unchanged_service_is_no_conflict() -> None:
    assert recheck(shifted(), service(etag='"other"', observed_generation=6)) is None


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"desired": (TrafficTarget(NEW, 100),)}, "traffic changed by ci@example.com"),
        ({"desired": (TrafficTarget(OLD, 100),)}, "tags"),
        ({"annotations": {ANNOTATION: "x"}}, "rollout went on"),
        ({"generation": 8}, "generation 7 is now 8"),
        ({"name": "frontend"}, "frontend"),
    ],
)
def test_a_changed_service_is_a_conflict_that_says_what_changed(changes: dict[str, Any], word: str) -> None:
    conflict = recheck(shifted(), service(**changes))
    assert conflict is not None
    assert word in conflict.reason


@pytest.mark.parametrize(
    ("environment", "options", "level"),
    [
        (PROD, {"moves_traffic": True}, Confirmation.DIALOG),
        (PROD, {"moves_traffic": False}, Confirmation.YES_NO),
        (PROD, {"moves_traffic": True, "emergency": True}, Confirmation.YES_NO),
        (PROD, {"moves_traffic": True, "emergency": True, "whole_group": True}, Confirmation.TYPED),
        (STAGING, {"moves_traffic": True, "emergency": True, "whole_group": True}, Confirmation.YES_NO),
        (STAGING, {"moves_traffic": False, "irreversible": True}, Confirmation.TYPED),
    ],
)
def test_the_level_of_confirmation(environment: Environment, options: dict[str, bool], level: Confirmation) -> None:
    assert confirmation(environment, **options) is level
