"""Logs as JSON lines on stderr, from which secrets are taken out."""

from __future__ import annotations

import logging
import sys
from typing import TextIO

import structlog

from bot.scrub import scrub, scrubbed


class _Clean(logging.Formatter):
    """Lines of libraries, without secrets."""

    def format(self, record: logging.LogRecord) -> str:
        return scrub(super().format(record))


def configure(level: str, stream: TextIO | None = None) -> None:
    """Send structlog and the libraries' loggers to the stream, stderr unless told, as JSON lines."""
    number = logging.getLevelNamesMapping().get(level.upper(), logging.INFO)
    stream = stream or sys.stderr
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
        logger_factory=structlog.PrintLoggerFactory(stream),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(stream)
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
