"""Dashboards, alerts, SLOs and budgets as they would be sent: read off the plans, parsed by Google's own message types.

ParseDict refuses an unknown field, a wrong enum and a bad duration. What it does not know is checked here: tiles that
overlap, metrics that do not exist, alerts without a runbook.
"""

from __future__ import annotations

import copy
import itertools
import json
import re
from collections.abc import Iterator
from typing import Any

import allowed
import promql_parser
import pytest
from google.cloud import binaryauthorization_v1, monitoring_dashboard_v1, monitoring_v3
from google.cloud.billing import budgets_v1
from google.protobuf import json_format
from google.protobuf.descriptor import Descriptor
from offline import Plan, Resource, plan
from tree import Tree

Json = dict[str, Any]

COLUMNS = 48
DASHBOARDS = {"API SLO", "Workers", "Vertex usage", "GCP costs"}
# Terraform's own arguments, and those by which it names what the API has in the address.
NOT_SENT = {
    "creation_record",
    "deletion_policy",
    "force_delete",
    "id",
    "name",
    "project",
    "sensitive_labels",
    "timeouts",
}
METRIC_TYPE = re.compile(r'metric\.type\s*=\s*"([^"]+)"')
METRIC_PREFIX = re.compile(r"metric\.type\s*=\s*starts_with")
RUNBOOK = re.compile(r"docs/[\w./-]+\.md")
USER_METRIC = "logging.googleapis.com/user/"
ALERTING = ["staging", "prod"]


@pytest.fixture(params=ALERTING)
def alerting(request: pytest.FixtureRequest, tree: Tree) -> Plan:
    return plan(tree.environment(request.param))


def message(values: Json, descriptor: Descriptor) -> Json:
    """Terraform's values as the API's JSON: a block that may stand once is no list, what is not set is left out."""
    out: Json = {}
    for key, value in values.items():
        if value in (None, "", [], {}):
            continue
        known = descriptor.fields_by_name.get(key)
        if known is None or known.message_type is None:
            out[key] = [item for item in value if item is not None] if isinstance(value, list) else value
        elif known.message_type.GetOptions().map_entry:
            out[key] = value
        elif known.is_repeated:
            out[key] = [message(item, known.message_type) for item in value]
        else:
            single = value[0] if isinstance(value, list) else value
            out[key] = message(single, known.message_type) if isinstance(single, dict) else single
    return out


def parse(values: Json, kind: Any) -> Any:
    """The message, or the reason why the API would refuse it."""
    target = kind.pb()()
    sent = {key: value for key, value in values.items() if key not in NOT_SENT}
    return json_format.ParseDict(message(sent, target.DESCRIPTOR), target, ignore_unknown_fields=False)


def strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from strings(inner)


