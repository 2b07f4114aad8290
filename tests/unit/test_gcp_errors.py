"""Every error becomes one sentence: which API, on what, why, and what to do."""

from __future__ import annotations

import pytest
from google.api_core import exceptions
from google.auth import exceptions as auth_exceptions
from google.protobuf.message import DecodeError

from brconsole.gcp import errors
from brconsole.gcp.apis import LIST_SERVICES, ROLES, TEST_PROJECT_PERMISSIONS, role_for
from brconsole.operations.failure import FailureKind, SourceFailure

SITUATION = errors.Situation(LIST_SERVICES, "projects/p/locations/r", "run.googleapis.com", 8.0, "p")


def made(error: Exception) -> SourceFailure:
    return errors.failure(error, SITUATION)


@pytest.mark.parametrize(
    ("error", "kind", "sentence"),
    [
        (
            exceptions.PermissionDenied("Permission 'run.services.get' denied on resource (or it may not exist)."),
            FailureKind.PERMISSION,
            "Cloud Run: permission run.services.get is missing (projects/p/locations/r);"
            " ask for roles/run.viewer, which holds it",
        ),
        (
            exceptions.Forbidden("see run.googleapis.com for more"),
            FailureKind.PERMISSION,
            "Cloud Run: permission run.services.list is missing (projects/p/locations/r);"
            " ask for roles/run.viewer, which holds it",
        ),
        (
            exceptions.PermissionDenied("needs strange.things.use"),
            FailureKind.PERMISSION,
            "Cloud Run: permission strange.things.use is missing (projects/p/locations/r);"
            " ask for a role that holds it",
        ),
        (
            TimeoutError(),
            FailureKind.TIMEOUT,
            "Cloud Run: no answer from run.googleapis.com within 8 s (projects/p/locations/r); it asks again by itself",
        ),
        (
            exceptions.ServiceUnavailable(
                "failed to connect to all addresses; last error: UNKNOWN: ipv4:10.1.2.3:443:"
            ),
            FailureKind.UNAVAILABLE,
            "Cloud Run: run.googleapis.com is unavailable: failed to connect to all addresses; last error: UNKNOWN:"
            " ipv4:10.1.2.3:443: (projects/p/locations/r); it asks again by itself",
        ),
        (
            exceptions.ServiceUnavailable("DNS resolution failed for run.googleapis.com:443: C-ares status is not ok"),
            FailureKind.UNAVAILABLE,
            "Cloud Run: run.googleapis.com is unavailable: dns resolution failed (projects/p/locations/r);"
            " it asks again by itself",
        ),
        (
            exceptions.NotFound("Project p was not found."),
            FailureKind.NOT_FOUND,
            "Cloud Run: not found: Project p was not found (projects/p/locations/r);"
            " check project and region in the configuration",
        ),
        (
            exceptions.Aborted("Conflict for resource 'api'"),
            FailureKind.CONFLICT,
            "Cloud Run: it was changed by somebody else: Conflict for resource 'api' (projects/p/locations/r)",
        ),
        (
            exceptions.MethodNotImplemented("nope"),
            FailureKind.INVALID,
            "Cloud Run: run.googleapis.com does not implement ListServices: nope (projects/p/locations/r)",
        ),
        (
            exceptions.InternalServerError("Exception deserializing response!"),
            FailureKind.UNREADABLE,
            "Cloud Run: the reply of run.googleapis.com cannot be read (projects/p/locations/r);"
            " it asks again by itself",
        ),
        (
            DecodeError("Error parsing message"),
            FailureKind.UNREADABLE,
            "Cloud Run: the reply of run.googleapis.com cannot be read (projects/p/locations/r);"
            " it asks again by itself",
        ),
        (
            exceptions.RetryError("gave up", exceptions.ServiceUnavailable("Socket closed")),
            FailureKind.UNAVAILABLE,
            "Cloud Run: run.googleapis.com is unavailable: socket closed (projects/p/locations/r);"
            " it asks again by itself",
        ),
        (
            exceptions.Unknown("?"),
            FailureKind.UNAVAILABLE,
            "Cloud Run: run.googleapis.com gave up on the call: ? (projects/p/locations/r); it asks again by itself",
        ),
    ],
)
def test_an_error_is_a_sentence_with_a_remedy(error: Exception, kind: FailureKind, sentence: str) -> None:
    failure = made(error)

    assert failure.kind is kind
    assert str(failure) == sentence


@pytest.mark.parametrize(
    "error",
    [
        auth_exceptions.DefaultCredentialsError("Your default credentials were not found."),
        auth_exceptions.RefreshError("invalid_grant: Token has been expired or revoked."),
        exceptions.Unauthenticated("Request had invalid authentication credentials."),
        exceptions.ServiceUnavailable("Getting metadata from plugin failed with error: invalid_grant"),
    ],
)
def test_without_a_login_the_exact_command_and_the_simulation_are_offered(error: Exception) -> None:
    failure = made(error)

    assert failure.kind is FailureKind.UNAUTHENTICATED
    assert failure.remedy == "run `gcloud auth application-default login`, or try the console with --simulate"


@pytest.mark.parametrize(
    "error",
    [
        auth_exceptions.TransportError("connection refused"),
        exceptions.ServiceUnavailable(
            "Getting metadata from plugin failed with error: HTTPSConnectionPool(host='oauth2.googleapis.com',"
            " port=443): Max retries exceeded"
        ),
    ],
)
def test_a_login_server_out_of_reach_is_no_reason_to_log_in_again(error: Exception) -> None:
    failure = made(error)

    assert failure.kind is FailureKind.UNAVAILABLE
    assert failure.reason == "the login server cannot be reached"


def test_a_permission_that_nothing_names_is_not_made_up() -> None:
    situation = errors.Situation(TEST_PROJECT_PERMISSIONS, "projects/p", "host", 8.0, "p")

    failure = errors.failure(exceptions.PermissionDenied("The caller does not have permission"), situation)

    assert (failure.permission, failure.role) == ("", "")
    assert "permission denied: The caller does not have permission" in str(failure)


def test_what_is_already_explained_stays_as_it_is() -> None:
    explained = SourceFailure(FailureKind.QUOTA, "Cloud Run", "x", "later")

    assert made(explained) is explained


def test_cancellation_is_no_error() -> None:
    import asyncio

    assert not issubclass(asyncio.CancelledError, errors.CAUGHT)


def test_each_permission_has_a_role_and_an_unknown_one_gets_its_services_viewer() -> None:
    assert all(role.startswith("roles/") for role in ROLES.values())
    assert role_for("run.jobs.list") == "roles/run.viewer"
    assert role_for("compute.instances.list") == ""


@pytest.mark.parametrize("body", [b"", b"[]", b'"x"', b'{"error": 7}', b'{"error": {"details": 7}}', b"\xff"])
def test_an_error_page_that_is_no_google_error_still_has_its_status(body: bytes) -> None:
    refusal = errors.refusal(503, body, "12")

    assert (refusal.status, refusal.message, refusal.details) == (503, "HTTP 503", ())
    assert refusal.retry_after_s == 12
