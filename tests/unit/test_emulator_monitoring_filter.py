"""The filter language of the embedded Cloud Monitoring."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brconsole.emulator.monitoring_filter import InvalidFilterError, Selector, evaluate, parse, text_test
from brconsole.emulator.time_series_filter import UnknownMetricError, compile_series_filter
from brconsole.simulation.model import RawSeries

TYPES = {"run/requests": "cloud_run_revision", "run/latency": "cloud_run_revision", "arq/depth": "generic_task"}
NAMES = ("bytereview-prod", "1001")


def holds(text, **values):
    """Whether a filter over bare names holds for the values given."""
    return evaluate(parse(text), lambda comparison: text_test(comparison)(values[comparison.field]))


def series(service="api", **metric_labels):
    return RawSeries(
        "run/requests", metric_labels, "cloud_run_revision", {"service_name": service}, "DELTA", "INT64", ()
    )


def passes(text, one):
    return compile_series_filter(f'metric.type = "run/requests" AND ({text})').matches(one, NAMES)


def test_or_binds_tighter_than_and():
    # With AND first this would be true: (c AND b) OR a.
    assert holds('a = "1" OR b = "1" AND c = "1"', a="1", b="0", c="0") is False
    assert holds('a = "1" OR b = "1" AND c = "1"', a="1", b="0", c="1") is True


def test_parentheses_decide():
    assert holds('a = "1" OR (b = "1" AND c = "1")', a="1", b="0", c="0") is True


@pytest.mark.parametrize("text", ['NOT a = "1"', '-a = "1"', 'NOT (a = "1")', 'a != "1"'])
def test_negation_has_several_forms(text):
    assert holds(text, a="1") is False
    assert holds(text, a="2") is True


def test_not_binds_tightest():
    assert holds('NOT a = "1" OR b = "1"', a="1", b="1") is True


def test_and_may_be_left_out():
    assert holds('a = "1" b = "2"', a="1", b="2") is True
    assert holds('a = "1" b = "2"', a="1", b="3") is False


@pytest.mark.parametrize(
    ("condition", "value", "expected"),
    [
        ('= "api"', "api", True),
        ('= "api"', "api-2", False),
        ("= api", "api", True),
        ("= 500", "500", True),
        (': "pi"', "api", True),
        (': "xx"', "api", False),
        ('= starts_with("worker-")', "worker-extract", True),
        ('!= starts_with("worker-")', "worker-extract", False),
        ('= ends_with("import")', "worker-import", True),
        ('= has_substring("ker")', "worker-import", True),
        ('= one_of("api", "frontend")', "frontend", True),
        ('= one_of("api", "frontend")', "worker-cron", False),
        ('= monitoring.regex.full_match("worker-(extract|import)")', "worker-import", True),
        ('= monitoring.regex.full_match("worker")', "worker-import", False),
        (r'= "with \"quotes\" and \\ in it"', 'with "quotes" and \\ in it', True),
    ],
)
def test_a_label_is_compared(condition, value, expected):
    assert passes(f"resource.labels.service_name {condition}", series(value)) is expected
    assert passes(f'resource.label."service_name" {condition}', series(value)) is expected


def test_a_metric_label_that_a_series_has_not_is_empty():
    assert passes('metric.labels.queue = ""', series())


def test_a_project_is_named_by_id_or_number():
    assert passes('project = "bytereview-prod"', series())
    assert passes('project = "1001"', series())
    assert not passes('project != "1001"', series())


@pytest.mark.parametrize(
    ("text", "line", "column", "token"),
    [
        ("metric.type = ", 1, 15, "unexpected end"),
        ('metric.type "x"', 1, 13, "token '\"x\"'"),
        ('metric.type = "x" AND', 1, 22, "unexpected end"),
        ('(metric.type = "x"', 1, 19, "unexpected end"),
        ('metric.type = "x")', 1, 18, "token ')'"),
        ('metric.type = "x"\nAND resource.type == "y"', 2, 20, "token '='"),
        ('metric.type = starts_with(""x"")', 1, 29, "token 'x'"),
        ('metric.type = lower("x")', 1, 15, "token 'lower'"),
        ('metric.type = "unfinished', 1, 15, "token '\"'"),
        ("metric.type = $x", 1, 15, "token '$'"),
        ("a..b = 1", 1, 3, "token '.'"),
    ],
)
def test_what_cannot_be_parsed_is_refused_with_its_place(text, line, column, token):
    with pytest.raises(InvalidFilterError) as refused:
        parse(text)
    assert str(refused.value).startswith(
        f'Could not parse filter "{text}"; syntax error at line {line}, column {column}'
    )
    assert token in str(refused.value)


def outcome_of(text):
    try:
        parse(text)
    except InvalidFilterError as refused:
        return "refused with its place" if "syntax error at line" in str(refused) else str(refused)
    return "parsed"


@given(st.text(max_size=60))
def test_no_text_does_worse_than_being_refused(text):
    assert outcome_of(text) in {"parsed", "refused with its place"}


@given(
    st.lists(
        st.sampled_from(["(", ")", "AND", "OR", "NOT", "-", "a", ".", "=", "!=", ":", '"x"', "one_of", ",", "5"]),
        max_size=25,
    )
)
def test_no_mixture_of_tokens_does_worse_than_being_refused(tokens):
    assert outcome_of(" ".join(tokens)) in {"parsed", "refused with its place"}


def test_deep_nesting_is_refused():
    with pytest.raises(InvalidFilterError):
        parse("(" * 5000 + 'a = "1"' + ")" * 5000)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('severity = "ERROR"', "must be prefixed with one of"),
        ('group.id = "1"', "not implemented"),
        ('metadata.user_labels.team = "a"', "not implemented"),
        ('resource.zone = "a"', "use resource.type or resource.labels.NAME"),
        ("metric.labels.response_code > 499", "cannot be applied"),
        ('metric.labels.a : starts_with("x")', "cannot be combined"),
        ('metric.labels.a = monitoring.regex.full_match("(")', "Invalid regular expression"),
        ("metric.labels.a = one_of(" + ",".join(f'"{n}"' for n in range(101)) + ")", "one_of takes 100"),
    ],
)
def test_what_is_not_known_is_refused_and_never_ignored(text, reason):
    with pytest.raises(InvalidFilterError, match=reason):
        compile_series_filter(f'metric.type = "run/requests" AND {text}')


def test_exactly_one_metric_type_is_chosen():
    def chosen(text):
        return compile_series_filter(text).metric_type(TYPES, TYPES)

    assert chosen('metric.type = "arq/depth"') == "arq/depth"
    assert chosen('metric.type = starts_with("arq/")') == "arq/depth"
    with pytest.raises(InvalidFilterError, match="matches more than one metric"):
        chosen('metric.type = one_of("run/requests", "run/latency")')
    with pytest.raises(InvalidFilterError, match="matches more than one metric"):
        chosen('metric.type = "run/requests" OR resource.type = "generic_task"')
    with pytest.raises(InvalidFilterError, match=r'restriction on "metric.type"'):
        chosen('resource.type = "generic_task"')
    with pytest.raises(InvalidFilterError, match=r"valid combination of metric and monitored resource"):
        chosen('metric.type = "arq/depth" AND resource.type = "cloud_run_revision"')
    with pytest.raises(UnknownMetricError, match=r'Cannot find metric.*type = "arq/width"'):
        chosen('metric.type = "arq/width"')


def test_an_slo_selector_stands_alone():
    selector = compile_series_filter('select_slo_burn_rate("projects/p/services/s/serviceLevelObjectives/o", "3600s")')
    assert selector == Selector("select_slo_burn_rate", ("projects/p/services/s/serviceLevelObjectives/o", "3600s"), 0)
    with pytest.raises(InvalidFilterError, match="cannot be combined"):
        compile_series_filter('select_slo_health("x") AND resource.type = "y"')