def queries(value: Any, key: str = "") -> Iterator[str]:
    """Every PromQL query in a dashboard or a policy."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from queries(inner, name)
    elif isinstance(value, list):
        for inner in value:
            yield from queries(inner, key)
    elif isinstance(value, str) and value and key in ("prometheusQuery", "prometheus_query", "query"):
        yield value


def metrics_of_promql(query: str) -> set[str]:
    """The metric types that a query reads, by the names of Cloud Monitoring."""
    promql_parser.parse(query)
    quoted = set(re.findall(r'"([\w.-]+\.googleapis\.com/[\w/.-]+)"', query))
    mapped = {
        f"{domain.replace('_', '.')}/{path}" for domain, path in re.findall(r"\b(\w+_googleapis_com):(\w+)", query)
    }
    known = {re.sub(r"\W", "_", metric.split("/", 1)[1]): metric for metric in allowed.METRICS}
    return quoted | {known.get(metric.split("/", 1)[1], metric) for metric in mapped}


def metrics_of(document: Any) -> set[str]:
    named = {metric for text in strings(document) for metric in METRIC_TYPE.findall(text)}
    return named.union(*(metrics_of_promql(query) for query in queries(document)))


def unknown_metrics(document: Any, planned: Plan) -> set[str]:
    ours = {USER_METRIC + metric.values["name"] for metric in planned.of("google_logging_metric")}
    return metrics_of(document) - allowed.METRICS - ours


def dashboards(planned: Plan) -> dict[str, Json]:
    found = {}
    for resource in planned.of("google_monitoring_dashboard"):
        document: Json = json.loads(resource.values["dashboard_json"])
        found[document["displayName"]] = document
    return found


# -- dashboards -----------------------------------------------------------------------------------------------------


def test_the_four_dashboards_are_there(alerting: Plan) -> None:
    titles = list(dashboards(alerting))
    assert len(titles) >= len(DASHBOARDS)
    assert {wanted for wanted in DASHBOARDS if not any(wanted in title for title in titles)} == set()


def test_monitoring_understands_every_dashboard(planned: Plan) -> None:
    for document in dashboards(planned).values():
        json_format.ParseDict(document, monitoring_dashboard_v1.Dashboard.pb()(), ignore_unknown_fields=False)


def test_tiles_lie_inside_the_grid_and_beside_each_other(planned: Plan) -> None:
    for title, document in dashboards(planned).items():
        layout = document["mosaicLayout"]
        assert layout["columns"] == COLUMNS, title
        assert layout["tiles"], title
        areas = []
        for tile in layout["tiles"]:
            x, y = int(tile.get("xPos", 0)), int(tile.get("yPos", 0))
            width, height = int(tile["width"]), int(tile["height"])
            assert width > 0, (title, tile["widget"].get("title"))
            assert height > 0, (title, tile["widget"].get("title"))
            assert x + width <= COLUMNS, (title, tile["widget"].get("title"))
            areas.append((x, y, x + width, y + height, tile["widget"].get("title")))
        for a, b in itertools.combinations(areas, 2):
            apart = a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1]
            assert apart, f"{title}: {a[4]} and {b[4]} overlap"


def test_every_tile_has_a_title(planned: Plan) -> None:
    untitled = [
        (title, tile)
        for title, document in dashboards(planned).items()
        for tile in document["mosaicLayout"]["tiles"]
        if not tile["widget"].get("title") and "text" not in tile["widget"]
    ]
    assert untitled == []


def test_dashboards_show_metrics_that_exist(planned: Plan) -> None:
    wrong = {title: unknown_metrics(document, planned) for title, document in dashboards(planned).items()}
    assert {title: metrics for title, metrics in wrong.items() if metrics} == {}


def test_dashboards_name_their_metrics_whole(planned: Plan) -> None:
    assert [t for d in dashboards(planned).values() for t in strings(d) if METRIC_PREFIX.search(t)] == []


# -- alerts ---------------------------------------------------------------------------------------------------------


def policies(planned: Plan) -> list[Resource]:
    return planned.of("google_monitoring_alert_policy")


def conditions(planned: Plan, kind: str) -> Iterator[tuple[Resource, Json]]:
    for policy in policies(planned):
        for condition in policy.values["conditions"]:
            for inner in condition.get(kind) or []:
                yield policy, inner


def threshold(planned: Plan, metric: str, *, ratio: bool = False) -> tuple[Resource, Json]:
    """The one condition that compares this metric, or a share of it, with a number."""
    (found,) = [
        (policy, condition)
        for policy, condition in conditions(planned, "condition_threshold")
        if metric in METRIC_TYPE.findall(condition["filter"]) and bool(condition["denominator_filter"]) == ratio
    ]
    return found


def test_monitoring_understands_every_alert(planned: Plan) -> None:
    for policy in policies(planned):
        try:
            parse(policy.values, monitoring_v3.AlertPolicy)
        except json_format.ParseError as error:
            pytest.fail(f"{policy}: {error}")


def test_monitoring_understands_every_channel(planned: Plan) -> None:
    for channel in planned.of("google_monitoring_notification_channel"):
        values = {
            key: value for key, value in channel.values.items() if key not in ("sensitive_labels", "force_delete")
        }
        parse(values, monitoring_v3.NotificationChannel)


def test_api_errors_page_above_two_per_cent_for_five_minutes(alerting: Plan) -> None:
    policy, condition = threshold(alerting, "run.googleapis.com/request_count", ratio=True)
    assert (condition["comparison"], condition["threshold_value"]) == ("COMPARISON_GT", 0.02)
    assert condition["duration"] == "300s"
    assert policy.values["severity"] == "CRITICAL"
    assert 'response_code_class = "5xx"' in condition["filter"]
    assert condition["filter"].startswith(condition["denominator_filter"])


def test_queues_warn_above_ten_thousand_for_ten_minutes(alerting: Plan) -> None:
    _, condition = threshold(alerting, "custom.googleapis.com/arq/queue_depth")
    assert (condition["comparison"], condition["threshold_value"]) == ("COMPARISON_GT", 10000)
    assert condition["duration"] == "600s"


def test_a_queue_that_is_no_longer_measured_is_an_alert_of_its_own(alerting: Plan) -> None:
    absent = [METRIC_TYPE.findall(condition["filter"]) for _, condition in conditions(alerting, "condition_absent")]
    assert ["custom.googleapis.com/arq/queue_depth"] in absent


def test_redis_warns_above_eighty_per_cent(alerting: Plan) -> None:
    _, condition = threshold(alerting, "redis.googleapis.com/stats/memory/system_memory_usage_ratio")
    assert (condition["comparison"], condition["threshold_value"]) == ("COMPARISON_GT", 0.8)


def test_cold_starts_warn_above_five_seconds(alerting: Plan) -> None:
    _, condition = threshold(alerting, "run.googleapis.com/container/startup_latencies")
    assert (condition["comparison"], condition["threshold_value"]) == ("COMPARISON_GT", 5000)
    assert condition["aggregations"][0]["cross_series_reducer"] == "REDUCE_PERCENTILE_95"


def test_a_canary_has_a_dead_mans_switch(alerting: Plan) -> None:
    _, overdue = threshold(alerting, "custom.googleapis.com/brconsole/rollout_overdue")
    assert (overdue["comparison"], overdue["threshold_value"]) == ("COMPARISON_GT", 0)
    absent = [METRIC_TYPE.findall(condition["filter"]) for _, condition in conditions(alerting, "condition_absent")]
    assert ["custom.googleapis.com/brconsole/heartbeat"] in absent


@pytest.mark.parametrize(
    ("metric", "ratio", "channel"),
    [
        ("run.googleapis.com/request_count", True, "pagerduty"),
        ("custom.googleapis.com/arq/queue_depth", False, "slack"),
        ("redis.googleapis.com/stats/memory/system_memory_usage_ratio", False, "pagerduty"),
        ("run.googleapis.com/container/startup_latencies", False, "slack"),
    ],
)
def test_alerts_reach_whom_the_specification_names(alerting: Plan, metric: str, ratio: bool, channel: str) -> None:
    """A channel's name is known after the apply only, so this is read off the state that one would leave."""
    policy, _ = threshold(alerting, metric, ratio=ratio)
    state = json.loads(alerting.state.read_text())
    by_kind: dict[str, list[Json]] = {}
    for resource in state["resources"]:
        by_kind.setdefault(resource["type"], []).extend(instance["attributes"] for instance in resource["instances"])
    kinds = {each["name"]: each["type"] for each in by_kind["google_monitoring_notification_channel"]}
    display_name = policy.values["display_name"]
    (left,) = [each for each in by_kind["google_monitoring_alert_policy"] if each["display_name"] == display_name]
    assert {kinds[name] for name in left["notification_channels"]} == {channel}


