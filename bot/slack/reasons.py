"""Answers that need words: the window is opened, filled in, sent, and says itself what became of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from bot.changes.views import ChangeView, DecisionView
from bot.errors import SignalboxError
from bot.slack import reason_form
from bot.slack.answers import LATE, Answers, Stranger
from bot.slack.bridge import Bridge
from bot.slack.desk import Desk
from bot.slack.mrkdwn import escape, words
from bot.slack.people import Unsure, Who
from bot.slack.posts import Posts
from bot.slack.reason_form import Form
from bot.slack.voice import Place
from bot.slack.windows import Windows


class Reasons:
    """Opens the form, and counts what is sent with it."""

    def __init__(self, desk: Desk, bridge: Bridge, answers: Answers, posts: Posts, windows: Windows) -> None:
        self._desk = desk
        self._bridge = bridge
        self._answers = answers
        self._posts = posts
        self._windows = windows

    async def ask(self, body: Mapping[str, Any], action: Mapping[str, Any]) -> None:
        """Open the form for the button that was pressed."""
        who, place, choice = Who.of_click(body), Place.of_click(body), str(action.get("action_id", ""))
        decision = reason_form.decision_in(str(action.get("value", "")))

        async def work() -> None:
            self._answers.same_team(who)
            label = str((action.get("text") or {}).get("text", ""))
            asked = Form(decision, choice, label, "", place.channel, place.thread, place.message)
            # The right to open a window lasts three seconds; what is asked is looked up afterwards.
            view_id = await self._windows.open(
                str(body.get("trigger_id", "")), place, reason_form.said(asked, "One moment…")
            )
            try:
                await self._answers.admit(who, fresh=False)
            except (Stranger, Unsure) as error:
                await self._windows.update(view_id, reason_form.said(asked, f"⛔ {escape(str(error))}"))
                raise
            found = await self._bridge.call(self._decision, decision)
            if found is None:
                text = await self._answers.invalid(place)
                await self._windows.update(view_id, reason_form.said(asked, text))
            elif found[1].state != "open":
                text = "This question is closed already; nothing is asked any more."
                await self._windows.update(view_id, reason_form.said(asked, text))
            else:
                filled = replace(asked, question=_question(*found))
                await self._windows.update(view_id, reason_form.form(filled))

        await self._answers.guarded(place, choice, work)

    async def answer(self, body: Mapping[str, Any]) -> None:
        """Count what was sent; the window says whether it did, and keeps the words when not."""
        form, who = Form.sent(body), Who.of_click(body)
        place = Place(who.id, form.channel, form.thread, form.message)

        async def work() -> None:
            try:
                answer = await self._answers.with_reason(who, form.decision, form.choice, form.reason)
            except SignalboxError as error:
                await self._windows.update(form.view, reason_form.form(form, str(error)))
                raise
            if answer.counted:
                await self._windows.update(form.view, reason_form.said(form, f"✅ {words(answer.text)}"))
            else:
                await self._windows.update(form.view, reason_form.form(form, answer.text))

        await self._answers.guarded(place, form.choice, work)

    async def late(self, body: Mapping[str, Any]) -> None:
        """The acknowledgement got lost: nothing was counted, and the window says so."""
        form, who = Form.sent(body), Who.of_click(body)
        await self._windows.update(form.view, reason_form.form(form, LATE))
        await self._answers.late(Place(who.id, form.channel, form.thread, form.message), form.choice)

    def _decision(self, decision: str) -> tuple[ChangeView, DecisionView] | None:
        view = self._desk.view(self._posts.change_of(decision))
        if view is None:
            return None
        every = [*view.holds, *view.reviews, *([view.approval] if view.approval else [])]
        return next(((view, d) for d in every if d.id == decision), None)


def _question(view: ChangeView, decision: DecisionView) -> str:
    if decision.kind == "review":
        return f"Review of a break-glass: {view.title}. Was it right, and what follows from it?"
    return decision.question
