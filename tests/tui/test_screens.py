"""What stands on the screens."""

from __future__ import annotations

import itertools
import re

import pytest
import samples
from rich.cells import cell_len
from standing import standing

from brconsole.tui.paint import width_of
from brconsole.tui.panels import queues
from brconsole.tui.state import FleetModel

SIZES = ((60, 16), (76, 20), (80, 24), (100, 30), (118, 36), (120, 40), (160, 45), (200, 60))
STATES = ("healthy", "canary", "drift", "stale", "partial", "offline", "never", "loading", "empty", "hostile", "many")


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
async def test_every_line_fills_the_screen_exactly_and_the_frame_is_closed(size: tuple[int, int]) -> None:
    width, height = size
    async with standing(samples.console(), size) as stand:
        for state in STATES:
            stand.app.models["prod"].observe(getattr(samples, state)())
            stand.app.repaint()
            lines = stand.lines()
            assert len(lines) == height
            assert {cell_len(line) for line in lines} == {width}, state
            assert lines[2][0] == "┏", state
            assert lines[2].rstrip()[-1] == "┓", state
            assert lines[-2][0] == "┗", state
            for line in lines[3:-2]:
                assert line[0] in "┃┠", (state, line)


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
async def test_the_environment_its_worst_state_and_the_way_out_are_shown_at_every_size(size: tuple[int, int]) -> None:
    async with standing(samples.console(samples.canary()), size) as stand:
        await stand.until_shown("DEGRADED")
        lines = stand.lines()
        assert "▌prod▐" in lines[0]
        assert "DEGRADED" in lines[0]
        assert "SIM" in lines[0]
        assert "queue depth" in lines[1]
        for hint in ("? keys", "esc back", "q quit"):
            assert hint in lines[-1]


async def test_80x24_shows_services_budget_alerts_queues_spend_and_changes() -> None:
    async with standing(samples.console(samples.canary()), (80, 24)) as stand:
        await stand.until_shown("DEGRADED")
        text = stand.text()
        for needed in (
            "95│5",
            "447",
            "0.09 %",
            "194 ms",
            "2.2×",
            "worker-extract",
            "41 %",
            "firing queue depth",
            "8,300",
            "3m12s",
            "$4,212 of $10,000",
            "forecast $5,493",
            "day 23 of 30",
            "00042-def 0 → 5 %",
        ):
            assert needed in text, needed


async def test_panels_stand_where_they_stood_whatever_they_show() -> None:
    async with standing(samples.console(samples.loading()), (160, 45)) as stand:
        names = ("Error budget", "Alerts", "Sources", "Queues", "Spend", "Changes")

        def places() -> list[tuple[int, int]]:
            lines = stand.lines()
            found = {
                name: [(y, line.index(f" {name}")) for y, line in enumerate(lines) if re.search(f"[─━] {name}", line)]
                for name in names
            }
            assert all(len(places) == 1 for places in found.values()), found
            return [places[0] for places in found.values()]

        before = places()
        for state in STATES:
            stand.app.models["prod"].observe(getattr(samples, state)())
            stand.app.repaint()
            assert places() == before, state


async def test_loading_live_stale_partial_failed_and_offline_differ_by_glyph_and_word() -> None:
    wanted = {
        "loading": ("◌ loading", "◌ connecting"),
        "healthy": ("● live 12 s", "● 12 s"),
        "stale": ("◷ stale 20 min", "◷ stale · 20 min"),
        "partial": (
            "◐ 7 of 11 sources fail",
            "◐ partial · 12 s",
            "✖ failed · 4 min",
            "monitoring.timeSeries.list is missing",
        ),
        "offline": ("✖ offline 7 min", "✖ offline · 7 min", "connection refused", "8,300"),
    }
    async with standing(samples.console(), (160, 45)) as stand:
        for state, words in wanted.items():
            stand.app.models["prod"].observe(getattr(samples, state)())
            stand.app.repaint()
            text = stand.text()
            for word in words:
                assert word in text, (state, word)
            for other, foreign in wanted.items():
                if other != state:
                    assert foreign[0] not in text, (state, foreign[0])


