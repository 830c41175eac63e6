from __future__ import annotations

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "invariants"))

from archived import part, ship, with_archive
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from house import AUDITOR, LEAD, LEAD2, LEAD3, ONCALL, ONCALL2, House, edit, house
from plans import estate_text
from sqlmodel import select

from bot.changes.heads import Heads, generation, next_origin
from bot.changes.recover import Recovery
from bot.changes.signed import Signed
from bot.changes.views import Answer
from bot.errors import Altered, NotAllowed, Refused, Unreachable
from bot.store.database import Database
from bot.store.tables import Anchor, Change, Decision, Entry, Head
from bot.trail import recovered, tree
from bot.trail.append import LOG
from bot.trail.event import Event, Name
from bot.trail.finding import Finding
from bot.trail.recovered import Recoveries
from bot.vault import Stored

WHY = "restored from the snapshot of Sunday"
PLANNED = "/failover us-west-2 --planned --reason test"
PEOPLE = (ONCALL, ONCALL2, LEAD, LEAD2, AUDITOR)
KEYS = {person: Ed25519PrivateKey.from_private_bytes(bytes([n]) * 32) for n, person in enumerate(PEOPLE, 1)}


def public(person: str) -> str:
    return KEYS[person].public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()


@pytest.fixture
def box(database: Database, tmp_path: Path) -> House:
    """A Signalbox with pinned keys whose database was restored behind its archive."""
    pinned = "".join(f"  {person}: ['{public(person)}']\n" for person in PEOPLE)
    (tmp_path / "estate.yaml").write_text(f"{estate_text()}\nkeys:\n{pinned}")
    made = house(database, tmp_path)
    made.desk = with_archive(made.desk)
    made.trail.note(Event(name=Name.BOT_HEARTBEAT))
    part(database, "behind")
    return made


def signs(
    box: House,
    person: str,
    heads: Heads | None = None,
    *,
    emergency: bool = False,
    reason: str = WHY,
    by: str = "",
) -> Answer:
    """Look, sign, hand over; `by` signs in their place."""
    heads = heads or box.desk.recovery.asked(emergency=emergency).heads
    message = heads.statement(person, reason, emergency=emergency)
    signed = Signed(public(by or person), KEYS[by or person].sign(message))
    return box.desk.recover(heads, person, reason, signed, emergency=emergency)


def head(box: House) -> Head:
    with box.database.read() as session:
        return session.get_one(Head, LOG)


def anchor(box: House) -> Anchor:
    with box.database.read() as session:
        return session.get_one(Anchor, head(box).origin)


def bodies(box: House) -> list[bytes]:
    with box.database.read() as session:
        return list(session.exec(select(Entry.body).order_by(Entry.seq)))  # type: ignore[arg-type]


def findings(rows: list[bytes]) -> list[Finding]:
    """What the verifier's rules for recoveries say of these rows."""
    rules = Recoveries()
    found: list[Finding] = []
    for seq, body in enumerate(rows):
        record = json.loads(body)
        unmapped = record["unmapped"]
        match record["api"]["operation"]:
            case "decision:question:opened" if unmapped["detail"].get("kind") == "recovery":
                rules.opened(unmapped["detail"], unmapped["approval"])
            case "decision:vote:cast" if unmapped["approval"].get("choice") == "recover":
                found += rules.voted(seq, record)
            case "trail:log:recovered":
                found += rules.recovered(seq, record)
    return found


