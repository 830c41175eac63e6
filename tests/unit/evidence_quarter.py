"""A quarter of a house: a failover, a denial, a refusal, an expiry, a break-glass, a dry run, silence in between."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "invariants"))

from house import AUDITOR, LEAD, LEAD2, ONCALL, ONCALL2, OPS, STRANGER, House, house

from bot.errors import SignalboxError
from bot.evidence.pack import Packer
from bot.evidence.window import Days, days
from bot.reply import Caller
from bot.store.database import Database
from bot.store.migrate import migrate
from bot.trail.checkpoint import Checkpointer, Keyring
from bot.trail.event import Event, Name
from bot.world.signing import FileKey

__all__ = ["AUDITOR", "HOSTILE", "LEAD", "LEAD2", "ONCALL", "OPS", "Quarter", "play", "played"]

HOSTILE = '=HYPERLINK(1) <script>alert(1)</script> \u202e\U0001f525 ‘x’ " & {{ 7*7 }}'


@dataclass
class Quarter:
    """The house after its quarter, and what makes packs of it."""

    box: House
    checkpointer: Checkpointer
    days: Days
    changes: dict[str, str]

    @property
    def packer(self) -> Packer:
        return Packer(self.box.trail, self.checkpointer.seal, self.checkpointer.vouch)


def _beat(box: House, checkpointer: Checkpointer, hours: float) -> None:
    for _ in range(int(hours * 6)):
        box.world.clock.at += 600
        box.trail.note(Event(name=Name.BOT_HEARTBEAT))
    checkpointer.seal()


def play(database: Database, place: Path) -> Quarter:
    """Begin on a Friday in January 2027, as the world in memory does."""
    box = house(database, place)
    checkpointer = Checkpointer(box.trail, Keyring(FileKey(place / "signing.key")))
    clock = box.world.clock
    changes = {}
    box.trail.note(Event(name=Name.BOT_STARTED, detail={"replica": "replica-1"}))
    _beat(box, checkpointer, 2)
    changes["dry run"] = box.ask("/failover us-west-2 --dry-run", LEAD)
    changes["denied"] = box.ask(f"/failover us-west-2 --reason {_quoted(HOSTILE)}")
    assert box.desk.vote(box.question(changes["denied"]).id, "deny", LEAD, reason="not today").counted
    try:
        box.desk.command("/failover us-west-2", Caller(STRANGER, "stranger", OPS))
    except SignalboxError:
        pass
    changes["expired"] = box.ask("/failover us-west-2 --reason nobody")
    clock.at += 901
    box.watch.expire()
    _beat(box, checkpointer, 1)
    clock.at += 3 * 3600  # nobody beats
    changes["glass"] = box.ask("/failover us-west-2 --reason dark")
    assert not box.vote(changes["glass"], person=ONCALL).counted
    clock.at += 181
    assert box.vote(changes["glass"], "break_glass", ONCALL).counted
    assert box.finish(changes["glass"]) == "done"
    [review] = box.decisions(changes["glass"], "review")
    for person in (LEAD, LEAD2)[: review.quorum]:
        assert box.desk.vote(review.id, "close", person, reason="rightly so: nobody was awake").counted
    _beat(box, checkpointer, 24)
    changes["stopped"] = box.ask("/failover us-east-1 --reason back", ONCALL2)
    assert box.vote(changes["stopped"], person=LEAD).counted
    box.tick()
    assert box.desk.stop(changes["stopped"], "abort", ONCALL).counted
    box.drive(changes["stopped"])
    box.trail.note(
        Event(name=Name.TRAIL_SEARCHED, actor=LEAD, face="slack", detail={"query": "who=dev", "rows": 3})
    )
    box.trail.note(Event(name=Name.ARCHIVE_LATE, ok=False, detail={"seconds": 400}))
    _beat(box, checkpointer, 30)
    first = datetime.fromtimestamp(1_800_000_000, UTC).date().isoformat()
    return Quarter(box, checkpointer, days(first, "2027-01-16"), changes)


def _quoted(words: str) -> str:
    return "'" + words.replace("'", "") + "'"


@contextmanager
def played(url: str, place: Path) -> Iterator[Quarter]:
    """The same with a database of its own."""
    database = Database(url)
    migrate(database)
    yield play(database, place)
    database.close()