async def test_the_last_good_value_of_a_failing_source_is_grey() -> None:
    async with standing(samples.console(samples.partial()), (160, 45)) as stand:
        await stand.until_shown("failed")
        board, palette = stand.app._host().board, stand.app.palette
        assert board is not None
        y = next(y for y, line in enumerate(stand.lines()) if "filling" in line)
        value = next(segment for segment in board.render_line(y) if "8,300" in segment.text)
        assert value.style is not None
        assert value.style.color == palette.style("grey").color


async def test_nothing_is_called_healthy_before_the_alerts_are_known() -> None:
    async with standing(samples.console(samples.healthy()), (120, 40)) as stand:
        await stand.until_shown("✔ healthy")
        from dataclasses import replace

        from brconsole.domain.freshness import Reading

        unread = replace(samples.healthy(), alerts=Reading(None, None, samples.MONITORING_403, samples.NOW))
        stand.app.models["prod"].observe(unread)
        stand.app.repaint()
        assert "✔ healthy" not in stand.text()
        assert "PARTLY KNOWN" in stand.lines()[0]


async def test_unknown_zero_and_does_not_apply_are_three_different_things() -> None:
    from dataclasses import replace

    from brconsole.domain.freshness import Reading

    base = samples.healthy()
    async with standing(samples.console(base), (160, 45)) as stand:
        await stand.until_shown("worker-cron")

        def cells(name: str) -> list[str]:
            return next(line for line in stand.lines() if f" {name} " in line and "▇" in line).split("100")[1].split()

        assert cells("worker-cron")[0] == "–"
        stand.app.models["prod"].observe(replace(base, requests=Reading({}, samples.MINUTE)))
        assert stand.app.models["prod"].row("api").rates.requests_per_s == 0  # type: ignore[union-attr]
        stand.app.repaint()
        assert cells("api")[0] == "0"
        stand.app.models["prod"].observe(replace(base, requests=Reading()))
        stand.app.repaint()
        assert cells("api")[0] == "?"


async def test_what_was_asked_for_and_what_serves_are_shown_where_they_differ() -> None:
    async with standing(samples.console(samples.drift()), (120, 40)) as stand:
        await stand.until_shown("50│50→100│0")
        await stand.press("enter")
        await stand.until_shown("api-00042-def HealthCheckContainerError")
        assert "drift: serving is not what was asked for" in stand.text()
        row = next(line for line in stand.lines() if "api-00042-def" in line and "50 %" in line)
        assert "50 %      0 %" in row


async def test_hostile_text_is_text_on_every_screen() -> None:
    fleet = samples.hostile()
    async with standing(samples.console(fleet, samples.hostile(samples.STAGING)), (120, 40)) as stand:
        await stand.until_shown("CRITICAL")
        for keys in (
            (),
            ("enter",),
            ("left_square_bracket",),
            ("escape",),
            ("0",),
            ("question_mark",),
            ("escape",),
            ("t",),
        ):
            await stand.press(*keys)
            text = stand.text()
            assert "\x1b" not in text
            assert "\x07" not in text
            assert "\u202e" not in text
            assert {cell_len(line) for line in stand.lines()} == {120}, keys
        assert "[bold red]x[/]" in stand.text() or bool(stand.app._overlays)


async def test_the_wall_shows_all_environments_worst_first_with_their_figures() -> None:
    for size in ((80, 24), (160, 45)):
        async with standing(samples.console(*samples.wall(), start=None), size) as stand:
            await stand.until_shown("✔ healthy")
            text = stand.text()
            places = [text.index(f" {name} ") for name in ("prod", "staging", "dev")]
            assert places == sorted(places)
            for needed in (
                "41 % left",
                "71 % left",
                "8,300",
                "42 %",
                "1 firing",
                "quiet",
                "5 min ago",
                "partial",
                "95│5",
                "2.2×",
            ):
                assert needed in text, (size, needed)


