"""The infrastructure on the screen: verdicts side by side, what differs, who wins, and never an apply."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
import samples
from acting import released, rollout
from rich.cells import cell_len
from standing import Stand, standing
from textual.pilot import Pilot

from brconsole.domain.environment import Environment
from brconsole.domain.infra_outputs import Output
from brconsole.domain.terraform_plan import parse
from brconsole.operations.infra import OutputsView, judged
from brconsole.operations.infra_desk import InfraSeen
from brconsole.tui.actions import ACTIONS
from brconsole.tui.app import BrconsoleApp
from brconsole.tui.console import Console
from plans import DEPLOYED, SPLIT, change, document, service

LIVE = service(image=DEPLOYED, traffic=SPLIT, instances=77)
DRIFT = document(change(LIVE, service(image=DEPLOYED, traffic=SPLIT)), drift=[change(service(), LIVE)])
SAME = document(change(service(), service()))
HOSTILE = document(change(service(description="[red]\x1b[2Jx"), service(description="[/]\u202e" + "y" * 500)))
OUTPUTS = OutputsView(
    (Output("password", None, sensitive=True), Output("project_id", "br-stage-4821")),
    ("region is us-central1 in the configuration and europe-west1 in output region",),
)
SIZES = [(80, 24), (120, 40), (160, 45), (60, 16), (200, 60)]


@dataclass
class FakeInfra:
    """Shows what a test gives it and remembers what was asked."""

    sights: dict[str, InfraSeen] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    looked: list[Callable[[], None]] = field(default_factory=list)
    clock: float = 100.0

    def look(self, environment: str) -> None:
        """Remember it."""
        self.asked.append(environment)

    def seen(self, environment: str) -> InfraSeen:
        """What the test says."""
        return self.sights.get(environment, InfraSeen())

    def now(self) -> float:
        """The test's own."""
        return self.clock

    def subscribe(self, looked: Callable[[], None]) -> Callable[[], None]:
        """Call it when the test says so."""
        self.looked.append(looked)
        return lambda: self.looked.remove(looked)

    def shows(self, name: str, seen: InfraSeen) -> None:
        """Something new was found."""
        self.sights[name] = seen
        for looked in self.looked:
            looked()


def seen(plan: dict[str, Any], environment: Environment = samples.STAGING, **changes: Any) -> InfraSeen:
    """A look 12 s ago."""
    settings: dict[str, Any] = {
        "folder": f"infra/envs/{environment.name}",
        "view": judged(environment, parse(plan), None),
        "outputs": OUTPUTS,
        "read_at": 88.0,
        **changes,
    }
    return InfraSeen(**settings)


def console(desk: FakeInfra | None, **changes: Any) -> Console:
    """Three environments, staging in front."""
    fleets = (samples.healthy(samples.DEV), samples.healthy(samples.STAGING), samples.healthy(samples.PROD))
    return replace(samples.console(*fleets, start="staging"), infra=desk, **changes)


def unbroken(stand: Stand) -> str:
    """The screen without its borders, the lines of its right column after those of its left."""
    halves = [re.split("[│┃]", line) for line in stand.lines()]
    columns = [" ".join(half[index] for half in halves if len(half) > index) for index in (1, 2)]
    return " ".join(" ".join(columns).split())


@pytest.mark.parametrize("size", SIZES)
async def test_drift_is_told_apart_at_every_size(size: tuple[int, int]) -> None:
    desk = FakeInfra({"staging": seen(DRIFT)})
    async with standing(console(desk), size) as stand:
        await stand.press("i")
        assert desk.asked == ["staging"], "opening it asks Terraform, for this environment only"
        await stand.until_shown("unexpected drift")
        text = stand.text()
        assert "never an apply from here" in text
        assert "Terraform, at the next apply" in text or "20 → 77" in text
        assert all(cell_len(line) == size[0] for line in stand.lines())


async def test_the_chosen_change_is_shown_from_every_side() -> None:
    desk = FakeInfra({"staging": seen(DRIFT)})
    async with standing(console(desk), (160, 45)) as stand:
        await stand.press("i")
        await stand.until_shown("template.scaling.max_instance_count")
        text = stand.text()
        for words in ("recorded       20", "now            77", "after an apply 20", "read 12 s ago", "1 unexpected"):
            assert words in text, words
        assert "write the new value into the" in text
        assert "terraform's field" in text
        await stand.press("j")
        await stand.until_shown("the pipeline deploys images".capitalize())
        assert "pipeline; nobody fights" in stand.text()
        await stand.press("G")
        await stand.until_shown("release engine's field")
        assert "api-00042-def 5 % (canary)" in stand.text()


async def test_outputs_stand_beside_the_change_or_in_its_place_and_secrets_nowhere() -> None:
    desk = FakeInfra({"staging": seen(DRIFT)})
    async with standing(console(desk), (160, 45)) as stand:
        await stand.press("i")
        await stand.until_shown("⊘ sensitive")
        assert "europe-west1 in output region" in unbroken(stand)
    async with standing(console(desk), (80, 24)) as stand:
        await stand.press("i")
        await stand.until_shown("who wins")
        await stand.press("o")
        await stand.until_shown("⊘ sensitive")
        await stand.press("escape")
        await stand.until_shown("who wins")
        await stand.press("escape")
        await stand.until_shown("Services")


