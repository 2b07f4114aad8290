"""What a person orders from the keyboard: asked before it is sent, refused in words, never by accident."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import timedelta

import pytest
import samples
from acting import NEW, STABLE, FakeDesk, acting, card, done, entry, released, rollout, view
from standing import Stand, standing

from brconsole.domain.intent import Phase
from brconsole.domain.plan import Confirmation
from brconsole.operations.desk import RollBack, RollBackGroup, Seen, Shift, Stage
from brconsole.operations.gateway import Proposal
from brconsole.operations.outcome import OutcomeKind
from brconsole.operations.rollback import GroupOutcome
from brconsole.operations.rollouts import Promote, Start
from brconsole.tui import writes
from brconsole.tui.actions import ACTIONS, Effect
from brconsole.tui.screens import dialog
from brconsole.tui.screens.dialog import DialogScreen
from brconsole.tui.screens.split import SplitScreen

WRITES = [action for action in ACTIONS if action.effect is Effect.WRITE]


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A person who looks first: no key comes sooner than it may."""
    monkeypatch.setattr(dialog, "LOOK_FIRST_S", 0.0)
    monkeypatch.setattr(writes, "DEBOUNCE_S", 0.0)


def in_dialog(stand: Stand) -> DialogScreen:
    """The question in front."""
    front = stand.app.front
    assert isinstance(front, DialogScreen), stand.text()
    return front


# ------------------------------------------------------------------------------------------------------------ read-only


async def test_every_write_is_refused_with_words_where_read_only_was_asked_for() -> None:
    console, desk = acting(read_only=True)
    async with standing(console) as stand:
        await stand.until_shown("Services · 5")
        for view in ("fleet", "service", "release"):
            stand.app.go(view, "prod", None if view == "fleet" else "api")
            for action in WRITES:
                stand.app.clear_notifications()
                stand.app.act(action.id)
                await stand.pilot.pause()
                assert any("read-only" in message for message in stand.messages()), (action.id, view)
                assert not stand.app._overlays, (action.id, view)
        assert desk.asked == []
        assert desk.sent == []


async def test_no_action_that_counts_as_reading_orders_anything() -> None:
    fleet = released(rollout())
    console, desk = acting(fleet, read_only=True)
    desk.answer = desk.proposal
    async with standing(console) as stand:
        await stand.until_shown("Services · 5")
        for view in ("fleet", "release"):
            stand.app.go(view, "prod", None if view == "fleet" else "api")
            for action in stand.app.working():
                if action.effect is Effect.WRITE or action.id == "app.quit":
                    continue  # the writes have a test of their own
                stand.app.go(view, "prod", None if view == "fleet" else "api")
                stand.app.act(action.id)
                await stand.pilot.pause()
                if stand.app._overlays:  # whatever is asked now is agreed to
                    await stand.press("a", "y")
                while stand.app._overlays:
                    stand.app.close()
        assert (desk.asked, desk.sent, desk.driven) == ([], [], set())
        assert desk.driven == set()


async def test_a_prod_that_is_read_only_by_default_opens_the_cards_of_emergencies_and_nothing_else() -> None:
    console, desk = acting(released(rollout()))
    opened = []
    async with standing(console) as stand:
        await stand.until_shown("Services · 5")
        for action in WRITES:
            stand.app.act(action.id)
            if stand.app._overlays:
                opened.append(action.id)
                await stand.until(lambda: in_dialog(stand).made is not None)
                await stand.press("y")
                stand.app.close()
    assert opened == ["rollback.open", "release.abort", "rollback.group"]
    assert len(desk.asked) == 3
    assert desk.sent == []


async def test_a_console_without_a_desk_only_looks() -> None:
    async with standing(samples.console(samples.canary())) as stand:
        await stand.until_shown("Services · 5")
        assert "roll back" not in stand.lines()[-1]
        for action in WRITES:
            stand.app.clear_notifications()
            stand.app.act(action.id)
            await stand.pilot.pause()
            assert any("look only" in message for message in stand.messages()), action.id