def test_two_leads_let_the_log_go_on(box: House) -> None:
    """The row names both heads with both signatures; a new origin, nothing locked below it, plans go through."""
    asked = box.desk.recovery.asked()
    size, root = asked.heads.local_size, asked.heads.local_root
    assert (asked.quorum, asked.roles, asked.signers) == (2, ("lead",), ())
    assert root == tree.root(_node(bodies(box)[:size]), size).hex()
    first = signs(box, LEAD)
    assert (first.counted, "1 more must sign" in first.text) == (True, True)
    assert head(box).origin == "signalbox"
    assert box.desk.recovery.asked().signers == (LEAD,)
    box.trail.note(Event(name=Name.BOT_HEARTBEAT))  # the log goes on meanwhile
    second = signs(box, LEAD2, reason="I saw the same, and agree")
    assert (second.counted, "Recovered" in second.text) == (True, True), second.text

    (row,) = box.entries("trail:log:recovered")
    unmapped = row["unmapped"]
    assert unmapped["detail"] == {
        "locked": {"origin": "signalbox", "size": 900, "root": "07" * 32},
        "local": {"size": size, "root": root},
        "origin": "signalbox/r1",
        "emergency": False,
    }
    assert [one["person"] for one in unmapped["approval"]["signatures"]] == [LEAD, LEAD2]
    assert (head(box).origin, head(box).chain, anchor(box).state) == ("signalbox/r1", "signalbox", "new")
    assert findings(bodies(box)) == []
    (change,) = box.desk.changes()
    assert (change.kind, change.state, change.approval.by) == ("trail-recovery", "done", LEAD2)  # type: ignore[union-attr]
    assert box.ask(PLANNED)


def _node(rows: list[bytes]) -> tree.Node:
    leaves = [tree.leaf_hash(body) for body in rows]

    def node(level: int, index: int) -> bytes:
        hashes = leaves[index << level : (index + 1) << level]
        while len(hashes) > 1:
            hashes = [tree.node_hash(a, b) for a, b in zip(hashes[::2], hashes[1::2], strict=True)]
        return hashes[0]

    return node


@pytest.mark.parametrize("person", [ONCALL, LEAD])
def test_in_an_emergency_one_key_does_it_and_is_reviewed(box: House, person: str) -> None:
    """At once, marked, with a review that two other leads close with words; who did it cannot."""
    assert signs(box, person, emergency=True).counted
    (row,) = box.entries("trail:log:recovered")
    assert row["unmapped"]["detail"]["emergency"] is True
    assert head(box).origin == "signalbox/r1"
    assert findings(bodies(box)) == []
    (change,) = box.desk.changes()
    (review,) = change.reviews
    assert (review.state, review.id) == ("open", row["unmapped"]["approval"]["review"])
    assert "Open: Review of the emergency recovery" in box.desk.status()
    closers = [p for p in (LEAD, LEAD2, LEAD3) if p != person]
    assert not box.desk.vote(review.id, "close", person, reason=WHY).counted
    assert not box.desk.vote(review.id, "close", closers[0], reason="ok").counted
    for closer in closers[:2]:
        assert box.desk.vote(review.id, "close", closer, reason=WHY).counted
    assert box.desk.view(change.id).reviews[0].state == "decided"  # type: ignore[union-attr]


def test_an_emergency_goes_before_a_question_that_waits(box: House) -> None:
    """The one who had signed is told by the withdrawn change, and no second recovery can follow from it."""
    heads = box.desk.recovery.asked().heads
    assert signs(box, LEAD, heads).counted
    assert signs(box, ONCALL, emergency=True).counted
    states = {change.command: change.state for change in box.desk.changes()}
    assert states == {"signalbox recover": "void", "signalbox recover --emergency": "done"}
    late = signs(box, LEAD2, heads)
    assert (late.counted, "somebody else has recovered it" in late.text) == (False, True)
    assert len(box.entries("trail:log:recovered")) == 1
    assert findings(bodies(box)) == []


def test_of_two_who_do_it_at_once_one_does_it(box: House) -> None:
    """The other one reads that it is done; there is one row and one origin."""
    heads = box.desk.recovery.asked(emergency=True).heads
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda who: signs(box, who, heads, emergency=True), (ONCALL, ONCALL2)))
    assert sorted(answer.counted for answer in answers) == [False, True], answers
    assert len(box.entries("trail:log:recovered")) == 1
    assert head(box).origin == "signalbox/r1"
    assert findings(bodies(box)) == []


@pytest.mark.parametrize(
    ("person", "told"),
    [(ONCALL, "recovered by lead"), (AUDITOR, "recovered by lead"), ("U0STRANGER1", "recovered by lead")],
)
def test_people_without_the_role_do_not_count(box: House, person: str, told: str) -> None:
    """Their attempt is recorded and nothing begins."""
    answer = signs(box, person, by=LEAD)
    assert (answer.counted, told in answer.text) == (False, True)
    assert box.desk.changes() == []
    assert box.entries("person:click:refused")


