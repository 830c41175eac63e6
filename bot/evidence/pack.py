"""One file for an auditor: what happened in a window, and all that is needed to check it without us."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import orjson

from bot.errors import Refused
from bot.evidence import page, pdf
from bot.evidence.controls import count
from bot.evidence.estates import Estates
from bot.evidence.manifest import Files, sign
from bot.evidence.population import population
from bot.evidence.proofs import Proofs
from bot.evidence.records import ChangeRecord, Population
from bot.evidence.sample import Sampling, sampled
from bot.evidence.story import drill, story
from bot.evidence.table import events_csv, population_csv, query_text
from bot.evidence.templates import plain, render
from bot.evidence.window import Days, Window, open_window
from bot.trail.append import Trail
from bot.trail.event import Event, Name
from bot.trail.verify import verify_database

Extra = Callable[[Window], Mapping[str, bytes]]
"""A part of a pack that somebody else makes: file names and bytes, the same for the same window."""
OF_OTHERS = {
    "access_review.csv": "who had which role, and who reviewed it",
    "approvals_policy.csv": "the approvals policy in force over time",
    "corroboration.json": "CloudTrail and Kubernetes audit logs against this log",
    "oscal-assessment-results.json": "the same facts as OSCAL assessment results",
}
MANY_PROOFS = 256


@dataclass(frozen=True)
class Asked:
    """Who wants a pack of which days, and how samples are drawn."""

    days: Days
    sampling: Sampling = field(default_factory=Sampling)
    person: str = "signalbox"
    face: str = "terminal"


@dataclass(frozen=True)
class Packer:
    """Makes packs of one log. `seal` signs its head, `vouch` makes a signed note of a text with the same key.

    `extras` are made by other parts. `verify` judges the first rows of the log, as many as are told.
    """

    trail: Trail
    seal: Callable[[], object]
    vouch: Callable[[bytes], bytes]
    extras: Sequence[Extra] = ()
    verify: Callable[[str, int], dict[str, Any]] | None = None

    def pack(self, asked: Asked, into: IO[bytes]) -> Packed:
        """Record that it is made, sign the log's head, and write the file.

        Raises Refused where there is nothing to show, Altered where the log is not what was signed, OutsideError
        when the signer does not answer, TrailError when the export cannot be recorded: then there is no pack.
        """
        self._record(asked)
        self.seal()
        window = open_window(self.trail.database, asked.days)
        if window.inside >= window.size and not window.complete:
            raise Refused(
                f"The log has no row from {asked.days.words} or after it.",
                not_done="No pack was made.",
                then="Choose days that have begun.",
            )
        return self._write(window, asked.sampling, into)

    def _record(self, asked: Asked) -> None:
        detail: dict[str, Any] = {
            "from_ms": asked.days.since_ms,
            "until_ms": asked.days.until_ms,
            "seed": asked.sampling.seed[:200],
            "sample": asked.sampling.count,
        }
        self.trail.note(Event(name=Name.PACK_EXPORTED, actor=asked.person, face=asked.face, detail=detail))

    def _write(self, window: Window, how: Sampling, into: IO[bytes]) -> Packed:
        found = population(window)
        chosen = sampled(found.changes, how)
        estates = Estates(window.database)
        proofs = Proofs(window)
        with tempfile.TemporaryDirectory(prefix="signalbox-pack-") as place:
            files = Files(Path(place))
            files.add("population.csv", population_csv(found, chosen))
            files.add("events.csv", events_csv(found))
            files.add("population.query.txt", query_text(window, found, chosen, how, proofs.start))
            _samples(files, window, chosen, estates, proofs)
            _drills(files, found, estates)
            for extra in self.extras:
                files.add_all(extra(window))
            verdict = (self.verify or verdict_of)(window.database.url, window.size)
            files.add("verify-report.json", json.dumps(verdict, indent=2, sort_keys=True).encode() + b"\n")
            for name, content in proofs.segments():
                files.add(name, content)
            files.add_all(dict(proofs.checkpoints()) | dict(proofs.keys()))
            files.add("trail-format.md", plain("trail-format.md"))
            files.add("trail/start.json", proofs.begin())
            missing = {name: what for name, what in OF_OTHERS.items() if name not in files.hashes}
            shown = page.Shown(window, found, chosen, how, estates, verdict, missing, proofs.start)
            files.add("index.html", page.html(shown, sorted({*files.hashes, "README-auditor.md"})))
            files.add(
                "README-auditor.md",
                render("README-auditor.md", window=window, missing=missing, start=proofs.start),
            )
            sign(files, window, proofs.start, self.vouch)
            files.write(into)
            return Packed(window, found, len(chosen), len(files.hashes))


@dataclass(frozen=True)
class Packed:
    """What was written."""

    window: Window
    population: Population
    samples: int
    files: int

    @property
    def words(self) -> str:
        """In one sentence or two."""
        found, window = self.population, self.window
        told = (
            f"{window.days.words}: {found.rows} rows, {count(len(found.changes), 'change', 'changes')}, "
            f"{count(len(found.refusals), 'refusal', 'refusals')}, "
            f"{count(len(found.gaps), 'gap', 'gaps')} in the heartbeat; shown whole: {self.samples}."
        )
        return told if window.complete else told + " The window was not over: what comes later is not in it."


def _samples(
    files: Files, window: Window, chosen: Sequence[ChangeRecord], estates: Estates, proofs: Proofs
) -> None:
    for at in range(0, len(chosen), MANY_PROOFS):
        some = chosen[at : at + MANY_PROOFS]
        made = proofs.of([_closing(change) for change in some])
        for change in some:
            told = story(window, change, estates) | {
                "proof": {"row": _closing(change), "file": f"{change.id}.tlog-proof"}
            }
            files.add(f"samples/{change.id}.json", _json(told))
            files.add(f"samples/{change.id}.tlog-proof", made[_closing(change)])
            files.add(f"samples/{change.id}.pdf", pdf.of(told, window))


def _closing(change: ChangeRecord) -> int:
    """The row that closes it; its last one where none does."""
    return change.closed_seq if change.closed_seq is not None else change.seqs[-1]


def _drills(files: Files, found: Population, estates: Estates) -> None:
    if not found.drills:
        files.add(
            "drills/NONE.txt", b"No drills in this period: no recovery plan was exercised by Signalbox.\n"
        )
    for change in found.drills:
        files.add(f"drills/{change.id}.json", _json(drill(change, estates)))


def verdict_of(url: str, rows: int) -> dict[str, Any]:
    """What the verifier that ships with Signalbox says of the log's first `rows` rows."""
    report = verify_database(url, rows=rows)
    told = json.loads(report.as_json())
    told.pop("source", None)  # where the database is concerns nobody, and may hold a password
    return {
        "exit_code": report.exit_code,
        "words": report.words(),
        "log_rows_verified_from": 0,
        "report": told,
    }


def _json(value: object) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS | orjson.OPT_INDENT_2) + b"\n"
