"""Reading `terraform show -json`: what is refused, and that no document can break it or leak through it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brconsole.domain.infra import drift_report
from brconsole.domain.terraform_plan import Action, UnreadablePlanError, loads, parse, path_text
from plans import SERVICE, change, document, service

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "not JSON"),
        ("[]", "no object"),
        ("{}", "not what `terraform show -json PLANFILE` prints"),
        ('{"format_version": "2.0", "terraform_version": "2.0", "resource_changes": []}', "this brconsole reads 1.x"),
        ('{"format_version": "1.0", "terraform_version": "1.11.4", "values": {}}', "a state, not a plan"),
        (json.dumps(document(errored=True)), "ended in an error"),
        (json.dumps(document({"address": "a"})), "has no change"),
        (json.dumps(document(change({}, {}, address=""))), "no address"),
        (json.dumps(document(change({}, {}, actions=["teleport"]))), "does not know: teleport"),
        ("[" * 100_000, "not JSON"),
    ],
)
def test_what_is_no_plan_is_refused_with_the_reason(text: str, words: str) -> None:
    with pytest.raises(UnreadablePlanError, match=words):
        loads(text)


def test_a_plan_is_counted_by_what_it_does() -> None:
    plan = parse(
        document(
            change({"name": "a"}, {"name": "a"}),
            change(None, {"name": "b"}, address="b"),
            change({"name": "c"}, {"name": "c", "x": 1}, address="c"),
            change({"name": "d"}, {"name": "d"}, address="d", actions=["create", "delete"]),
            {**change(None, {}, address="data.e"), "mode": "data"},
        )
    )
    assert {action: plan.count(action) for action in Action if plan.count(action)} == {
        Action.NONE: 1,
        Action.CREATE: 1,
        Action.UPDATE: 1,
        Action.REPLACE: 1,
    }
    assert not plan.state_is_empty


def test_paths_are_written_as_in_the_configuration() -> None:
    assert path_text(("template", "containers", "[api]", "env", "[A]", "value")) == (
        "template.containers[api].env[A].value"
    )
    assert path_text(("annotations", "brconsole.dev/rollout")) == 'annotations["brconsole.dev/rollout"]'


def test_containers_are_matched_by_their_names() -> None:
    def two(first: str, second: str, limit: str) -> dict[str, Any]:
        containers = [{"name": first, "image": first}, {"name": second, "image": second, "args": [limit]}]
        return {"name": "api", "template": [{"containers": containers}]}

    (found,) = parse(document(change(two("app", "proxy", "1"), two("proxy", "app", "2")))).changes
    assert {path_text(one.path) for one in found.differences} == {
        "template.containers[app].args",
        "template.containers[proxy].args",
    }


@given(JSON, JSON)
def test_a_difference_is_found_in_both_directions_or_in_none(before: object, after: object) -> None:
    def paths(first: object, second: object) -> list[str]:
        entry = change({"name": "x", "v": first}, {"name": "x", "v": second}, actions=["update"])
        (found,) = parse(document(entry)).changes
        return sorted(path_text(one.path) for one in found.differences)

    assert paths(before, before) == []
    assert paths(before, after) == paths(after, before)


@given(JSON, JSON)
def test_what_is_marked_sensitive_is_in_no_difference(before: object, after: object) -> None:
    secret = "the-secret"
    entry = change(
        {"name": "api", "v": {"k": secret, "rest": before}},
        {"name": "api", "v": {"k": f"{secret}-2", "rest": after}},
        before_sensitive={"v": True},
        after_sensitive={"v": {"k": True}},
        actions=["update"],
    )
    found = drift_report("staging", parse(document(entry, drift=[entry])))
    assert secret not in str(found)


@given(JSON, JSON, JSON)
def test_marks_of_any_shape_break_nothing(sensitive: object, unknown: object, value: object) -> None:
    entry = change(
        service(extra=value),
        service(instances=3, extra=sensitive),
        before_sensitive=sensitive,
        after_sensitive=unknown,
        after_unknown=unknown if unknown is not True else {},
        kind=SERVICE,
    )
    drift_report("staging", parse(document(entry, drift=[entry])))