def test_an_emergency_needs_a_role_too(box: House) -> None:
    """An auditor with a key of their own recovers nothing."""
    answer = signs(box, AUDITOR, emergency=True)
    assert (answer.counted, "on-call or lead" in answer.text) == (False, True)


def test_one_person_counts_once(box: House) -> None:
    """However often they sign."""
    assert signs(box, LEAD).counted
    again = signs(box, LEAD)
    assert (again.counted, "one person counts once" in again.text) == (False, True)
    assert head(box).origin == "signalbox"


def test_a_signature_is_for_this_person_these_heads_and_this_reason(box: House) -> None:
    """By another's key, for the emergency, for other heads or words it does not count."""
    heads = box.desk.recovery.asked().heads
    right = {"person": LEAD, "reason": WHY, "emergency": False}
    for other in ({"person": LEAD2}, {"reason": "because I say so"}, {"emergency": True}):
        signed = Signed(public(LEAD), KEYS[LEAD].sign(heads.statement(**{**right, **other})))  # type: ignore[arg-type]
        assert not box.desk.recover(heads, LEAD, WHY, signed).counted
    moved = replace(heads, locked_size=901)
    signed = Signed(public(LEAD), KEYS[LEAD].sign(moved.statement(LEAD, WHY, emergency=False)))
    assert not box.desk.recover(heads, LEAD, WHY, signed).counted
    assert not signs(box, LEAD, by=LEAD2).counted
    assert not signs(box, LEAD3, by=LEAD).counted
    assert box.desk.changes() == []


def test_a_recovery_needs_words(box: House) -> None:
    """Everybody reads them later."""
    answer = signs(box, LEAD, reason="oops")
    assert (answer.counted, "at least 10 characters" in answer.text) == (False, True)


@pytest.mark.parametrize("why", ["anna@fintech.example restored the snapshot of Sunday", "w" * 2000])
def test_what_was_signed_is_written_as_it_was_signed(box: House, why: str) -> None:
    """A signature is over the reason's own words: an address in them stays, or nobody could check it again."""
    signs(box, LEAD, reason=why)
    assert signs(box, LEAD2, reason=why).counted
    assert findings(bodies(box)) == []


def test_a_reason_that_no_row_could_hold_does_not_count(box: House) -> None:
    """The last row holds the reasons of all: one that is too long would stop the recovery at its end."""
    assert "at most 2000 characters" in signs(box, LEAD, reason="w" * 2001).text


@pytest.mark.parametrize("state", ["new", "anchored", "unanchored"])
def test_where_nothing_differs_nothing_is_recovered(box: House, state: str) -> None:
    """Neither shown nor counted, signed or not."""
    heads = box.desk.recovery.asked().heads
    part(box.database, state)
    with pytest.raises(Refused, match="nothing to recover"):
        box.desk.recovery.asked()
    assert not signs(box, LEAD, heads).counted


def test_heads_that_moved_between_showing_and_signing_do_not_count(box: House) -> None:
    """Another writer has locked more, or the rows here are others: it is shown anew before anybody signs."""
    heads = box.desk.recovery.asked().heads
    part(box.database, "behind", (950, b"\x08" * 32))
    answer = signs(box, LEAD, heads)
    assert (answer.counted, "newer checkpoint" in answer.text) == (False, True)
    fresh = box.desk.recovery.asked().heads
    for other in (
        replace(fresh, local_root="00" * 32),
        replace(fresh, local_size=fresh.local_size + 99),
        replace(fresh, origin="signalbox"),
        replace(fresh, origin="elsewhere/r1"),
        replace(fresh, chain="elsewhere"),
    ):
        assert not signs(box, LEAD, other).counted, other
    assert box.desk.changes() == []
    assert signs(box, LEAD, fresh).counted


def test_a_question_that_no_longer_fits_is_withdrawn_by_the_next_one(box: House) -> None:
    """A signature under the old heads is no signature under the new ones."""
    assert signs(box, LEAD).counted
    part(box.database, "forked", (950, b"\x08" * 32))
    assert box.desk.recovery.asked().signers == ()
    box.world.clock.at += 1
    answer = signs(box, LEAD2)
    assert (answer.counted, "1 more" in answer.text) == (True, True)
    assert [change.state for change in box.desk.changes()] == ["recovering", "void"]
    assert signs(box, LEAD).counted
    assert findings(bodies(box)) == []


