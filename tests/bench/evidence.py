"""An evidence pack of a quarter: ten thousand rows, most of them of moves that really ran, in memory."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import replace
from pathlib import Path

from sqlmodel import col, select

from bot.evidence import access, oscal
from bot.evidence.pack import Asked
from bot.evidence.window import days
from bot.store.database import Database
from bot.store.migrate import migrate
from bot.store.tables import Entry
from bot.trail.event import Event, Name
from bot.trail.verify import verify_pack
from tests.bench.figures import Figure, Form, seconds
from tests.bench.sandbox import Broken

sys.path.insert(0, str(Path(__file__).parents[1] / "unit"))

PLAYED = "glass"
HOURS = 3600.0


def measure(folder: Path, form: Form) -> list[Figure]:
    """Play a quarter, repeat its largest change under other names until there are enough rows, and pack it."""
    from evidence_quarter import play

    database = Database(f"sqlite:///{folder}/quarter.db")
    try:
        migrate(database)
        quarter = play(database, folder)
        trail, changes = quarter.box.trail, _rows_of(database, quarter.changes[PLAYED])
        for number in range((form.pack_rows - _count(database)) // (len(changes) + 1)):
            quarter.box.world.clock.at += HOURS
            name = f"{number:08x}"
            events = [_renamed(one, quarter.changes[PLAYED], name) for one in changes]
            trail.note(*events, Event(name=Name.BOT_HEARTBEAT))
            if number % 4 == 0:
                quarter.checkpointer.seal()
        rows = _count(database)
        path = folder / "pack.zip"
        began = time.perf_counter()
        with path.open("wb") as file:
            made = replace(quarter.packer, extras=(access.part, oscal.part)).pack(
                Asked(days("2027-01-01", "2027-03-31")), file
            )
        took = time.perf_counter() - began
    finally:
        database.close()
    report = verify_pack(str(path))
    if report.findings:
        raise Broken(f"the pack does not verify: {report.words()}")
    return [
        Figure(
            "Evidence pack of a quarter",
            seconds(took),
            target="≤ 20 s for 10,000 rows",
            met=None if form.short else took <= 20,
            how=f"{rows:,} rows, {len(made.population.changes)} changes shown whole with a PDF and a proof each,"
            f" {path.stat().st_size / 2**20:.1f} MiB, SQLite; the pack verifies",
        )
    ]


def _rows_of(database: Database, change: str) -> list[Event]:
    with database.read() as session:
        bodies = session.exec(select(Entry.body).where(Entry.change == change).order_by(col(Entry.seq))).all()
    return [_event(json.loads(body)) for body in bodies]


def _event(record: dict[str, dict[str, dict[str, str]]]) -> Event:
    told = record["unmapped"]
    return Event.model_validate(
        {
            "name": record["api"]["operation"],
            "actor": record["actor"]["user"]["uid"],
            "change": told["change"]["uid"],
            "run": told["change"]["run"],
            "step": told["change"]["step"],
            "ok": {1: True, 2: False, 0: None}[int(str(record["status_id"]))],
            "face": record["src_endpoint"]["name"],
            "detail": told["detail"],
            "approval": told.get("approval", {}),
        }
    )


def _renamed(event: Event, old: str, new: str) -> Event:
    """The same event of another change: decisions and calls get names of their own, too."""
    told = event.model_dump_json().replace(old, new)
    for field in ("decision", "review", "intent"):
        for where in (event.approval, event.detail):
            if isinstance(value := where.get(field), str) and value:
                told = told.replace(f'"{value}"', f'"{new}{value[8:]}"')
    return Event.model_validate_json(told)


def _count(database: Database) -> int:
    with database.read() as session:
        return (session.exec(select(Entry.seq).order_by(col(Entry.seq).desc()).limit(1)).first() or -1) + 1
