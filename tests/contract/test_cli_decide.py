from __future__ import annotations

import fcntl
import io
import json
import os
import pty
import sqlite3
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "invariants"))

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from house import EAST, House, house
from plans import estate_text
from rich.console import Console
from sqlmodel import select
from test_cli import bot
from test_cli_keys import add, ssh_agent

from bot.changes.signed import Signed, check, fingerprint, vote_statement
from bot.errors import Refused, SignalboxError
from bot.sandbox.keys import write_keys
from bot.settings import TERMINAL, replica_name
from bot.store.database import Database
from bot.store.migrate import migrate
from bot.store.tables import Replica
from bot.terminal.board import board_lines
from bot.terminal.decide import Voter, decide, print_questions
from bot.terminal.live import follow

ONCALL, ONCALL2, LEAD, LEAD2, LEAD3, AUDITOR = (
    "U0000ONCALL", "U000ONCALL2", "U0000LEAD01", "U0000LEAD02", "U0000LEAD03", "U0000AUDIT1",
)  # fmt: skip
LEASE_SECONDS = 15.0
NAMES = {ONCALL: "oncall", ONCALL2: "oncall2", LEAD: "lead", LEAD2: "lead2", LEAD3: "lead3"}
__all__ = ["ssh_agent"]


@pytest.fixture
def at(tmp_path: Path) -> Iterator[House]:
    """A Signalbox on SQLite whose estate pins keys; lead3 has none."""
    keys = write_keys(tmp_path / "keys", [ONCALL, ONCALL2, LEAD, LEAD2])
    pinned = "".join(f"  {person}: ['{key}']\n" for person, key in keys.items())
    (tmp_path / "estate.yaml").write_text(f"{estate_text()}\nkeys:\n{pinned}")
    database = Database(f"sqlite:///{tmp_path}/box.db")
    migrate(database)
    made = house(database, tmp_path)
    made.world.clock.at = time.time()
    yield made
    database.close()


@pytest.fixture
def place(at: House, tmp_path: Path) -> Path:
    return tmp_path


def key(place: Path, person: str) -> str:
    return str(place / "keys" / NAMES[person])


def paper() -> Console:
    """A console like that of the terminal, which a test can read."""
    return Console(file=io.StringIO(), width=300, markup=False, emoji=False, highlight=False, soft_wrap=True)


def words_on(out: Console) -> str:
    assert isinstance(out.file, io.StringIO)
    return out.file.getvalue()


def here(at: House, *words: str, person: str = LEAD, reason: str = "", sure: bool = True) -> tuple[int, str]:
    """`signalbox decide` in this process, beside the engine that a test drives by hand."""
    out = paper()
    path = at.estate_file.parent / "keys" / NAMES[person]
    code = decide(out, at.desk, words, Voter(person, path, "", sure=lambda: sure), reason)
    return code, words_on(out)


def test_a_signed_answer_counts_once_a_person(at: House, place: Path) -> None:
    """Without Slack, in a process of its own; the vote keeps the signature, the trail tells the face."""
    change = at.ask()
    ended = bot(
        place, "decide", change, "deny", "--as", LEAD, "--key", key(place, LEAD), "--reason", "not dark"
    )

    assert (ended.returncode, "Denied" in ended.stdout) == (0, True), ended.stderr
    assert at.see(change).state == "denied"
    row = at.entries("decision:vote:cast")[-1]
    vote = row["unmapped"]["approval"]
    assert (row["actor"]["user"]["uid"], row["src_endpoint"]["name"]) == (LEAD, "terminal")
    # The row alone proves it again, to anybody who has the estate.
    message = vote_statement(vote["decision"], vote["choice"], LEAD, vote["digest"], vote["reason"])
    check(at.desk.estate, LEAD, message, Signed(vote["key"], bytes.fromhex(vote["signature"])))
    again = bot(place, "decide", change, "deny", "--as", LEAD2, "--key", key(place, LEAD2))
    assert (again.returncode, "nothing is asked" in again.stderr) == (1, True)


