"""The verifier on real databases and on archives: what each kind of source can show, and what a hostile one cannot."""

from __future__ import annotations

import json
import sqlite3
import time
import types
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest
from hand_clock import HandClock
from signed_logs import CHAIN, DAY, Log, MemoryBucket, pack_files, pair, sealed, ship, zipped
from sqlalchemy import text

from bot.store.database import Database
from bot.terminal import cli
from bot.trail.event import Event, Name
from bot.trail.meaning import Meaning
from bot.trail.verify import (
    Report,
    Unreadable,
    compare,
    of_bucket,
    of_database,
    of_pack,
    verify_bucket,
    verify_database,
)


def kept_in(database: Database, log: Log) -> None:
    """Write a log into a database as the bot does."""
    with database.write() as session:
        put = session.connection().execute
        for seq, prev, leaf, body in log.rows():
            put(
                text(
                    "insert into entry (seq, prev, leaf, body, name, change, at) values (:s, :p, :l, :b, :n, :c, 0)"
                ),
                {"s": seq, "p": prev, "l": leaf, "b": body, **_index(body)},
            )
            head = {"n": seq + 1, "l": leaf, "c": log.chain, "o": log.origin, "t": log.last_ms}
        put(text("update head set size = :n, leaf = :l, chain = :c, origin = :o, time_ms = :t"), head)
        for origin, size, note in log.points:
            put(
                text("insert into checkpoint (origin, size, root, note, at) values (:o, :n, :r, :k, 0)"),
                {"o": origin, "n": size, "r": log.root(size), "k": note},
            )


def _index(body: bytes) -> dict[str, str]:
    record = json.loads(body)
    return {"n": record["api"]["operation"], "c": record["unmapped"]["change"]["uid"]}


def codes(report: Report) -> set[str]:
    return {found.code for found in report.findings}


@pytest.fixture
def log() -> Log:
    made = Log()
    made.change("a", "U2", "U3")
    made.seal()
    made.wait(60)
    made.beat(300)
    made.seal()
    made.beat()
    return made


@pytest.fixture
def bucket(log: Log) -> MemoryBucket:
    made = MemoryBucket()
    ship(log, made)
    return made


def test_a_signed_log_in_a_database_is_verified(database: Database, database_url: str, log: Log) -> None:
    """With its key said not to be pinned; pinned, that word is gone; with another key given it is a finding."""
    kept_in(database, log)
    report = verify_database(database_url, now=log.now)
    assert (report.exit_code, report.findings, report.gaps) == (0, [], [])
    assert (report.checkpoints, report.size, report.chain) == (2, log.points[-1][1], CHAIN)
    assert any("not pinned" in note for note in report.notes)
    own = str(log.signer.public)
    report = verify_database(database_url, pinned=[own], known=log.points[0][2])
    assert (report.exit_code, report.pinned, report.signers[0].trusted) == (0, True, "pinned")
    assert codes(verify_database(database_url, pinned=[str(pair(5).public)])) == {"key-not-pinned"}
    with pytest.raises(ValueError, match="no verifier key"):
        verify_database(database_url, pinned=["nonsense"])


def test_the_first_rows_can_be_verified_alone(database: Database, database_url: str, log: Log) -> None:
    """Newer checkpoints and the head are not about them."""
    kept_in(database, log)
    report = verify_database(database_url, rows=20)
    assert (report.exit_code, report.rows, report.size) == (0, 20, log.points[0][1])


@pytest.mark.parametrize(
    ("later", "code"), [(19 * 60, 0), (21 * 60, 2)]
)  # fmt: skip
def test_a_log_that_has_fallen_silent_is_incomplete(log: Log, later: int, code: int) -> None:
    """Twice the heartbeat without a row: the bot is away, or rows were removed."""
    assert log.verified(now=log.now + later).exit_code == code


def test_rows_that_nobody_signed_for_long_are_incomplete(log: Log) -> None:
    """A minute is normal, also after an hour of silence; twenty are not."""
    log.wait(3600)
    log.beat()
    log.seal()
    log.wait(3600)
    log.beat()
    assert log.verified().exit_code == 0
    log.wait(1201)
    log.beat()
    assert log.verified().exit_code == 2


def test_unattested_keys_are_said(log: Log) -> None:
    """A key in a file is as good as whoever has the file."""
    other = Log(signer=pair(3, attested=False))
    other.beat()
    other.seal()
    report = other.verified()
    assert report.exit_code == 0
    assert any("unattested" in note for note in report.notes)
    assert not report.signers[0].attested