def test_every_alert_says_what_to_do(planned: Plan, tree: Tree) -> None:
    for policy in policies(planned):
        content = policy.get("documentation.content") or ""
        runbooks = RUNBOOK.findall(content)
        assert runbooks, f"{policy}: no runbook"
        assert [path for path in runbooks if not (tree.root / path).is_file()] == [], policy


def test_every_alert_says_how_bad_it_is(planned: Plan) -> None:
    assert [str(policy) for policy in policies(planned) if not policy.values.get("severity")] == []


def test_alerts_watch_metrics_that_exist(planned: Plan) -> None:
    wrong = {str(policy): unknown_metrics(policy.values["conditions"], planned) for policy in policies(planned)}
    assert {policy: metrics for policy, metrics in wrong.items() if metrics} == {}


# -- objectives, budgets, logs, policy --------------------------------------------------------------------------------


def objective(values: Json) -> Json:
    """An SLO as the API has it: its indicator is one level deeper than Terraform's, and availability has no switch."""
    indicators = {"basic_sli": "basic_sli", "request_based_sli": "request_based", "windows_based_sli": "windows_based"}
    kept = {key: values.get(key) for key in ("display_name", "goal", "calendar_period", "user_labels")}
    indicator = {sent: copy.deepcopy(values[key]) for key, sent in indicators.items() if values.get(key)}
    for basic in indicator.get("basic_sli", []):
        basic["availability"] = [{} for switch in basic["availability"] if switch["enabled"]]
    kept["service_level_indicator"] = [indicator]
    if days := values.get("rolling_period_days"):
        kept["rolling_period"] = f"{days * 86400}s"
    return kept


def test_monitoring_understands_every_objective(planned: Plan) -> None:
    for slo in planned.of("google_monitoring_slo"):
        sent = parse(objective(slo.values), monitoring_v3.ServiceLevelObjective)
        assert 0.9 < sent.goal < 1
        assert sent.service_level_indicator.WhichOneof("type")


def test_the_console_has_objectives_to_watch(alerting: Plan) -> None:
    objectives = alerting.of("google_monitoring_slo")
    assert objectives
    wrong = {str(slo): unknown_metrics(slo.values, alerting) for slo in objectives}
    assert {address: metrics for address, metrics in wrong.items() if metrics} == {}


def test_billing_understands_every_budget(planned: Plan) -> None:
    for budget in planned.of("google_billing_budget"):
        values = {**budget.values, "notifications_rule": budget.values["all_updates_rule"]}
        for key in ("all_updates_rule", "billing_account", "ownership_scope"):
            values.pop(key, None)
        sent = parse(values, budgets_v1.Budget)
        assert sent.amount.specified_amount.units > 0


def test_the_admission_policy_is_one_that_the_api_takes(tree: Tree) -> None:
    (policy,) = plan(tree.environment("prod")).of("google_binary_authorization_policy")
    sent = parse(policy.values, binaryauthorization_v1.Policy)
    assert sent.default_admission_rule.evaluation_mode


def test_health_checks_and_polls_are_not_kept_but_what_went_wrong_is(alerting: Plan) -> None:
    exclusions = alerting.of("google_logging_project_exclusion")
    filters = " ".join(exclusion.values["filter"] for exclusion in exclusions)
    assert "health" in filters
    assert len(exclusions) >= 2
    for exclusion in exclusions:
        assert re.search(r"severity\s*<|status\s*<|status\s*=\s*200", exclusion.values["filter"]), exclusion
