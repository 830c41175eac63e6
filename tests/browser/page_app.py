"""A small app for the page's tests: one command, one card, one modal, one Home."""

from __future__ import annotations

from typing import Any

from slack_bolt.app.async_app import AsyncApp


def text(said: str, kind: str = "mrkdwn") -> dict[str, str]:
    return {"type": kind, "text": said}


def plain(said: str) -> dict[str, str]:
    return text(said, "plain_text")


def button(label: str, action: str, **more: Any) -> dict[str, Any]:
    return {"type": "button", "text": plain(label), "action_id": action, **more}


def card(state: str) -> list[dict[str, Any]]:
    """A change that waits for its decision."""
    confirm = {
        "title": plain("Approve it?"),
        "text": text("Production moves to *us-west-2*."),
        "confirm": plain("Yes, approve"),
        "deny": plain("Go back"),
    }
    return [
        {"type": "header", "text": plain("Failover to us-west-2")},
        {
            "type": "section",
            "text": text(f"State: *{state}*"),
            "fields": [text("*RTO*\n15 min"), text("*RPO*\n1 s")],
        },
        {
            "type": "actions",
            "block_id": "decide",
            "elements": [
                button("Approve", "approve", style="primary", confirm=confirm),
                button("Show plan", "show_plan"),
            ],
        },
    ]


def form(step: str) -> dict[str, Any]:
    """A modal with a required and an optional input."""
    return {
        "type": "modal",
        "callback_id": "reason",
        "title": plain("Plan"),
        "submit": plain("Save"),
        "blocks": [
            {"type": "section", "text": text(f"step {step}")},
            {"type": "actions", "elements": [button("Refresh", "refresh")]},
            {
                "type": "input",
                "block_id": "why",
                "label": plain("Reason"),
                "element": {"type": "plain_text_input", "action_id": "given"},
            },
            {
                "type": "input",
                "block_id": "where",
                "optional": True,
                "label": plain("Region"),
                "element": {
                    "type": "radio_buttons",
                    "action_id": "given",
                    "options": [
                        {"text": plain("us-east-1"), "value": "us-east-1"},
                        {"text": plain("us-west-2"), "value": "us-west-2"},
                    ],
                },
            },
        ],
    }


def listen(app: AsyncApp) -> None:
    """Registers everything the tests drive."""

    @app.command("/failover")
    async def failover(ack: Any, body: dict[str, Any], client: Any) -> None:
        await ack()
        if body["user_name"] == "guest":
            said = ":no_entry: Guests may not ask."
            await client.chat_postEphemeral(channel=body["channel_id"], user=body["user_id"], text=said)
            return
        channel = body["channel_id"]
        posted = await client.chat_postMessage(channel=channel, text="Failover", blocks=card("waiting"))
        decide = "<!subteam^S00000LEADS> decide"
        await client.chat_postMessage(channel=channel, thread_ts=posted["ts"], text=decide)

    @app.action("approve")
    async def approve(ack: Any, body: dict[str, Any], client: Any) -> None:
        await ack()
        channel, ts = body["channel"]["id"], body["message"]["ts"]
        blocks = card(f"approved by <@{body['user']['id']}>")[:2]
        await client.chat_update(channel=channel, ts=ts, text="Approved", blocks=blocks)

    @app.action("show_plan")
    async def show(ack: Any, body: dict[str, Any], client: Any) -> None:
        await ack()
        await client.views_open(trigger_id=body["trigger_id"], view=form("one"))

    @app.action("refresh")
    async def refresh(ack: Any, body: dict[str, Any], client: Any) -> None:
        await ack()
        await client.views_update(view_id=body["view"]["id"], view=form("two"))

    @app.view("reason")
    async def save(ack: Any, view: dict[str, Any], body: dict[str, Any], client: Any) -> None:
        values = view["state"]["values"]
        why = values["why"]["given"]["value"]
        if " " not in why:
            await ack(response_action="errors", errors={"why": "More than one word, please."})
            return
        await ack()
        where = values["where"]["given"]["selected_option"]["value"]
        await client.chat_postMessage(channel="C0000000OPS", text=f"{why} in {where}")

    @app.event("app_home_opened")
    async def home(event: dict[str, Any], client: Any) -> None:
        blocks = [{"type": "section", "text": text(f"Welcome <@{event['user']}>")}]
        await client.views_publish(user_id=event["user"], view={"type": "home", "blocks": blocks})

    @app.event("message")
    async def heard() -> None:
        return None