def test_what_is_decided_is_shown_before(at: House, place: Path) -> None:
    """Title, digest, who asked, what is lost, the question, and with which key it was signed."""
    change = at.ask()
    ended = bot(place, "decide", "cancel", "--as", ONCALL, "--key", key(place, ONCALL))
    seen, public = at.see(change), (place / "keys" / "oncall.pub").read_text()

    assert ended.returncode == 0, ended.stderr
    for told in (seen.title, seen.digest[:12], seen.requester, "test", "Question:", fingerprint(public)):
        assert told in ended.stdout, told
    assert "Cancelled" in ended.stdout.splitlines()[-1]


def test_an_answer_without_the_persons_own_key_never_counts(at: House, place: Path) -> None:
    """No key, another's key, a person whose key is not pinned, nobody: exit code 1, in words, and nothing decided."""
    change = at.ask()
    refused = {
        "no key to sign with": ("--as", LEAD),
        "is not one of U0000LEAD01's": ("--as", LEAD, "--key", key(place, ONCALL2)),
        "no key of U0000LEAD03": ("--as", LEAD3, "--key", key(place, LEAD)),
        "no key of yours": ("--as", LEAD3),
        "nobody in this estate": ("--as", "U0NOBODY001", "--key", key(place, LEAD)),
        "cannot be read": ("--as", LEAD, "--key", str(place / "absent")),
    }
    for told, words in refused.items():
        ended = bot(place, "decide", change, "approve", *words)
        assert (ended.returncode, told in " ".join((ended.stdout + ended.stderr).split())) == (1, True), ended

    assert at.see(change).state == "proposed"
    assert at.see(change).approval.votes == ()  # type: ignore[union-attr]
    faces = [row["src_endpoint"]["name"] for row in at.entries("person:click:refused")]
    assert faces == ["terminal", "terminal"]


def test_a_signature_is_for_one_answer_only(at: House) -> None:
    """Signed for another choice, question, person or reason it is refused by the desk itself."""
    from cryptography.hazmat.primitives.serialization import load_ssh_private_key

    change = at.ask()
    question = at.see(change).approval
    assert question is not None
    private = load_ssh_private_key((at.estate_file.parent / "keys" / "lead").read_bytes(), None)
    assert isinstance(private, Ed25519PrivateKey)
    public = (at.estate_file.parent / "keys" / "lead.pub").read_text()
    right = (question.id, "deny", LEAD, question.digest, "why")
    for wrong in (
        ("another", *right[1:]),
        (right[0], "approve", *right[2:]),
        (*right[:2], LEAD2, *right[3:]),
        (*right[:3], "0" * 64, right[4]),
        (*right[:4], "because"),
    ):
        signed = Signed(public, private.sign(vote_statement(*wrong)))
        assert not at.desk.vote(question.id, "deny", LEAD, "terminal", reason="why", signed=signed).counted
    assert not at.desk.vote(question.id, "deny", LEAD, "terminal", reason="why").counted

    signed = Signed(public, private.sign(vote_statement(*right)))
    assert at.desk.vote(question.id, "deny", LEAD, "terminal", reason="why", signed=signed).counted


def test_an_approval_at_the_terminal_starts_the_run(at: House) -> None:
    """And the run can be rolled back from there; whoever asked counts for nothing here, too."""
    change = at.ask()
    code, told = here(at, "approve", person=ONCALL)
    assert (code, "does not count" in told or "decided by" in told) == (1, True)
    assert here(at, "approve", sure=False)[0] == 1
    assert at.run(change) is None
    code, told = here(at, "approve")
    assert (code, at.see(change).state) == (0, "running"), told
    code, told = here(at, change, "rollback", person=ONCALL2)

    assert (code, "Rolling back" in told) == (0, True)
    assert at.drive(change) == "rolled_back"


def test_one_person_counts_once_in_both_places(at: House) -> None:
    """Of two approvals that are needed, one by the same lead in Slack and at a terminal makes one."""
    change = at.ask("/failover us-west-2 --planned --reason test")
    assert at.vote(change, person=LEAD).counted
    code, told = here(at, "approve")
    assert (code, "once" in told) == (1, True)
    assert at.run(change) is None
    assert here(at, "approve", person=LEAD2)[0] == 0
    assert at.run(change) is not None