async def test_a_refused_key_says_why() -> None:
    console, desk = acting()
    async with standing(console) as stand:
        await stand.until_shown("Services · 5")
        await stand.press("T")
        await stand.until(lambda: any(":write REASON allows writes" in message for message in stand.messages()))
        assert desk.asked == []


async def test_write_with_a_reason_opens_the_environment_for_a_while_and_read_only_ends_it() -> None:
    console, _ = acting()
    async with standing(console) as stand:
        await stand.until_shown("READ-ONLY")
        await stand.press("colon")
        await stand.type("write incident 42")
        await stand.press("enter")
        await stand.until_shown("WRITE 30 min")
        assert console.modes["prod"].state().why == "incident 42"
        await stand.press("colon")
        await stand.type("read-only")
        await stand.press("enter")
        await stand.until_shown("READ-ONLY")


async def test_write_without_a_reason_asks_for_one_and_forbidden_stays_forbidden() -> None:
    console, _ = acting(read_only=True)
    async with standing(console) as stand:
        await stand.until_shown("READ-ONLY")
        await stand.press("w")
        await stand.type("please")
        await stand.press("enter")
        await stand.until(lambda: any("stays read-only" in message for message in stand.messages()))
        assert "READ-ONLY" in stand.text()


# ------------------------------------------------------------------------------------------------------------- rollbac


async def test_in_a_read_only_prod_a_rollback_is_three_keys_and_two_are_not_enough() -> None:
    console, desk = acting(released(rollout()))
    desk.sights["api"] = Seen(card=card(), card_at=samples.NOW - timedelta(seconds=4))
    async with standing(console) as stand:
        await stand.until_shown("Services · 5")
        await stand.press("B")
        await stand.until_shown("a arms this one act")
        text = stand.text()
        assert f"target: {STABLE}, the recorded stable" in text
        assert "checked 4 s ago" in text
        assert "5 % of the requests move, about 1,200 a minute" in text
        assert "the next deploy gets 0 %" in text
        await stand.press("y")
        assert desk.sent == []
        assert any("a arms this one rollback" in message for message in stand.messages())
        await stand.press("a", "y")
        assert len(desk.sent) == 1
        assert desk.sent[0].confirmed.level is Confirmation.YES_NO
        assert console.modes["prod"].armed(desk.sent[0].made.plan)
        await stand.press("y", "y")
        assert len(desk.sent) == 1


async def test_keys_of_a_rollback_that_come_before_the_answer_count_if_the_target_is_the_one_in_sight() -> None:
    console, desk = acting(released(rollout()), answer=None)
    desk.sights["api"] = Seen(card=card(), card_at=samples.NOW)
    async with standing(console) as stand:
        await stand.until_shown("Services · 5")
        await stand.press("B", "a", "y")
        await stand.until_shown("asking Cloud Run")
        assert desk.sent == []
        desk.waiting[0](desk.rollback("api", "r"))
        await stand.until(lambda: len(desk.sent) == 1)


async def test_such_keys_do_not_count_if_the_target_turned_out_to_be_another_one() -> None:
    console, desk = acting(released(rollout()), answer=None)
    desk.sights["api"] = Seen(card=card(), card_at=samples.NOW)
    async with standing(console) as stand:
        await stand.until_shown("Services · 5")
        await stand.press("B", "a", "y")
        desk.waiting[0](desk.rollback("api", "r", NEW))
        await stand.until(lambda: any("nothing was sent" in message for message in stand.messages()))
        await stand.until_shown("a arms this one act")
        assert desk.sent == []


async def test_without_a_target_in_sight_nothing_is_sent_before_the_answer() -> None:
    console, desk = acting(released(rollout()), read_only=False, answer=None)
    async with standing(console) as stand:
        await stand.until_shown("Services · 5")
        await stand.press("B", "y")
        desk.waiting[0](desk.rollback("api", "r"))
        await stand.until_shown("y  roll back")
        assert desk.sent == []


