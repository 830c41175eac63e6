"""The rows that are the state. The trail is the proof of how they came about."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Float, Index, LargeBinary, Text
from sqlmodel import Field, SQLModel


class Change(SQLModel, table=True):
    """One request from asking to closing. Times are epoch seconds of the calendar.

    States: proposed, running, standing, done, denied, expired, cancelled, void, rolled_back, aborted,
    preempted, dry_run, recovering. `standing` = production has moved and only standing steps are left.
    """

    id: str = Field(primary_key=True)
    kind: str
    title: str
    command: str
    reason: str = ""
    request: str = Field(sa_column=Column(Text, nullable=False))
    requester: str
    face: str
    channel: str = ""
    thread: str = ""
    state: str = Field(index=True)
    note: str = ""
    digest: str = ""
    plan: str = Field(default="", sa_column=Column(Text, nullable=False))
    created_at: float
    closed_at: float | None = None


class Decision(SQLModel, table=True):
    """A question with options, quorum, expiry.

    Kinds: approval, hold, review, recovery. States: open, decided, expired, void.
    `roles` (comma separated) may answer; `excluded` may not (the requester of an approval). `emergency`
    marks a decision that was taken by break-glass and needs a review.
    """

    id: str = Field(primary_key=True)
    change: str = Field(index=True)
    run: str = ""
    step: str = ""
    kind: str
    question: str = Field(sa_column=Column(Text, nullable=False))
    options: str
    roles: str
    quorum: int
    excluded: str = ""
    digest: str = ""
    state: str = Field(index=True)
    outcome: str = ""
    by: str = ""
    emergency: bool = False
    created_at: float
    expires_at: float | None = None
    decided_at: float | None = None


class Vote(SQLModel, table=True):
    """One person's answer to one decision; one person counts once."""

    decision: str = Field(primary_key=True)
    person: str = Field(primary_key=True)
    choice: str
    face: str
    at: float
    reason: str = ""
    signature: str = Field(default="", sa_column=Column(Text, nullable=False, server_default=""))


class Run(SQLModel, table=True):
    """One execution of one approved plan.

    States: running, rolling_back, standing, done, rolled_back, aborted, preempted. `stop` is what a person
    asked for: empty, rollback, abort; or until when a change that goes before holds it still. `committed` tells
    that the first promotion call was sent. `settled_at` is when all but the standing steps had ended. `owner` and
    `epoch` say which replica drives it.
    """

    id: str = Field(primary_key=True)
    change: str = Field(index=True)
    state: str = Field(index=True)
    plan: str = Field(sa_column=Column(Text, nullable=False))
    back: str = Field(default="", sa_column=Column(Text, nullable=False))
    person: str
    stop: str = ""
    committed: bool = False
    owner: str = ""
    epoch: int = 0
    started_at: float
    settled_at: float | None = None
    ended_at: float | None = None


class StepRow(SQLModel, table=True):
    """Where one step of a run stands.

    States: pending, active, held, done, skipped, unconfirmed. `since` is when it entered this state,
    `wake_at` when it is looked at next, `applied_at` when it last acted, `attempts` how often. `instead` tells
    that people chose the step's other way; `asked` is the open question of a standing step.
    """

    __tablename__ = "step"
    run: str = Field(primary_key=True)
    step: str = Field(primary_key=True)
    ordinal: int
    state: str
    since: float
    wake_at: float = 0
    attempts: int = 0
    applied_at: float | None = None
    retry: int = 0
    instead: bool = Field(default=False, sa_column_kwargs={"server_default": "0"})
    asked: str = Field(default="", sa_column_kwargs={"server_default": ""})
    call_until: float = 0
    started_at: float | None = None
    ended_at: float | None = None
    verdict: str = ""
    why: str = Field(default="", sa_column=Column(Text, nullable=False))
    evidence: str = Field(default="", sa_column=Column(Text, nullable=False))


class Block(SQLModel, table=True):
    """A resource that a run holds; the primary key is the interlock."""

    resource: str = Field(primary_key=True)
    run: str = Field(index=True)
    since: float


class Replica(SQLModel, table=True):
    """A process that beats. `until` is epoch seconds of the database's clock."""

    name: str = Field(primary_key=True)
    epoch: int
    until: float = Field(sa_column=Column(Float, nullable=False))


