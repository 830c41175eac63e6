"""The sandbox's control interface: JSON over HTTP under /control/."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from typing import Any

from aiohttp import web

from bot.sandbox.local import Handler, only_local
from bot.sandbox.world import World


def application(world: World) -> web.Application:
    """The console's application with every /control/ route; the world adds the parts' own routes."""
    app = web.Application(middlewares=[only_local, _plainly], client_max_size=32 * 1024 * 1024)
    app.add_routes([*_slack_routes(world), *_world_routes(world)])
    return app


@web.middleware
async def _plainly(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Mistakes in control requests are answered in words, with 400 or 404."""
    if not request.path.startswith("/control/"):
        return await handler(request)
    try:
        return await handler(request)
    except KeyError as error:
        return web.json_response({"ok": False, "error": f"missing or unknown: {error}"}, status=400)
    except (ValueError, TypeError, sqlite3.Error) as error:
        return web.json_response({"ok": False, "error": str(error)}, status=400)
    except LookupError as error:
        return web.json_response({"ok": False, "error": str(error)}, status=404)


async def _body(request: web.Request) -> dict[str, Any]:
    body = await request.json() if request.can_read_body else {}
    if not isinstance(body, dict):
        raise TypeError("the body must be a JSON object")
    return body


def _slack_routes(world: World) -> list[web.RouteDef]:
    async def command(request: web.Request) -> web.Response:
        body = await _body(request)
        return web.json_response(await world.slack.command(body["user"], body["channel"], body["text"]))

    async def click(request: web.Request) -> web.Response:
        body = await _body(request)
        answer = await world.slack.click(body["user"], body["channel"], body["ts"], body["action"])
        return web.json_response(answer)

    async def submit(request: web.Request) -> web.Response:
        body = await _body(request)
        answer = await world.slack.submit(body["user"], body["view_id"], body.get("values", {}))
        return web.json_response(answer)

    async def say(request: web.Request) -> web.Response:
        body = await _body(request)
        answer = await world.slack.say(body["user"], body["channel"], body["text"], body.get("thread_ts"))
        return web.json_response(answer)

    async def messages(request: web.Request) -> web.Response:
        asked = request.query
        found = world.slack.messages(
            asked["channel"], asked.get("thread_ts") or None, asked.get("user") or None
        )
        return web.json_response({"ok": True, "messages": found})

    async def views(request: web.Request) -> web.Response:
        return web.json_response({"ok": True, "views": world.slack.views(request.query["user"])})

    async def home(request: web.Request) -> web.Response:
        user = request.query["user"]
        if request.query.get("open") != "0":
            await world.slack.open_home(user)
        return web.json_response({"ok": True, "view": world.slack.home(user)})

    async def log(_request: web.Request) -> web.Response:
        return web.json_response({"ok": True, "calls": world.slack.log()})

    return [
        web.post("/control/command", command),
        web.post("/control/click", click),
        web.post("/control/submit", submit),
        web.post("/control/say", say),
        web.get("/control/messages", messages),
        web.get("/control/views", views),
        web.get("/control/home", home),
        web.get("/control/log", log),
    ]


def _world_routes(world: World) -> list[web.RouteDef]:
    async def faults(_request: web.Request) -> web.Response:
        on = [{"id": fault.id, "kind": fault.kind, **fault.params} for fault in world.faults.all()]
        return web.json_response({"ok": True, "faults": on})

    async def add_fault(request: web.Request) -> web.Response:
        body = await _body(request)
        if body["kind"] == "database-down":
            await asyncio.to_thread(world.outage.begin)
        return web.json_response({"ok": True, "id": world.strike(body.pop("kind"), **body)})

    async def remove_fault(request: web.Request) -> web.Response:
        name = request.match_info["id"]
        if not world.faults.remove(name):
            raise LookupError(f"no fault {name!r} is on")
        if not world.faults.find("database-down"):
            world.outage.end()
        return web.json_response({"ok": True})

    async def hand(request: web.Request) -> web.Response:
        return web.json_response({"ok": True, "did": await world.hands().do(await _body(request))})

    async def bots(_request: web.Request) -> web.Response:
        return web.json_response({"ok": True, "bots": [bot.told() for bot in world.bots]})

    async def do_bot(request: web.Request) -> web.Response:
        body, number = await _body(request), int(request.match_info["n"])
        if not 0 <= number < len(world.bots):
            raise LookupError(f"there is no bot {number}; there are {len(world.bots)}, counted from 0")
        bot = world.bots[number]
        await asyncio.to_thread(bot.do, str(body["do"]))
        world.write_state()
        return web.json_response({"ok": True, **bot.told()})

    async def customers(_request: web.Request) -> web.Response:
        return web.json_response(world.customers.ledger.told(world.databases))

    async def clock(_request: web.Request) -> web.Response:
        return web.json_response({"ok": True, "now": world.clock.now(), "rate": world.clock.rate})

    async def advance(request: web.Request) -> web.Response:
        world.clock.advance(float((await _body(request))["advance"]))
        return await clock(request)

    async def sandbox(_request: web.Request) -> web.Response:
        return web.json_response({"ok": True, **world.described()})

    async def databases(_request: web.Request) -> web.Response:
        return web.json_response({"ok": True, "databases": world.databases.told()})

    async def cloudtrail(_request: web.Request) -> web.Response:
        return web.json_response({"Records": await asyncio.to_thread(world.aws.events)})

    async def audit(request: web.Request) -> web.Response:
        lines = (
            json.dumps(event) + "\n" for _, event in world.clusters[request.match_info["region"]].audit_log()
        )
        return web.Response(text="".join(lines), content_type="application/x-ndjson")

    async def regions(_request: web.Request) -> web.Response:
        stopped = world.stopped()
        told = {region: {"stopped": stopped[region]} for region in world.regions}
        return web.json_response({"ok": True, "regions": told})

    return [
        web.get("/control/faults", faults),
        web.post("/control/faults", add_fault),
        web.delete("/control/faults/{id}", remove_fault),
        web.post("/control/hand", hand),
        web.get("/control/bots", bots),
        web.post("/control/bots/{n}", do_bot),
        web.get("/control/customers", customers),
        web.get("/control/clock", clock),
        web.post("/control/clock", advance),
        web.get("/control/databases", databases),
        web.get("/control/regions", regions),
        web.get("/control/cloudtrail", cloudtrail),
        web.get("/control/audit/{region}", audit),
        web.get("/control/sandbox", sandbox),
    ]