async def test_rolled_back_is_said_when_it_serves_and_drained_when_the_others_had_no_request() -> None:
    console, desk = acting(released(rollout()), read_only=False)
    async with standing(console) as stand:
        await stand.until_shown("Services · 5")
        await stand.press("B")
        await stand.until_shown("y  roll back")
        await stand.press("y")
        sent = desk.sent[0]
        sent.told(Stage.ACCEPTED, f"api: rollback to {STABLE} accepted")
        sent.told(Stage.SENT, f"api: rollback to {STABLE} requested, still serving {NEW} 5 %")
        await stand.until_shown("still serving")
        assert "✔ accepted" in stand.text()
        assert "◌ serving" in stand.text()
        assert "rolled back" not in stand.text()
        sent.told(Stage.SERVING, f"api: rolled back: {STABLE} serves 100 %")
        sent.ended(done(f"api: rolled back: {STABLE} serves 100 %"))
        await stand.until_shown("✔ serving")
        assert "◌ drained" in stand.text()
        sent.told(Stage.DRAINED, f"rolled back: {STABLE} serves 100 %, the others are drained")
        await stand.until_shown("✔ drained")


async def test_the_whole_group_in_prod_needs_the_environments_name() -> None:
    console, desk = acting(read_only=False)
    async with standing(console) as stand:
        await stand.until_shown("Services · 5")
        await stand.press("E")
        await stand.until_shown("type prod and enter")
        assert isinstance(desk.asked[0], RollBackGroup)
        assert "frontend" in stand.text()
        await stand.press("y", "enter")
        assert desk.sent == []
        await stand.type("prof")
        await stand.press("enter")
        assert desk.sent == []
        await stand.type("prod")
        await stand.press("enter")
        assert [one.confirmed.typed for one in desk.sent] == ["prod"]
        desk.sent[0].ended(GroupOutcome((done(), done("frontend: stuck", OutcomeKind.FAILED))))
        await stand.until_shown("1 of 2 services rolled back")


async def test_where_there_is_no_target_a_digit_chooses_one_of_the_ready_revisions() -> None:
    from brconsole.domain.undo import NoTarget

    console, desk = acting(read_only=False)
    desk.answer = lambda order, reason: (
        desk.rollback("api", reason, order.to)
        if order.to
        else done("api: nothing to roll back to", OutcomeKind.REFUSED)
    )
    desk.sights["api"] = Seen(card=replace(card(), target=NoTarget("no history", (NEW, STABLE))))
    async with standing(console) as stand:
        await stand.until_shown("Services · 5")
        await stand.press("B")
        await stand.until_shown(f"1 roll back to {NEW}")
        await stand.press("2")
        await stand.until_shown("y  roll back")
        assert desk.asked[-1] == RollBack("api", STABLE)


# -------------------------------------------------------------------------------------------------------------- dialog


async def test_enter_alone_the_trigger_key_and_escape_never_confirm() -> None:
    console, desk = acting(released(rollout()), read_only=False)
    async with standing(console) as stand:
        await stand.until_shown("Services · 5")
        for keys in (("enter",), ("P", "escape"), ("n",), ("escape",)):
            await stand.press("P")
            await stand.until(lambda: in_dialog(stand).made is not None)
            assert "▸ [ n  Cancel ]" in stand.text()
            await stand.press(*keys)
            assert not stand.app._overlays, keys
        assert desk.sent == []
        await stand.press("P")
        await stand.until(lambda: in_dialog(stand).made is not None)
        await stand.press("y")
        assert [one.confirmed.level for one in desk.sent] == [Confirmation.DIALOG]


