"""`doctor`: what it checks, how each outcome is told, and that it only reads."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from fakes import Clock, Ports, Timing, environment

from brconsole import wiring
from brconsole.cli import entry, exit_codes
from brconsole.cli.doctor_checks import Check, Group, State, examine, exit_code
from brconsole.operations.failure import FailureKind, SourceFailure
from brconsole.operations.ports import PermissionCheck

READING = {
    "services",
    "policies",
    "objectives",
    "changes",
    "monthly_budget",
    "daily_costs",
    "identity",
    "permissions",
    "quota_limits",
}


def denied() -> SourceFailure:
    return SourceFailure(
        FailureKind.PERMISSION,
        "Cloud Run",
        "projects/p",
        "permission denied",
        permission="run.services.list",
        role="roles/run.viewer",
    )


class RealClock(Clock):
    """The local clock, with a known skew."""

    skew: float | None = 0.4

    def skew_s(self) -> float | None:
        return self.skew


class Strict(Ports):
    """Ports whose answers of who asks can be set, and can fail, as those of the others."""

    async def identity(self) -> str:
        answer: str = await self._call("identity", "tester")
        return answer

    async def permissions(self) -> tuple[PermissionCheck, ...]:
        answer: tuple[PermissionCheck, ...] = await self._call("permissions", ())
        return answer


async def examined(ports: Ports, clock: Clock | None = None, **settings: Any) -> dict[str, Check]:
    checks = await examine(environment(), ports.cloud(), clock or Clock(Timing()), **settings)
    return {check.name: check for check in checks}


async def test_all_is_well_where_every_api_answers_and_every_permission_is_held() -> None:
    ports = Strict()
    ports.answers["permissions"] = (PermissionCheck("run.services.list", "p", True, "services", "roles/run.viewer"),)
    checks = await examined(ports)
    assert {check.state for check in checks.values()} == {State.OK}
    assert exit_code(checks.values()) == exit_codes.DONE


async def test_it_only_reads() -> None:
    ports = Strict()
    await examined(ports)
    assert {method.split("/")[0] for method in ports.calls} <= READING


async def test_the_time_is_known_before_anything_is_asked_by_it() -> None:
    clock = Clock(Timing(), known=False)

    class Timed(Strict):
        """Ports that need the time."""

        async def _call(self, method: str, answer: Any, *arguments: Any) -> Any:
            assert clock.now() is not None, method
            return await super()._call(method, answer, *arguments)

    checks = await examined(Timed(), clock)
    assert {check.state for check in checks.values()} == {State.OK}


async def test_a_denied_api_names_the_permission_and_the_role_and_leaves_the_others() -> None:
    ports = Ports(failing={"services": denied()})
    checks = await examined(ports)
    assert checks["Cloud Run"].state is State.FAILED
    assert "run.services.list" in checks["Cloud Run"].detail
    assert "roles/run.viewer" in checks["Cloud Run"].remedy
    assert checks["Cloud Logging"].state is State.OK
    assert exit_code(checks.values()) == exit_codes.FAILED


async def test_a_missing_permission_says_what_needs_it_and_who_holds_it() -> None:
    ports = Strict()
    ports.answers["permissions"] = (
        PermissionCheck("run.services.update", "p", False, "rollback", "roles/run.developer"),
        PermissionCheck("billing.budgets.list", "b", None, "the budget", "roles/billing.viewer", "unavailable"),
    )
    checks = await examined(ports)
    assert checks["run.services.update"] == Check(
        Group.PERMISSION, "run.services.update", State.FAILED, "rollback (p)", "roles/run.developer holds it"
    )
    assert checks["billing.budgets.list"].state is State.UNKNOWN
    assert exit_code(checks.values()) == exit_codes.FAILED


async def test_an_api_that_hangs_is_given_up_and_the_others_are_told() -> None:
    checks = await examined(Ports(hanging={"policies"}), deadline_s=0.05)
    assert checks["Cloud Monitoring"].state is State.FAILED
    assert "no answer" in checks["Cloud Monitoring"].detail
    assert checks["Cloud Run"].state is State.OK


async def test_where_no_api_answers_it_is_unreachable() -> None:
    failing: dict[str, BaseException] = {
        name: SourceFailure(FailureKind.UNAUTHENTICATED, "x", "p", "no credentials", remedy="log in")
        for name in READING
    }
    checks = await examined(Strict(failing=failing))
    assert checks["identity"].remedy == "log in"
    assert exit_code(checks.values()) == exit_codes.UNREACHABLE


async def test_without_billing_there_is_nothing_to_check_of_it() -> None:
    checks = await examine(environment(budget=None), Ports().cloud(billing=False), Clock(Timing()))
    assert {check.name: check.state for check in checks}["Cloud Billing"] is State.SKIPPED
    assert exit_code(checks) == exit_codes.DONE


@pytest.mark.parametrize(("skew", "state"), [(0.4, State.OK), (-45.0, State.FAILED), (None, State.UNKNOWN)])
async def test_a_clock_that_is_far_off_is_a_finding(skew: float | None, state: State) -> None:
    clock = RealClock(Timing(), simulated=False)
    clock.skew = skew
    assert (await examined(Ports(), clock))["clock"].state is state


@pytest.mark.parametrize("form", [[], ["--json"]], ids=["list", "json"])
def test_the_command_prints_every_check_and_ends_with_its_status(
    form: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    @asynccontextmanager
    async def open_cloud(*_: object) -> AsyncIterator[Any]:
        yield Ports(failing={"services": denied()}).cloud(), Clock(Timing())

    monkeypatch.setattr(wiring, "open_cloud", open_cloud)
    assert entry.run(["doctor", "prod", *form]) == exit_codes.FAILED
    told = capsys.readouterr().out
    if form:
        document = json.loads(told)
        states = {check["name"]: check["state"] for check in document["checks"]}
        assert (document["schema"], states["Cloud Run"], states["read-only"]) == ("brconsole.doctor/1", "failed", "ok")
    else:
        assert "✖ failed" in told
        assert "prod is protected" in told
