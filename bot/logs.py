"""Logs as JSON lines on stderr, from which secrets are taken out."""

from __future__ import annotations

import io
import logging
import sys
from typing import TextIO, cast

import structlog

from bot.scrub import scrub, scrubbed


class _Clean(logging.Formatter):
    """Lines of libraries, without secrets."""

    def format(self, record: logging.LogRecord) -> str:
        return scrub(super().format(record))


class _Unbreakable(io.TextIOBase):
    """A stream that takes everything: a log that nobody reads any more must not end the thread that writes it."""

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        try:
            (self._stream or sys.stderr).write(text)
        except (OSError, ValueError):  # a broken pipe, a full disk, a closed file
            pass
        return len(text)

    def flush(self) -> None:
        try:
            (self._stream or sys.stderr).flush()
        except (OSError, ValueError):
            pass


def configure(level: str, stream: TextIO | None = None) -> None:
    """Send structlog and the libraries' loggers to the stream, stderr unless told, as JSON lines."""
    number = logging.getLevelNamesMapping().get(level.upper(), logging.INFO)
    lasting = _Unbreakable(stream)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            _without_secrets,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory(cast("TextIO", lasting)),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(lasting)
    handler.setFormatter(_Clean("%(message)s"))
    logging.basicConfig(level=max(number, logging.WARNING), handlers=[handler])


def _without_secrets(
    _logger: object, _method: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    plain = {key: value if _is_json(value) else repr(value) for key, value in event.items()}
    found: structlog.typing.EventDict = scrubbed(plain)
    return found


def _is_json(value: object) -> bool:
    return value is None or isinstance(value, str | int | float | list | tuple | dict)