def test_rows_that_do_not_hang_together_cannot_go_on(box: House) -> None:
    """Whoever altered a row gets no signature under it: it is hashed anew before anybody signs, and again after."""
    heads = box.desk.recovery.asked().heads
    with box.database.write() as session:
        row = session.get_one(Entry, 1)
        row.body = row.body.replace(b'"seq":1,', b'"seq":1 ,')
        session.add(row)
    with pytest.raises(Altered, match="Row 1 of the trail here is not the one that was written"):
        box.desk.recovery.asked()
    answer = signs(box, LEAD, heads)
    assert (answer.counted, "restore one" in answer.text) == (False, True)
    assert box.desk.changes() == []


def test_a_log_of_which_nothing_was_locked_may_be_recovered(box: House) -> None:
    """The locked head is then that of an empty tree."""
    part(box.database, "forked", (0, b""))
    assert signs(box, ONCALL, emergency=True).counted
    (row,) = box.entries("trail:log:recovered")
    locked = row["unmapped"]["detail"]["locked"]
    assert (locked["size"], locked["root"]) == (0, tree.EMPTY.hex())


def test_two_questions_are_never_open_at_once(box: House) -> None:
    """Who looked before the other signed is sent to what was opened meanwhile."""
    early = box.desk.recovery.asked().heads
    box.trail.note(Event(name=Name.BOT_HEARTBEAT))
    assert signs(box, LEAD).counted
    answer = signs(box, LEAD2, early)
    assert (answer.counted, "other heads" in answer.text) == (False, True)
    assert signs(box, LEAD2).counted


def test_a_question_expires_like_that_of_a_planned_failover(box: House) -> None:
    """Half a recovery does not lie about for ever."""
    assert signs(box, LEAD).counted
    box.world.clock.at += 3601
    assert box.desk.recovery.asked().signers == ()
    box.watch.expire()
    assert [change.state for change in box.desk.changes()] == ["expired"]
    assert signs(box, LEAD2).counted
    assert head(box).origin == "signalbox"


def test_who_lost_the_role_or_the_key_no_longer_counts(box: House) -> None:
    """A signature stands for the estate of the moment at which it is used."""
    assert signs(box, LEAD).counted
    edit(box, f"  {LEAD}: ['{public(LEAD)}']\n", f"  {LEAD}: ['{public(ONCALL2)}']\n")
    answer = signs(box, LEAD2)
    assert (answer.counted, "1 more" in answer.text) == (True, True)
    assert head(box).origin == "signalbox"


def test_it_is_answered_at_a_terminal_only(box: House) -> None:
    """A click in Slack names no heads; the question is open all the same."""
    assert signs(box, LEAD).counted
    (change,) = box.desk.changes()
    assert change.approval is not None
    assert change.approval.options == ()
    answer = box.desk.vote(change.approval.id, "recover", LEAD2)
    assert (answer.counted, "signalbox recover" in answer.text) == (False, True)


def test_an_unplanned_failover_does_not_wait_for_it(box: House) -> None:
    """A recovery holds nothing: a failover is asked for, approved and run beside it."""
    assert signs(box, LEAD).counted
    change = box.approved("/failover us-west-2 --reason dark")
    assert box.see(change).state == "running"
    assert signs(box, LEAD2).counted
    box.watch._look()
    assert head(box).origin == "signalbox/r1"


def test_every_recovery_has_an_origin_of_its_own(box: House) -> None:
    """Also when the log parts again."""
    for number in (1, 2, 3):
        assert signs(box, ONCALL, emergency=True).counted
        assert head(box).origin == f"signalbox/r{number}"
        ship(box)
        part(box.database, "forked")
    assert findings(bodies(box)) == []


@pytest.mark.parametrize(
    ("origin", "number"), [("a/b", 0), ("a/b/r1", 1), ("a/b/r12", 12), ("a/b/r0", 0), ("a/b/x/r1", 0)]
)
def test_an_origin_tells_how_often_the_log_was_recovered(origin: str, number: int) -> None:
    """By its last part, after the chain's name."""
    assert generation("a/b", origin) == number


