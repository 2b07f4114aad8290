"""Drift: whose field it is, whether it is expected, and who would win."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from brconsole.domain.environment import PlanStep
from brconsole.domain.infra import ActiveRollout, Change, DriftReport, Verdict, Winner, Writer, drift_report
from brconsole.domain.intent import ANNOTATION, Phase, Rollout, dump, plan_id
from brconsole.domain.terraform_plan import parse
from plans import ADDRESS, CANARY, DEPLOYED, FIRST, LATEST, SPLIT, STABLE, change, document, service

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
STEPS = (PlanStep(5, 900), PlanStep(100, 0))
ROLLOUT = Rollout(
    id="r-20261127-1200-abc",
    seq=1,
    phase=Phase.OBSERVING,
    plan=plan_id("staging", STEPS),
    steps=STEPS,
    step=0,
    stable=STABLE,
    canary=CANARY,
    step_started=NOW,
    deadline=NOW + timedelta(hours=4),
)


def report(plan: dict[str, Any], environment: str = "staging", **settings: Any) -> DriftReport:
    return drift_report(environment, parse(plan), **settings)


def by_path(found: DriftReport) -> dict[str, Change]:
    return {one.path: one for one in found.changes}


def drifted(before: dict[str, Any], live: dict[str, Any], planned: dict[str, Any] | None = None) -> DriftReport:
    """What was changed outside, and what an apply would make of it (nothing, unless said)."""
    return report(document(change(live, live if planned is None else planned), drift=[change(before, live)]))


def test_nothing_differs() -> None:
    same = service()
    found = report(document(change(same, same)))
    assert found.verdict is Verdict.IN_STEP
    assert found.changes == ()
    assert found.as_of == NOW
    assert found.summary == "in step: 1 resource as configured"


def test_a_deploy_and_a_canary_step_are_expected_and_nobody_fights() -> None:
    found = drifted(service(traffic=LATEST), service(image=DEPLOYED, traffic=SPLIT))
    assert found.verdict is Verdict.EXPECTED
    image, traffic = by_path(found)["template.containers.image"], by_path(found)["traffic"]
    assert (image.writer, image.winner, image.expected) == (Writer.PIPELINE, Winner.WRITER, True)
    assert (traffic.writer, traffic.winner, traffic.expected) == (Writer.RELEASE_ENGINE, Winner.WRITER, True)
    assert image.wins == "pipeline; nobody fights"
    assert traffic.moves == "latest 100 % → api-00041-abc 95 %, api-00042-def 5 % (canary); an apply leaves it"


def test_scaling_changed_by_hand_is_not_expected_and_the_next_apply_puts_it_back() -> None:
    found = drifted(service(), service(instances=77), service())
    (only,) = found.changes
    assert found.verdict is Verdict.UNEXPECTED
    assert (only.path, only.writer, only.winner) == (
        "template.scaling.max_instance_count",
        Writer.TERRAFORM,
        Winner.TERRAFORM,
    )
    assert only.moves == "20 → 77; an apply makes it 20"
    assert "puts it back" in only.why
    assert only.cure


def test_the_three_of_the_specification_at_once_are_told_apart() -> None:
    live = service(image=DEPLOYED, traffic=SPLIT, instances=77)
    found = drifted(service(), live, service(image=DEPLOYED, traffic=SPLIT))
    assert {path: one.expected for path, one in by_path(found).items()} == {
        "template.containers.image": True,
        "traffic": True,
        "template.scaling.max_instance_count": False,
    }
    assert found.summary == "unexpected drift: 1 change, 2 more expected"
    assert found.changes[0].path == "template.scaling.max_instance_count", "what has to be settled stands first"
    assert found.updates_services == ("api",)


def test_a_state_that_took_the_drift_over_already_says_the_same() -> None:
    """After a refresh or an apply of something else, only the plan's other side tells."""
    live = service(image=DEPLOYED, traffic=SPLIT, instances=77)
    found = report(document(change(live, service(image=DEPLOYED, traffic=SPLIT))))
    assert {path: one.expected for path, one in by_path(found).items()} == {
        "template.containers.image": True,
        "traffic": True,
        "template.scaling.max_instance_count": False,
    }
    image = by_path(found)["template.containers.image"]
    assert image.moves == "configured first@000000000000, is api@999999999999"
    assert by_path(found)["template.scaling.max_instance_count"].moves == "77 → 20 at the next apply"


def test_an_image_is_no_drift_where_the_plan_does_not_tell_what_is_configured() -> None:
    live = service(image=DEPLOYED)
    assert report(document(change(live, live), image=None)).verdict is Verdict.IN_STEP


