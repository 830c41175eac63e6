"""A person writes a message or opens the app's Home tab."""

from __future__ import annotations

import re
from typing import Any

from bot.sandbox.personas import BOT_USER, TEAM
from bot.sandbox.slack import payloads
from bot.sandbox.slack.desk import Desk, Impossible
from bot.sandbox.slack.members import BOT_NAME
from bot.sandbox.slack.message import Message

MENTION = f"<@{BOT_USER}>"
MENTIONS = re.compile(r"&lt;([@#][A-Z0-9]{9,}|!subteam\^[A-Z0-9]{9,})(\|[^&]*)?&gt;")
HOME_SECONDS = 1.0


async def say(desk: Desk, user: str, channel: str, text: str, thread_ts: str | None = None) -> dict[str, Any]:
    """Write a message. The bot hears of it only if mentioned, by `@signalbox` too, in a channel it is in."""
    persona = desk.who(user)
    room = desk.where(persona, channel)
    if thread_ts:
        parent = room.public(thread_ts)
        if parent is None or parent.is_reply:
            raise Impossible("no_such_thread")
    if not text.strip():
        raise Impossible("no_text")
    text = re.sub(rf"(?<![\w<])@{BOT_NAME}\b", MENTION, _escaped(text), flags=re.IGNORECASE)
    message = Message(desk.workspace.next_ts(room), room.id, persona.id, text, thread_ts=thread_ts)
    desk.workspace.add(message)
    answer: dict[str, Any] = {"ok": True, "ack_ms": 0.0, "ts": message.ts}
    if MENTION not in text or BOT_USER not in room.members:
        return answer
    event: dict[str, Any] = {
        "type": "app_mention",
        "user": persona.id,
        "team": persona.team,
        "text": text,
        "ts": message.ts,
        "channel": room.id,
        "event_ts": message.ts,
    }
    if thread_ts:
        event["thread_ts"] = thread_ts
    teams = {p.team for p in desk.workspace.personas.values() if p.id in room.members}
    payload = payloads.event(event, desk.workspace.now(), external=bool(teams - {TEAM}))
    ack = await desk.deliveries.event(payload)
    return {**answer, "ack_ms": round(ack.ms, 3), "delivered": ack.ok}


async def open_home(desk: Desk, user: str) -> dict[str, Any]:
    """Open the Home tab: the app is told and has a second to publish. An external member has no such tab."""
    persona = desk.who(user)
    if persona.team != TEAM:
        raise Impossible("no_such_app")
    event: dict[str, Any] = {
        "type": "app_home_opened",
        "user": persona.id,
        "channel": desk.workspace.direct(persona.id).id,
        "tab": "home",
        "event_ts": f"{desk.workspace.now():.6f}",
    }
    before = desk.views.homes.get(persona.id)
    old = before.hash if before else ""
    if before:
        event["view"] = before.as_slack()
    ack = await desk.deliveries.event(payloads.event(event, desk.workspace.now()))
    if not ack.ok:
        return {"ok": False, "ack_ms": round(ack.ms, 3), "error": ack.error}
    await desk.views.published(persona.id, old, HOME_SECONDS)
    return {"ok": True, "ack_ms": round(ack.ms, 3)}


def _escaped(text: str) -> str:
    """What Slack makes of typed text: only mentions that its client would have made stay entities."""
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return MENTIONS.sub(lambda match: f"<{match[1]}{match[2] or ''}>", text)
