"""What is in a pack: the SHA-256 of each file, signed by the key that signs the log's checkpoints."""

from __future__ import annotations

import base64
import hashlib
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from bot.canon import canonical
from bot.evidence.table import at
from bot.evidence.window import Window

MANIFEST, SIGNATURE = "manifest.json", "manifest.sig"
_DATE = (1980, 1, 1, 0, 0, 0)
_CHUNK = 1 << 20
_BELOW = "/"


@dataclass
class Files:
    """Files on their way into a pack: kept on disk, hashed as they come; each name once."""

    place: Path
    hashes: dict[str, str] = field(default_factory=dict)
    _kept: dict[str, Path] = field(default_factory=dict)

    def add(self, name: str, content: bytes) -> None:
        """Keep one file. Raises ValueError for a name that is taken or leads out of the pack."""
        parts = name.split(_BELOW)
        if name in self._kept or not all(parts) or any(part in (".", "..") for part in parts) or "\\" in name:
            raise ValueError(f"{name!r} is no name for a file of this pack")
        path = self.place / f"{len(self._kept)}"
        path.write_bytes(content)
        self._kept[name], self.hashes[name] = path, hashlib.sha256(content).hexdigest()

    def add_all(self, files: Mapping[str, bytes]) -> None:
        """The same for several."""
        for name, content in sorted(files.items()):
            self.add(name, content)

    def write(self, into: IO[bytes]) -> None:
        """A ZIP of them: sorted names, one date, one way to compress, so that same files make the same bytes."""
        with zipfile.ZipFile(into, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as pack:
            for name in sorted(self._kept):
                entry = zipfile.ZipInfo(name, _DATE)
                entry.compress_type, entry.create_system, entry.external_attr = (
                    zipfile.ZIP_DEFLATED,
                    3,
                    0o644 << 16,
                )
                entry.file_size = self._kept[name].stat().st_size
                with pack.open(entry, "w") as out:
                    for chunk in _chunks(self._kept[name]):
                        out.write(chunk)


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as source:
        while chunk := source.read(_CHUNK):
            yield chunk


def manifest(window: Window, start: int, hashes: Mapping[str, str]) -> bytes:
    """`manifest.json`, canonical. `from` is inside the window, `to` is not; `range` are rows of the log."""
    return canonical(
        {
            "signalbox": "pack/1",
            "chain": window.chain,
            "from": at(window.days.since_ms),
            "to": at(window.days.until_ms),
            "complete": window.complete,
            "range": {"first": start, "last": window.size - 1},
            "window": {"first": window.inside, "last": window.outside - 1},
            "files": dict(hashes),
        }
    )


def statement(chain: str, made: bytes) -> bytes:
    """What is signed over a manifest."""
    return f"signalbox/pack\n{chain}\n{base64.b64encode(hashlib.sha256(made).digest()).decode()}\n".encode()


def sign(files: Files, window: Window, start: int, vouch: Callable[[bytes], bytes]) -> None:
    """Add the manifest and its signature, last. `vouch` makes a signed note of a text; it raises OutsideError."""
    made = manifest(window, start, files.hashes)
    files.add(MANIFEST, made)
    files.add(SIGNATURE, vouch(statement(window.chain, made)))