async def test_the_other_button_takes_a_key_to_reach_and_another_one_to_press() -> None:
    console, desk = acting(released(rollout()), read_only=False)
    async with standing(console) as stand:
        await stand.until_shown("Services · 5")
        await stand.press("H")
        await stand.until(lambda: in_dialog(stand).made is not None)
        await stand.press("tab", "enter")
        assert len(desk.sent) == 1


async def test_a_plan_that_was_not_looked_at_is_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dialog, "LOOK_FIRST_S", 60.0)
    console, desk = acting(released(rollout()), read_only=False)
    async with standing(console) as stand:
        await stand.until_shown("Services · 5")
        await stand.press("P")
        await stand.until(lambda: in_dialog(stand).made is not None)
        await stand.press("y")
        assert desk.sent == []
        assert any("look at the plan first" in message for message in stand.messages())


async def test_a_writing_key_that_bounces_orders_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writes, "DEBOUNCE_S", 60.0)
    console, desk = acting(released(rollout()), read_only=False)
    async with standing(console) as stand:
        await stand.until_shown("Services · 5")
        await stand.press("H", "escape", "H")
        assert len(desk.asked) == 1
        assert not stand.app._overlays


async def test_a_key_is_answered_while_the_desk_still_asks() -> None:
    console, desk = acting(released(rollout()), read_only=False, answer=None)
    async with standing(console) as stand:
        await stand.until_shown("Services · 5")
        await stand.press("P")
        assert "asking Cloud Run for the service as it is now" in stand.text()
        await stand.press("y")
        assert desk.sent == []
        await stand.press("escape")
        assert not stand.app._overlays


async def test_what_the_world_did_meanwhile_is_told_and_nothing_is_called_done() -> None:
    console, desk = acting(read_only=False)
    async with standing(console) as stand:
        await stand.until_shown("Services · 5")
        await stand.press("u")
        await stand.until(lambda: in_dialog(stand).made is not None)
        await stand.press("y")
        desk.sent[0].ended(done("api: traffic changed by ana; look again", OutcomeKind.CONFLICT))
        await stand.until_shown("✖ conflict: api: traffic changed by ana; look again")
        assert "✔ serving" not in stand.text()


async def test_a_write_goes_on_when_its_view_is_left_and_its_end_is_told() -> None:
    console, desk = acting(read_only=False)
    async with standing(console) as stand:
        await stand.until_shown("Services · 5")
        await stand.press("B")
        await stand.until(lambda: in_dialog(stand).made is not None)
        await stand.press("y", "escape", "q")
        assert any("a write to api is under way" in message for message in stand.messages())
        assert stand.app.is_running
        desk.sent[0].ended(done("api: rolled back"))
        await stand.until(lambda: "api: rolled back" in stand.messages())
        await stand.press("q")
        await stand.until(lambda: not stand.app.is_running)


async def test_a_promotion_shows_its_gates_and_is_made_anew_before_they_go_out_of_date() -> None:
    state = rollout()
    fleet = released(state)
    console, desk = acting(fleet, read_only=False)
    desk.sights["api"] = Seen(view=view(state, fleet))
    soon = samples.NOW + timedelta(seconds=30)
    desk.answer = lambda order, reason: replace(desk.proposal(order, reason), fresh_until=soon)
    async with standing(console, (120, 45)) as stand:
        await stand.until_shown("Services · 5")
        await stand.press("P")
        await stand.until_shown("promote to 50 %")
        assert desk.asked[0] == Promote("api", 50)
        assert "✔ pass errors" in stand.text()
        assert "✖ fail budget" in stand.text()
        in_dialog(stand).tick()
        await stand.until(lambda: len(desk.asked) == 2)
        assert in_dialog(stand).made is not None
        moved = replace(desk.service(), generation=99)
        desk.fleet = replace(fleet, services=replace(fleet.services, value=(moved,)))
        in_dialog(stand).tick()
        await stand.until(lambda: any("the world changed" in message for message in stand.messages()))


