from __future__ import annotations

from collections.abc import Callable

import pytest
from page_workspace import Workspace
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser

Enter = Callable[[str], Page]
OPS = "C0000000OPS"


def ask(page: Page) -> None:
    """Types a command to its end, as far as the menu lets it."""
    box = page.get_by_label("Message", exact=True)
    box.press_sequentially("/failo")
    box.press("Tab")
    box.press_sequentially("us-west-2")
    box.press("Enter")


def test_a_command_is_completed_by_keyboard_and_its_thread_opens(enter: Enter) -> None:
    """A few letters, Tab, arguments, Enter: the card stands in the channel, its thread in the right pane."""
    page = enter("oncall")

    ask(page)

    expect(page.locator("#channel .card .header")).to_have_text("Failover to us-west-2")
    expect(page.locator("#thread .card .header")).to_have_text("Failover to us-west-2")
    expect(page.locator("#thread")).to_contain_text("@leads decide")
    expect(page.locator("#channel .replies")).to_contain_text("1 reply")


def test_a_button_with_a_question_acts_only_on_yes_and_everybody_sees_what_came_of_it(enter: Enter) -> None:
    """Esc leaves the change alone; yes decides it, in every open tab and without reloading."""
    oncall, lead = enter("oncall"), enter("lead")
    ask(oncall)
    approve = lead.locator("#channel").get_by_role("button", name="Approve")

    approve.click()
    expect(lead.locator("#confirm")).to_contain_text("Production moves to us-west-2.")
    lead.keyboard.press("Escape")
    expect(lead.locator("#channel .card")).to_contain_text("State: waiting")
    approve.click()
    lead.get_by_role("button", name="Yes, approve").click()

    expect(oncall.locator("#channel .card")).to_contain_text("approved by @lead")
    expect(oncall.locator("#thread .card")).to_contain_text("approved by @lead")
    expect(oncall.get_by_role("button", name="Approve")).to_have_count(0)


def test_a_modal_keeps_what_is_typed_names_what_is_wrong_and_closes_when_it_is_right(enter: Enter) -> None:
    """Required fields stop here, the app's errors stand at their field, an update loses nothing."""
    page = enter("oncall")
    ask(page)
    page.locator("#channel").get_by_role("button", name="Show plan").click()
    modal = page.locator("#view")
    expect(modal).to_contain_text("step one")

    modal.get_by_role("button", name="Save").click()
    expect(modal.locator(".error:visible")).to_have_text("Please fill this in.")
    modal.get_by_label("Reason").fill("rehearsal")
    modal.get_by_role("button", name="Refresh").click()
    expect(modal).to_contain_text("step two")
    expect(modal.get_by_label("Reason")).to_have_value("rehearsal")
    modal.get_by_role("button", name="Save").click()
    expect(modal.locator(".error:visible")).to_have_text("More than one word, please.")
    modal.get_by_label("Reason").fill("a rehearsal")
    modal.get_by_label("us-west-2").check()
    modal.get_by_label("Reason").press("Enter")

    expect(modal).to_be_hidden()
    expect(page.locator("#channel")).to_contain_text("a rehearsal in us-west-2")


def test_esc_closes_a_modal_and_then_the_thread(enter: Enter) -> None:
    """One Esc, one layer; a thread that the reader closed stays closed."""
    page = enter("oncall")
    ask(page)
    page.locator("#channel").get_by_role("button", name="Show plan").click()
    expect(page.locator("#view")).to_be_visible()

    page.keyboard.press("Escape")
    expect(page.locator("#view")).to_be_hidden()
    expect(page.locator("#thread .card")).to_be_visible()
    page.keyboard.press("Escape")

    expect(page.locator("#thread .card")).to_have_count(0)


def test_an_ephemeral_is_marked_and_nobody_else_sees_it(enter: Enter) -> None:
    """A refusal is the asker's own."""
    guest, lead = enter("guest"), enter("lead")

    ask(guest)

    refusal = guest.locator("#channel .ephemeral")
    expect(refusal).to_contain_text("Only visible to you")
    expect(refusal).to_contain_text("Guests may not ask.")
    expect(lead.locator("#channel")).not_to_contain_text("Guests may not ask.")


