from __future__ import annotations

import io
from collections.abc import Iterator

import pytest
import structlog

from bot.logs import configure


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    yield
    structlog.reset_defaults()


class Full(io.StringIO):
    """A disk without room."""

    def write(self, _text: str) -> int:
        raise OSError(28, "No space left on device")


def test_a_log_that_takes_nothing_any_more_ends_nobody_who_writes_to_it() -> None:
    """Neither a closed stream nor a full disk raises where something is logged."""
    closed = io.StringIO()
    closed.close()
    for stream in (closed, Full()):
        configure("info", stream)
        structlog.get_logger().warning("still here")


def test_what_is_logged_is_a_line_of_json_without_secrets() -> None:
    """As long as somebody reads it."""
    read = io.StringIO()
    configure("info", read)
    structlog.get_logger().warning("told", token="xoxb-123456-abcdef")
    assert read.getvalue().startswith('{"token": "[redacted')
