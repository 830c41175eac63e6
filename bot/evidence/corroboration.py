"""What a comparison with other people's logs came to: for a file, for a table, for an exit code."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from bot.canon import canonical
from bot.clock import iso
from bot.evidence.calls import Call

FORMAT = "corroboration/1"


class Bin(StrEnum):
    """Where a call of the trail ends; each in one."""

    MATCHED = "matched"
    MISMATCHED = "mismatched"
    RESOLVED = "resolved"
    NOT_ARRIVED = "not_arrived"
    REFUSED = "refused"
    EARLY = "early"
    MISSING = "missing"
    UNASKED = "unasked"


WORDS = {
    Bin.MATCHED: "in both, and they agree",
    Bin.MISMATCHED: "in both, and they do NOT agree",
    Bin.RESOLVED: "outcome unknown to the trail, told by the other log",
    Bin.NOT_ARRIVED: "outcome unknown to the trail, and the other log has nothing: it never arrived",
    Bin.REFUSED: "refused says the trail, and the other log has nothing: nothing was done",
    Bin.EARLY: "not there yet: less than 15 minutes old",
    Bin.MISSING: "in the trail and NOT in the other log",
    Bin.UNASKED: "not corroborated: the other log could not be asked",
}


class Identity(StrEnum):
    """Whether the other log names the person that the trail names."""

    AGREES = "agrees"
    OTHER = "other"
    UNTOLD = "untold"


@dataclass(frozen=True)
class Found:
    """A call and its bin; `record` is the other log's own id of it."""

    call: Call
    bin: Bin
    identity: Identity = Identity.UNTOLD
    record: str = ""
    why: str = ""


@dataclass(frozen=True, order=True)
class Outside:
    """A change that is not in the trail. `ours`: it was made with Signalbox's own identity."""

    at: float
    log: str
    region: str
    who: str
    ours: bool
    what: str
    on: str
    id: str
    refused: bool


@dataclass(frozen=True, order=True)
class Machine:
    """Changes of one machine: a controller, a service of AWS. `most` names what it did most."""

    log: str
    region: str
    who: str
    changes: int
    most: tuple[str, ...]


@dataclass(frozen=True, order=True)
class Source:
    """A log that was asked; `lack` says why what it told is not the whole."""

    log: str
    region: str
    records: int
    lack: str = ""
    left_out: str = ""


@dataclass(frozen=True)
class Corroboration:
    """The whole comparison of [since, until), epoch seconds. `reads` were told, too, and are left out."""

    since: float
    until: float
    asked_at: float
    calls: tuple[Found, ...]
    outside: tuple[Outside, ...]
    machines: tuple[Machine, ...]
    reads: int
    sources: tuple[Source, ...]

    @property
    def counts(self) -> dict[Bin, int]:
        """Calls by bin; they add up to all of them."""
        found = Counter(one.bin for one in self.calls)
        return {one: found[one] for one in Bin}

    @property
    def exit_code(self) -> int:
        """0: all of it is in both. 1: something is in one alone, or differs. 2: something could not be asked."""
        counts = self.counts
        if counts[Bin.MISMATCHED] or counts[Bin.MISSING] or self.outside:
            return 1
        lacking = not self.sources or any(source.lack for source in self.sources)
        return 2 if lacking or counts[Bin.UNASKED] or counts[Bin.EARLY] else 0

    def table(self) -> list[tuple[str, str, str]]:
        """Rows for people: what, how many, and a word about it."""
        named = [one for one in self.calls if one.record]
        agree = sum(one.identity is Identity.AGREES for one in named)
        untold = sum(one.identity is Identity.UNTOLD for one in named)
        rows = [
            (f"Calls {one}", str(count), WORDS[one])
            for one, count in self.counts.items()
            if count or one in (Bin.MATCHED, Bin.MISMATCHED, Bin.MISSING)
        ]
        rows.append(
            ("Named persons", f"{agree} of {len(named)}", f"the same person in both; {untold} without one")
        )
        ours = sum(one.ours for one in self.outside)
        rows.append(
            (
                "Changes outside the trail",
                str(len(self.outside)),
                f"{ours} of them with Signalbox's own identity" if ours else "by others",
            )
        )
        rows.append(
            (
                "Changes by machines",
                str(sum(m.changes for m in self.machines)),
                f"{len(self.machines)} of them",
            )
        )
        for source in self.sources:
            rows.append(
                (
                    f"{source.log} {source.region}".strip(),
                    f"{source.records} records",
                    f"NOT CORROBORATED: {source.lack}"
                    if source.lack
                    else source.left_out or "asked, and told all",
                )
            )
        return rows

    def as_json(self) -> bytes:
        """`corroboration.json`: the same comparison gives the same bytes."""
        return canonical(
            {
                "format": FORMAT,
                "since_ms": _ms(self.since),
                "until_ms": _ms(self.until),
                "asked_at_ms": _ms(self.asked_at),
                "exit_code": self.exit_code,
                "counts": {str(one): count for one, count in self.counts.items()},
                "table": [list(row) for row in self.table()],
                "calls": [_call(one) for one in self.calls],
                "outside": [
                    {
                        "log": one.log,
                        "region": one.region,
                        "at_ms": _ms(one.at),
                        "at": iso(one.at),
                        "who": one.who,
                        "with_signalbox_identity": one.ours,
                        "what": one.what,
                        "on": one.on,
                        "id": one.id,
                        "refused": one.refused,
                    }
                    for one in self.outside
                ],
                "machines": [
                    {
                        "log": m.log,
                        "region": m.region,
                        "who": m.who,
                        "changes": m.changes,
                        "most": list(m.most),
                    }
                    for m in self.machines
                ],
                "reads_left_out": self.reads,
                "sources": [
                    {
                        "log": s.log,
                        "region": s.region,
                        "records": s.records,
                        "not_corroborated": s.lack,
                        "left_out": s.left_out,
                    }
                    for s in self.sources
                ],
            }
        )


def _call(one: Found) -> dict[str, Any]:
    return {
        "row": one.call.seq,
        "at_ms": _ms(one.call.at),
        "service": one.call.service,
        "operation": one.call.operation,
        "region": one.call.region,
        "person": one.call.person,
        "change": one.call.change,
        "run": one.call.run,
        "request_id": one.call.request_id,
        "bin": str(one.bin),
        "identity": str(one.identity),
        "record": one.record,
        "why": one.why,
    }


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