async def test_before_during_and_after_a_failure_it_says_which() -> None:
    desk = FakeInfra()
    async with standing(console(desk), (120, 40)) as stand:
        await stand.press("i")
        await stand.until_shown("Terraform was not asked yet")
        desk.shows("staging", InfraSeen(folder="infra/envs/staging", since=96.0))
        await stand.until_shown("planning 4 s")
        assert "without taking the lock" in stand.text()
        problem = "Terraform: the folder is not initialised (infra/envs/staging); run “terraform init”"
        desk.shows("staging", InfraSeen(folder="infra/envs/staging", problem=problem))
        await stand.until_shown("✖ failed")
        assert "run “terraform init”" in stand.text()
        desk.shows("staging", seen(SAME))
        await stand.until_shown("in step: 1 resource as configured")
        desk.shows("staging", seen(SAME, problem=problem))
        await stand.until_shown("✖ failed")
        assert "read 12 s ago" in stand.text(), "the last good reading keeps its age"
        desk.clock = 5000.0
        desk.shows("staging", seen(SAME))
        await stand.until_shown("◷ read 82 min ago")


async def test_r_asks_again_and_brackets_go_through_the_environments() -> None:
    desk = FakeInfra({"staging": seen(DRIFT), "dev": seen(SAME, samples.DEV)})
    async with standing(console(desk), (160, 45)) as stand:
        await stand.press("i", "r")
        assert desk.asked == ["staging", "staging"]
        await stand.press("right_square_bracket")
        await stand.until(lambda: desk.asked[-1] == "prod")
        await stand.press("left_square_bracket", "left_square_bracket")
        await stand.until_shown("infra/envs/dev")
        text = stand.text()
        assert "✔ in step" in text
        assert "✖ unexpected drift" in text, "the others stand beside it"
        assert "? not read" in text


async def test_a_rollout_that_begins_after_the_plan_forbids_an_apply_all_the_same() -> None:
    desk = FakeInfra({"prod": seen(SAME, samples.PROD)})
    shown = replace(samples.console(released(rollout()), start="prod"), infra=desk)
    async with standing(shown, (160, 45)) as stand:
        await stand.press("i")
        await stand.until_shown("no apply: a rollout is active on api")
        assert "writes back traffic and annotations" in unbroken(stand)


async def test_where_the_rest_is_simulated_it_says_that_terraform_is_not() -> None:
    desk = FakeInfra({"staging": seen(SAME)})
    for size in ((80, 24), (160, 45)):
        async with standing(console(desk), size) as stand:
            await stand.press("i")
            await stand.until_shown("Terraform is not simulated")


async def test_hostile_values_are_text() -> None:
    desk = FakeInfra({"staging": seen(HOSTILE)})
    async with standing(console(desk), (160, 45)) as stand:
        await stand.press("i")
        await stand.until_shown("[red]")
        assert all(line.isprintable() for line in stand.lines())


async def test_from_the_wall_it_is_the_chosen_environments() -> None:
    desk = FakeInfra()
    async with standing(replace(console(desk), start=None), (160, 45)) as stand:
        await stand.press("j")
        await stand.press("i")
        await stand.until(lambda: len(desk.asked) == 1)
        await stand.press("minus")
        await stand.until_shown("▌environments▐")


async def test_a_console_without_terraform_says_so_and_does_not_offer_it() -> None:
    async with standing(console(None), (160, 45)) as stand:
        assert "i infra" not in stand.text()
        await stand.press("i")
        await stand.until(lambda: any("brconsole infra drift" in message for message in stand.messages()))


async def test_the_address_is_copied_by_its_captured_name() -> None:
    desk = FakeInfra({"staging": seen(DRIFT)})
    async with standing(console(desk), (160, 45)) as stand:
        await stand.press("i")
        await stand.until_shown("unexpected")
        await stand.press("c")
        assert stand.messages()[-1].endswith('module.service["api"].google_cloud_run_v2_service.main')


async def test_a_click_chooses_a_change() -> None:
    desk = FakeInfra({"staging": seen(DRIFT)})
    async with standing(console(desk), (160, 45)) as stand:
        await stand.press("i")
        await stand.until_shown("containers.image")
        y = next(index for index, line in enumerate(stand.lines()) if "containers.image" in line)
        await stand.pilot.click(offset=(20, y))
        await stand.until_shown("pipeline's field")


def test_no_action_of_the_screen_writes() -> None:
    own = [action for action in ACTIONS if action.id.startswith("infra.")]
    assert {action.id for action in own} == {"infra.show", "infra.next", "infra.previous", "infra.outputs"}
    assert {action.effect.value for action in own} == {"read"}


def test_the_screen_looks_as_it_was_approved(snap_compare: Callable[..., bool]) -> None:
    desk = FakeInfra({"staging": seen(DRIFT), "dev": seen(SAME, samples.DEV)})
    app = BrconsoleApp(console(desk))

    async def ready(pilot: Pilot[None]) -> None:
        while not app._followed:
            await pilot.pause()
        await pilot.press("i")
        await pilot.pause()

    assert snap_compare(app, terminal_size=(120, 40), run_before=ready)