async def test_the_service_page_shows_revisions_tags_images_and_the_last_hour_by_revision() -> None:
    async with standing(samples.console(samples.watched()), (160, 45)) as stand:
        await stand.until_shown("api")
        await stand.press("enter")
        await stand.until_shown("Last hour by revision")
        text = stand.text()
        for needed in (
            "https://api-4821-uc.a.run.app",
            "DESIRED",
            "SERVING",
            "next",
            "prev",
            "0.87 %",
            "265 ms",
            "24 min",
            "● api-00041-abc",
            "◆ api-00042-def",
            "13:03",
            "14:03",
            "requests/s",
            "5xx",
            "p95",
            "burns slowly",
            "canary",
        ):
            assert needed in text, needed


async def test_two_hundred_services_scroll_under_the_cursor() -> None:
    async with standing(samples.console(samples.many()), (120, 40)) as stand:
        await stand.until_shown("Services · 200")
        await stand.press("G")
        assert any("svc-199" in line for line in stand.lines())
        await stand.press("g")
        assert any("svc-000" in line for line in stand.lines())


async def test_a_chart_shows_gaps_as_gaps_and_each_series_by_its_own_mark() -> None:
    from brconsole.tui import formats
    from brconsole.tui.charts import Curve, TimeAxis, chart

    stable = Curve([10.0] * 20 + [None] * 20 + [10.0] * 20, "stable", "●")
    canary = Curve([None] * 40 + [2.0] * 20, "canary", "◆")
    lines = [
        "".join(text for text, _ in line)
        for line in chart([stable, canary], 66, 9, TimeAxis(samples.NOW, 3600), formats.rate)
    ]
    plot = [line[3:] for line in lines[:-1]]
    for row in plot:
        assert row[24:38].strip() == ""
    assert "●" in "".join(plot)
    assert "◆" in "".join(plot)
    assert lines[0].startswith(" 10┤")
    assert "13:03" in lines[-1]
    assert "14:03" in lines[-1]


def test_the_layout_never_overlaps_and_leaves_no_hole() -> None:
    from brconsole.tui.layout import fleet_layout

    for width, height in itertools.product(range(40, 221, 7), range(10, 70, 3)):
        boxes = list(fleet_layout(width, height).values())
        covered = [[0] * width for _ in range(height)]
        for box in boxes:
            for y in range(box.y + 1, box.y + box.height - 1):
                for x in range(box.x + 1, box.x + box.width - 1):
                    covered[y][x] += 1
        assert max(max(row) for row in covered) <= 1, (width, height)
        for box in boxes:
            assert box.height >= 3, (width, height, box)
            assert box.width >= 20
            assert box.x + box.width <= width
            assert box.y + box.height <= height


async def test_an_alert_about_to_fire_is_said_where_all_else_is_well() -> None:
    from dataclasses import replace

    from brconsole.domain.alert import AlertReport, AlertState
    from brconsole.domain.freshness import Reading

    pending = AlertReport("queue depth", AlertState.PENDING, samples.NOW, 10_400, 10_000, "warning", "extract")
    fleet = replace(samples.healthy(), alerts=Reading((pending,), samples.MINUTE))
    async with standing(samples.console(fleet), (120, 40)) as stand:
        await stand.until_shown("✔ healthy")
        assert "◔ pending: queue depth extract" in stand.lines()[1]
        assert "⚠ worker-extract" in stand.text()


async def test_a_console_without_environments_says_so() -> None:
    from brconsole.tui.app import BrconsoleApp
    from brconsole.tui.console import Console

    app = BrconsoleApp(Console((), {}, None, "mono", (), {}, False, "read-only"))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("j", "enter", "1", "question_mark", "escape")
        board = app._host().board
        assert board is not None
        assert "No environment is configured." in board.render_line(2).text


@pytest.mark.parametrize("width", range(24, 70))
@pytest.mark.parametrize("height", [3, 12])
def test_no_line_of_a_queue_is_wider_than_its_panel(width: int, height: int) -> None:
    model = FleetModel(samples.PROD, 1)
    model.observe(samples.healthy())
    for line in queues.lines(model, width, height):
        assert width_of(line) <= width
