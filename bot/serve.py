"""`signalbox serve`: one replica with a Slack face and a health endpoint."""

from __future__ import annotations

import asyncio
import signal

import structlog
from aiohttp import web

from bot.compose import Box, build
from bot.settings import Settings
from bot.slack.face import SlackFace

log = structlog.get_logger()


def serve(settings: Settings) -> int:
    """Run until SIGTERM or SIGINT. Raises EstateError or TrailError when it cannot start."""
    box = build(settings)
    face = SlackFace(box.settings, box.desk, box.trail, box.database, box.clock, box.lease.leads)
    box.start()
    try:
        asyncio.run(_faces(box, face))
    finally:
        box.stop()
    return 0


async def _faces(box: Box, face: SlackFace) -> None:
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    runner = await _health(box, face)
    work = asyncio.create_task(face.run(), name="slack")
    stop = asyncio.create_task(ended.wait(), name="stop")
    await asyncio.wait((work, stop), return_when=asyncio.FIRST_COMPLETED)
    if work.done() and not work.cancelled() and work.exception() is not None:
        # Slack gone for good is no reason to stop driving: stay until told to end.
        log.error("slack.face_died", exc_info=work.exception())
        await stop
    work.cancel()
    await asyncio.gather(work, return_exceptions=True)
    await runner.cleanup()


async def _health(box: Box, face: SlackFace) -> web.AppRunner:
    async def live(_request: web.Request) -> web.Response:
        good = box.engine.alive and face.alive()
        return web.json_response(
            {"engine": box.engine.alive, "slack": face.alive()}, status=200 if good else 503
        )

    async def ready(_request: web.Request) -> web.Response:
        good = box.engine.healthy and face.connected()
        return web.json_response(
            {"beats": box.engine.healthy, "slack": face.connected()}, status=200 if good else 503
        )

    app = web.Application()
    app.add_routes([web.get("/live", live), web.get("/ready", ready)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, box.settings.health_host, box.settings.health_port).start()
    return runner