def test_a_review_needs_words(at: House) -> None:
    """Glass broken at the terminal after the wait; its review is closed by two leads who give a reason."""
    change = at.ask()
    code, told = here(at, "break-glass", person=ONCALL2)
    assert (code, "still time for an approval" in told) == (1, True)
    at.world.clock.at += 200
    code, told = here(at, "break_glass", person=ONCALL2, reason="nobody answers")
    assert (code, at.see(change).state) == (0, "running"), told
    with pytest.raises(Refused, match="needs a reason"):
        here(at, change, "close")
    assert here(at, change, "close", reason="it was dark, and right")[0] == 0
    out = paper()
    print_questions(out, at.desk)
    assert f"close --as {LEAD2} --reason" in words_on(out)
    assert here(at, change, "close", person=LEAD2, reason="so say I, too")[0] == 0
    assert at.see(change).reviews[0].state == "decided"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["aprove"], "Did you mean approve?"),
        (["retry"], "Possible: approve, break_glass, cancel, deny."),
        (["0badc0de", "approve"], "no change and no question"),
        ([], "takes an answer"),
        (["a", "b", "c"], "takes an answer"),
    ],
)
def test_what_is_no_answer_is_said_in_words(at: House, words: list[str], told: str) -> None:
    """With the nearest that is one."""
    at.ask()
    with pytest.raises(SignalboxError, match=told.replace("?", r"\?")):
        here(at, *words)


def test_nothing_open_and_several_open_are_said_in_words(at: House) -> None:
    """A person is never left to guess which question an answer would go to."""
    with pytest.raises(Refused, match="No question is open"):
        here(at, "approve")
    change = at.ask()
    with sqlite3.connect(at.estate_file.parent / "box.db") as connection:
        names = [row[1] for row in connection.execute("pragma table_info(decision)")]
        kept = ", ".join("'second'" if name == "id" else name for name in names)
        connection.execute(f"insert into decision select {kept} from decision")
        names = [row[1] for row in connection.execute("pragma table_info(change)")]
        kept = ", ".join("'second'" if name == "id" else name for name in names)
        connection.execute(f"insert into change select {kept} from change")
        connection.execute("update decision set change = 'second' where id = 'second'")
    connection.close()
    with pytest.raises(Refused, match="Several changes are open"):
        here(at, "deny")
    assert here(at, "second", "deny")[0] == 0
    assert at.see(change).state == "proposed"


def test_open_questions_are_listed_with_what_to_type(at: House, place: Path) -> None:
    """The line can be pasted; who has no key is not proposed."""
    assert "No question is open" in bot(place, "questions").stdout
    change = at.ask()
    told = bot(place, "questions").stdout
    line = next(line for line in told.splitlines() if "> signalbox decide" in line)
    words = line.split("> signalbox ")[1].split()

    assert at.see(change).title in told
    assert words[-2:] == ["--as", LEAD]
    assert "the glass may be broken" in told
    words[words.index("approve")] = "deny"
    assert bot(place, *words, "--key", key(place, LEAD)).returncode == 0


def test_words_of_others_cannot_move_the_cursor(at: House, place: Path) -> None:
    """A reason with control characters, or with a line that looks like a question, stays one harmless line."""
    from bot.reply import Caller

    at.desk.command(
        '/failover us-west-2 --reason "x\x1b[2J\n> signalbox decide evil approve\u202e"',
        Caller(ONCALL, ONCALL, "C0000000OPS"),
    )
    for told in (bot(place, "questions").stdout, here(at, "deny")[1]):
        assert "\x1b" not in told
        assert "\u202e" not in told
        assert not any(line.strip().startswith("> signalbox decide evil") for line in told.splitlines())


def test_a_run_is_followed_until_only_standing_steps_are_left(at: House) -> None:
    """Its end, in plain lines, with the report and the exit code."""
    change = at.approved()
    at.finish(change)
    out = paper()
    code = follow(out, at.desk, change, stay=False, lease_seconds=LEASE_SECONDS)
    told = words_on(out)

    assert (code, at.see(change).state in ("done", "standing")) == (0, True)
    assert "Recovery time" in told
    assert "✓" in told


def standing(at: House) -> str:
    """A change of which only the fence is left to drive."""
    at.world.dark.add(EAST)
    at.world.written[EAST] = at.world.clock.now() - 600
    change = at.approved()
    at.drive(change, lambda: at.see(change).state == "standing")
    return change


