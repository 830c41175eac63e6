"""A small client of the SSH agent: which keys it holds, and a signature by one of them.

The protocol is draft-ietf-sshm-ssh-agent: a length of four bytes, a type, the rest. Ed25519 only. Whatever listens at
the socket is not trusted: every length is held against what has arrived, and the whole talk ends in a given time.
"""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from bot.errors import Refused

_REQUEST_IDENTITIES, _IDENTITIES_ANSWER = 11, 12
_SIGN_REQUEST, _SIGN_RESPONSE = 13, 14
_FAILURE = 5
_LONGEST = 256 * 1024
"""Bytes of an answer: what OpenSSH's own agent allows itself."""
LIST_SECONDS = 5.0
SIGN_SECONDS = 60.0
"""A person may have to confirm, or to touch a token."""
_KIND = b"ssh-ed25519"


def keys(path: str, *, seconds: float = LIST_SECONDS) -> tuple[bytes, ...]:
    """The public keys that the agent at this socket holds, as SSH writes them inside. Raises Refused."""
    answer = _Reader(_ask(path, struct.pack("!B", _REQUEST_IDENTITIES), _IDENTITIES_ANSWER, seconds))
    found = []
    for _ in range(answer.number()):
        found.append(answer.string())
        answer.string()  # a comment
    return tuple(found)


def sign(path: str, key: bytes, message: bytes, *, seconds: float = SIGN_SECONDS) -> bytes:
    """The raw Ed25519 signature (64 bytes) of a message by a key that the agent holds. Raises Refused."""
    asked = struct.pack("!B", _SIGN_REQUEST) + _string(key) + _string(message) + struct.pack("!I", 0)
    whole = _Reader(_ask(path, asked, _SIGN_RESPONSE, seconds))
    signature = _Reader(whole.string())
    if signature.string() != _KIND:
        raise _broken("it signed with a key of another kind")
    raw = signature.string()
    if len(raw) != 64:
        raise _broken(f"its signature has {len(raw)} bytes")
    return raw


class _Reader:
    """Reads numbers and strings of what has arrived, never beyond its end."""

    def __init__(self, content: bytes) -> None:
        self._left = content

    def number(self) -> int:
        return int(struct.unpack("!I", self._take(4))[0])

    def string(self) -> bytes:
        return self._take(self.number())

    def _take(self, length: int) -> bytes:
        if length > len(self._left):
            raise _broken("its answer is shorter than it says")
        taken, self._left = self._left[:length], self._left[length:]
        return taken


def _ask(path: str, request: bytes, wanted: int, seconds: float) -> bytes:
    """What follows the answer's type. Raises Refused when it is another one, or not there in time."""
    try:
        with closing(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)) as agent:
            agent.settimeout(seconds)
            agent.connect(path)
            agent.sendall(_string(request))
            answer = b"".join(_receive(agent, time.monotonic() + seconds))
    except TimeoutError as error:
        raise _broken(f"it gave no answer within {seconds:g} s") from error
    except OSError as error:
        raise Refused(
            f"There is no SSH agent at {Path(path)}: {error.strerror or error}.",
            then="Start one, or give your private key's file with --key.",
        ) from error
    if answer[0] == _FAILURE:
        raise Refused("The SSH agent refused.", then="Is it locked? Did you confirm?")
    if answer[0] != wanted:
        raise _broken(f"it answered with a message of type {answer[0]}")
    return answer[1:]


def _receive(agent: socket.socket, until: float) -> Iterator[bytes]:
    length = struct.unpack("!I", b"".join(_exactly(agent, 4, until)))[0]
    if not 1 <= length <= _LONGEST:
        raise _broken(f"its answer says to be {length} bytes long")
    yield from _exactly(agent, length, until)


def _exactly(agent: socket.socket, length: int, until: float) -> Iterator[bytes]:
    while length:
        left = until - time.monotonic()
        if left <= 0:
            raise TimeoutError
        agent.settimeout(left)
        part = agent.recv(length)
        if not part:
            raise _broken("it hung up")
        length -= len(part)
        yield part


def _string(content: bytes) -> bytes:
    return struct.pack("!I", len(content)) + content


def _broken(why: str) -> Refused:
    return Refused(
        f"The SSH agent cannot be used: {why}.", then="Give your private key's file with --key instead."
    )
