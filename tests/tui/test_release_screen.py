"""The release of a service as it is shown: the rail and its times, both splits, gates, evidence, wheel, undo target."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
import samples
from acting import NEW, STABLE, acting, card, released, rollout, seen, targets, view
from rich.cells import cell_len
from standing import standing

from brconsole.domain.decision import Ask
from brconsole.domain.findings import WayOut
from brconsole.domain.intent import Driver, Phase
from brconsole.operations.desk import Seen, Watching
from brconsole.tui.panels.release import evidence_chart


@pytest.mark.parametrize("size", [(80, 24), (100, 30), (160, 45), (200, 60), (60, 16)])
async def test_every_line_of_the_release_fills_the_screen_exactly(size: tuple[int, int]) -> None:
    fleet = released(rollout())
    console, desk = acting(fleet)
    desk.sights["api"] = seen(fleet)
    async with standing(console, size) as stand:
        await stand.until(lambda: "api" in stand.text())
        stand.app.go("release", "prod", "api")
        assert {cell_len(line) for line in stand.lines()} == {size[0]}
        assert "▌prod▐" in stand.lines()[0]
        await stand.press("B")
        assert {cell_len(line) for line in stand.lines()} == {size[0]}


async def test_80x24_shows_the_rail_both_splits_every_gate_and_the_undo_target() -> None:
    fleet = released(rollout())
    console, desk = acting(fleet)
    desk.sights["api"] = seen(fleet)
    async with standing(console, (80, 24)) as stand:
        await stand.until_shown("Services · 5")
        await stand.press("v")
        text = stand.text()
        assert "● 5 % ━" in text
        assert "○ 50 %" in text
        assert "step 1 of 3 · 06:12 of 15:00 · 08:48 left · extended 0 of 3" in text
        assert "● operator holds the wheel for 1m10s" in text
        assert "DESIRED" in text
        assert "SERVING" in text
        assert "✔ pass errors" in text
        assert "2 min" in text
        assert "✖ fail budget" in text
        assert "– n/a  migration" in text
        assert "◷ hold dwell     8:48 left" in text
        assert f"✔ {STABLE}  the recorded stable" in text
        assert "waits: dwells at 5 %" in stand.lines()[1]
        assert "budget: spent" in stand.lines()[1]


async def test_160x45_draws_the_evidence_with_its_threshold_and_samples_beside_the_gates() -> None:
    fleet = released(rollout())
    console, desk = acting(fleet)
    desk.sights["api"] = seen(fleet)
    async with standing(console, (160, 45)) as stand:
        await stand.until_shown("Services · 5")
        await stand.press("enter", "enter")
        text = stand.text()
        assert "rolls back at 200" in text
        assert "samples 630" in text
        assert "upper bound" in text
        assert "accepted, not verified" in text
        assert "cold: serves nothing" in text


async def test_the_evidence_stands_on_a_logarithmic_axis() -> None:
    found = view(rollout(), released(rollout()))
    drawn = ["".join(text for text, _ in line) for line in evidence_chart(found, 70, 16)]
    assert any(line.lstrip().startswith("10,000") for line in drawn)
    assert any(line.lstrip().startswith("0.1") for line in drawn)
    assert any("■" in line or "▀" in line or "▄" in line for line in drawn)


async def test_asked_for_and_serving_are_two_columns_while_cloud_run_works() -> None:
    fleet = released(rollout(), serving=targets({STABLE: 100}), reconciling=True, updated=samples.NOW)
    console, desk = acting(fleet)
    desk.sights["api"] = seen(fleet)
    async with standing(console) as stand:
        await stand.until_shown("Services · 5")
        await stand.press("v")
        row = next(line for line in stand.lines() if "canary" in line and NEW in line)
        assert row.split()[3:7] == ["5", "%", "0", "%"]
        assert "reconciling: a change is under way" in stand.text()


async def test_a_finding_is_named_with_the_keys_of_its_ways_out() -> None:
    drifted = released(rollout(), desired=targets({STABLE: 70, NEW: 30}), serving=targets({STABLE: 70, NEW: 30}))
    console, desk = acting(drifted)
    desk.sights["api"] = seen(drifted)
    async with standing(console) as stand:
        await stand.until_shown("Services · 5")
        await stand.press("v")
        text = stand.text()
        assert "drift: the rollout wants" in text
        assert "O adopt" in text
        assert "X restore" in text
        foot = stand.lines()[-1]
        assert "O adopt" in foot
        assert "X restore" in foot


async def test_the_footer_offers_what_makes_sense_where_the_rollout_stands() -> None:
    for state, offered, absent in (
        (rollout(), ("P promote", "H hold", "A abort", "B roll back"), ("C continue", "S start", "T traffic")),
        (
            rollout(Phase.HOLDING, held=Phase.OBSERVING, reason="wait for ana"),
            ("C continue", "T traffic", "P promote", "B roll back"),
            ("H hold", "S start"),
        ),
        (rollout(Phase.RELEASED), ("T traffic", "B roll back"), ("H hold", "P promote", "A abort")),
        (rollout(holds=3), ("F without evidence",), ()),
    ):
        fleet = released(state)
        console, desk = acting(fleet)
        desk.sights["api"] = seen(fleet, view=view(state, fleet))
        async with standing(console, (200, 40)) as stand:
            await stand.until_shown("Services · 5")
            await stand.press("v")
            foot = stand.lines()[-1]
            assert all(hint in foot for hint in offered), (state.phase, foot)
            assert not any(hint in foot for hint in absent), (state.phase, foot)


async def test_who_drives_and_a_deadline_that_passed_are_said() -> None:
    late = rollout(
        deadline=samples.NOW - timedelta(minutes=1), driver=Driver("ci@example.com", samples.NOW - timedelta(hours=1))
    )
    fleet = released(late)
    console, desk = acting(fleet)
    desk.sights["api"] = seen(fleet, view=view(late, fleet, driver=None))
    async with standing(console) as stand:
        await stand.until_shown("Services · 5")
        await stand.press("v")
        assert "nobody holds the wheel, last ci@example.com" in stand.text()
        assert "PASSED" in stand.text()
        desk.driven = {"api"}
        stand.app.repaint()
        await stand.until_shown("this console holds the wheel")


async def test_a_question_of_the_reducer_is_the_first_line() -> None:
    state = rollout()
    fleet = released(state)
    console, desk = acting(fleet)
    asking = Ask("the gates pass: promote api-00042-def to 50 %?", (WayOut.PROMOTE, WayOut.ABORT))
    desk.sights["api"] = seen(fleet, view=view(state, fleet, decision=asking))
    async with standing(console) as stand:
        await stand.until_shown("Services · 5")
        await stand.press("v")
        assert "your turn: the gates pass: promote api-00042-def to 50 %?" in stand.lines()[1]


async def test_an_old_look_and_a_failed_one_are_not_passed_for_the_present() -> None:
    state = rollout()
    fleet = released(state)
    console, desk = acting(fleet)
    old = view(state, fleet, now=samples.NOW - timedelta(minutes=9))
    desk.sights["api"] = seen(fleet, view=old)
    async with standing(console) as stand:
        await stand.until_shown("Services · 5")
        await stand.press("v")
        await stand.until_shown("stale · 9 min")
        desk.sights["api"] = seen(fleet, view=old, problem="Cloud Run: deadline exceeded")
        desk.looked[0](None)
        await stand.until_shown("failed · 9 min")
        assert "✖ Cloud Run: deadline exceeded" in stand.text()


async def test_without_a_rollout_it_says_what_a_start_would_meet_and_before_any_look_that_it_loads() -> None:
    base = samples.healthy()
    services = tuple(
        replace(one, latest_ready=NEW, latest_created=NEW) if one.name == "api" else one
        for one in base.services.value or ()
    )
    console, _ = acting(replace(base, services=replace(base.services, value=services)))
    async with standing(console) as stand:
        await stand.until_shown("Services · 5")
        await stand.press("v")
        assert "◌ loading" in stand.text()
        assert "the undo target is being checked" in stand.text()
        assert f"S starts one of {NEW}" in stand.text()
        assert "S start" in stand.lines()[-1]


async def test_the_desk_is_told_to_look_at_what_is_in_front_of_the_person() -> None:
    console, desk = acting(released(rollout()))
    async with standing(console) as stand:
        await stand.until_shown("Services · 5")
        await stand.press("v")
        assert desk.watching[-1] == Watching("api", rollout=True)
        await stand.press("escape")
        assert desk.watching[-1] == Watching("api", rollout=False)
        assert stand.app._current == ("service", "prod", "api")


async def test_hostile_text_is_text_on_the_release_and_in_its_dialogs() -> None:
    fleet = samples.hostile()
    state = rollout(reason="x" * 240)
    shown = released(state, fleet)
    console, desk = acting(shown)
    hostile = replace(card(), next_deploy=samples.HOSTILE)
    found = view(state, released(state), driver=samples.HOSTILE)
    desk.sights["api"] = Seen(found, samples.HOSTILE, hostile, samples.NOW, ())
    async with standing(console, (120, 40)) as stand:
        await stand.until(lambda: "api" in stand.text())
        stand.app.go("release", "prod", "api")
        for keys in ((), ("B",), ("escape",)):
            await stand.press(*keys)
            text = stand.text()
            assert "\x1b" not in text
            assert "\u202e" not in text
            assert {cell_len(line) for line in stand.lines()} == {120}, keys
