"""The outputs against the configuration."""

from __future__ import annotations

import tomllib

from brconsole.domain.environment import Environment
from brconsole.domain.infra_outputs import Output, differences, environment_table

STAGING = Environment("staging", "br-stage-4821", "us-central1", release_group=("api", "frontend", "worker-*"))
WHOLE = {"name": "staging", "project": "br-stage-4821", "region": "us-central1", "services": ["api", "frontend"]}


def test_outputs_that_say_the_same_differ_in_nothing() -> None:
    assert differences(STAGING, [Output("environment", WHOLE), Output("host", "10.0.0.3")]) == ()


def test_another_project_region_or_environment_is_told_with_both_values() -> None:
    other = {**WHOLE, "name": "dev", "project": "br-dev-4821", "region": "europe-west1"}
    assert differences(STAGING, [Output("environment", other)]) == (
        "name is staging in the configuration and dev in output environment.name",
        "project is br-stage-4821 in the configuration and br-dev-4821 in output environment.project",
        "region is us-central1 in the configuration and europe-west1 in output environment.region",
    )


def test_services_are_compared_by_the_release_group() -> None:
    found = differences(STAGING, [Output("service_url", {"api": "u", "worker-cron": "u", "admin": "u"})])
    assert found == (
        "release_group names frontend, which the outputs do not have",
        "the outputs have admin, which no release_group entry covers",
    )


def test_a_sensitive_output_is_neither_compared_nor_shown() -> None:
    secret = Output("project_id", None, sensitive=True)
    assert secret.text == "sensitive"
    assert differences(STAGING, [secret]) == ()
    assert environment_table(STAGING, [secret]) is None


def test_the_table_to_paste_is_toml_whatever_the_outputs_hold() -> None:
    hostile = {**WHOLE, "project": 'p"\n[evil]\nx = "', "services": ["a\u202eb"]}
    text = environment_table(STAGING, [Output("environment", hostile)])
    assert text is not None
    assert set(tomllib.loads(text)) == {"environments"}
    assert tomllib.loads(environment_table(STAGING, [Output("environment", WHOLE)]) or "") == {
        "environments": {
            "staging": {"project": "br-stage-4821", "region": "us-central1", "release_group": ["api", "frontend"]}
        }
    }
