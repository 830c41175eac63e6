"""A dark Region, played once: the failover is asked for and approved at once, and every time is read afterwards."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bot.plan import Plan
from tests.bench.limits import Limits, limits
from tests.bench.sandbox import Broken, Sandbox, sandbox, until
from tests.bench.way import Took, served_from

DARK, TARGET = "us-east-1", "us-west-2"
_BEFORE_SECONDS = 20.0  # customers are served by the Region that goes dark
_NOTICED_SECONDS = 10.0  # from the fault until somebody does something, the same for people and bot
_WATCHED_SECONDS = 35.0  # after the end, so that it can be told from when on customers are served
_WITHIN_SECONDS = 1500.0
_LEADS = ("lead", "lead2")
_ANSWERS = ("skip", "acknowledge")
_PROOFS = (
    "check.smoke",
    "check.payments",
    "capacity.nodes",
    "capacity.replicas",
    "traffic.answers",
    "traffic.drained",
)
"""What the sequential drill does as well."""


@dataclass(frozen=True)
class Night:
    """What was measured, in simulated seconds; moments are epoch seconds. `held` are steps that asked people."""

    speed: float
    plan: Plan
    took: dict[str, Took]
    limits: Limits
    asked: float
    approved: float
    settled: float
    served: float
    held: tuple[str, ...]
    customers: dict[str, int]

    def ended(self, *kinds: str) -> float:
        """When the last step of these kinds had ended."""
        return max(t.ended for s, t in self.took.items() if self.plan.step(s).do.partition("@")[0] in kinds)

    @property
    def proven(self) -> float:
        """When all had been done and seen that the sequential drill does and sees."""
        return self.ended(*_PROOFS)


_played: dict[float, Night] = {}


def play(folder: Path, speed: float) -> Night:
    """Play it in a sandbox of its own, once in a process: benches that compare use the same night."""
    if speed not in _played:
        with sandbox(folder / "night", speed=speed) as here:
            _played[speed] = _play(here, speed)
    return _played[speed]


def darken(here: Sandbox, speed: float) -> None:
    """Customers pay, then their Region goes dark, then somebody notices."""
    time.sleep(_BEFORE_SECONDS / speed)
    here.post("faults", kind="region-dark", region=DARK)
    time.sleep(_NOTICED_SECONDS / speed)


def served(here: Sandbox, speed: float, since: float) -> tuple[float, dict[str, int]]:
    """From when on customers are served again, and their counts. Raises Broken when they are not."""
    time.sleep(_WATCHED_SECONDS / speed)
    told = here.get("customers")
    found = served_from(told["timeline"], since)
    if found is None:
        raise Broken(f"customers are not served again: {told['totals']}")
    return found, told["totals"]


def _play(here: Sandbox, speed: float) -> Night:
    found = limits(here)
    darken(here, speed)
    asked = _now(here)
    here.command(f'/failover {TARGET} --reason "{DARK} is dark"')
    card = until(lambda: here.cards("approve"), lambda: f"the card; {here.bot_log()}", 60)[-1]["ts"]
    here.click(card, "approve")
    address = f"file:{here.database}?mode=ro"
    with closing(sqlite3.connect(address, uri=True, isolation_level=None)) as rows:
        rows.row_factory = sqlite3.Row
        run, held = _settled(here, rows, card, speed)
        plan = Plan.model_validate_json(run["plan"])
        approved = rows.execute(
            "select decided_at from decision where change = ? and kind = 'approval' and outcome = 'approve'",
            (run["change"],),
        ).fetchone()
        settled = float(run["settled_at"] or run["ended_at"])
        again, customers = served(here, speed, asked)
        return Night(
            speed=speed,
            plan=plan,
            took=_took(rows, run["id"]),
            limits=found,
            asked=asked,
            approved=float(approved["decided_at"] if approved else run["started_at"]),
            settled=settled,
            served=again,
            held=held,
            customers=customers,
        )


def _settled(
    here: Sandbox, rows: sqlite3.Connection, card: str, speed: float
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The run once nothing is left but what stands; people answer at once what a step asks that does not."""
    held: list[str] = []
    clicked: set[str] = set()
    ends = time.monotonic() + _WITHIN_SECONDS / speed
    while True:
        run = rows.execute("select * from run").fetchone()
        state = run["state"] if run else "none"
        if state in ("standing", "done"):
            return dict(run), tuple(held)
        stuck = rows.execute("select step, why from step where state = 'held'").fetchall()
        held += [row["step"] for row in stuck if row["step"] not in held]
        for action in _ANSWERS:
            for message in here.cards(action, card) if stuck else ():
                if message["ts"] not in clicked:
                    clicked.add(message["ts"])
                    for lead in _LEADS:
                        here.click(message["ts"], action, lead)
        if state not in ("none", "running") or time.monotonic() > ends:
            told = "; ".join(f"{row['step']}: {row['why']}" for row in stuck)
            raise Broken(
                f"the failover is {state} after {_WITHIN_SECONDS:.0f} s at most; {told}; {here.bot_log()}"
            )
        time.sleep(0.2)


def _took(rows: sqlite3.Connection, run: str) -> dict[str, Took]:
    query = "select step, started_at, ended_at from step where run = ? and ended_at is not null"
    return {
        row["step"]: Took(float(row["started_at"] or row["ended_at"]), float(row["ended_at"]))
        for row in rows.execute(query, (run,))
    }


def _now(here: Sandbox) -> float:
    return float(here.get("clock")["now"])
