"""The one place that turns botocore's exceptions into ours, and says which of them may pass by themselves."""

from __future__ import annotations

from botocore import exceptions as aws
from botocore.parsers import ResponseParserError

from bot.errors import Busy, Conflict, OutsideError, Rejected, Throttled, Unreachable
from bot.scrub import scrub

_LONGEST = 300
_LONGEST_TEXT = 16 * 1024
_THROTTLED = frozenset(
    {
        "Throttling",
        "ThrottlingException",
        "ThrottledException",
        "RequestThrottled",
        "RequestThrottledException",
        "RequestLimitExceeded",
        "TooManyRequestsException",
        "SlowDown",
    }
)
_CONFLICTS = frozenset(
    {
        "InvalidGlobalClusterStateFault",
        "InvalidDBClusterStateFault",
        "ResourceInUseException",
        "PriorRequestNotComplete",
        "HealthCheckVersionMismatch",
        "NetworkAclEntryAlreadyExists",
        "OperationAborted",
        "ConflictException",
    }
)
# What botocore raises for a call. The error for an answer that cannot be parsed (HTML of a broken server)
# has a base of its own.
RAISED = (aws.BotoCoreError, aws.ClientError, ResponseParserError)
# Nothing was sent: the request could not be made.
_LOCAL = (
    aws.NoCredentialsError,
    aws.PartialCredentialsError,
    aws.ProfileNotFound,
    aws.NoRegionError,
    aws.ParamValidationError,
    aws.UnknownServiceError,
)


def passing(error: Exception) -> bool:
    """Whether a read may be tried again at once. A time-out may not: it has cost its seconds already."""
    if isinstance(error, aws.ClientError):
        return _code(error) in _THROTTLED or _status(error) >= 500
    return isinstance(
        error, (aws.EndpointConnectionError, aws.ConnectionClosedError, aws.ConnectTimeoutError)
    )


def throttled(error: Exception) -> bool:
    """Whether the answer was that there are too many calls at the moment."""
    return isinstance(error, aws.ClientError) and _code(error) in _THROTTLED


def translated(error: Exception, *, service: str, operation: str, region: str, change: bool) -> OutsideError:
    """What this exception of botocore means for people.

    A throttled read is busy, worth asking again; a throttled change is refused. An answer of 500 and above says
    nothing about what was done, so it counts as no answer.
    """
    call = f"{service} {operation} in {region}"
    lost = "Whether it was done is not known." if change else ""
    if isinstance(error, aws.ClientError):
        told = str(error.response.get("Error", {}).get("Message", ""))[:_LONGEST_TEXT]
        code, said = _code(error), scrub(told)[:_LONGEST]
        what = f"{call}: {code}: {said}".rstrip(": ")
        if code in _THROTTLED:
            return Throttled(what, not_done="Nothing was changed by it.") if change else Busy(what)
        if _status(error) >= 500:
            return Unreachable(what, not_done=lost)
        kind = Conflict if code in _CONFLICTS or _record_moved(code, said) else Rejected
        return kind(what, not_done="Nothing was changed by it." if change else "")
    if isinstance(error, _LOCAL):
        what = f"{call}: {type(error).__name__}: {_first_line(scrub(str(error)[:_LONGEST_TEXT]))[:_LONGEST]}"
        return Rejected(what, not_done="No call was made.")
    return Unreachable(f"AWS does not answer: {call}.", not_done=lost)


def _record_moved(code: str, said: str) -> bool:
    """Route 53 answers a before-image that no longer matches with a code that it uses for all bad batches."""
    return code == "InvalidChangeBatch" and ("Tried to delete" in said or "Tried to create" in said)


def _code(error: aws.ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def _status(error: aws.ClientError) -> int:
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def _first_line(text: str) -> str:
    return text.partition("\n")[0]
