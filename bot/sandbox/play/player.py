"""Plays a scenario through the sandbox's control interface, as a person or a test would."""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import aiohttp

from bot.sandbox.play.control import Control, Unfulfilled
from bot.sandbox.play.figures import gather, holds
from bot.sandbox.play.reading import fits, short, text_of
from bot.sandbox.play.scenario import Scenario, Step
from bot.sandbox.play.terminal import Terminals
from bot.sandbox.play.view import View, view

POLL_SECONDS = 0.2  # real


@dataclass(frozen=True)
class Outcome:
    """What became of one step; `elapsed` is simulated seconds since the beginning."""

    step: str
    ok: bool
    elapsed: float
    text: str = ""


@dataclass
class Result:
    """What became of a play."""

    scenario: str
    ok: bool = True
    simulated_seconds: float = 0.0
    real_seconds: float = 0.0
    steps: list[Outcome] = field(default_factory=list)
    customers: dict[str, Any] = field(default_factory=dict)

    def failures(self) -> list[str]:
        """The expectations that did not hold."""
        return [outcome.text for outcome in self.steps if not outcome.ok]


async def play(scenario: Scenario, console: str, *, as_json: bool = False) -> Result:
    """Play against the sandbox at `console`, show it, and return what became of it."""
    async with aiohttp.ClientSession(console, timeout=aiohttp.ClientTimeout(total=60)) as session:
        return await Player(scenario, Control(session), view(as_json=as_json)).play(as_json=as_json)


