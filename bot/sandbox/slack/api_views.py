"""views.*: modals and Home tabs as the app asks for them."""

from __future__ import annotations

from typing import Any

from bot.sandbox.slack.api import Call, Method
from bot.sandbox.slack.blocks import require_view
from bot.sandbox.slack.errors import Refusal, invalid_arguments
from bot.sandbox.slack.rates import TIER_4
from bot.sandbox.slack.triggers import Triggers
from bot.sandbox.slack.views import View, Views
from bot.sandbox.slack.workspace import Workspace


class ViewsApi:
    """Methods that open and change views."""

    def __init__(self, workspace: Workspace, views: Views, triggers: Triggers) -> None:
        self._workspace = workspace
        self._views = views
        self._triggers = triggers
        self.home_enabled = True

    def methods(self) -> dict[str, Method]:
        """By name."""
        return {
            "views.open": Method(self.open, None, TIER_4),
            "views.push": Method(self.push, None, TIER_4),
            "views.update": Method(self.update, None, TIER_4),
            "views.publish": Method(self.publish, None, TIER_4),
        }

    def open(self, call: Call) -> dict[str, Any]:
        """views.open."""
        body = self._modal(call)
        return _answer(self._views.open(self._triggers.spend(call.required("trigger_id")), body))

    def push(self, call: Call) -> dict[str, Any]:
        """views.push."""
        body = self._modal(call)
        return _answer(self._views.push(self._triggers.spend(call.required("trigger_id")), body))

    def update(self, call: Call) -> dict[str, Any]:
        """views.update, by view_id or external_id."""
        body = require_view(call.data("view"))
        view = self._views.find(view_id=call.text("view_id"), external_id=call.text("external_id"))
        if view is None:
            raise Refusal("not_found")
        if body["type"] != view.body["type"]:
            raise invalid_arguments("type of the view cannot change [json-pointer:/view/type]")
        return _answer(self._views.update(view, body, call.text("hash")))

    def publish(self, call: Call) -> dict[str, Any]:
        """views.publish."""
        if not self.home_enabled:
            raise Refusal("not_enabled")
        body = require_view(call.data("view"))
        if body["type"] != "home":
            raise invalid_arguments("must be a home view [json-pointer:/view/type]")
        user_id = call.required("user_id")
        persona = next((p for p in self._workspace.personas.values() if p.id == user_id), None)
        if persona is None:
            raise invalid_arguments("no such user [json-pointer:/user_id]")
        return _answer(self._views.publish(persona.id, body, call.text("hash")))

    @staticmethod
    def _modal(call: Call) -> dict[str, Any]:
        body = require_view(call.data("view"))
        if body["type"] != "modal":
            raise invalid_arguments("must be a modal [json-pointer:/view/type]")
        return body


def _answer(view: View) -> dict[str, Any]:
    return {"view": view.as_slack()}
