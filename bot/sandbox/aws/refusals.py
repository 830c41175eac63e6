"""How our handlers refuse: an AWS error code and a message, in whichever protocol was asked."""

from __future__ import annotations

from moto.core.exceptions import ServiceException


class Refusal(ServiceException):  # type: ignore[misc]  # moto has no types
    """`Refusal(code, message)`; the HTTP status comes from botocore's model of that code.

    moto looks the code up in the service whose package an exception is defined in, and in the one that was
    called. A class outside moto leaves only the latter, which is always the right one.
    """


class UnmodeledRefusal(Exception):
    """A refusal that AWS sends but botocore's model of the service does not list, with its HTTP status."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code = status, code
