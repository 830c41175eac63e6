from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from bot.sandbox.faults import Faults
from bot.sandbox.net.connection import ConnectionTimedOut, DatabaseError
from bot.sandbox.net.databases import Databases
from bot.sandbox.net.psql import run_psql

EAST, WEST = "us-east-1", "us-west-2"
URLS = {
    EAST: "postgresql://pay@fintech-payments-use1.cluster-x.us-east-1.rds.amazonaws.com:5432/payments",
    WEST: "postgresql://pay@fintech-payments-usw2.cluster-x.us-west-2.rds.amazonaws.com:5432/payments",
}
GLOBAL = "fintech-payments"


@dataclass
class HandClock:
    at: float = 1_000_000.0

    def now(self) -> float:
        return self.at


@dataclass(frozen=True)
class Run:
    args: list[str]
    command: list[str] = field(default_factory=lambda: ["psql"])
    env: dict[str, str] = field(default_factory=dict)


class World:
    def __init__(self) -> None:
        self.clock = HandClock()
        self.faults = Faults()
        self.databases = Databases(self.clock, self.faults)
        clusters = {EAST: "fintech-payments-use1", WEST: "fintech-payments-usw2"}
        self.databases.add(GLOBAL, "payments", clusters, writer=EAST)

    def wait(self, seconds: float) -> None:
        self.databases.advance()
        self.clock.at += seconds
        self.databases.advance()

    def pay(self, region: str, payment: str, opened: float | None = None) -> None:
        opened = self.clock.now() if opened is None else opened
        self.databases.connect(URLS[region], opened).pay(payment)
        self.databases.acknowledge(GLOBAL, payment, region)

    def psql(self, region: str, *statements: str) -> tuple[int, str]:
        words = [URLS[region], "-At"]
        for statement in statements:
            words += ["-c", statement]
        return run_psql(self.databases, Run(words))


@pytest.fixture
def world() -> World:
    return World()


def test_reader_refuses_writes(world: World) -> None:
    """A write in the secondary Region fails with SQLSTATE 25006."""
    with pytest.raises(DatabaseError) as refused:
        world.pay(WEST, "p1")

    assert (refused.value.sqlstate, str(refused.value)) == (
        "25006",
        "cannot execute INSERT in a read-only transaction",
    )


def test_lossy_promotion_keeps_what_had_replicated(world: World) -> None:
    """A Region that goes dark takes its last 300 ms of payments with it."""
    world.pay(EAST, "old")
    world.wait(10)
    world.pay(EAST, "young")
    world.wait(0.1)
    assert world.databases.payments_lost() == 0

    world.faults.add("region-dark", region=EAST)
    world.wait(30)
    assert world.databases.lag_ms(GLOBAL) == pytest.approx(30_300)
    world.databases.promote(GLOBAL, WEST, data_loss=True)

    assert world.databases.payments_lost() == 1
    assert world.databases.connect(URLS[WEST], world.clock.now()).payment("old")
    assert world.databases.connect(URLS[WEST], world.clock.now()).payment("young") is None


def test_switchover_loses_nothing(world: World) -> None:
    """A promotion without data loss waits for the last row, however far behind the reader was."""
    world.faults.add("replication-lag", seconds=60)
    world.pay(EAST, "p1")
    world.databases.freeze(GLOBAL)
    with pytest.raises(DatabaseError, match="read-only"):
        world.pay(EAST, "p2")
    world.databases.promote(GLOBAL, WEST, data_loss=False)

    assert world.databases.payments_lost() == 0
    assert (world.databases.role(GLOBAL, EAST), world.databases.role(GLOBAL, WEST)) == ("reader", "writer")


def test_switchover_called_off(world: World) -> None:
    """A thawed writer goes on for the connections it had."""
    opened = world.clock.now()
    world.databases.freeze(GLOBAL)
    world.databases.thaw(GLOBAL)

    world.pay(EAST, "p1", opened)


def test_switchover_needs_the_writer(world: World) -> None:
    """Without its writer's Region a database cannot be promoted without data loss."""
    world.faults.add("region-dark", region=EAST)

    with pytest.raises(ValueError, match="unreachable"):
        world.databases.promote(GLOBAL, WEST, data_loss=False)


def test_pool_opened_before_promotion_stays_read_only(world: World) -> None:
    """Only a restarted pod writes to the promoted cluster."""
    opened = world.clock.now()
    world.wait(5)
    world.databases.promote(GLOBAL, WEST, data_loss=True)

    with pytest.raises(DatabaseError, match="read-only"):
        world.pay(WEST, "p1", opened)
    world.pay(WEST, "p2")


