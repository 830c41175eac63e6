"""What Slack answers when it refuses: always HTTP 200 with a name, never a stack trace."""

from __future__ import annotations

from typing import Any


class Refusal(Exception):
    """A Web API call that is refused.

    `error` is Slack's name for it (`channel_not_found`); `details` are further keys of the answer, such as
    `needed` and `provided` of `missing_scope` or the list of `errors` of `invalid_blocks`.
    """

    def __init__(self, error: str, **details: Any) -> None:
        super().__init__(error)
        self.error = error
        self.details = details

    def answer(self) -> dict[str, Any]:
        """The body of the HTTP answer."""
        return {"ok": False, "error": self.error, **self.details}


class RateLimited(Exception):
    """HTTP 429; `retry_after` is in whole seconds."""

    def __init__(self, retry_after: int) -> None:
        super().__init__(f"retry after {retry_after} s")
        self.retry_after = retry_after


def invalid_arguments(*messages: str, error: str = "invalid_arguments") -> Refusal:
    """A refusal with Slack's `[ERROR] ...` lines under `response_metadata.messages`."""
    return Refusal(error, response_metadata={"messages": [f"[ERROR] {message}" for message in messages]})
