"""A person types a slash command."""

from __future__ import annotations

from typing import Any

from bot.sandbox.personas import TEAM
from bot.sandbox.slack import payloads
from bot.sandbox.slack.desk import Desk
from bot.sandbox.slack.errors import Refusal

NO_RESPONSE = "`{}` failed because the app did not respond. Please try again or contact the app developer."
NOT_IN_THREADS = "{} is not supported in threads. Sorry!"
UNKNOWN = (
    "{} is not a valid command. In Slack, all messages that start with the “/” character are interpreted as "
    "commands. If you are trying to send a message and not run a command, try preceding the “/” with an "
    "empty space."
)


async def run(desk: Desk, user: str, channel: str, text: str, thread_ts: str | None = None) -> dict[str, Any]:
    """Send a command and wait for its acknowledgement, at most three real seconds.

    A command in a thread, an unregistered one, and one of an external member never reach the app: Slack
    answers by itself. What failed is told by Slackbot, privately.
    """
    persona = desk.who(user)
    room = desk.where(persona, channel)
    command, _, rest = text.strip().partition(" ")
    if thread_ts:
        return _refused(desk, room.id, persona.id, NOT_IN_THREADS.format(command), "in_thread", thread_ts)
    if command not in desk.commands or persona.team != TEAM:
        return _refused(desk, room.id, persona.id, UNKNOWN.format(command), "unknown_command", None)
    payload = payloads.slash_command(
        persona,
        room,
        command,
        rest.strip(),
        response_url=desk.responses.new(room, persona.id),
        trigger_id=desk.triggers.new(persona.id),
    )
    ack = await desk.deliveries.interact("slash_commands", payload)
    error = ack.error
    body = {"text": ack.payload} if isinstance(ack.payload, str) and ack.payload else ack.payload
    if error is None and body:
        try:
            if not isinstance(body, dict):
                raise Refusal("invalid_payload")
            desk.responses.show(room, persona.id, body)
        except Refusal:
            error = "invalid_command_response"
    if error is not None:
        line = NO_RESPONSE.format(command)
        desk.slackbot(room, persona.id, line)
        return {"ok": False, "ack_ms": round(ack.ms, 3), "response": line, "error": error}
    return {"ok": True, "ack_ms": round(ack.ms, 3), "response": _plain(body)}


def _plain(body: Any) -> Any:
    if not body:
        return ""
    return body["text"] if isinstance(body, dict) and "text" in body and "blocks" not in body else body


def _refused(
    desk: Desk, room_id: str, user: str, line: str, error: str, thread_ts: str | None
) -> dict[str, Any]:
    desk.slackbot(desk.workspace.rooms[room_id], user, line, thread_ts)
    return {"ok": False, "ack_ms": 0.0, "response": line, "error": error}