class Post(SQLModel, table=True):
    """A message in Slack that the bot owns: `key` says what it is, `body` is the digest of what it shows."""

    key: str = Field(primary_key=True)
    change: str = Field(index=True)
    channel: str
    thread: str = ""
    ts: str = ""
    body: str = ""
    at: float = 0


class Cursor(SQLModel, table=True):
    """How far a follower of the trail has read: the next `seq` it wants."""

    name: str = Field(primary_key=True)
    seq: int


class Peak(SQLModel, table=True):
    """Largest number of replicas seen of a workload in an hour (epoch hour), per Region."""

    region: str = Field(primary_key=True)
    workload: str = Field(primary_key=True)
    hour: int = Field(primary_key=True)
    replicas: int


class Duration(SQLModel, table=True):
    """How long a kind of step took, seconds; the newest ones give the expectation."""

    id: int | None = Field(default=None, primary_key=True)
    kind: str = Field(index=True)
    seconds: float


class EstateRow(SQLModel, table=True):
    """The estates that were accepted, newest last, as JSON."""

    __tablename__ = "estate"
    digest: str = Field(primary_key=True)
    body: str = Field(sa_column=Column(Text, nullable=False))
    at: float


class Entry(SQLModel, table=True):
    """One row of the trail: `body` are the bytes that count, the other columns are an index over them."""

    seq: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    prev: bytes = Field(sa_column=Column(LargeBinary, unique=True, nullable=False))
    leaf: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    body: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    name: str = Field(index=True)
    change: str = ""
    at: float
    __table_args__ = (Index("ix_entry_change_seq", "change", "seq"),)


class Head(SQLModel, table=True):
    """The one row that orders the trail: how many rows there are and the last one's leaf hash.

    `chain` is the log's own name in every body; `origin` the one that checkpoints are signed for: the same, until
    the log went on after a recovery (`CHAIN/r1`).
    """

    log: str = Field(primary_key=True)
    chain: str = Field(default="", sa_column_kwargs={"server_default": ""})
    origin: str = Field(default="", sa_column_kwargs={"server_default": ""})
    size: int = Field(sa_column=Column(BigInteger, nullable=False))
    leaf: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    time_ms: int = Field(sa_column=Column(BigInteger, nullable=False))


class CheckpointRow(SQLModel, table=True):
    """A signed head: `note` are the bytes of a C2SP signed note over the first `size` rows. `at` by the calendar.

    `shipped_at` is when the archive had taken it with everything before it, epoch seconds of the calendar.
    """

    __tablename__ = "checkpoint"
    origin: str = Field(primary_key=True)
    size: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    root: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    note: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    at: float
    shipped_at: float | None = None


class Tile(SQLModel, table=True):
    """256 hashes of the tree in one place (c2sp.org/tlog-tiles): nodes of level 8·`level`, from 256·`number` on.

    Only full tiles are kept. Proofs are made from them and checked before they are handed out.
    """

    level: int = Field(primary_key=True)
    number: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    hashes: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class Anchor(SQLModel, table=True):
    """Where the archive stands with this database, one row an origin.

    States: `new` (nothing was looked at yet), `anchored` (the newest locked checkpoint is in this database),
    `unanchored` (the archive did not answer at the start), `behind` (this database holds less than what was locked),
    `forked` (it holds something else). `locked_size` and `locked_root` are of the newest locked checkpoint that was
    seen; `late_since` is since when rows wait longer than they should, calendar.
    """

    origin: str = Field(primary_key=True)
    state: str
    why: str = Field(default="", sa_column=Column(Text, nullable=False))
    locked_size: int = Field(default=0, sa_column=Column(BigInteger, nullable=False))
    locked_root: bytes = Field(default=b"", sa_column=Column(LargeBinary, nullable=False))
    looked_at: float = 0
    shipped_at: float | None = None
    late_since: float | None = None


class Disclosure(SQLModel, table=True):
    """What a commitment in the trail stands for: `value` is JSON. Deleted after `until`; the trail stays as it is."""

    seq: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    path: str = Field(primary_key=True)
    salt: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    value: str = Field(sa_column=Column(Text, nullable=False))
    until: float
