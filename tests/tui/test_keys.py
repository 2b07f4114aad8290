"""What keys do, and that they answer whatever the network does."""

from __future__ import annotations

from dataclasses import replace

import pytest
import samples
from standing import Stand, standing

from brconsole.domain.freshness import Reading
from brconsole.tui.actions import ACTIONS, Effect
from brconsole.tui.keymap import resolve
from brconsole.tui.screens.fleet import FleetScreen
from brconsole.tui.screens.help import HelpScreen
from brconsole.tui.screens.service import ServiceScreen
from brconsole.tui.screens.theme_picker import ThemePicker
from brconsole.tui.screens.wall import WallScreen


def chosen(stand: Stand) -> str | None:
    """The service under the cursor."""
    return stand.app.view_of("prod").cursor.key


async def test_the_cursor_follows_its_service_when_rows_come_go_and_change_places() -> None:
    base = samples.many(number=40)
    async with standing(samples.console(base)) as stand:
        await stand.until_shown("Services · 40")
        await stand.press(*"jjjjj")
        assert chosen(stand) == "svc-005"
        services = base.services.value or ()
        stand.app.settings.feeds["prod"].publish(replace(base, services=Reading(services[3:], samples.NOW)))  # type: ignore[attr-defined]
        await stand.until_shown("Services · 37")
        assert chosen(stand) == "svc-005"
        failing = tuple(replace(one, ready=False, reason="x") if one.name == "svc-030" else one for one in services)
        stand.app.settings.feeds["prod"].publish(replace(base, services=Reading(failing, samples.NOW)))  # type: ignore[attr-defined]
        await stand.until_shown("Services · 40")
        assert chosen(stand) == "svc-005"
        await stand.press("enter")
        assert stand.app._current == ("service", "prod", "svc-005")


async def test_where_the_chosen_service_is_gone_the_one_that_took_its_place_is_chosen() -> None:
    base = samples.many(number=10)
    async with standing(samples.console(base)) as stand:
        await stand.until_shown("Services · 10")
        await stand.press(*"jj")
        rest = tuple(one for one in base.services.value or () if one.name != "svc-002")
        stand.app.settings.feeds["prod"].publish(replace(base, services=Reading(rest, samples.NOW)))  # type: ignore[attr-defined]
        await stand.until_shown("Services · 9")
        assert chosen(stand) == "svc-003"


async def test_a_filter_narrows_says_how_much_and_survives_a_refresh_until_esc() -> None:
    base = samples.many()
    async with standing(samples.console(base)) as stand:
        await stand.until_shown("Services · 200")
        await stand.press("slash")
        await stand.type("svc-01")
        await stand.until_shown("10 of 200 · filter: svc-01")
        await stand.press("enter")
        stand.app.settings.feeds["prod"].publish(replace(base, services=Reading(base.services.value, samples.NOW)))  # type: ignore[attr-defined]
        await stand.until_shown("10 of 200 · filter: svc-01")
        await stand.press("0", "minus")
        await stand.until_shown("10 of 200 · filter: svc-01")
        await stand.press("escape")
        assert "filter:" not in stand.text()
        assert isinstance(stand.app.front, FleetScreen)


@pytest.mark.parametrize(
    ("typed", "shown"),
    [
        ("!worker", "2 of 5"),
        ('"api"', "1 of 5"),
        ("status:canary", "1 of 5"),
        ("worker !cron", "2 of 5"),
        ("tag:next", "1 of 5"),
    ],
)
async def test_filters_know_not_exact_and_fields(typed: str, shown: str) -> None:
    async with standing(samples.console(samples.canary())) as stand:
        await stand.until_shown("Services · 5")
        stand.app.act("list.filter", "", typed)
        await stand.until_shown(f"{shown} · filter")


async def test_escape_while_a_filter_is_typed_brings_back_what_was_shown() -> None:
    async with standing(samples.console(samples.canary())) as stand:
        await stand.until_shown("Services · 5")
        await stand.press("slash")
        await stand.type("api")
        await stand.until_shown("1 of 5 · filter: api")
        await stand.press("escape")
        await stand.until(lambda: "filter:" not in stand.text())
        assert isinstance(stand.app.front, FleetScreen)


async def test_esc_goes_one_view_up_and_never_quits() -> None:
    async with standing(samples.console(*samples.wall())) as stand:
        await stand.until_shown("Services · 5")
        await stand.press("enter")
        assert isinstance(stand.app.front, ServiceScreen)
        await stand.press("escape")
        assert isinstance(stand.app.front, FleetScreen)
        await stand.press("escape")
        assert isinstance(stand.app.front, WallScreen)
        await stand.press("escape", "escape", "escape")
        assert isinstance(stand.app.front, WallScreen)
        assert stand.app.is_running