def test_an_image_that_is_one_of_several_configured_ones_is_no_drift() -> None:
    live = service(image=DEPLOYED)
    plan = document(change(live, live), variables={"image": {"value": {"api": DEPLOYED, "frontend": FIRST}}})
    assert report(plan).verdict is Verdict.IN_STEP


@pytest.mark.parametrize(
    ("live", "planned", "ignored"),
    [
        (service(image=DEPLOYED), service(image=FIRST), "template[0].containers[0].image"),
        (service(traffic=SPLIT), service(traffic=LATEST), "traffic"),
    ],
)
def test_terraform_that_would_write_what_is_not_its_own_is_a_fight(
    live: dict[str, Any], planned: dict[str, Any], ignored: str
) -> None:
    found = report(document(change(live, planned)))
    (only,) = found.unexpected
    assert only.winner is Winner.FIGHT
    assert "each undoes the other" in only.why
    assert f"put {ignored} into ignore_changes" in only.cure


def test_a_named_revision_says_how_it_came_about_and_what_to_do() -> None:
    live = service(template={"revision": "api-00243-pif"})
    (only,) = report(document(change(live, service()))).changes
    assert (only.path, only.writer, only.expected) == ("template.revision", Writer.NOBODY, False)
    assert "tag or a revision suffix" in only.why
    assert "--revision-suffix" in only.cure


def test_what_gcloud_leaves_behind_is_expected() -> None:
    live = service(
        client="gcloud",
        client_version="528.0.0",
        template={"labels": {"client.knative.dev/nonce": "abc"}},
        effective_annotations={"run.googleapis.com/operation-id": "1"},
    )
    found = drifted(service(), live)
    assert found.verdict is Verdict.EXPECTED
    assert {one.writer for one in found.changes} == {Writer.GCLOUD}


def test_what_google_writes_by_itself_is_no_drift() -> None:
    live = service(etag="e2", uid="u", effective_annotations={"serving.knative.dev/lastModifier": "ana@example.com"})
    assert drifted(service(), live).verdict is Verdict.IN_STEP


def test_a_zero_is_nothing_for_the_provider_too() -> None:
    live = service(template={"session_affinity": False, "vpc_access": [], "timeout": ""})
    assert drifted(service(), live).verdict is Verdict.IN_STEP


def test_drift_that_terraform_does_not_put_back_stays() -> None:
    (only,) = drifted(service(), service(description="by hand")).changes
    assert (only.winner, only.expected) == (Winner.OUTSIDE, False)
    assert only.wins == "the change outside"


def test_the_night_schedule_may_stop_devs_database_and_no_other() -> None:
    kind = "google_sql_database_instance"

    def sql(policy: str) -> dict[str, Any]:
        return {"name": "bytereview", "settings": [{"activation_policy": policy, "tier": "db-f1-micro"}]}

    stopped, running = sql("NEVER"), sql("ALWAYS")
    night = document(
        change(stopped, stopped, address="sql", kind=kind), drift=[change(running, stopped, address="sql", kind=kind)]
    )
    assert report(night, "dev").verdict is Verdict.EXPECTED
    assert report(night, "prod").verdict is Verdict.UNEXPECTED
    target = {"name": "stop", "http_target": [{"uri": "https://sqladmin.googleapis.com/v1/projects/p/instances/i"}]}
    night["resource_changes"].append(change(target, target, address="s", kind="google_cloud_scheduler_job"))
    assert report(night, "nightly").verdict is Verdict.EXPECTED


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        (change(None, service()), "the next apply makes it"),
        (change(service(), None), "DELETES"),
        (change(service(), service(instances=3), actions=["delete", "create"]), "deletes it and makes a new one"),
        (change(service(), None, actions=["forget"]), "out of the state"),
    ],
)
def test_a_whole_resource_that_comes_or_goes_is_not_expected(entry: dict[str, Any], words: str) -> None:
    found = report(document(entry))
    whole = by_path(found)[""]
    assert not whole.expected
    assert words in whole.why


def test_a_resource_deleted_outside_is_told_once() -> None:
    (only,) = report(document(change(None, service()), drift=[change(service(), None)])).changes
    assert "somebody deleted it outside Terraform" in only.why
    assert "audit log" in only.cure


def test_an_empty_state_is_called_so() -> None:
    found = report(document(change(None, service())))
    assert any("holds none of the 1 resources" in note for note in found.notes)
    assert found.rollouts is None