async def test_going_on_without_evidence_is_another_order_under_another_name() -> None:
    console, desk = acting(released(rollout(holds=3)), read_only=False)
    async with standing(console) as stand:
        await stand.until_shown("Services · 5")
        await stand.press("F")
        await stand.until_shown("WITHOUT EVIDENCE")
        order = desk.asked[0]
        assert isinstance(order, Promote)
        assert order.without_evidence


async def test_a_refusal_lists_what_stands_against_it() -> None:
    console, desk = acting(released(rollout()), read_only=False)
    refusal = done(
        "api: the gates do not pass", OutcomeKind.GATE_HOLD, blocked_by=("dwell: 8:48 left", "errors: n = 4")
    )
    desk.answer = lambda order, reason: refusal
    async with standing(console) as stand:
        await stand.until_shown("Services · 5")
        await stand.press("P")
        await stand.until_shown("the gates do not pass")
        assert "dwell: 8:48 left" in stand.text()
        assert "nothing was written" in stand.text()
        await stand.press("y")
        assert desk.sent == []


async def test_a_start_steps_by_hand_unless_told_otherwise_and_takes_the_wheel() -> None:
    console, desk = acting(samples.healthy(), read_only=False)
    async with standing(console) as stand:
        await stand.until_shown("Services · 5")
        desk.answer = lambda order, reason: Proposal(desk.plan("api", {STABLE: 100}, reason, "release.start"))
        await stand.press("S")
        await stand.until_shown("step it by hand")
        await stand.press("m")
        await stand.until_shown("let it step by itself")
        assert desk.asked == [Start("api", manual=True), Start("api", manual=False)]
        await stand.press("y")
        assert desk.driven == set()
        desk.sent[0].ended(done())
        await stand.until(lambda: desk.driven == {"api"})


async def test_the_wheel_is_a_standing_order_that_is_asked_for_and_can_be_let_go() -> None:
    console, desk = acting(released(rollout(manual=False)), read_only=False)
    async with standing(console) as stand:
        await stand.until_shown("Services · 5")
        await stand.press("W")
        await stand.until_shown("Take the wheel of api")
        await stand.press("enter")
        assert desk.driven == set()
        await stand.press("W", "y")
        assert desk.driven == {"api"}
        await stand.press("W")
        assert desk.driven == set()


@pytest.mark.parametrize("key", ["q", "ctrl+c"])
async def test_quitting_with_the_wheel_of_a_rollout_asks_and_says_who_goes_on(key: str) -> None:
    state = rollout(manual=False)
    fleet = released(state)
    console, desk = acting(fleet, read_only=False)
    desk.sights["api"] = Seen(view=view(state, fleet))
    async with standing(console) as stand:
        await stand.until_shown("Services · 5")
        await stand.press("W", "y")
        assert desk.driven == {"api"}
        await stand.press(key)
        assert stand.app.is_running
        (said,) = [message for message in stand.messages() if "drives api in prod" in message]
        assert "an agent goes on 90 s later" in said
        assert "overdue at" in said
        await stand.press(key)
        await stand.until(lambda: not stand.app.is_running)


async def test_a_reason_that_is_given_with_the_command_stands_in_the_plan() -> None:
    console, desk = acting(read_only=False)
    async with standing(console) as stand:
        await stand.until_shown("Services · 5")
        await stand.press("colon")
        await stand.type("rollback errors since 14:00")
        await stand.press("enter")
        await stand.until_shown("why: errors since 14:00")
        assert desk.reasons == ["errors since 14:00"]


# --------------------------------------------------------------------------------------------------------- traffic edi


def editor(stand: Stand) -> SplitScreen:
    """The editor in front."""
    front = stand.app.front
    assert isinstance(front, SplitScreen), stand.text()
    return front