def test_partitioned_writer_lives_on(world: World) -> None:
    """A writer that the promotion could not reach goes on writing: two writers, and lost payments."""
    world.faults.add("region-partitioned", region=EAST)
    world.databases.promote(GLOBAL, WEST, data_loss=True)
    world.pay(EAST, "before any by the new writer")
    world.pay(WEST, "new")
    assert world.databases.acknowledged_by_two_writers() == 0

    world.pay(EAST, "old after new")

    assert world.databases.acknowledged_by_two_writers() == 1
    assert world.databases.payments_lost() == 2


def test_rejoin_discards_what_had_not_replicated(world: World) -> None:
    """The old writer comes back as a reader; its unreplicated rows are set aside."""
    world.faults.add("region-partitioned", region=EAST)
    world.databases.promote(GLOBAL, WEST, data_loss=True)
    world.pay(EAST, "stray")
    world.databases.rejoin(GLOBAL, EAST)

    assert world.databases.role(GLOBAL, EAST) == "reader"
    assert world.databases.connect(URLS[EAST], world.clock.now()).copy.lost == ["stray"]
    with pytest.raises(DatabaseError, match="read-only"):
        world.pay(EAST, "p3")


def test_detached_cluster_writes_alone(world: World) -> None:
    """Removed from its global cluster, a reader becomes a writer, and nobody fences the old one."""
    world.databases.detach(GLOBAL, WEST)

    world.pay(WEST, "p1")
    world.pay(EAST, "p2")
    assert world.databases.acknowledged_by_two_writers() == 1


def test_denied_subnets_time_out(world: World) -> None:
    """A network ACL deny cuts even open connections off; psql says so and exits with 2."""
    connection = world.databases.connect(URLS[EAST], world.clock.now())
    world.databases.deny_with(lambda region: region == EAST)

    with pytest.raises(ConnectionTimedOut):
        connection.pay("p1")
    code, message = world.psql(EAST, "SELECT 1")
    assert (code, "timeout expired" in message) == (2, True)


def test_probe_statements(world: World) -> None:
    """What a write probe sends works on the writer and fails on the reader as PostgreSQL has it."""
    statements = (
        "CREATE SCHEMA IF NOT EXISTS signalbox",
        "CREATE TABLE IF NOT EXISTS signalbox.probe (id text primary key, at timestamptz)",
        "INSERT INTO signalbox.probe (id, at) VALUES ('run-1', now()) ON CONFLICT DO NOTHING RETURNING id",
    )

    assert world.psql(EAST, *statements) == (0, "CREATE SCHEMA\nCREATE TABLE\nrun-1\nINSERT 0 1")
    assert world.psql(WEST, statements[2]) == (1, "ERROR:  cannot execute INSERT in a read-only transaction")
    assert world.psql(WEST, "SELECT pg_is_in_recovery()") == (0, "t")
    assert world.psql(EAST, "DROP TABLE payments")[0] == 1
    words = ["sh", "-c", 'psql "$DATABASE_URL" -qAtc "SELECT pg_is_in_recovery()"']
    assert run_psql(world.databases, Run([], words, {"DATABASE_URL": URLS[EAST]})) == (0, "f")
    assert run_psql(world.databases, Run([], ["ls"]))[0] == 127


def test_newest_heartbeat(world: World) -> None:
    """The heartbeat says how much survived, also when asked for the old writer's alone."""
    ask = "SELECT extract(epoch from max(at)) FROM signalbox.heartbeat"
    world.wait(100)
    start = int(world.clock.now())
    world.faults.add("region-dark", region=EAST)
    world.wait(50)
    assert world.psql(WEST, ask) == (0, f"{start - 1}.000")
    world.databases.promote(GLOBAL, WEST, data_loss=True)
    world.wait(0)
    world.wait(20)

    assert world.psql(WEST, ask) == (0, f"{start + 70}.000")
    assert world.psql(WEST, f"{ask} WHERE region = '{EAST}'") == (0, f"{start - 1}.000")
    assert world.psql(WEST, f"{ask} WHERE at <= to_timestamp({start + 3})") == (0, f"{start - 1}.000")
    assert world.psql(WEST, "SELECT max(at) FROM signalbox.heartbeat")[1].endswith("+00")