def beaten(at: House, name: str, seconds_ago: float = 0.0) -> None:
    """A replica that beat then, beside that of the terminal that follows."""
    with at.database.write() as session:
        for row in session.exec(select(Replica)).all():
            session.delete(row)
        until = at.database.now(session) + LEASE_SECONDS - seconds_ago
        session.add(Replica(name=name, epoch=1, until=until))
        here = replica_name(terminal=True)
        session.add(Replica(name=here, epoch=1, until=at.database.now(session) + LEASE_SECONDS))


def test_following_ends_when_another_replica_drives_the_standing_fence(at: House) -> None:
    """Exit code 0, with what is waited for and the question still open; alone it would have to stay."""
    change = standing(at)
    out = paper()
    beaten(at, replica_name(), 3)
    code = follow(out, at.desk, change, stay=None, lease_seconds=LEASE_SECONDS)

    assert code == 0, words_on(out)
    assert "Production runs in us-west-2" in words_on(out)
    assert "Waits on: Keep watch on us-east-1" in words_on(out)
    assert "another replica keeps driving" in words_on(out)
    for question in at.holds(change).values():
        assert f"signalbox decide {question.id} skip --as" in words_on(out)


@pytest.mark.parametrize(
    ("terminal", "seconds_ago"), [(True, 0.0), (False, 7.0)], ids=["another terminal", "a silent serve"]
)
def test_a_terminal_leaves_the_fence_only_to_a_replica_that_stays(
    at: House, monkeypatch: pytest.MonkeyPatch, terminal: bool, seconds_ago: float
) -> None:
    """Two terminals would each leave it to the other; one that died just now has a lease for some seconds more."""
    change = standing(at)
    out = paper()
    beaten(at, replica_name(terminal=terminal), seconds_ago)

    def left(_looking: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("bot.terminal.live._Looking.wait", left)
    with pytest.raises(KeyboardInterrupt):
        follow(out, at.desk, change, stay=None, lease_seconds=LEASE_SECONDS)

    assert "so this one stays to drive" in words_on(out)


def test_a_command_on_a_terminal_is_a_replica_that_does_not_stay(place: Path) -> None:
    """Its name tells, and comes after all others: the first by name leads, and a terminal cannot speak in Slack."""
    assert bot(place, "run", "/runs", "--as", ONCALL).returncode == 0
    with sqlite3.connect(place / "box.db") as connection:
        bodies = [bytes(body) for (body,) in connection.execute("select body from entry")]
    connection.close()

    (started,) = [json.loads(b) for b in bodies if b"bot:process:started" in b]
    assert f'"{TERMINAL}' in json.dumps(started)
    assert not replica_name().startswith(TERMINAL)


def test_a_stop_that_is_refused_is_no_success(at: House, place: Path) -> None:
    """Exit code 1: without a signature nothing stops, and a script must not believe that it did."""
    change = at.ask()
    ended = bot(place, "run", f"/runs abort {change}", "--as", ONCALL)

    assert ended.returncode == 1
    assert "signalbox decide" in ended.stdout


def test_a_change_that_ends_otherwise_is_no_success(at: House) -> None:
    """Exit code 1 for what was denied."""
    change = at.ask()
    at.vote(change, "deny")
    out = paper()

    assert follow(out, at.desk, change, stay=None, lease_seconds=LEASE_SECONDS) == 1
    assert "denied" in words_on(out)


def test_the_board_shows_clock_questions_and_what_moves(at: House) -> None:
    """Compact: what is done in one line, the commands to type whole and above the steps."""
    change = at.ask()
    asked = [str(line) for line in board_lines(at.see(change), at.desk.estate, at.world.clock.at + 75)]
    assert "1 min 15 s of 15 min" in asked[0]
    assert any(line.startswith("  > signalbox decide") and "approve --as" in line for line in asked)
    assert at.vote(change).counted
    at.drive(change, lambda: sum(row.state == "done" for row in at.steps(change).values()) > 3)
    moving = [str(line) for line in board_lines(at.see(change), at.desk.estate, at.world.clock.at)]

    assert "running" in moving[0]
    assert any(line.startswith("✓ ") and " done, last: " in line for line in moving)
    assert len(moving) < len(at.see(change).plan)


def test_a_terminal_gets_a_live_board_and_then_the_report(at: House) -> None:
    """The board goes when the run has ended; the outcome stays."""
    change = at.approved()
    at.finish(change)
    out = Console(
        file=io.StringIO(), force_terminal=True, width=120, markup=False, soft_wrap=True,
        _environ={"TERM": "xterm-256color"},
    )  # fmt: skip

    assert follow(out, at.desk, change, stay=False, lease_seconds=LEASE_SECONDS) == 0
    assert "Recovery time" in words_on(out).rsplit("\x1b[?25h", 1)[1]


def test_the_ssh_agent_signs_for_the_command_line(at: House, place: Path, ssh_agent: str) -> None:
    """Without --key, by SSH_AUTH_SOCK; an agent with other keys only is told apart."""
    change = at.ask()
    add(ssh_agent, place / "keys" / "lead2")
    wrong = bot(place, "decide", "deny", "--as", LEAD, SSH_AUTH_SOCK=ssh_agent)
    assert (wrong.returncode, "holds 1 key, none of them yours" in wrong.stderr) == (1, True)
    add(ssh_agent, place / "keys" / "lead")
    ended = bot(place, "decide", "deny", "--as", LEAD, SSH_AUTH_SOCK=ssh_agent)

    assert ended.returncode == 0, ended.stderr
    assert at.see(change).state == "denied"


def typed(place: Path, words: list[str], answers: dict[str, str]) -> tuple[int, str]:
    """`python -m bot …` on a terminal of its own, answering each of these prompts once."""
    from test_cli import ROOT

    environment = {
        "PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "TERM": "xterm", "COLUMNS": "200",
        "SIGNALBOX_ESTATE": str(place / "estate.yaml"), "SIGNALBOX_STATE": str(place),
        "SIGNALBOX_DATABASE_URL": f"sqlite:///{place}/box.db", "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
    }  # fmt: skip
    argv = [sys.executable, "-m", "bot", *words]
    terminal, inside = pty.openpty()
    process = subprocess.Popen(
        argv, env=environment, stdin=inside, stdout=inside, stderr=inside, start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509 - one system call, no lock is taken
    )  # fmt: skip
    os.close(inside)
    told, left, until = "", dict(answers), time.monotonic() + 60
    while time.monotonic() < until:
        try:
            told += os.read(terminal, 4096).decode(errors="replace")
        except OSError:  # it hung up
            break
        for prompt in [prompt for prompt in left if prompt in told]:
            os.write(terminal, f"{left.pop(prompt)}\n".encode())
    os.close(terminal)
    return process.wait(timeout=30), told


def test_a_person_at_a_terminal_is_asked_for_the_passphrase_and_once_more(at: House, place: Path) -> None:
    """What is shown is what is signed; "no" signs nothing, and a wrong passphrase is said in words."""
    change = at.ask()
    path = place / "keys" / "lead"
    subprocess.run(["ssh-keygen", "-q", "-p", "-P", "", "-N", "open sesame", "-f", path], check=True)
    words = ["decide", change, "deny", "--as", LEAD, "--key", str(path)]
    code, told = typed(place, words, {"Passphrase": "wrong"})
    assert (code, "does not open" in told) == (1, True), told
    code, told = typed(place, words, {"Passphrase": "open sesame", "[y/N]": "n"})
    assert (code, "Nothing was signed" in told) == (1, True), told
    assert at.see(change).state == "proposed"
    code, told = typed(place, words, {"Passphrase": "open sesame", "[y/N]": "y"})

    assert (code, "Denied" in told, "open sesame" in told) == (0, True, False), told
    assert at.see(change).state == "denied"


def test_the_sandboxs_keys_are_what_openssh_expects(place: Path) -> None:
    """Private for their owner alone, and the public half is the one that belongs to it."""
    path = place / "keys" / "oncall"
    told = subprocess.run(["ssh-keygen", "-y", "-f", path], capture_output=True, text=True, check=True).stdout

    assert path.stat().st_mode & 0o777 == 0o600
    assert told.split()[:2] == path.with_suffix(".pub").read_text().split()[:2]