async def test_whatever_is_typed_the_percents_sum_to_one_hundred() -> None:
    console, _ = acting(read_only=False)
    keys = (
        "left",
        "right",
        "plus",
        "minus",
        "shift+left",
        "shift+right",
        "up",
        "down",
        "space",
        "backspace",
        *"0123456789",
    )
    draw = random.Random(5)
    async with standing(console) as stand:
        await stand.until_shown("Services · 5")
        await stand.press("T")
        for _ in range(150):
            await stand.pilot.press(draw.choice(keys))
            shares = editor(stand).shares
            assert sum(shares.values()) == 100, shares
            assert all(0 <= share <= 100 for share in shares.values()), shares


async def test_the_editor_says_what_moves_and_the_command_and_hands_over_the_split() -> None:
    console, desk = acting(read_only=False)
    async with standing(console, (120, 40)) as stand:
        await stand.until_shown("Services · 5")
        await stand.press("T")
        assert editor(stand).chosen == NEW
        await stand.press("2", "5")
        text = stand.text()
        assert "20 % of the requests move" in text
        assert f"--to-revisions={STABLE}=75,{NEW}=25" in text
        assert "takes the rest" in text
        await stand.press("c")
        assert any("gcloud run services update-traffic api" in message for message in stand.messages())
        await stand.press("enter")
        await stand.until_shown("y  shift")
        assert desk.asked == [Shift("api", {STABLE: 75, NEW: 25})]


async def test_the_rest_flows_to_the_revision_that_is_chosen_for_it() -> None:
    console, _ = acting(read_only=False)
    async with standing(console) as stand:
        await stand.until_shown("Services · 5")
        await stand.press("T", "space", "up", "9", "0")
        assert {name: share for name, share in editor(stand).shares.items() if share} == {STABLE: 90, NEW: 10}
        assert editor(stand).rest == NEW


async def test_the_editor_does_not_open_during_a_rollout_that_is_not_held() -> None:
    console, _ = acting(released(rollout()), read_only=False)
    async with standing(console) as stand:
        await stand.until_shown("Services · 5")
        await stand.press("T")
        assert not stand.app._overlays
        assert any("H holds it" in message for message in stand.messages())
    console, _ = acting(released(rollout(Phase.HOLDING, held=Phase.OBSERVING)), read_only=False)
    async with standing(console) as stand:
        await stand.until_shown("Services · 5")
        await stand.press("T")
        assert isinstance(stand.app.front, SplitScreen)


# -------------------------------------------------------------------------------------------------------------- journa


async def test_the_journal_is_a_time_line_of_intents_and_outcomes() -> None:
    console, desk = acting()
    desk.entries = (
        entry(
            "intent",
            samples.NOW - timedelta(minutes=3),
            service="api",
            action="traffic.shift",
            why="a test",
            who="ana@example.com",
            before={"split": {STABLE: 100}},
            after={"split": {STABLE: 95, NEW: 5}},
        ),
        entry(
            "outcome", samples.NOW - timedelta(minutes=2), service="api", result="done", what="api: shifted", who="ana"
        ),
        entry("outcome", samples.NOW, service="api", result="conflict", what=samples.HOSTILE, who="ana"),
    )
    async with standing(console, (120, 30)) as stand:
        await stand.until_shown("Services · 5")
        await stand.press("colon")
        await stand.type("journal")
        await stand.press("enter")
        await stand.until_shown("traffic.shift")
        text = stand.text()
        assert "(a test)" in text
        assert "✔ done" in text
        assert "✖ conflict" in text
        assert "\x1b" not in text
        await stand.press("escape")
        assert not stand.app._overlays


async def test_what_a_desk_has_to_say_is_shown() -> None:
    console, desk = acting()
    async with standing(console) as stand:
        await stand.until_shown("Services · 5")
        desk.looked[0]("api: a write was interrupted; it was taken")
        await stand.until(lambda: any("it was taken" in message for message in stand.messages()))


def test_the_fake_desk_is_a_desk() -> None:
    from brconsole.operations.desk import Desk

    desk: Desk = FakeDesk(samples.PROD, samples.canary())
    assert desk.environment is samples.PROD
