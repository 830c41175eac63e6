"""Whose signatures count: the keys that the log names itself, and those that were given from elsewhere.

A log introduces its first key in a row; each later one is vouched for by the one before it. A key given from
elsewhere (pinned) vouches for what follows it by rotation, and for what came before it once a checkpoint is signed
with it: that one covers those rows as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orjson

from bot.trail.note import UNATTESTED, Key, NotANote, Note, parse_key
from bot.trail.verify.report import Report, Signer, Unreadable

NAMES = frozenset({"trail:key:introduced", "trail:key:rotated"})


def pins(given: Iterable[str]) -> list[Key]:
    """Keys from their texts. Raises Unreadable."""
    try:
        return [parse_key(one) for one in given]
    except NotANote as error:
        raise Unreadable(str(error)) from error


class Keys:
    """Follows the keys of one log from row to row."""

    def __init__(self, report: Report, pinned: Sequence[str] = (), given: Iterable[Key] = ()) -> None:
        self._report = report
        self._pinned = pins(pinned)
        self._given = list(given)
        """Keys that lie beside the rows: they count only until a row names one."""
        self._groups: list[list[Key]] = []
        self._signed: dict[Key, int] = {}
        self._attested: dict[Key, bool] = {}
        self.current: Key | None = None

    @property
    def all(self) -> list[Key]:
        """Every key that was read of, and the pinned ones."""
        return list(
            dict.fromkeys([*self._pinned, *(one for group in self._groups for one in group), *self._given])
        )

    def read(self, seq: int, record: Mapping[str, Any]) -> None:
        """A row that introduces or rotates a key. Raises KeyError, TypeError… for what is not of our shape."""
        detail, chain = record["unmapped"]["detail"], record["chain_uid"]
        try:
            key = parse_key(str(detail["key"]))
        except NotANote as error:
            self._report.find(seq, "key-malformed", f"the key that this row names is none: {error}")
            return
        if key.name not in (chain, chain + UNATTESTED):
            self._report.find(seq, "key-of-other-log", f"the key {key.name} is not one of the log {chain}")
        self._attested[key] = key.attested and detail.get("attested") is True
        if key == self.current:
            return
        if record["api"]["operation"] == "trail:key:rotated":
            self._rotated(seq, chain, key, detail)
        elif self.current is None or key in self._pinned:
            self._groups.append([key])
        else:
            self._report.find(
                seq,
                "key-not-vouched",
                f"a new key {key} was introduced, and the one before it does not vouch for it;"
                " if it is the log's, give it with --key",
            )
            self._groups.append([key])
        self.current = key

    def _rotated(self, seq: int, chain: str, key: Key, detail: Mapping[str, Any]) -> None:
        before = self.current
        if before is None:  # the row that named it lies before this pack
            before = next((one for one in self.all if str(one) == detail["before"]), None)
        said = {"signalbox": "key/1", "chain": chain, "before": str(before), "key": str(key)}
        try:
            signature = bytes.fromhex(detail["signature"])
        except ValueError:
            signature = b""
        vouched = (
            before is not None
            and detail["before"] == str(before)
            and before.verifies(orjson.dumps(said, option=orjson.OPT_SORT_KEYS), signature)
        )
        if vouched and before is not None:
            if not self._groups or self._groups[-1][-1] != before:
                self._groups.append([before])
            self._groups[-1].append(key)
            return
        if key not in self._pinned:
            self._report.find(
                seq,
                "rotation-wrong",
                f"the key {key} says that the one before vouches for it, and it does not",
            )
        self._groups.append([key])

    def begin(self, note: Note) -> None:
        """Take the signer of the checkpoint that a pack begins with: the row that named it is not in it."""
        signers = note.signers(self.all)
        if signers and self.current is None:
            self.current = signers[0]
            self._groups.append([signers[0]])

    def check(self, note: Note) -> str:
        """Empty when the newest key signed this; else what is wrong, in words."""
        if self.current is not None and note.signers([self.current]):
            self._signed[self.current] = self._signed.get(self.current, 0) + 1
            return ""
        others = note.signers([one for one in self.all if one != self.current])
        if others:
            return (
                f"it is signed with {others[0].name}+{others[0].id.hex()}, which was not the log's key then"
            )
        named = ", ".join(f"{name}+{found.hex()}" for name, found, _ in note.lines[:3])
        return f"no key of this log signed it (it names {named})"

    def end(self) -> None:
        """Judge the keys: whatever is not pinned or vouched for by a pinned one is a finding, when there are pins."""
        report = self._report
        report.pinned = bool(self._pinned)
        seals = {one for one in self._pinned if self._signed.get(one)}
        for number, group in enumerate(self._groups):
            later = {one for found in self._groups[number + 1 :] for one in found}
            for place, one in enumerate(group):
                trusted = "log"
                if one in self._pinned:
                    trusted = "pinned"
                elif self._pinned:
                    held = any(before in self._pinned for before in group[:place])
                    covered = seals & (later | set(group[place + 1 :]))
                    trusted = "vouched" if held or covered else "unknown"
                if trusted == "unknown":
                    report.find(-1, "key-not-pinned", f"the log's key {one} is not the one that you gave")
                attested = self._attested.get(one, one.attested)
                report.signers.append(Signer(str(one), attested, trusted, self._signed.get(one, 0)))
        if self._groups and not self._pinned:
            report.note(
                "The key was not pinned: only the log itself names it. Compare it with the one you were given, or use"
                " --key."
            )
        if any(not one.attested for one in report.signers):
            report.note(
                "A key is unattested: its private half lies in a file, so whoever has that file can sign as well."
            )
