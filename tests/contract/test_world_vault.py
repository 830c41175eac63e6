from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from aws_account import Account
from hand_clock import HandClock

from bot.errors import Rejected, SignalboxError, Unreachable
from bot.store.database import Database
from bot.store.migrate import migrate
from bot.store.tables import Anchor, CheckpointRow
from bot.trail.append import Trail
from bot.trail.checkpoint import Checkpointer, Keyring
from bot.trail.event import Event, Name
from bot.trail.note import parse_note
from bot.trail.ship import Shipper
from bot.vault import Locking
from bot.world.signing import KmsKey
from bot.world.vault import S3Archive

OHIO = "us-east-2"
KEY = "log/checkpoints/1"


@pytest.fixture(scope="module")
def account() -> Iterator[Account]:
    account = Account(hang=0.1)
    yield account
    account.close()


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, account: Account) -> None:
    at(monkeypatch, account.url)


def at(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    """What production sets, and the address."""
    for name, value in {
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": "AKIASIGNALBOX",
        "AWS_SECRET_ACCESS_KEY": "not-a-secret",
        "AWS_DEFAULT_REGION": "us-west-2",
        "AWS_EC2_METADATA_DISABLED": "true",
    }.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def archive(request: pytest.FixtureRequest) -> S3Archive:
    """A folder of its own for each test."""
    return S3Archive(f"s3://signalbox-trail/{request.node.name}/", OHIO)


@pytest.fixture
def fault(account: Account) -> Iterator[Callable[..., None]]:
    on: list[str] = []
    yield lambda kind, **params: on.append(account.faults.add(kind, **params))
    for one in on:
        account.faults.remove(one)


def test_what_is_stored_is_locked_and_comes_back(archive: S3Archive, account: Account) -> None:
    """With the bytes, the storage's own date, and the lock."""
    assert archive.put(KEY, b"note\n") == "stored"
    held = archive.read(KEY)
    assert (held.body, held.mode, held.modified) == (b"note\n", "COMPLIANCE", account.clock.now())
    assert held.until is not None
    assert archive.where.startswith("s3://signalbox-trail/test_what_is_stored")
    assert not archive.where.endswith("/")


def test_nothing_is_stored_twice(archive: S3Archive) -> None:
    """The second one is told that it exists, whatever it brings."""
    archive.put(KEY, b"first")
    assert archive.put(KEY, b"second") == "exists"
    assert archive.read(KEY).body == b"first"
    assert len(list(archive.versions())) == 1


def test_versions_come_oldest_first_with_their_markers(
    account: Account, request: pytest.FixtureRequest
) -> None:
    """Across pages, whatever the clock said when they were made; keys are told without the archive's own prefix."""
    archive = S3Archive(f"s3://signalbox-trail/{request.node.name}", OHIO, page=2)
    s3 = account.client("s3", OHIO)
    name = {"Bucket": "signalbox-trail", "Key": f"{request.node.name}/log/b"}
    archive.put("log/a", b"a")
    archive.put("log/b", b"1")
    first = archive.read("log/b")
    account.advance(10)
    s3.put_object(**name, Body=b"22", ChecksumAlgorithm="SHA256")
    account.advance(10)
    s3.delete_object(**name)
    account.advance(10)
    s3.put_object(**name, Body=b"333", ChecksumAlgorithm="SHA256")
    archive.put("log/c", b"c")
    found = list(archive.versions("log/"))
    assert [(one.key, one.size, one.marker, one.latest) for one in found] == [
        ("log/a", 1, False, True),
        ("log/b", 1, False, False),
        ("log/b", 2, False, False),
        ("log/b", 0, True, False),
        ("log/b", 3, False, True),
        ("log/c", 1, False, True),
    ]
    assert archive.read("log/b", found[1].version) == first
    assert [one.key for one in archive.versions("log/", after="log/bb")] == ["log/c"]
    assert [one.key for one in archive.versions("log/c")] == ["log/c"]
    assert list(archive.versions("other/")) == []


def test_how_the_bucket_locks_is_told(archive: S3Archive, account: Account) -> None:
    """Where it is, by which mode, and for how many days; or that it does not."""
    assert archive.locking() == Locking(OHIO, enabled=True, mode="COMPLIANCE", days=400, versioned=True)
    stop = S3Archive("s3://fintech-stop-us-west-2", "us-west-2")
    assert stop.locking() == Locking("us-west-2", enabled=False, mode="", days=None, versioned=False)


def test_an_object_without_a_lock_is_told_as_such(account: Account) -> None:
    """No mode, no date; the verifier calls it a failure."""
    stop = S3Archive("s3://fintech-stop-us-west-2", "us-west-2")
    stop.put("x", b"x")
    held = stop.read("x")
    assert (held.mode, held.until) == ("", None)


def test_an_archive_that_locks_weakly_is_told_by_the_doctor(account: Account, tmp_path: Path) -> None:
    """GOVERNANCE may be lifted by some, and a production Region may be gone."""
    from bot.settings import Settings
    from bot.terminal.doctor_trail import archive_check

    s3 = account.client("s3", OHIO)
    where = {"LocationConstraint": OHIO}
    s3.create_bucket(Bucket="weak", ObjectLockEnabledForBucket=True, CreateBucketConfiguration=where)
    rule = {"DefaultRetention": {"Mode": "GOVERNANCE", "Years": 1}}
    s3.put_object_lock_configuration(
        Bucket="weak", ObjectLockConfiguration={"ObjectLockEnabled": "Enabled", "Rule": rule}
    )
    weak = S3Archive("s3://weak", OHIO)
    assert weak.locking() == Locking(OHIO, enabled=True, mode="GOVERNANCE", days=365, versioned=True)
    weak.put("x", b"x")
    assert weak.read("x").mode == "GOVERNANCE"
    settings = Settings(archive="s3://weak", archive_region=OHIO, estate=tmp_path / "none.yaml")
    found = archive_check(settings, S3Archive)
    assert (found.ok, "COMPLIANCE is needed" in found.says) == (False, True)


def test_a_lost_reply_is_found_out_by_putting_it_again(
    archive: S3Archive, fault: Callable[..., None]
) -> None:
    """It is sent once; what was done is told by the next one."""
    fault("aws-reply-lost", operation="put_object", count=1)
    with pytest.raises(Unreachable, match="Whether it was done is not known"):
        archive.put(KEY, b"x")
    assert archive.put(KEY, b"x") == "exists"
    assert archive.read(KEY).body == b"x"


def test_a_throttled_put_is_refused_in_words(archive: S3Archive, fault: Callable[..., None]) -> None:
    """The shipper tries again after its pause."""
    fault("aws-throttle", operation="put_object", count=1)
    with pytest.raises(SignalboxError, match="SlowDown"):
        archive.put(KEY, b"x")
    assert archive.put(KEY, b"x") == "stored"


def test_a_throttled_read_is_asked_again(archive: S3Archive, fault: Callable[..., None]) -> None:
    """A verifier of a year's objects meets throttles."""
    archive.put(KEY, b"x")
    fault("aws-throttle", operation="get_object", count=2)
    assert archive.read(KEY).body == b"x"


def test_a_dark_region_is_no_answer(archive: S3Archive, fault: Callable[..., None]) -> None:
    """The archive's Region is none of production's, and may be gone as well."""
    fault("region-dark", region=OHIO)
    with pytest.raises(Unreachable):
        archive.put(KEY, b"x")
    with pytest.raises(Unreachable):
        list(archive.versions())


def test_what_is_not_there_is_rejected(archive: S3Archive) -> None:
    """An object and a bucket."""
    with pytest.raises(Rejected, match="NoSuchKey"):
        archive.read("nothing")
    with pytest.raises(Rejected, match="NoSuchBucket"):
        S3Archive("s3://nobody-has-this", OHIO).put("x", b"x")


@pytest.mark.parametrize("url", ["signalbox-trail", "s3://", "s3://UPPER/x", "https://signalbox-trail"])
def test_what_is_no_archive_is_said_before_anything_is_asked(url: str) -> None:
    """A typing mistake in a setting."""
    with pytest.raises(SignalboxError, match="s3://BUCKET/PREFIX is expected"):
        S3Archive(url, OHIO)


class Scripted(BaseHTTPRequestHandler):
    """Answers with what the test has laid ready: (status, code)."""

    answers: list[tuple[int, str]]
    seen: list[str]

    def do_PUT(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def _answer(self) -> None:
        self.seen.append(self.command)
        status, code = self.answers.pop(0)
        body = (
            f"<Error><Code>{code}</Code><Message>User is not allowed</Message></Error>".encode()
            if code
            else b"x"
        )
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Last-Modified", "Wed, 21 Oct 2026 07:28:00 GMT")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Scripted]]:
    """A bucket whose answers nobody could provoke in the stand-in."""
    handler = type("Handler", (Scripted,), {"answers": [], "seen": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    at(monkeypatch, f"http://127.0.0.1:{server.server_address[1]}")
    yield handler
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_race_of_two_puts_is_tried_again(scripted: type[Scripted]) -> None:
    """S3 answers 409 while another put of the same key is under way; then it says who won."""
    scripted.answers += [
        (409, "ConditionalRequestConflict"),
        (409, "ConditionalRequestConflict"),
        (412, "PreconditionFailed"),
    ]
    assert S3Archive("s3://signalbox-trail", OHIO).put(KEY, b"x") == "exists"
    assert len(scripted.seen) == 3


def test_a_race_that_does_not_end_is_given_up(scripted: type[Scripted]) -> None:
    """For now: the shipper comes again."""
    scripted.answers += [(409, "ConditionalRequestConflict")] * 9
    with pytest.raises(Rejected, match="ConditionalRequestConflict"):
        S3Archive("s3://signalbox-trail", OHIO).put(KEY, b"x")
    assert len(scripted.seen) == 4


def test_a_missing_permission_is_told(scripted: type[Scripted]) -> None:
    """Which call it was, and AWS's own words."""
    scripted.answers += [(403, "AccessDenied")]
    with pytest.raises(Rejected, match="s3 put_object in us-east-2: AccessDenied: User is not allowed"):
        S3Archive("s3://signalbox-trail", OHIO).put(KEY, b"x")


def test_a_lock_that_may_not_be_seen_is_no_missing_lock(scripted: type[Scripted]) -> None:
    """S3 leaves the lock out without a word; asking for it tells the reason."""
    scripted.answers += [(200, ""), (403, "AccessDenied")]
    with pytest.raises(Rejected, match="s3 get_object_retention in us-east-2: AccessDenied"):
        S3Archive("s3://signalbox-trail", OHIO).read(KEY)


def test_a_log_signed_by_kms_is_shipped_to_s3(
    archive: S3Archive, account: Account, tmp_path: Path, fault: Callable[..., None]
) -> None:
    """The whole way, with a lost reply and an outage on it."""
    database, clock = Database(f"sqlite:///{tmp_path}/log.db"), HandClock()
    migrate(database)
    trail = Trail(database, clock, chain="signalbox/test")
    checkpointer = Checkpointer(trail, Keyring(KmsKey(account.ids["kms_key"])))
    shipper = Shipper(trail, archive)
    trail.note(*(Event(name=Name.BOT_HEARTBEAT, detail={"n": n}) for n in range(300)))
    checkpointer.seal()
    fault("aws-reply-lost", operation="put_object", count=1)
    for _ in range(4):
        shipper.ship_once()
        clock.advance(40)
    keys = [one.key.removeprefix("signalbox/test/") for one in archive.versions()]
    assert [key.partition("/")[0] for key in keys] == ["checkpoints", "entries", "entries", "keys"]
    note = parse_note(archive.read(f"signalbox/test/{keys[0]}").body)
    with database.read() as session:
        anchor = session.get_one(Anchor, "signalbox/test")
        row = session.get_one(CheckpointRow, ("signalbox/test", 301))
    assert (anchor.state, anchor.locked_size, anchor.locked_root) == ("anchored", 301, note.checkpoint.root)
    assert row.shipped_at is not None
    database.close()