def test_secrets_are_masked_on_every_side() -> None:
    def env(value: str, name: str = "DATABASE_URL") -> list[dict[str, Any]]:
        return [{"name": name, "value": value, "value_source": []}]

    found = drifted(
        service(env=env("postgres://u:old-secret@h/d")),
        service(env=env("postgres://u:new-secret@h/d")),
        service(env=env("plain")),
    )
    told = json.dumps([str(one) for one in found.changes])
    assert "secret@" not in told
    assert "plain" not in told
    marked = change(
        service(env=env("hush-1", "A")),
        service(env=env("hush-2", "A")),
        before_sensitive={"template": [{"containers": [{"env": True}]}]},
        after_sensitive={"template": [{"containers": [{"env": True}]}]},
    )
    (only,) = report(document(marked)).changes
    assert only.path == "template.containers.env"
    assert only.moves == "a sensitive value changes at the next apply"
    assert "hush" not in str(only)


def test_what_is_known_only_after_an_apply_says_so() -> None:
    unknown = change(service(), service(), after_unknown={"description": True, "uri": True}, actions=["update"])
    (only,) = report(document(unknown)).changes
    assert (only.path, only.planned.text) == ("description", "known after apply")


def test_environment_variables_are_told_by_their_names() -> None:
    before = service(env=[{"name": "A", "value": "1"}, {"name": "LOG_LEVEL", "value": "info"}])
    live = service(env=[{"name": "LOG_LEVEL", "value": "debug"}, {"name": "NEW", "value": "x"}])
    found = by_path(drifted(before, live, before))
    assert set(found) == {
        "template.containers.env[A].value",
        "template.containers.env[LOG_LEVEL].value",
        "template.containers.env[NEW].value",
    }
    assert found["template.containers.env[NEW].value"].moves == "not set → x; an apply makes it not set"


# -- rollouts ---------------------------------------------------------------------------------------------------------


def test_an_active_rollout_that_stands_in_the_plan_forbids_an_apply() -> None:
    live = service(traffic=SPLIT, effective_annotations={ANNOTATION: dump(ROLLOUT)})
    found = report(document(change(live, live)))
    assert found.verdict is Verdict.EXPECTED
    assert found.rollouts == (ActiveRollout("api", "r-20261127-1200-abc, observing, api-00042-def at 5 %"),)
    assert found.no_apply.startswith("no apply now: r-20261127-1200-abc")
    assert "writes back traffic and annotations" in found.no_apply


def test_an_ended_rollout_forbids_nothing_and_its_record_is_expected() -> None:
    ended = dump(replace(ROLLOUT, phase=Phase.IDLE, step=1))
    live = service(annotations={ANNOTATION: ended}, effective_annotations={ANNOTATION: ended})
    found = drifted(service(), live)
    assert found.no_apply == ""
    assert [(one.path, one.expected) for one in found.changes] == [('annotations["brconsole.dev/rollout"]', True)]


def test_a_record_that_cannot_be_read_forbids_an_apply_too() -> None:
    live = service(effective_annotations={ANNOTATION: "{"})
    assert "cannot be read" in report(document(change(live, live))).no_apply


def test_rollouts_that_were_read_elsewhere_count() -> None:
    same = service()
    found = report(document(change(same, service(instances=3))), rollouts=[ActiveRollout("frontend", "r-1")])
    assert "r-1 is active on frontend" in found.no_apply
    assert "this plan updates api" in found.no_apply


def test_where_nothing_is_known_of_rollouts_it_says_so() -> None:
    found = report(document(change({"name": "b"}, {"name": "b"}, kind="google_storage_bucket", address="b")))
    assert "is not known" in found.no_apply


def test_traffic_of_a_worker_pool_and_images_of_a_job_have_their_writers_too() -> None:
    job = {"name": "migrate-db", "template": [{"template": [{"containers": [{"image": DEPLOYED}]}]}]}
    first = {"name": "migrate-db", "template": [{"template": [{"containers": [{"image": FIRST}]}]}]}
    entry = change(job, job, address="job", kind="google_cloud_run_v2_job")
    found = report(document(entry, drift=[change(first, job, address="job", kind="google_cloud_run_v2_job")]))
    assert [(one.path, one.writer) for one in found.changes] == [
        ("template.template.containers.image", Writer.PIPELINE)
    ]


def test_the_address_tells_which_resource_it_is() -> None:
    (only,) = drifted(service(), service(instances=3), service()).changes
    assert only.address == ADDRESS
    assert only.subject == "api (Cloud Run service)"