class Player:
    """One play. Expectations that fail are counted; a step that waits in vain ends the play."""

    def __init__(self, scenario: Scenario, control: Control, shown: View) -> None:
        self._scenario = scenario
        self._control = control
        self._view = shown
        self._began = 0.0
        self._found: dict[str, dict[str, Any]] = {}
        self._faults: dict[str, str] = {}
        self._before: set[str] = set()
        self._response = ""
        self._told: set[tuple[str, str]] = set()
        self._terminals = Terminals(control, shown.thread)

    async def play(self, *, as_json: bool) -> Result:
        """All steps in turn."""
        result = Result(self._scenario.name)
        began = time.monotonic()
        self._began = await self._control.now()
        self._view.begin(self._scenario.name, self._scenario.story)
        watching = asyncio.create_task(self._watch(), name="watch")
        try:
            for step in self._scenario.steps:
                outcome = await self._take(step)
                result.steps.append(outcome)
                if not outcome.ok and step.verb not in {"expect", "count", "verify", "told"}:
                    break
        finally:
            await self._terminals.end()
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
        result.ok = all(outcome.ok for outcome in result.steps)
        result.simulated_seconds = round(await self._control.now() - self._began, 1)
        result.real_seconds = round(time.monotonic() - began, 1)
        result.customers = (await self._control.get("/control/customers"))["totals"]
        self._view.end(_summary(result), ok=result.ok)
        if as_json:
            print(json.dumps(asdict(result) | {"failures": result.failures()}), flush=True)
        return result

    async def _take(self, step: Step) -> Outcome:
        if step.verb != "say":
            self._view.line("now", step.title(), await self._control.now() - self._began)
        try:
            text = await getattr(self, f"_do_{step.verb}")(step)
        except Unfulfilled as error:
            elapsed = await self._control.now() - self._began
            text = f"{step.otherwise} ({error})" if step.otherwise else str(error)
            self._view.line("failed", text, elapsed)
            return Outcome(step.title(), False, round(elapsed, 1), text)
        elapsed = await self._control.now() - self._began
        self._view.line("say" if step.verb == "say" else "done", text or step.title(), elapsed)
        return Outcome(step.title(), True, round(elapsed, 1), text or "")

    async def _do_say(self, step: Step) -> str:
        return str(step.what)

    async def _do_wait(self, step: Step) -> None:
        await self._control.wait(float(step.what))

    async def _do_advance(self, step: Step) -> None:
        await self._control.post("/control/clock", {"advance": float(step.what)})

    async def _do_fault(self, step: Step) -> None:
        answer = await self._control.post("/control/faults", step.what)
        self._faults[step.name or step.what["kind"]] = answer["id"]

    async def _do_clear(self, step: Step) -> None:
        await self._control.delete(f"/control/faults/{self._faults.pop(step.what)}")

    async def _do_command(self, step: Step) -> str:
        what = {"channel": "ops", **step.what}
        await self._remember(what["channel"], what["user"])
        answer = await self._control.post("/control/command", what)
        self._note(answer)
        return (
            f"{what['user']} types {what['text']} in {what['channel']} (ack {answer.get('ack_ms', 0):.0f} ms)"
        )

    async def _do_click(self, step: Step) -> str:
        what = step.what
        message = self._named(what["message"])
        await self._remember(message["channel"], what["user"])
        body = {"user": what["user"], "channel": message["channel"], "ts": message["ts"]}
        self._note(
            await self._control.post(
                "/control/click", {**body, "action": what["action"]}, refused_is_fine=True
            )
        )
        return f"{what['user']} clicks {what['action']}"

    async def _do_message(self, step: Step) -> None:
        what = {"channel": "ops", **step.what}
        if "thread" in what:
            what["thread_ts"] = self._named(what.pop("thread"))["ts"]
        await self._remember(what["channel"], what["user"])
        await self._control.post("/control/say", what)

    async def _do_bots(self, step: Step) -> None:
        await self._control.post(f"/control/bots/{step.what.get('index', 0)}", {"do": step.what["do"]})

    async def _do_terminal(self, step: Step) -> str:
        user = str(step.what["user"])
        if "run" in step.what:
            return await self._terminals.run(user, str(step.what["run"]), within=step.within)
        if "decide" in step.what:
            return await self._terminals.decide(user, step.what, within=step.within)
        raise Unfulfilled("a terminal needs `run` or `decide`")

    async def _do_by_hand(self, step: Step) -> str:
        return f"by hand: {(await self._control.post('/control/hand', step.what))['did']}"

    async def _do_submit(self, step: Step) -> str:
        user = str(step.what["user"])
        until = await self._control.now() + step.within
        # A window may first say that it is being filled; a person waits for the form.
        while not (
            (views := (await self._control.get("/control/views", {"user": user}))["views"])
            and views[-1].get("submit")
        ):
            if await self._control.now() >= until:
                raise Unfulfilled(f"{user} has no modal open that can be sent")
            await asyncio.sleep(POLL_SECONDS)
        await self._remember("ops", user)
        body = {"user": user, "view_id": views[-1]["id"], "values": step.what["values"]}
        answer = await self._control.post("/control/submit", body)
        if errors := answer.get("errors"):
            raise Unfulfilled(f"the modal says {errors}")
        if not answer["ok"]:
            raise Unfulfilled(f"the modal was not sent: {answer.get('error')}")
        return f"{user} sends {views[-1]['title']['text']}: {step.what['values']}"

    async def _do_wait_for(self, step: Step) -> str:
        wanted = step.what
        until = await self._control.now() + step.within
        while True:
            seen = await self._messages(wanted)
            fitting = [message for message in seen if fits(message, wanted)]
            if fitting:
                found = {**fitting[-1], "channel": wanted.get("channel", "ops")}
                if step.name:
                    self._found[step.name] = found
                return f"seen: {short(found, 100)}"
            if await self._control.now() >= until:
                last = "; the last message is: " + short(seen[-1], 500) if seen else "; there is no message"
                raise Unfulfilled(f"not seen within {step.within:g} s: {step.title()}{last}")
            await asyncio.sleep(POLL_SECONDS)

    async def _do_told(self, step: Step) -> str:
        wanted = {"channel": "ops", **step.what}
        until = await self._control.now() + step.within
        while True:
            seen = await self._new(wanted["channel"], wanted["user"])
            answers = [{"text": self._response}, *(m for m in seen if m.get("ephemeral_to"))]
            told = [answer for answer in answers if re.search(str(wanted["text"]), text_of(answer))]
            if told:
                return f"{wanted['user']} is told: {short(told[-1])}"
            if await self._control.now() >= until:
                heard = " / ".join(short(answer, 300) for answer in answers if answer["text"]) or "nothing"
                raise Unfulfilled(f"{wanted['user']} was told {heard}, not /{wanted['text']}/")
            await asyncio.sleep(POLL_SECONDS)

    async def _do_count(self, step: Step) -> None:
        count = sum(fits(message, step.what) for message in await self._messages(step.what))
        if not holds(count, step.what["is"]):
            raise Unfulfilled(f"{count} messages fit /{step.what['text']}/, not {step.what['is']}")

    async def _do_expect(self, step: Step) -> str:
        wanted = dict(step.what)
        over = float(wanted.pop("over", 30))
        until = await self._control.now() + step.until
        while True:
            now = await self._control.now()
            customers = await self._control.get("/control/customers")
            databases = (await self._control.get("/control/databases"))["databases"]
            regions = (await self._control.get("/control/regions"))["regions"]
            figures = gather(customers, databases, now, over, regions)
            wrong = [
                f"{name} is {figures.get(name, 'unknown')}, not {condition}"
                for name, condition in wanted.items()
                if not holds(figures.get(name, 0), condition)
            ]
            if not wrong:
                return ", ".join(f"{name} {_number(figures.get(name, 0))}" for name in wanted)
            if now >= until:
                raise Unfulfilled("; ".join(wrong))
            await asyncio.sleep(POLL_SECONDS)

    async def _do_verify(self, step: Step) -> str:
        url = (await self._control.get("/control/sandbox"))["database_url"]
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "bot", "verify", url,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        output = (await process.communicate())[0].decode(errors="replace").strip()
        if process.returncode != int(step.what):
            raise Unfulfilled(
                f"signalbox verify exits with {process.returncode}, not {step.what}: {output[-300:]}"
            )
        return f"the trail verifies: {output.splitlines()[0] if output else 'exit 0'}"

    async def _watch(self) -> None:
        while True:
            told = await self._control.get("/control/customers")
            self._view.customers(told, await self._control.now() - self._began)
            self._view.thread(await self._news())
            await asyncio.sleep(POLL_SECONDS * 2)

    async def _news(self) -> list[str]:
        lines = []
        threads: list[dict[str, Any]] = [{"channel": "ops"}]
        threads += [{"channel": "ops", "thread": name} for name in self._found]
        for wanted in threads:
            for message in await self._messages(wanted):
                key = (str(message.get("ts")), short(message))
                if key not in self._told:
                    self._told.add(key)
                    lines.append(short(message, 110))
        return lines

    async def _messages(self, wanted: Mapping[str, Any]) -> list[dict[str, Any]]:
        asked = {"channel": str(wanted.get("channel", "ops"))}
        if "thread" in wanted:
            message = self._named(wanted["thread"])
            asked["thread_ts"] = str(message.get("thread_ts") or message["ts"])
        if "to" in wanted:
            asked["user"] = str(wanted["to"])
        found: list[dict[str, Any]] = (await self._control.get("/control/messages", asked))["messages"]
        return found

    async def _remember(self, channel: str, user: str) -> None:
        """Note what has been said already, so that the answer to what follows can be told from it."""
        self._response = ""
        self._before = {str(message["ts"]) for message in await self._everything(channel, user)}

    async def _new(self, channel: str, user: str) -> list[dict[str, Any]]:
        everything = await self._everything(channel, user)
        return [message for message in everything if str(message["ts"]) not in self._before]

    async def _everything(self, channel: str, user: str) -> list[dict[str, Any]]:
        asked = {"channel": channel, "user": user}
        found: list[dict[str, Any]] = (await self._control.get("/control/messages", asked))["messages"]
        for message in self._found.values():
            if message["channel"] == channel:
                thread = {**asked, "thread_ts": str(message.get("thread_ts") or message["ts"])}
                found += (await self._control.get("/control/messages", thread))["messages"]
        return found

    def _note(self, answer: Mapping[str, Any]) -> None:
        response = answer.get("response") or answer.get("error") or ""
        self._response = text_of(response) if isinstance(response, Mapping) else str(response)

    def _named(self, name: str) -> dict[str, Any]:
        if name not in self._found:
            raise Unfulfilled(f"nothing was found as {name!r}")
        return self._found[name]


def _number(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _summary(result: Result) -> str:
    if result.ok:
        done = f"{len(result.steps)} steps, all expectations hold"
    else:
        done = "did not go as expected:\n" + "\n".join(f"  - {text}" for text in result.failures())
    return (
        f"{result.scenario}: {done} ({result.simulated_seconds:g} simulated, {result.real_seconds:g} real s)"
    )