def test_a_key_given_for_the_lost_one_is_enough(log: Log) -> None:
    """Nobody vouches for it in the log; who has it from elsewhere may say so. What it covers is covered."""
    log.signer = pair(4)
    log.introduce(lost=True)
    log.seal()
    assert codes(log.verified()) == {"key-not-vouched"}
    assert log.verified(pinned=[str(pair(4).public)]).exit_code == 0
    assert "key-not-vouched" in codes(log.verified(pinned=[str(pair(1).public)]))


VIEW = """create view entry as with recursive n(seq) as (select 0 union all select seq + 1 from n where seq < 5000)
    select seq, x'00' prev, x'00' leaf, x'7b7d' body from n"""
HOSTILE = {
    "no rows' table": ["drop table entry"],
    "no head's table": ["drop table head"],
    "no table of checkpoints": ["drop table checkpoint"],
    "another table": ["drop table entry", "create table entry (seq text, prev text, leaf text, body text)",
                      "insert into entry values ('x', 'y', 'z', '{}')"],
    "rows as text": ["create table other as select seq, prev, leaf, cast(body as text) as body from entry",
                     "drop table entry", "alter table other rename to entry"],
    "numbers as text": ["create table other as select 'x' || seq as seq, prev, leaf, body from entry",
                        "drop table entry", "alter table other rename to entry"],
    "nothing in them": ["create table other as select null as seq, null as prev, null as leaf, null as body",
                        "drop table entry", "alter table other rename to entry"],
    "text that is none": ["create table other as select seq, prev, leaf, cast(x'fffe' as text) as body from entry",
                          "drop table entry", "alter table other rename to entry"],
    "two heads": ["insert into head select 'more', chain, origin, size, leaf, time_ms from head"],
    "a head of text": ["update head set size = 'many'"],
    "notes of text": ["update checkpoint set note = 'text'"],
    "sizes of text": ["update checkpoint set size = 'x' || size"],
    "a view": ["drop table entry", VIEW],
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_database_is_a_finding_or_cannot_be_read(tmp_path: Path, log: Log, name: str) -> None:
    """Whatever tables and types it has: never verified, never a stack trace."""
    from bot.store.migrate import migrate

    url = f"sqlite:///{tmp_path}/log.db"
    database = Database(url)
    migrate(database)
    kept_in(database, log)
    database.close()
    with closing(sqlite3.connect(tmp_path / "log.db")) as connection, connection:
        for one in HOSTILE[name]:
            connection.execute(one)
    with suppress(Unreadable):
        assert verify_database(url).exit_code in (1, 2)


def test_what_is_no_database_cannot_be_read(tmp_path: Path) -> None:
    """Said in words; a password is not among them."""
    (tmp_path / "x.db").write_bytes(b"no database at all, but long enough to be read as one" * 99)
    for url in (
        f"sqlite:///{tmp_path}/x.db",
        f"sqlite:///{tmp_path}/none.db",
        "nonsense://x",
        "postgresql://u:secret@127.0.0.1:1/x",
    ):
        with pytest.raises(Unreadable, match=r"database|trail") as told:
            verify_database(url)
        assert "secret" not in str(told.value)


def test_an_archive_is_verified_with_its_locks_and_times(log: Log, bucket: MemoryBucket) -> None:
    """All that is locked long enough; a longer time required is a finding."""
    report = verify_bucket(bucket, now=log.now)
    assert (report.exit_code, report.findings, report.gaps) == (0, [], [])
    assert report.locks is not None
    assert (report.locks.objects, report.locks.days) == (len(bucket.kept), 400)
    assert codes(verify_bucket(bucket, retention_days=401)) == {"lock-short"}
    assert verify_bucket(MemoryBucket()).exit_code == 2


def test_what_comes_late_to_the_archive_is_a_note(log: Log, bucket: MemoryBucket) -> None:
    """The archive was away for an hour: the rows' times are the bot's word alone, and that is said."""
    log.seal()
    log.wall += 3600
    ship(log, bucket)
    report = verify_bucket(bucket)
    assert report.exit_code == 0
    assert any("more than 5 minutes after" in note for note in report.notes)


def recovered(log: Log, bucket: MemoryBucket, locked: tuple[str, int, bytes] | None = None) -> Log:
    """The database was restored to the first checkpoint, went on, and was recovered."""
    newest = (log.origin, log.points[-1][1], log.root(log.points[-1][1]))
    again = log.copy()
    again.bodies, again.points, again.signers = (
        log.bodies[: log.points[0][1]],
        log.points[:1],
        log.signers[:1],
    )
    again.wait(60)
    again.beat(2)
    again.recover(locked or newest)
    again.seal()
    ship(again, bucket)
    return again


def test_a_recovery_that_names_both_heads_is_a_note(log: Log, bucket: MemoryBucket) -> None:
    """What was lost stays readable below the old origin; the new one names it."""
    again = recovered(log, bucket)
    report = verify_bucket(bucket)
    assert (report.exit_code, report.findings, report.origin) == (0, [], f"{CHAIN}/r1")
    assert any("was recovered in row" in note for note in report.notes)
    assert again.verified().exit_code == 0
    report = again.verified(known=log.points[-1][2])
    assert (report.exit_code, "was lost and recovered" in report.words()) == (2, True)
    assert again.verified(known=log.points[0][2]).exit_code == 0


def test_a_recovery_that_hides_what_was_locked_last_is_found(log: Log, bucket: MemoryBucket) -> None:
    """It must name the newest locked checkpoint, and nothing may follow it below the old origin."""
    recovered(log, bucket, (CHAIN, log.points[0][1], log.root(log.points[0][1])))
    assert codes(verify_bucket(bucket)) == {"recovery-names-other"}


def test_two_logs_in_one_bucket_need_a_key_to_choose(log: Log, bucket: MemoryBucket) -> None:
    """Each by itself is fine."""
    other = Log(chain="signalbox/other", signer=pair(6, "signalbox/other"))
    other.beat()
    other.seal()
    ship(other, bucket)
    with pytest.raises(Unreadable, match="several logs"):
        verify_bucket(bucket)
    assert verify_bucket(bucket, pinned=[str(pair(6, "signalbox/other").public)]).rows == 2


def test_an_archive_that_does_not_answer_cannot_be_read(log: Log, bucket: MemoryBucket) -> None:
    """Neither listing nor reading."""

    def refuse(*_: Any, **__: Any) -> Any:
        raise RuntimeError("AccessDenied")

    bucket.read = refuse  # type: ignore[method-assign]
    with pytest.raises(Unreadable, match="AccessDenied"):
        verify_bucket(bucket)
    bucket.versions = refuse  # type: ignore[method-assign]
    with pytest.raises(Unreadable, match="AccessDenied"):
        verify_bucket(bucket)


def test_any_two_copies_are_compared(
    database: Database, database_url: str, log: Log, bucket: MemoryBucket, tmp_path: Path
) -> None:
    """Database, archive and pack of one log agree; a database restored to an earlier time does not."""
    kept_in(database, log)
    path = zipped(sealed(log, pack_files(log), complete=False), tmp_path / "pack.zip")
    sources = [of_database(database_url), of_bucket(bucket), of_pack(path)]
    for left in sources:
        for right in sources:
            pair_of, *_ = compare(left, right)
            assert (pair_of.exit_code, pair_of.findings) == (0, []), (left.name, right.name)
            assert pair_of.rows >= log.points[-1][1]
    with database.write() as session:
        for one in ("delete from entry where seq > 200", "delete from checkpoint where size > 200"):
            session.connection().execute(text(one))
        session.connection().execute(
            text("update head set size = 201, leaf = (select leaf from entry where seq = 200)")
        )
    assert codes(verify_database(database_url)) == set()
    for other in sources[1:]:
        assert codes(compare(sources[0], other)[0]) == {"cut-off"}


def test_a_database_altered_where_nothing_is_signed_yet_differs_from_the_archive(
    database: Database, database_url: str, log: Log, bucket: MemoryBucket
) -> None:
    """Both verify by themselves; only together they show it."""
    log.seal()
    ship(log, bucket)
    log.points.pop()
    log.bodies[-1] = log.bodies[-1].replace(b'"n":0', b'"n":1', 1)
    kept_in(database, log)
    assert verify_database(database_url).sound
    assert codes(compare(of_database(database_url), of_bucket(bucket))[0]) == {"differs"}


def test_what_is_remembered_of_changes_does_not_grow(clock: HandClock) -> None:
    """A change that is closed and needs no review is forgotten, however many there were."""
    log = Log()
    for number in range(40):
        log.change(f"c{number}", "U2", "U3")
    meaning, held = Meaning([]), []
    for seq, raw in enumerate(log.bodies):
        record = json.loads(raw)
        meaning.read(seq, record)
        if record["api"]["operation"] == Name.CHANGE_CLOSED:
            held.append(meaning.held)
    assert held == [0] * 40


def test_a_run_after_its_change_was_closed_is_found(log: Log) -> None:
    """What was forgotten approves nothing any more."""
    log.write(
        Event(
            name=Name.RUN_STARTED, change="a", run="again", detail={"digest": "x-a"}, approval={"decision": "d-a"}
        )
    )  # fmt: skip
    assert codes(log.verified()) == {"run-without-approval"}


def command(archive: Any, *words: str) -> int:
    wiring = types.SimpleNamespace(archive=archive)
    return cli.main(wiring, ["verify", *words])  # type: ignore[arg-type]


def test_the_command_tells_an_auditor_what_it_saw(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pack, a bucket, both; keys from a file; a checkpoint kept for next time; JSON; what cannot be read."""
    monkeypatch.chdir(tmp_path)
    log = Log(now=time.time(), wall=time.time())
    log.beat(3)
    log.seal()
    bucket = MemoryBucket()
    ship(log, bucket)
    path = zipped(sealed(log, pack_files(log), complete=False), tmp_path / "pack.zip")
    (tmp_path / "key").write_text(f"{log.signer.public}\n")

    def archive(url: str, region: str) -> MemoryBucket:
        assert (url, region) == ("s3://archive/log", "")
        return bucket

    assert command(archive, str(path), "--key", "key", "--save-checkpoint", "kept") == 0
    told = capsys.readouterr().out
    assert told.startswith("Verified: ")
    assert "you gave it" in told
    assert (tmp_path / "kept").read_bytes() == log.points[-1][2]
    assert command(archive, "s3://archive/log", "--checkpoint", "kept", "--retention-days", "300") == 0
    assert "COMPLIANCE for 400 days" in capsys.readouterr().out
    assert command(archive, "s3://archive/log", "--retention-days", "500") == 1
    assert "[lock-short]" in capsys.readouterr().out
    assert command(archive, "s3://archive/log", str(path), "--json") == 0
    both = json.loads(capsys.readouterr().out)
    assert (both["verdict"], both["rows"], len(both["of"])) == ("verified", len(log.bodies), 2)
    assert command(archive, str(path), "--key", str(pair(5).public), "--save-checkpoint", "no") == 1
    assert not (tmp_path / "no").exists()
    for wrong in (
        ["nothing.zip"],
        [str(path), "--key", "nonsense"],
        [str(path), "--checkpoint", "key"],
        ["sqlite:///x"],
    ):
        assert command(archive, *wrong) == 3
        assert "Traceback" not in capsys.readouterr().err


def test_the_locks_of_a_second_version_are_looked_at(log: Log, bucket: MemoryBucket) -> None:
    """Whoever stores something over a checkpoint is found, locked or not."""
    first = bucket.objects("checkpoints")[0]
    again = bucket.add(first.key, first.body, log.wall)
    again.until = again.modified + 3 * DAY
    assert codes(verify_bucket(bucket)) == {"second-version", "lock-short"}


@pytest.mark.parametrize("column", ["name", "change"])
def test_a_row_that_searches_would_pass_over_is_found(database: Database, log: Log, column: str) -> None:
    """The columns beside the bytes are not signed, so they are compared with the bytes."""
    kept_in(database, log)
    with database.write() as session:
        session.connection().execute(text(f"update entry set {column} = 'other' where seq = 3"))
    assert codes(verify_database(database.url)) == {"index-differs"}


def test_a_row_cannot_be_hidden_as_one_of_whoever_acted(database: Database, log: Log) -> None:
    """The person's id stands in the body, too, and is no change."""
    kept_in(database, log)
    with database.write() as session:
        session.connection().execute(text("update entry set change = 'U2' where change <> ''"))
    assert codes(verify_database(database.url)) == {"index-differs"}


def test_a_row_with_a_number_of_its_own_is_found(database: Database, log: Log) -> None:
    """No search by number sees it, but whoever asks for the newest row of a name might."""
    kept_in(database, log)
    with database.write() as session:
        session.connection().execute(
            text(
                "insert into entry (seq, prev, leaf, body, name, change, at)"
                " select -1, leaf, leaf, body, name, change, at from entry order by seq desc limit 1"
            )
        )
    assert codes(verify_database(database.url)) == {"rows-beside"}