async def test_digits_mean_environments_in_their_configured_order_and_minus_the_view_before() -> None:
    async with standing(samples.console(*samples.wall(), start=None)) as stand:
        await stand.press("1")
        assert stand.app._current == ("fleet", "dev", None)
        await stand.press("3")
        assert stand.app._current == ("fleet", "prod", None)
        await stand.press("minus")
        assert stand.app._current == ("fleet", "dev", None)
        await stand.press("0")
        assert isinstance(stand.app.front, WallScreen)
        await stand.press("7")
        await stand.until(lambda: any("there are 3 environments" in message for message in stand.messages()))


async def test_the_wall_follows_all_environments_and_the_fleet_only_its_own() -> None:
    console = samples.console(*samples.wall(), start=None)
    async with standing(console) as stand:
        assert stand.app._followed == {"dev", "staging", "prod"}
        await stand.press("3")
        feeds = console.feeds
        assert stand.app._followed == {"prod"}
        assert feeds["dev"].stopped == 1  # type: ignore[attr-defined]
        assert feeds["prod"].stopped == 0  # type: ignore[attr-defined]
    assert feeds["prod"].stopped == 1  # type: ignore[attr-defined]


async def test_the_page_of_a_service_is_watched_while_it_is_open() -> None:
    console = samples.console(samples.canary())
    async with standing(console) as stand:
        await stand.until_shown("Services · 5")
        await stand.press("enter")
        watching = console.feeds["prod"].watching  # type: ignore[attr-defined]
        assert watching[-1] == "api"
        await stand.press("right_square_bracket")
        assert watching[-1] == "worker-extract"
        await stand.press("escape")
        assert watching[-1] is None


async def test_keys_answer_while_nothing_answers() -> None:
    async with standing(samples.console(samples.loading(), samples.loading(samples.DEV))) as stand:
        assert "loading" in stand.text()
        for key in ("j", "G", "enter", "s", "tab", "z", "z", "r", "c", "y"):
            await stand.press(key)
        await stand.press("question_mark")
        assert isinstance(stand.app.front, HelpScreen)
        await stand.press("escape", "0")
        assert isinstance(stand.app.front, WallScreen)


async def test_a_command_is_completed_understood_and_corrected() -> None:
    async with standing(samples.console(*samples.wall())) as stand:
        await stand.until_shown("Services · 5")
        await stand.press("colon")
        await stand.type("stag")
        await stand.press("tab", "enter")
        assert stand.app._current == ("fleet", "staging", None)
        await stand.press("colon")
        await stand.type("stagin")
        await stand.press("enter")
        await stand.until(lambda: any("did you mean 'staging'?" in message for message in stand.messages()))
        await stand.press("colon")
        await stand.type("service frontend")
        await stand.press("enter")
        assert stand.app._current == ("service", "staging", "frontend")
        await stand.press("colon")
        await stand.type("theme mono")
        await stand.press("enter")
        assert stand.app.theme == "mono"


async def test_keys_typed_at_once_after_the_colon_belong_to_the_command() -> None:
    async with standing(samples.console(*samples.wall())) as stand:
        await stand.until_shown("Services · 5")
        await stand.pilot.press("colon", *"wall", "enter")
        await stand.until(lambda: isinstance(stand.app.front, WallScreen))


async def test_copying_takes_the_captured_name_and_says_so() -> None:
    async with standing(samples.console(samples.canary())) as stand:
        await stand.until_shown("Services · 5")
        await stand.press("j", "c")
        assert stand.app.clipboard == "worker-extract"
        await stand.press("y")
        assert (
            stand.app.clipboard
            == "gcloud run services describe worker-extract --project bytereview-prod --region us-central1"
        )
        assert any("copied: gcloud" in message for message in stand.messages())


async def test_zoom_gives_a_panel_the_screen_and_esc_takes_it_back() -> None:
    async with standing(samples.console(samples.canary()), (80, 24)) as stand:
        await stand.until_shown("Services · 5")
        await stand.press("tab", "tab", "z")
        assert "Redis memory" in stand.text()
        assert "Services · 5" not in stand.text()
        await stand.press("escape")
        assert "Services · 5" in stand.text()


async def test_sorting_goes_through_the_columns_and_marks_the_one_in_force() -> None:
    async with standing(samples.console(samples.canary())) as stand:
        await stand.until_shown("Services · 5")
        stand.app.act("fleet.sort", "", "req/s")
        await stand.until_shown("REQ/S▾")
        await stand.press("s")
        await stand.until_shown("5XX▾")


