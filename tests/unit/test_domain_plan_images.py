"""Which image the configuration of a plan may mean: names are followed to the root, and never guessed."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brconsole.domain.plan_images import named_images
from plans import DEPLOYED, FIRST, SERVICE

JSON = st.recursive(
    st.none() | st.booleans() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "root_module",
                    "module_calls",
                    "service",
                    "module",
                    "resources",
                    "expressions",
                    "references",
                    "variables",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


def refers(*names: str) -> dict[str, Any]:
    return {"references": list(names)}


def resource(image: Any, **fields: Any) -> dict[str, Any]:
    return {"address": f"{SERVICE}.main", "expressions": {"template": [{"containers": [{"image": image}]}]}, **fields}


def document(root: dict[str, Any], **variables: Any) -> dict[str, Any]:
    return {
        "configuration": {"root_module": root},
        "variables": {name: {"value": value} for name, value in variables.items()},
    }


def test_a_constant_is_what_it_says() -> None:
    assert named_images(document({"resources": [resource({"constant_value": FIRST})]}), f"{SERVICE}.main") == {FIRST}


def test_a_variable_of_the_root_is_its_value() -> None:
    root = {"resources": [resource(refers("var.image"))]}
    assert named_images(document(root, image=FIRST, other=DEPLOYED), f"{SERVICE}.main") == {FIRST}


def test_through_nested_modules() -> None:
    inner = {
        "expressions": {"picture": refers("var.image")},
        "module": {"resources": [resource(refers("var.picture"))]},
    }
    outer = {"expressions": {"image": refers("var.first")}, "module": {"module_calls": {"inner": inner}}}
    found = named_images(
        document({"module_calls": {"outer": outer}}, first=FIRST), f"module.outer.module.inner.{SERVICE}.main"
    )
    assert found == {FIRST}


@pytest.mark.parametrize(("key", "image"), [("api", DEPLOYED), ("frontend", FIRST)])
def test_each_instance_has_its_own(key: str, image: str) -> None:
    call = {
        "expressions": {"image": refers("each.value.image", "each.value")},
        "for_each_expression": refers("var.services"),
        "module": {"resources": [resource(refers("var.image"))]},
    }
    services = {"api": {"image": DEPLOYED}, "frontend": {"image": FIRST}}
    plan = document({"module_calls": {"service": call}}, services=services)
    assert named_images(plan, f'module.service["{key}"].{SERVICE}.main') == {image}
    own = document(
        {"resources": [resource(refers("each.value.image"), for_each_expression=refers("var.services"))]},
        services=services,
    )
    assert named_images(own, f'{SERVICE}.main["{key}"]') == {image}


def test_a_modules_default_counts_where_nothing_is_handed_in() -> None:
    call = {
        "expressions": {},
        "module": {"resources": [resource(refers("var.image"))], "variables": {"image": {"default": FIRST}}},
    }
    assert named_images(document({"module_calls": {"service": call}}), f"module.service.{SERVICE}.main") == {FIRST}


def test_through_a_local_every_pinned_image_of_the_root_is_possible() -> None:
    root = {"resources": [resource(refers("local.image"))]}
    plan = document(root, images={"api": DEPLOYED, "frontend": FIRST}, tag="v1")
    assert named_images(plan, f"{SERVICE}.main") == {DEPLOYED, FIRST}


@pytest.mark.parametrize("value", ["repository/api:latest", "", None, 3, {"a": ["b"]}])
def test_an_image_that_is_not_pinned_tells_nothing(value: object) -> None:
    root = {"resources": [resource(refers("var.image"))]}
    assert named_images(document(root, image=value), f"{SERVICE}.main") is None


def test_a_resource_that_is_not_in_the_configuration_tells_nothing() -> None:
    assert named_images(document({}, image=FIRST), f"{SERVICE}.main") is None
    assert named_images(document({}, image=FIRST), f"module.gone.{SERVICE}.main") is None


@given(JSON)
def test_no_configuration_breaks_it(root: object) -> None:
    for address in (f"{SERVICE}.main", f"module.service.{SERVICE}.main", ""):
        named_images({"configuration": root, "variables": root}, address)
        named_images({"configuration": {"root_module": root}, "variables": {"image": root}}, address)
