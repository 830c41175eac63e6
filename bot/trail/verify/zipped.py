"""Opens a pack without believing it: names, sizes and layout are judged before a byte is unpacked, nothing is written.

A pack may come from anybody. Every member is bounded by what the directory says, by what may be at most, and by what
is really there.
"""

from __future__ import annotations

import hashlib
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bot.trail.verify.report import Report, Unreadable

MOST_MEMBERS = 500_000
LARGEST_MEMBER = 256 * 1024 * 1024
LARGEST_PACK = 16 * 1024 * 1024 * 1024
LARGEST_PART = 32 * 1024 * 1024
"""Bytes of a member that is read at once: a segment has at most 256 rows of 65,535 bytes."""
_RATIO = 300
_SMALL = 1024 * 1024
_LOCAL = struct.Struct("<4s5H3L2H")
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


class Damaged(ValueError):
    """A member that cannot be unpacked as the directory says."""


class Pack:
    """The members of an opened pack."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self._members = {one.filename: one for one in archive.infolist()}

    @property
    def names(self) -> list[str]:
        """All names, sorted."""
        return sorted(self._members)

    def read(self, name: str, most: int = LARGEST_PART) -> bytes:
        """A whole member of at most so many bytes. Raises Damaged."""
        return b"".join(self._chunks(name, most))

    def digest(self, name: str) -> str:
        """SHA-256 of a member, hex. Raises Damaged."""
        made = hashlib.sha256()
        for chunk in self._chunks(name, LARGEST_MEMBER):
            made.update(chunk)
        return made.hexdigest()

    def _chunks(self, name: str, most: int) -> Iterator[bytes]:
        member = self._members.get(name)
        if member is None:
            raise Damaged(f"{name} is missing")
        if member.file_size > most:
            raise Damaged(f"{name} says that it has {member.file_size} bytes, and {most} are allowed")
        left = member.file_size
        try:
            with self._archive.open(member) as opened:
                while chunk := opened.read(1 << 16):
                    left -= len(chunk)
                    if left < 0:
                        raise Damaged(f"{name} has more bytes than it says")
                    yield chunk
        except (
            zipfile.BadZipFile,
            zlib.error,
            EOFError,
            OSError,
            RuntimeError,
            NotImplementedError,
        ) as error:
            raise Damaged(f"{name} cannot be unpacked: {error}") from error
        if left:
            raise Damaged(f"{name} has fewer bytes than it says")


@contextmanager
def opened(path: Path, report: Report) -> Iterator[Pack | None]:
    """The pack, or None after findings that forbid to unpack anything. Raises Unreadable for what is no ZIP."""
    try:
        with path.open("rb") as file:
            try:
                archive = zipfile.ZipFile(file)
            except (
                zipfile.BadZipFile,
                ValueError,
                NotImplementedError,
                OSError,
                struct.error,
                EOFError,
            ) as error:
                raise Unreadable(f"{path} is no pack, or not a whole one: {error}") from error
            with archive:
                before = report.findings.total
                _judge(archive, file.seek(0, 2), report)
                if report.findings.total == before:
                    _hidden(archive, path, report)
                yield None if report.findings.total > before else Pack(archive)
    except OSError as error:
        raise Unreadable(f"{path} cannot be read: {error.strerror or error}") from error


def _judge(archive: zipfile.ZipFile, length: int, report: Report) -> None:
    members = archive.infolist()
    if len(members) > MOST_MEMBERS:
        report.find(-1, "pack-bomb", f"the pack has {len(members)} files, and {MOST_MEMBERS} are allowed")
        return
    seen: set[str] = set()
    for one in members:
        name = one.filename
        if one.orig_filename != name or not _is_plain(name):
            report.find(-1, "pack-path", f"the pack has a file whose name leads elsewhere: {name[:120]!r}")
        if name in seen:
            report.find(-1, "pack-duplicate", f"the pack has two files named {name[:120]}")
        seen.add(name)
        kind = stat.S_IFMT(one.external_attr >> 16)
        if kind not in (0, stat.S_IFREG):
            report.find(-1, "pack-link", f"{name[:120]} in the pack is a link or a device, not a file")
        if one.flag_bits & 0x41:
            report.find(-1, "pack-encrypted", f"{name[:120]} in the pack is encrypted")
        elif one.compress_type not in _METHODS:
            report.find(-1, "pack-method", f"{name[:120]} in the pack is compressed in an unknown way")
        large = one.file_size > _SMALL and one.file_size > _RATIO * max(1, one.compress_size)
        if one.file_size > LARGEST_MEMBER or large or one.compress_size > length:
            report.find(
                -1,
                "pack-bomb",
                f"{name[:120]} would unpack from {one.compress_size} to {one.file_size} bytes",
            )
    if sum(one.file_size for one in members) > LARGEST_PACK:
        report.find(-1, "pack-bomb", f"the pack would unpack to more than {LARGEST_PACK} bytes")


def _is_plain(name: str) -> bool:
    return (
        bool(name)
        and name.isprintable()
        and "\\" not in name
        and ":" not in name
        and all(part not in ("", ".", "..") for part in name.split("/"))
    )


def _hidden(archive: zipfile.ZipFile, path: Path, report: Report) -> None:
    """Every byte before the directory belongs to a listed file: nothing is hidden, nothing overlaps."""
    at = 0
    with path.open("rb") as file:
        for one in sorted(archive.infolist(), key=lambda one: one.header_offset):
            if one.header_offset != at:
                break
            file.seek(at)
            raw = file.read(_LOCAL.size)
            if len(raw) < _LOCAL.size or not raw.startswith(b"PK\x03\x04"):
                break
            *_, name, extra = _LOCAL.unpack(raw)
            at += _LOCAL.size + name + extra + one.compress_size
            if one.flag_bits & 8:  # what follows a member that was written without its size
                file.seek(at)
                at += 16 if file.read(4) == b"PK\x07\x08" else 12
        else:
            if at == archive.start_dir and not archive.comment:
                return
    report.find(
        -1,
        "pack-hidden",
        "the pack holds bytes that are of no file in its directory, or files that overlap",
    )
