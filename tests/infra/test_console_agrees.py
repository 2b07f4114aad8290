"""What Terraform alerts on and promises is what the console evaluates and simulates.

The console falls back to its own policies where a project has none, and the embedded Google Cloud serves its own
objectives: a drill and a real night must speak of the same numbers. Only its rooms without third parties are imported.
"""

from __future__ import annotations

import sys
from typing import Any

import pytest
from offline import Plan, Resource, plan
from tree import REPOSITORY, Tree

sys.path.insert(0, str(REPOSITORY / "src"))

from brconsole.domain.alert import Condition, Policy
from brconsole.domain.environment import Environment
from brconsole.domain.slo import FAST_BURN
from brconsole.domain.specification import policies
from brconsole.simulation.catalogue import PROJECTS
from brconsole.simulation.slo import objectives

Json = dict[str, Any]

ALERTING = ["staging", "prod"]
COMPARISONS = {"COMPARISON_GT": ">", "COMPARISON_LT": "<"}
SEVERITIES = {"CRITICAL": "critical", "ERROR": "warning", "WARNING": "warning"}
NAMES = [policy.name for policy in policies(Environment("prod", "bytereview-prod", "us-central1"))]


@pytest.fixture(params=ALERTING)
def watched(request: pytest.FixtureRequest, tree: Tree) -> Plan:
    return plan(tree.environment(request.param))


def seconds(duration: str) -> int:
    return int(duration.removesuffix("s"))


def aggregation(blocks: list[Json]) -> tuple[int, str, str, tuple[str, ...]]:
    (block,) = blocks
    fields = tuple(block["group_by_fields"] or ())
    return seconds(block["alignment_period"]), block["per_series_aligner"], block["cross_series_reducer"], fields


def condition(block: Json) -> Condition:
    """A condition of the plan as the console reads it from Cloud Monitoring."""
    if block["condition_absent"]:
        (absent,) = block["condition_absent"]
        period_s, aligner, reducer, group_by = aggregation(absent["aggregations"])
        return Condition(
            "absence",
            0,
            seconds(absent["duration"]),
            filter=absent["filter"],
            alignment_period_s=period_s,
            aligner=aligner,
            reducer=reducer,
            group_by=group_by,
        )
    (above,) = block["condition_threshold"]
    period_s, aligner, reducer, group_by = aggregation(above["aggregations"])
    below = above["denominator_aggregations"]
    below_aligner, below_reducer, below_group_by = (
        aggregation(below)[1:] if below else ("ALIGN_NONE", "REDUCE_NONE", ())
    )
    return Condition(
        "threshold",
        above["threshold_value"],
        seconds(above["duration"]),
        COMPARISONS[above["comparison"]],  # type: ignore[arg-type]  # one of the two that Monitoring takes
        above["filter"],
        above["denominator_filter"] or "",
        period_s,
        aligner,
        reducer,
        group_by,
        below_aligner,
        below_reducer,
        below_group_by,
    )


def policy(resource: Resource) -> Policy:
    values = resource.values
    severity = SEVERITIES[values["severity"]]
    conditions = tuple(condition(block) for block in values["conditions"])
    return Policy(values["display_name"], conditions, values["combiner"], severity)  # type: ignore[arg-type]  # Monitoring's words


@pytest.mark.parametrize("name", NAMES)
def test_an_alert_is_the_one_that_the_console_falls_back_to(watched: Plan, name: str) -> None:
    (resource,) = [each for each in watched.of("google_monitoring_alert_policy") if each.values["display_name"] == name]
    environment = Environment("prod", "bytereview-prod", "us-central1")
    (wanted,) = [each for each in policies(environment) if each.name == name]
    assert policy(resource) == wanted


def test_the_burn_that_pages_is_the_consoles_fast_burn(watched: Plan) -> None:
    burns = [r for r in watched.of("google_monitoring_alert_policy") if "burn above" in r.values["display_name"]]
    windows = {"5m": 300, "30m": 1800, "1h": 3600, "6h": 21_600}
    wanted = {(rate, windows[long], windows[short]) for long, short, rate in FAST_BURN}
    found = set()
    for resource in burns:
        long, short = (block["condition_threshold"][0] for block in resource.values["conditions"])
        lookbacks = [seconds(each["filter"].rpartition(', "')[2].removesuffix('")')) for each in (long, short)]
        assert long["threshold_value"] == short["threshold_value"], resource
        found.add((long["threshold_value"], *lookbacks))
    assert found == wanted


@pytest.mark.parametrize("environment_name", ["dev", *ALERTING])
def test_objectives_are_those_that_the_embedded_google_cloud_serves(tree: Tree, environment_name: str) -> None:
    planned = plan(tree.environment(environment_name))
    (project,) = [each for each in PROJECTS if each.environment == environment_name]
    wanted = {
        slo.name: (slo.service, slo.display_name, slo.goal, slo.period_days, slo.threshold_ms)
        for slo in objectives(project)
    }
    found = {}
    for slo in planned.of("google_monitoring_slo"):
        values = slo.values
        latency = slo.get("basic_sli.latency.threshold")
        threshold_ms = None if latency is None else float(latency.removesuffix("s")) * 1000
        found[values["slo_id"]] = (
            values["service"],
            values["display_name"],
            values["goal"],
            values["rolling_period_days"],
            threshold_ms,
        )
    assert found == wanted
