"""`doctor --probe-writes`: which write path of an environment is safe, found out by a write that changes nothing."""

from __future__ import annotations

from datetime import UTC, datetime

from brconsole.cli import output
from brconsole.cli.acting import acting
from brconsole.cli.confirming import confirm
from brconsole.cli.doctor_checks import Check, Group, State
from brconsole.cli.json_values import moment
from brconsole.cli.session import Connection, Session
from brconsole.domain.environment import Environment
from brconsole.domain.intent import Rollout, intent_of
from brconsole.domain.plan import Confirmation
from brconsole.domain.service import Service
from brconsole.operations.failure import SourceFailure
from brconsole.operations.modes import Modes
from brconsole.operations.use_cases import UseCases


async def probed(
    session: Session, environment: Environment, connection: Connection, modes: Modes, service: str | None
) -> Check:
    """The check, with the proof kept where the writer looks for it."""
    async with acting(environment, connection, modes) as cases:
        if service is None:
            try:
                service = _at_rest(await cases.cloud.run.services())
            except SourceFailure as failure:
                return _check(State.FAILED, str(failure))
        if service is None:
            return _check(State.UNKNOWN, "no service is at rest", "try again when no rollout is under way")
        return await _probed(session, cases, connection, service)


async def _probed(session: Session, cases: UseCases, connection: Connection, service: str) -> Check:
    environment, probe = cases.environment, cases.cloud.write_probe
    if probe is None:
        return _check(State.SKIPPED, "there is no Run v2 here to probe")
    shown = (
        f"{environment.name} {service}: its traffic list is written once more as it is, under an etag that is not the "
        "live one; no request moves",
    )
    confirmed = confirm(Confirmation.YES_NO, environment.name, session.options, shown)
    outcome, enforced = await cases.gateway.probe(service, probe, confirmed)
    for note in outcome.notes:
        output.tell(note)
    if enforced is None:
        return _check(State.FAILED, outcome.sentence, "v1 stays the write path")
    return _kept(cases, connection, outcome.sentence, enforced)


def _kept(cases: UseCases, connection: Connection, said: str, enforced: bool) -> Check:
    """Keep the proof where the writer looks for it."""
    from brconsole.gcp.write_proof import WriteProof, store

    environment = cases.environment
    at = moment(cases.gateway.now() or datetime.now(UTC)) or ""
    proof = WriteProof(environment.project, environment.region, cases.cloud.endpoints[0], enforced, at)
    try:
        file = store(connection.state_folder, proof)
    except OSError as error:
        return _check(State.FAILED, f"{said}; the proof cannot be kept: {error.strerror}", "v1 stays the write path")
    path = "v2 with its etag" if enforced else "v1 with its resourceVersion"
    asked = "" if environment.write_api == "auto" else f"; the configuration asks for {environment.write_api}"
    return _check(State.OK, f"{said}; write path: {path}{asked} ({file})")


def _check(state: State, detail: str, remedy: str = "") -> Check:
    return Check(Group.WRITES, "write path", state, detail, remedy)


def _at_rest(services: tuple[Service, ...]) -> str | None:
    """A service that nothing is happening to, a worker first: nobody waits for its answers."""
    quiet = [service for service in services if not service.reconciling and not _under_way(service)]
    return min(quiet, key=lambda service: (not service.is_worker, service.name)).name if quiet else None


def _under_way(service: Service) -> bool:
    state = intent_of(service)
    return isinstance(state, Rollout) and state.active