def test_markup_in_messages_stays_text(enter: Enter, workspace: Workspace) -> None:
    """Whatever a message holds, the page runs none of it and follows no strange link."""
    page = enter("oncall")
    hostile = "<javascript:alert(1)|press> *bold* `<b>` <img src=x onerror=alert(2)>"
    section = {"type": "section", "text": {"type": "mrkdwn", "text": hostile}}

    workspace.post("chat.postMessage", channel=OPS, text=hostile, blocks=[section])

    said = page.locator("#channel .card")
    expect(said).to_contain_text("press bold <b>")
    expect(said.locator("strong")).to_have_text("bold")
    assert said.locator("a, img, script").count() == 0


def test_what_cannot_be_drawn_is_named(enter: Enter, workspace: Workspace) -> None:
    """Nothing of a message is left out in silence."""
    page = enter("oncall")
    video = {
        "type": "video",
        "alt_text": "film",
        "title": {"type": "plain_text", "text": "Film"},
        "thumbnail_url": "https://example.test/a.png",
        "video_url": "https://example.test/a.mp4",
    }

    workspace.post("chat.postMessage", channel=OPS, text="film", blocks=[video])

    expect(page.locator("#channel .undrawn")).to_have_text("[not drawn: video]")


def test_news_takes_neither_the_place_nor_the_words_of_a_reader(enter: Enter, workspace: Workspace) -> None:
    """Who reads further up stays there and is offered the way down; who types goes on typing."""
    page = enter("oncall")
    for number in range(8):
        workspace.post("chat.postMessage", channel=OPS, text=f"message {number}\n" + "line\n" * 8)
    expect(page.locator("#channel .message")).to_have_count(8)
    page.get_by_label("Message", exact=True).fill("half a sent")
    box = page.locator("#channel-scroll")
    box.evaluate("node => { node.scrollTop = 40 }")
    expect(page.locator("#channel-latest")).to_be_hidden()

    workspace.post("chat.postMessage", channel=OPS, text="the ninth")

    expect(page.locator("#channel .message")).to_have_count(9)
    expect(page.locator("#channel-latest")).to_be_visible()
    assert box.evaluate("node => node.scrollTop") == 40
    expect(page.get_by_label("Message", exact=True)).to_have_value("half a sent")
    page.locator("#channel-latest").click()
    expect(page.get_by_text("the ninth")).to_be_in_viewport()


def test_a_bot_that_is_away_is_marked_and_commands_fail(enter: Enter, workspace: Workspace) -> None:
    """The mark comes and goes with the bot's connection."""
    page = enter("oncall")
    expect(page.locator("#bot")).to_have_text("Bot connected")

    workspace.app_goes()

    expect(page.locator("#bot")).to_have_text("Bot away")
    expect(page.locator("#away")).to_be_visible()
    ask(page)
    expect(page.locator("#channel .ephemeral")).to_contain_text("/failover failed")
    workspace.app_comes()
    expect(page.locator("#bot")).to_have_text("Bot connected")


def test_ctrl_k_makes_another_persona_of_this_tab(enter: Enter) -> None:
    """A few letters and Enter; the address names who it is."""
    page = enter("oncall")

    page.keyboard.press("Control+k")
    page.keyboard.type("lead2")
    page.keyboard.press("Enter")

    expect(page.locator("#personas [aria-current]")).to_contain_text("@lead2")
    assert page.url.endswith("#lead2")


def test_the_app_home_shows_what_the_app_publishes(enter: Enter) -> None:
    """Opening the tab tells the app, whose answer is drawn."""
    page = enter("lead/home")

    expect(page.locator("#home")).to_contain_text("Welcome @lead")


def test_without_a_console_the_strip_below_is_not_shown(enter: Enter) -> None:
    """The page works with the Slack simulator alone."""
    page = enter("oncall")

    expect(page.locator("#world")).to_be_hidden()
