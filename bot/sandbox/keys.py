"""Keys of the personas: an Ed25519 pair for each who has a role, as ssh-keygen would write it."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from bot.sandbox.personas import PERSONAS


def write_keys(folder: Path, people: Iterable[str]) -> dict[str, str]:
    """Write `NAME` (mode 0600) and `NAME.pub` for each of these user ids; returns the public keys by id.

    Keys that are there already stay.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    wanted = set(people)
    return {p.id: _pair(folder / p.name) for p in PERSONAS.values() if p.id in wanted}


def _pair(path: Path) -> str:
    public = path.with_name(f"{path.name}.pub")
    if not (path.exists() and public.exists()):
        key = Ed25519PrivateKey.generate()
        write_private(path, key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))
        line = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
        public.write_text(f"{line} {path.name}@sandbox\n")
    return public.read_text().strip()


def write_private(path: Path, content: bytes) -> None:
    """Write a file that its owner alone may read, from its first byte on."""
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
