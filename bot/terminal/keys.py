"""Signing at the terminal: with a private key's file, or with the SSH agent."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    SSHPrivateKeyTypes,
    load_ssh_private_key,
)

from bot.changes.signed import Signed, bare, fingerprint
from bot.errors import Refused
from bot.terminal import agent

_LARGEST_FILE = 64 * 1024
Passphrase = Callable[[str], str]
"""Asks the person for the passphrase of the key that it is told; None where nobody can be asked."""


def signer(
    pinned: Sequence[str], *, key: Path | None, socket: str, ask: Passphrase | None = None
) -> Callable[[bytes], Signed]:
    """What signs for a person: the key of this file, else the first of the pinned keys that the agent holds.

    Raises Refused in words when there is neither; the file is read and the agent asked before it returns.
    """
    if key is not None:
        return _with_file(_read(key, ask))
    if not pinned:
        raise Refused(
            "The estate has no key of yours, so nobody can tell that it is you.",
            then="Answer in Slack, or let your public key be added under `keys:` in the estate's file.",
        )
    if not socket:
        raise Refused(
            "Your answer has to be signed, and there is no key to sign with.",
            then="Give your private key's file with --key, or run an SSH agent (SSH_AUTH_SOCK).",
        )
    held = set(agent.keys(socket))
    for public in map(bare, pinned):
        blob = base64.b64decode(public.split()[1])
        if blob in held:
            return lambda message: Signed(public, agent.sign(socket, blob, message))
    raise Refused(
        f"The SSH agent holds {len(held)} key{'' if len(held) == 1 else 's'}, none of them yours in the estate.",
        then=f"Add one of {', '.join(map(fingerprint, pinned))} with ssh-add, or give its file with --key.",
    )


def _with_file(private: Ed25519PrivateKey) -> Callable[[bytes], Signed]:
    public = private.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    return lambda message: Signed(public, private.sign(message))


def _read(path: Path, ask: Passphrase | None) -> Ed25519PrivateKey:
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST_FILE)
    except OSError as error:
        raise Refused(f"{path} cannot be read: {error.strerror}.", then="Give --key another path.") from error
    try:
        private = load_ssh_private_key(content, password=None)
    except TypeError:  # it has a passphrase
        private = _unlocked(path, content, ask)
    except (ValueError, UnsupportedAlgorithm) as error:
        public = content.startswith(b"ssh-")
        raise Refused(
            f"{path} is {'the public half of a key' if public else 'no private key as OpenSSH writes them'}.",
            then="Give the private one (made with ssh-keygen -t ed25519).",
        ) from error
    if not isinstance(private, Ed25519PrivateKey):
        raise Refused(
            f"{path} is not an Ed25519 key.", then="Make one with ssh-keygen -t ed25519 and let it be pinned."
        )
    return private


def _unlocked(path: Path, content: bytes, ask: Passphrase | None) -> SSHPrivateKeyTypes:
    if ask is None:
        raise Refused(
            f"{path} has a passphrase, and there is no terminal to ask for it.",
            then="Add the key to an SSH agent (ssh-add) and leave --key out.",
        )
    try:
        return load_ssh_private_key(content, password=ask(f"Passphrase of {path}: ").encode())
    except (ValueError, UnsupportedAlgorithm) as error:
        raise Refused(f"This passphrase does not open {path}.", then="Try again.") from error