def test_a_name_that_the_archive_knows_is_passed_over(box: House) -> None:
    """A database from before an earlier recovery has forgotten it; the archive has not."""

    class Holding:
        where = "s3://archive/trail"
        away = False

        def versions(self, prefix: str = "") -> object:
            if self.away:
                raise Unreachable("The archive does not answer.")
            held = prefix in ("signalbox/r1/", "signalbox/r2/")
            return iter([Stored(prefix + "keys/x", "v1", 1.0)] if held else [])

    archive = Holding()
    recovery = Recovery(box.estates, box.trail, box.world.clock, archive)  # type: ignore[arg-type]
    assert recovery.asked().heads.origin == "signalbox/r3"
    archive.away = True
    assert recovery.asked().heads.origin == "signalbox/r1"
    assert next_origin("c", "c/r4", lambda origin: origin == "c/r5") == "c/r6"


def test_the_statement_is_the_one_of_the_format(box: House) -> None:
    """These very bytes are what released versions signed: they never change, and the verifier builds the same."""
    heads = Heads("c", "c", 9, "aa", 7, "bb", "c/r1")
    made = heads.statement(LEAD, "why", emergency=True)
    assert made == (
        b'{"chain":"c","emergency":true,"local":{"root":"bb","size":7},'
        b'"locked":{"origin":"c","root":"aa","size":9},"origin":"c/r1","person":"U0000LEAD01",'
        b'"reason":"why","signalbox":"recovery/1"}'
    )
    assert made == recovered.statement("c", heads.detail(emergency=True), LEAD, "why")


def test_all_of_it_or_nothing(box: House) -> None:
    """Origin, anchor, question and row are written together: a row that cannot be written leaves all as it was."""
    before = len(bodies(box))
    with pytest.raises(NotAllowed):
        box.desk.recovery.sign(
            box.desk.recovery.asked().heads, LEAD, WHY, Signed(public(LEAD), bytes(64)), emergency=True
        )
    assert len(bodies(box)) == before
    with box.database.read() as session:
        assert session.exec(select(Decision)).all() == []
        assert session.exec(select(Change)).all() == []


def _forged(rows: list[bytes], name: str, change: object) -> list[bytes]:
    """The rows with one field of the newest row of this name changed."""
    found = [json.loads(row) for row in rows]
    record = [r for r in found if r["api"]["operation"] == name][-1]
    change(record["unmapped"])  # type: ignore[operator]
    return [json.dumps(r).encode() for r in found]


def _set(*path: str | int, to: object):  # type: ignore[no-untyped-def]
    def change(unmapped: dict) -> None:  # type: ignore[type-arg]
        place = unmapped
        for step in path[:-1]:
            place = place[step]
        place[path[-1]] = to

    return change


@pytest.mark.parametrize(
    ("name", "change", "code"),
    [
        ("trail:log:recovered", _set("detail", "locked", "size", to=899), "recovery-heads"),
        ("trail:log:recovered", _set("detail", "locked", "size", to=899), "signature-wrong"),
        ("trail:log:recovered", _set("detail", "emergency", to=True), "review-missing"),
        ("trail:log:recovered", _set("detail", "local", "size", to=10**6), "recovery-heads"),
        ("trail:log:recovered", _set("detail", "origin", to="signalbox"), "recovery-origin"),
        ("trail:log:recovered", _set("approval", "signatures", to=[]), "quorum-missing"),
        ("trail:log:recovered", _set("approval", "signatures", 0, "person", to=LEAD3), "recovery-unsigned"),
        ("decision:vote:cast", _set("approval", "signature", to="00" * 64), "signature-wrong"),
        ("decision:vote:cast", _set("approval", "reason", to="other words"), "signature-wrong"),
        ("decision:vote:cast", _set("detail", "origin", to="signalbox/r7"), "recovery-heads"),
    ],
)
def test_the_verifier_finds_what_is_wrong_with_a_recovery(
    box: House, name: str, change: object, code: str
) -> None:
    """Heads that nobody signed, signatures that nobody gave, too few people, no review."""
    assert signs(box, LEAD).counted
    assert signs(box, LEAD2).counted
    assert code in {finding.code for finding in findings(_forged(bodies(box), name, change))}