async def test_ctrl_c_says_how_to_quit_and_a_second_one_quits() -> None:
    async with standing(samples.console(samples.canary())) as stand:
        await stand.press("ctrl+c")
        assert stand.app.is_running
        assert any("q quits" in message for message in stand.messages())
        await stand.press("ctrl+c")
        await stand.until(lambda: not stand.app.is_running)


async def test_the_palette_offers_what_works_here_from_the_same_registry() -> None:
    from textual.command import CommandPalette

    async with standing(samples.console(*samples.wall(), start=None)) as stand:
        await stand.press("ctrl+p")
        await stand.until(lambda: isinstance(stand.app.screen, CommandPalette))
        await stand.type("environment prod")
        palette = stand.app.screen
        await stand.until(
            lambda: any("prod" in str(option.prompt) for option in palette.query("CommandList").first()._options)
        )  # type: ignore[attr-defined]
        await stand.press("enter")
        await stand.until(lambda: stand.app._current == ("fleet", "prod", None))


async def test_help_lists_every_key_that_works_where_it_was_asked_for() -> None:
    async with standing(samples.console(samples.canary()), (160, 80)) as stand:
        await stand.press("question_mark")
        text = stand.text()
        for action in ACTIONS:
            listed = action.title in text
            assert listed is (action in stand.app._base.actions()), action.id


async def test_a_key_of_the_footer_can_be_clicked() -> None:
    async with standing(samples.console(samples.canary())) as stand:
        await stand.until_shown("Services · 5")
        column = stand.lines()[-1].index("theme")
        await stand.pilot.click(offset=(column, 39))
        assert isinstance(stand.app.front, ThemePicker)


async def test_a_click_chooses_a_row_and_a_second_one_opens_it() -> None:
    async with standing(samples.console(samples.canary())) as stand:
        await stand.until_shown("frontend")
        y = next(y for y, line in enumerate(stand.lines()) if "✔ frontend" in line)
        await stand.pilot.click(offset=(6, y))
        assert chosen(stand) == "frontend"
        await stand.pilot.click(offset=(6, y))
        assert stand.app._current == ("service", "prod", "frontend")


async def test_a_keymap_moves_a_key_in_footer_help_and_deed() -> None:
    async with standing(samples.console(samples.canary(), keymap={"theme.pick": "x"})) as stand:
        await stand.until_shown("x theme")
        await stand.press("t")
        assert isinstance(stand.app.front, FleetScreen)
        await stand.press("x")
        assert isinstance(stand.app.front, ThemePicker)


async def test_a_keymap_that_clashes_is_left_out_and_said_so() -> None:
    async with standing(samples.console(samples.canary(), keymap={"theme.pick": "r", "theme.pikc": "x"})) as stand:
        await stand.until(lambda: len(stand.messages()) >= 2)
        told = " ".join(stand.messages())
        assert "'r' for 'theme.pick' is already 'app.refresh'" in told
        assert "did you mean 'theme.pick'?" in told
        await stand.press("t")
        assert isinstance(stand.app.front, ThemePicker)


def test_two_overrides_may_swap_their_keys() -> None:
    keys = resolve({"theme.pick": "r", "app.refresh": "t"})
    assert keys.problems == ()
    assert keys.of("theme.pick").keys == ("r",)
    assert keys.of("app.refresh").keys == ("t",)


def test_the_way_out_cannot_be_taken() -> None:
    assert "the way out" in resolve({"theme.pick": "ctrl+c"}).problems[0]


def test_no_two_actions_share_a_key_where_both_work() -> None:
    from itertools import combinations

    from brconsole.tui.actions import overlap

    for one, other in combinations(ACTIONS, 2):
        if overlap(one, other):
            assert not set(one.keys) & set(other.keys), (one.id, other.id)


def test_ids_are_stable_words_and_capitals_are_for_writes() -> None:
    assert len({action.id for action in ACTIONS}) == len(ACTIONS)
    for action in ACTIONS:
        group, _, verb = action.id.partition(".")
        assert group.isidentifier()
        assert verb.isidentifier()
        capitals = [key for key in action.keys if len(key) == 1 and key.isupper()]
        assert not capitals or action.effect is Effect.WRITE or action.id == "list.bottom"


async def test_the_charts_follow_the_cursor_when_it_rests_and_not_at_every_row() -> None:
    async with standing(samples.console(samples.many()), (160, 45)) as stand:
        await stand.until_shown("svc-000 · last hour")
        await stand.pilot.press(*"jjj")
        await stand.until_shown("svc-003 · last hour")
        assert chosen(stand) == "svc-003"
