"""Who clicked or typed: the id and the team in the payload, and what Slack says of that person now."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from slack_sdk.errors import SlackApiError

from bot.errors import NotAllowed, SignalboxError
from bot.slack.web import Gone, Web, error_of

REMEMBERED_SECONDS = 30.0
TRIES = 3

_TERMINAL = "Use `signalbox run` in a terminal; it needs no Slack."


@dataclass(frozen=True)
class Who:
    """A person as the payload names them. `teams` are all teams it mentions, None for a missing one."""

    id: str
    teams: tuple[str | None, ...]
    name: str = ""

    @staticmethod
    def of_command(body: Mapping[str, Any]) -> Who:
        """The one who typed a slash command."""
        return Who(str(body.get("user_id", "")), (body.get("team_id"),), str(body.get("user_name", "")))

    @staticmethod
    def of_click(body: Mapping[str, Any]) -> Who:
        """The one who clicked. An external member's own team stands only in `user.team_id`."""
        user, team = body.get("user") or {}, body.get("team") or {}
        name = str(user.get("username") or user.get("name") or "")
        return Who(str(user.get("id", "")), (team.get("id"), user.get("team_id")), name)

    @staticmethod
    def of_event(body: Mapping[str, Any]) -> Who:
        """The one an event is about; events name no team of the person."""
        return Who(str((body.get("event") or {}).get("user", "")), (body.get("team_id"),))


class Unsure(SignalboxError):
    """Slack could not be asked who someone is."""


class People:
    """Tells members from everybody else. `users.info` is asked anew for every decision."""

    def __init__(self, web: Web, team: Callable[[], str]) -> None:
        self._web = web
        self._team = team
        self._known: dict[str, tuple[float, dict[str, Any]]] = {}
        self._asking: dict[str, asyncio.Task[dict[str, Any]]] = {}

    def same_team(self, who: Who) -> None:
        """The check that needs no call. Raises NotAllowed."""
        if not who.id or any(team != self._team() for team in who.teams):
            raise NotAllowed("You are not a member of this workspace, so Signalbox takes nothing from you.")

    async def admit(self, who: Who, *, fresh: bool) -> str:
        """The person's display name, for members in good standing.

        Raises NotAllowed for everybody else, Unsure when Slack could not be asked: nobody passes unseen.
        """
        self.same_team(who)
        user = await self._user(who.id, fresh=fresh)
        if user.get("deleted"):
            raise NotAllowed("Your account in this workspace is deactivated.")
        if user.get("is_bot") or who.id == "USLACKBOT":
            raise NotAllowed("Apps and bots cannot ask or decide here, only people.")
        if user.get("is_stranger") or user.get("team_id", self._team()) != self._team():
            raise NotAllowed("You are not a member of this workspace, so Signalbox takes nothing from you.")
        if user.get("is_restricted") or user.get("is_ultra_restricted"):
            raise NotAllowed(
                "Guests of this workspace cannot use Signalbox.", then="Ask a full member to do it."
            )
        profile = user.get("profile") or {}
        return str(profile.get("display_name") or user.get("real_name") or who.name or who.id)

    async def _user(self, person: str, *, fresh: bool) -> dict[str, Any]:
        known = self._known.get(person)
        if not fresh and known is not None and time.monotonic() - known[0] < REMEMBERED_SECONDS:
            return known[1]
        # A question that is on its way is fresh enough for whoever asks meanwhile.
        asking = self._asking.get(person)
        if asking is None:
            asking = self._asking[person] = asyncio.create_task(self._ask(person))
            asking.add_done_callback(lambda _: self._asking.pop(person, None))
        user = await asyncio.shield(asking)
        self._known[person] = (time.monotonic(), user)
        return user

    async def _ask(self, person: str) -> dict[str, Any]:
        for attempt in range(TRIES):
            try:
                answer = await self._web.call("users_info", patience=2.0, user=person)
                return dict(answer["user"])
            except SlackApiError as error:
                if error_of(error) in {"user_not_found", "user_not_visible", "users_not_found"}:
                    raise NotAllowed("Slack does not know you as a member of this workspace.") from error
                reason = error_of(error)
            except Gone:
                reason = "no answer"
            await asyncio.sleep(0.2 * 2**attempt)
        raise Unsure(f"Signalbox could not check with Slack who you are ({reason}).", then=_TERMINAL)
