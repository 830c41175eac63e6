"""From the click on Approve to the first intent in the trail, through everything: Slack, desk, engine, register."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing

from tests.bench.figures import Figure, Form, median, ms, quantile
from tests.bench.sandbox import Sandbox, until

TARGET_SECONDS = 0.250
_INTENT, _ENDED = "call:outside:intent", "run:plan:ended"


def measure(here: Sandbox, form: Form) -> Figure:
    """Ask, approve, see the first intent, roll back; again and again in a healthy estate."""
    with closing(sqlite3.connect(f"file:{here.database}?mode=ro", uri=True, isolation_level=None)) as trail:
        seconds = [_once(here, trail) for _ in range(form.approvals + 1)][1:]
    worst = quantile(seconds, 0.99)
    return Figure(
        "Approval click → first intent, p99, end to end",
        ms(worst),
        f"≤ {ms(TARGET_SECONDS)}",
        worst <= TARGET_SECONDS,
        how=f"{form.approvals} unplanned failovers in a sandbox, each rolled back; from sending the click to"
        f" the stand-in for Slack until another process sees the committed row. p50 {ms(median(seconds))}",
    )


def _once(here: Sandbox, trail: sqlite3.Connection) -> float:
    before = {card["ts"] for card in here.cards("approve")}
    here.command('/failover us-west-2 --reason "a measurement"')
    card = until(lambda: [c for c in here.cards("approve") if c["ts"] not in before], "the card")[-1]["ts"]
    seq = int(trail.execute("select max(seq) from entry").fetchone()[0])
    seen = _Watching(trail, seq)
    started = time.perf_counter()
    here.click(card, "approve")
    seconds = until(seen.intent, "the first intent", 30, 0.0005) - started
    board = until(lambda: here.cards("rollback", card), "the button Roll back")[-1]["ts"]
    here.click(board, "rollback")
    until(lambda: trail.execute("select 1 from entry where seq > ? and name = ?", (seq, _ENDED)).fetchone(),
          "the run is rolled back", 120)  # fmt: skip
    return float(seconds)


class _Watching:
    """Looks at the trail only when somebody has committed: `data_version` is a number in shared memory."""

    def __init__(self, trail: sqlite3.Connection, seq: int) -> None:
        self._trail = trail
        self._seq = seq
        self._version = -1

    def intent(self) -> float | None:
        """`perf_counter` of now, once there is an intent."""
        version = int(self._trail.execute("PRAGMA data_version").fetchone()[0])
        if version == self._version:
            return None
        self._version = version
        query = "select 1 from entry where seq > ? and name = ? limit 1"
        return time.perf_counter() if self._trail.execute(query, (self._seq, _INTENT)).fetchone() else None
