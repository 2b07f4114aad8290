"""A job as v1 shows it, and what is sent in its place."""

from __future__ import annotations

import copy
from typing import Any

from brconsole.gcp.run_v1_jobs import JobDocument

DOCUMENT: dict[str, Any] = {
    "apiVersion": "run.googleapis.com/v1",
    "kind": "Job",
    "metadata": {
        "name": "migrate-db",
        "namespace": "482100000003",
        "resourceVersion": "AAYk",
        "generation": 7,
        "labels": {"cloud.googleapis.com/location": "us-central1", "team": "platform"},
        "annotations": {"run.googleapis.com/client-name": "gcloud", "brconsole.dev/migration": "old", "team/x": "y"},
    },
    "spec": {
        "template": {
            "metadata": {"annotations": {"run.googleapis.com/cloudsql-instances": "p:r:i"}},
            "spec": {
                "taskCount": 1,
                "template": {
                    "spec": {
                        "serviceAccountName": "migrate-run@p.iam.gserviceaccount.com",
                        "timeoutSeconds": "1800",
                        "volumes": [{"name": "secret", "secret": {"secretName": "x"}}],
                        "containers": [
                            {
                                "image": "r/p/api:latest",
                                "env": [
                                    {"name": "DATABASE_URL", "valueFrom": {"secretKeyRef": {"name": "d", "key": "3"}}}
                                ],
                                "futureField": {"kept": True},
                            }
                        ],
                    }
                },
            },
        }
    },
    "status": {"observedGeneration": 7, "executionCount": 3},
}


def task(document: Any) -> Any:
    return document["spec"]["template"]["spec"]["template"]["spec"]


def test_only_image_annotations_and_retries_are_others_and_the_status_is_not_sent() -> None:
    sent = JobDocument(DOCUMENT, None).replaced("r/p/api@sha256:ab", {"brconsole.dev/migration": "new", "team/x": None})
    wanted = copy.deepcopy(DOCUMENT)
    del wanted["status"]
    wanted["metadata"]["annotations"] = {"run.googleapis.com/client-name": "gcloud", "brconsole.dev/migration": "new"}
    task(wanted)["maxRetries"] = 0
    task(wanted)["containers"][0]["image"] = "r/p/api@sha256:ab"
    assert sent == wanted


def test_the_document_that_was_read_is_left_as_it_was() -> None:
    before = copy.deepcopy(DOCUMENT)
    JobDocument(DOCUMENT, None).replaced("x@sha256:1", {"a/b": "c"})
    assert before == DOCUMENT


def test_without_an_image_the_jobs_own_stays() -> None:
    assert task(JobDocument(DOCUMENT, None).replaced(None, {}))["containers"][0]["image"] == "r/p/api:latest"


def test_retries_that_are_not_set_are_not_none_at_all() -> None:
    found = JobDocument(DOCUMENT, None)
    assert found.max_retries is None
    assert found.annotations == {"brconsole.dev/migration": "old", "team/x": "y"}


def test_a_status_that_moved_on_asks_for_the_same_and_anything_else_does_not() -> None:
    moved = copy.deepcopy(DOCUMENT)
    moved["status"]["executionCount"] = 4
    moved["metadata"]["resourceVersion"] = "AAYl"
    assert JobDocument(moved, None).asks_the_same(JobDocument(DOCUMENT, None))
    moved["metadata"]["annotations"]["brconsole.dev/migration"] = "somebody else's"
    assert not JobDocument(moved, None).asks_the_same(JobDocument(DOCUMENT, None))
