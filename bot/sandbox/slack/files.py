"""Uploading a file in three steps, and reading it back."""

from __future__ import annotations

import mimetypes
import secrets
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from aiohttp import web

from bot.sandbox.personas import BOT_USER
from bot.sandbox.slack.api import Call, Method
from bot.sandbox.slack.errors import Refusal
from bot.sandbox.slack.message import Message
from bot.sandbox.slack.rates import TIER_4
from bot.sandbox.slack.troubles import Troubles, reset
from bot.sandbox.slack.workspace import Workspace, new_id

MAX_BYTES = 50_000_000
SHOWN_INLINE = {"image/png", "image/jpeg", "image/gif", "image/webp"}


@dataclass
class Upload:
    """A file; `content` is None until its bytes have come."""

    id: str
    name: str
    length: int
    ticket: str
    title: str = ""
    content: bytes | None = None
    complete: bool = False

    @property
    def mimetype(self) -> str:
        """Guessed from the name, as Slack's answer tells it."""
        return mimetypes.guess_type(self.name)[0] or "application/octet-stream"


class Files:
    """Every file of the workspace."""

    def __init__(self, workspace: Workspace, troubles: Troubles, base_url: list[str]) -> None:
        self._workspace = workspace
        self._troubles = troubles
        self._base_url = base_url
        self._files: dict[str, Upload] = {}

    def methods(self) -> dict[str, Method]:
        """By name."""
        return {
            "files.getUploadURLExternal": Method(self.upload_url, "files:write", TIER_4),
            "files.completeUploadExternal": Method(self.complete, "files:write", TIER_4),
        }

    def upload_url(self, call: Call) -> dict[str, Any]:
        """files.getUploadURLExternal."""
        name, length = call.text("filename"), call.number("length", 0)
        if not name or length < 1 or length > MAX_BYTES:
            raise Refusal("missing_argument" if not name or length < 1 else "file_upload_size_restricted")
        upload = Upload(new_id("F"), name, length, secrets.token_hex(16))
        self._files[upload.id] = upload
        return {"upload_url": f"{self._base_url[0]}/upload/{upload.id}/{upload.ticket}", "file_id": upload.id}

    async def receive(self, request: web.Request) -> web.StreamResponse:
        """The bytes, posted without any token to the address that `upload_url` gave."""
        if self._troubles.down():
            return reset(request)
        upload = self._files.get(request.match_info["file_id"])
        if upload is None or not secrets.compare_digest(upload.ticket, request.match_info["ticket"]):
            return web.Response(status=404, text="not found")
        received = bytearray()
        async for chunk in request.content.iter_chunked(65_536):
            received += chunk
            if len(received) > upload.length:
                return web.Response(status=413, text="larger than announced")
        if len(received) != upload.length:
            return web.Response(status=400, text="shorter than announced")
        upload.content = bytes(received)
        return web.Response(text=f"OK - {len(received)}")

    def complete(self, call: Call) -> dict[str, Any]:
        """files.completeUploadExternal: shares the files as one message."""
        wanted = call.data("files")
        if not isinstance(wanted, list) or not wanted:
            raise Refusal("invalid_arguments")
        uploads: list[Upload] = []
        for entry in wanted:
            upload = self._files.get(str(entry.get("id"))) if isinstance(entry, dict) else None
            if upload is None or upload.content is None or upload.complete:
                raise Refusal("file_not_found")
            upload.title = str(entry.get("title") or upload.name)
            uploads.append(upload)
        channel = call.text("channel_id")
        ts = self._share(call, channel, uploads) if channel else None
        for upload in uploads:
            upload.complete = True
        return {"files": [self._describe(upload, channel, ts) for upload in uploads]}

    async def read(self, request: web.Request) -> web.StreamResponse:
        """The file itself. Only images are shown in place: anything else could be a page with a script."""
        upload = self._files.get(request.match_info["file_id"])
        if upload is None or upload.content is None:
            return web.Response(status=404, text="not found")
        inline = upload.mimetype in SHOWN_INLINE
        headers = {
            "X-Content-Type-Options": "nosniff",
            "Content-Disposition": "inline" if inline else "attachment",
            "Content-Security-Policy": "default-src 'none'",
        }
        kind = upload.mimetype if inline else "application/octet-stream"
        return web.Response(body=upload.content, content_type=kind, headers=headers)

    def shown(self, file_id: str) -> dict[str, Any]:
        """What the page and the console are told of a file."""
        upload = self._files[file_id]
        return {
            "id": upload.id,
            "title": upload.title,
            "url": self._path(upload),
            "mimetype": upload.mimetype,
            "url_private": self._url(upload),
        }

    def _share(self, call: Call, channel: str, uploads: list[Upload]) -> str:
        room = self._workspace.rooms.get(channel)
        if room is None:
            raise Refusal("channel_not_found")
        if BOT_USER not in room.members:
            raise Refusal("not_in_channel")
        thread_ts = call.text("thread_ts")
        if thread_ts and room.public(thread_ts) is None:
            raise Refusal("cannot_reply_to_message")
        message = Message(
            ts=self._workspace.next_ts(room),
            channel=room.id,
            user=BOT_USER,
            text=call.text("initial_comment") or "",
            thread_ts=thread_ts,
            files=[upload.id for upload in uploads],
        )
        return self._workspace.add(message).ts

    @staticmethod
    def _path(upload: Upload) -> str:
        return f"/files/{upload.id}/{quote(upload.name.rsplit('/', 1)[-1])}"

    def _url(self, upload: Upload) -> str:
        return self._base_url[0] + self._path(upload)

    def _describe(self, upload: Upload, channel: str | None, ts: str | None) -> dict[str, Any]:
        shares = {"public": {channel: [{"ts": ts}]}} if channel and ts else {}
        return {
            "id": upload.id,
            "title": upload.title,
            "name": upload.name,
            "mimetype": upload.mimetype,
            "size": upload.length,
            "url_private": self._url(upload),
            "permalink": self._url(upload),
            "shares": shares,
        }