class Accounting(RuleBasedStateMachine):
    """Whatever happens, the counts are what a second, naive book says."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.count = 0
        self.dark: str | None = None
        self.promised: list[tuple[str, str, int]] = []
        self.term = {EAST: 1, WEST: 0}

    @rule(region=st.sampled_from([EAST, WEST]))
    def customer_pays(self, region: str) -> None:
        self.count += 1
        try:
            self.world.pay(region, f"p{self.count}")
        except DatabaseError:
            return
        self.promised.append((f"p{self.count}", region, self.term[region]))

    @rule(seconds=st.floats(0, 3))
    def time_passes(self, seconds: float) -> None:
        self.world.wait(seconds)

    @rule(region=st.sampled_from([EAST, WEST]), kind=st.sampled_from(["region-dark", "region-partitioned"]))
    def region_fails(self, region: str, kind: str) -> None:
        if self.dark is None:
            self.world.databases.advance()
            self.dark = self.world.faults.add(kind, region=region)

    @rule()
    def region_returns(self) -> None:
        if self.dark:
            self.world.faults.remove(self.dark)
            self.dark = None

    @rule(region=st.sampled_from([EAST, WEST]), data_loss=st.booleans())
    def promotion(self, region: str, data_loss: bool) -> None:
        before = self.world.databases.writer(GLOBAL)
        lost_before = self.world.databases.payments_lost()
        try:
            self.world.databases.promote(GLOBAL, region, data_loss=data_loss)
        except ValueError:
            return
        if before != region:
            self.term[region] = max(self.term.values()) + 1
            if not data_loss:
                assert self.world.databases.payments_lost() == lost_before

    @rule(region=st.sampled_from([EAST, WEST]))
    def rejoins(self, region: str) -> None:
        self.world.databases.rejoin(GLOBAL, region)

    @invariant()
    def counts_agree(self) -> None:
        databases = self.world.databases
        newest, by_two = 0, 0
        for _, _, term in self.promised:
            by_two += term < newest
            newest = max(newest, term)
        assert databases.acknowledged_by_two_writers() == by_two
        writer = databases._all[GLOBAL].copies[databases.writer(GLOBAL)]
        assert databases.payments_lost() == sum(p not in writer.ids for p, _, _ in self.promised)
        assert databases.payments_acknowledged() == len(self.promised)
        if max(self.term.values()) == 1:
            assert databases.payments_lost() == 0


Accounting.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
test_accounting = Accounting.TestCase


def test_payments_after_the_last_replicated_moment_are_lost_with_a_reason(world: World) -> None:
    """What a dark Region took with it after the last replication explains itself."""
    world.pay(EAST, "early")
    world.wait(1)
    world.pay(EAST, "late")
    world.faults.add("region-dark", region=EAST)
    world.databases.promote(GLOBAL, WEST, data_loss=True)

    assert world.databases.payments_lost() == 1
    assert world.databases.lost_though_replicated() == 0


def test_a_payment_that_had_replicated_and_is_lost_is_counted(world: World) -> None:
    """Nothing explains why what was there before a promotion is there no more."""
    world.pay(EAST, "kept")
    world.wait(1)
    world.databases.promote(GLOBAL, WEST, data_loss=True)
    copy = world.databases._all[GLOBAL].copies[WEST]
    del copy.payments["kept"]

    assert (world.databases.payments_lost(), world.databases.lost_though_replicated()) == (1, 1)


def test_partitioned_writer_goes_on_alone_until_it_rejoins(world: World) -> None:
    """Customers there are told their payments are safe; the other side never sees them."""
    world.wait(1)
    cut = world.faults.add("region-partitioned", region=EAST)
    world.wait(1)
    world.pay(EAST, "alone")
    world.databases.promote(GLOBAL, WEST, data_loss=True)
    world.pay(EAST, "alone-too")
    world.faults.remove(cut)
    world.wait(5)
    assert world.databases.role(GLOBAL, EAST) == "writer"
    world.pay(EAST, "back")

    world.databases.rejoin(GLOBAL, EAST)

    assert world.databases.payments_lost() == 3
    assert world.databases.told()[GLOBAL]["regions"][EAST] == {
        "role": "reader", "payments": 0, "lost": 3, "takes_writes": False,
    }  # fmt: skip
    assert world.databases.lost_though_replicated() == 0
    with pytest.raises(DatabaseError):
        world.pay(EAST, "closed")
