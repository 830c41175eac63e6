"""Modals and Home tabs, from a trigger to a submission."""

from __future__ import annotations

from typing import Any

from slack_world import (
    ASKING,
    Heard,
    World,
    bolt,
    modal,
    opened,
    plain,
    play,
    section,
    text_input,
)


def test_triggers_are_short_lived():
    """A trigger opens one modal within three seconds."""
    clock = [1_800_000_000.0]
    heard = Heard()

    async def scene(here: World) -> None:
        async with bolt(here, heard):
            await here.slack.command("oncall", "ops", "/failover x")
            trigger = heard.last["trigger_id"]
            await here.client().views_open(trigger_id=trigger, view=modal(text_input()))
            body = {"trigger_id": trigger, "view": modal(text_input())}
            assert (await here.refusal("views.open", body))["error"] == "exchanged_trigger_id"
            await here.slack.command("oncall", "ops", "/failover x")
            clock[0] += 3.1
            body["trigger_id"] = heard.last["trigger_id"]
            assert (await here.refusal("views.open", body))["error"] == "expired_trigger_id"

    play(scene, now=lambda: clock[0])


def test_modal_is_filled_in_and_sent():
    """A required input stops in the client; filled in, its values arrive and the modal closes."""
    heard = Heard()
    regions = [{"text": plain(name), "value": name} for name in ("us-east-1", "us-west-2")]
    pick = {
        "type": "input",
        "block_id": "where",
        "label": plain("Region"),
        "element": {"type": "static_select", "action_id": "region", "options": regions},
    }

    async def scene(here: World) -> None:
        async with bolt(here, heard):
            view_id = await opened(here, heard, modal(text_input(), pick, callback_id="reason"))
            before = len(heard.bodies)
            stopped = await here.slack.submit("oncall", view_id, {"region": "us-west-2"})
            assert (stopped["ok"], list(stopped["errors"])) == (False, ["reason"])
            wrong = await here.slack.submit("oncall", view_id, {"region": "mars"})
            assert wrong["error"] == "no_such_option"
            unknown = await here.slack.submit("oncall", view_id, {"colour": "red"})
            assert unknown["error"] == "no_such_input"
            assert len(heard.bodies) == before
            sent = await here.slack.submit("oncall", view_id, {"reason": {"text": "dark"}})
            assert (sent["ok"], sent["response_action"]) == (True, "close")
            values = heard.last["view"]["state"]["values"]
            assert values["reason"]["text"]["value"] == "dark"
            assert values["where"]["region"]["selected_option"]["value"] == "us-west-2"
            assert here.slack.views("oncall") == []
            assert (await here.slack.submit("oncall", view_id, {}))["error"] == "no_such_view"

    play(scene)


def modal_answer(**answers: Any) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """What a submission came to, and the modals open afterwards, when the app acknowledges like this."""
    heard = Heard(**answers)
    result: list[Any] = []

    async def scene(here: World) -> None:
        async with bolt(here, heard):
            view_id = await opened(here, heard, ASKING)
            result.append(await here.slack.submit("oncall", view_id, {"text": "dark"}))
            result.append(here.slack.views("oncall"))

    play(scene)
    return result[0], result[1]


def test_modal_errors():
    """`errors` keep the modal open with its texts; for a block that does not exist they are a bad answer."""
    answer, [view] = modal_answer(response_action="errors", errors={"reason": "Too short"})
    assert (answer["ok"], answer["errors"]) == (False, {"reason": "Too short"})
    assert view["errors"] == {"reason": "Too short"}
    answer, [view] = modal_answer(response_action="errors", errors={"other": "Too short"})
    assert (answer["ok"], answer["error"]) == (False, "invalid_acknowledgement")
    assert view["notice"] == "We had some trouble connecting. Try again?"


def test_modal_update_push_clear():
    """A submission may show another view, put one on top, or close all of them."""
    answer, [view] = modal_answer(response_action="update", view=modal(section("Thanks")))
    assert (answer["response_action"], view["blocks"][0]["text"]["text"]) == ("update", "Thanks")
    answer, [below, above] = modal_answer(response_action="push", view=modal(section("More")))
    assert (answer["ok"], above["previous_view_id"], above["root_view_id"]) == (
        True,
        below["id"],
        below["id"],
    )
    answer, views = modal_answer(response_action="clear")
    assert (answer["response_action"], views) == ("clear", [])


def test_closing_tells_the_app():
    """Closing a modal is told to an app that asked for it."""
    heard = Heard()

    async def scene(here: World) -> None:
        async with bolt(here, heard):
            view_id = await opened(here, heard, {**ASKING, "notify_on_close": True})
            assert (await here.slack.close_view("oncall", view_id))["ok"]
            assert (heard.last["type"], heard.last["is_cleared"]) == ("view_closed", False)
            assert "trigger_id" not in heard.last
            assert here.slack.views("oncall") == []

    play(scene)


def test_views_update_with_hash():
    """An update with an old hash is refused, so that two writers notice each other."""
    heard = Heard()

    async def scene(here: World) -> None:
        async with bolt(here, heard):
            view_id = await opened(here, heard, ASKING)
            old = here.slack.views("oncall")[0]["hash"]
            await here.client().views_update(view_id=view_id, hash=old, view=modal(section("New")))
            body = {"view_id": view_id, "hash": old, "view": modal(section("Newer"))}
            assert (await here.refusal("views.update", body))["error"] == "hash_conflict"
            body = {"view_id": "V404", "view": modal()}
            assert (await here.refusal("views.update", body))["error"] == "not_found"

    play(scene)


def test_home_tab():
    """Opening the Home tab is told to the app; what it publishes is that person's, buttons included."""
    heard = Heard()

    async def scene(here: World) -> None:
        async with bolt(here, heard):
            assert (await here.slack.open_home("lead"))["ok"]
            assert here.slack.home("lead")["blocks"][0]["text"]["text"] == "Runs"
            assert here.slack.home("oncall") is None
            assert (await here.slack.click("lead", "", "home", "approve"))["ok"]
            assert heard.last["container"]["type"] == "view"
            assert not {"channel", "message", "response_url"} & set(heard.last)
            view_id = here.slack.home("lead")["id"]
            assert (await here.slack.click("oncall", "", view_id, "approve"))["error"] == "no_such_view"
            assert (await here.slack.open_home("external"))["error"] == "no_such_app"

    play(scene)
