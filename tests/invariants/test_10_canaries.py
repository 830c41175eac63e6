"""Secrets planted wherever one could come from: none of them is in a row, a log line, a message or an export."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import structlog
from house import LEAD, LEAD2, ONCALL, OPS, House, edit, house
from sqlmodel import SQLModel, select

from bot import alive
from bot.errors import SignalboxError, Unreachable
from bot.known import learn_secrets
from bot.logs import configure
from bot.reply import Caller
from bot.scrub import unlearn
from bot.settings import Settings
from bot.slack import cards
from bot.store.database import Database
from bot.store.migrate import migrate
from bot.trail.event import Event, Name

# Put together here, so that no scanner of sources takes them for real ones.
KEPT = {
    "bot token": "xo" + "xb-111111111111-2222222222222-canaryBotTokenAbCdEfGh",
    "app token": "xa" + "pp-1-A0CANARY000-3333333333333-canaryapptoken0123456789",
    "signing secret": "canary0signing0secret0aaaa",
    "database password": "canary/database pass+word",
    "aws secret key": "canaryAwsSecret" + "Key/with+40Characters0xYz",
    "aws session token": "canary-session-token-of-sts-that-looks-like-nothing",
    "cluster token": "canary-cluster-token-of-kubeconfig",
    "cluster key": "Y2FuYXJ5LWNsdXN0ZXIta2V5LWRhdGE",
}
"""What the process was configured with: known by value."""
TYPED = {
    "pasted token": "xo" + "xp-444444444444-canaryPastedTokenAbCdEfGh",
    "pasted key id": "AK" + "IACANARY0000000000",
    "pasted jwt": "ey" + "JjYW5hcnki.eyJjYW5hcnkiOiJqd3QifQ.Y2FuYXJ5c2lnbmF0dXJl",
    "password in a URL": "canary0url0password",
    "query of a URL": "canary0query0token",
    "named password": "canary0named0password",
    "private key": "b3BlbnNzaC1rZXktY2FuYXJ5",
}
"""What people and others say: known by its shape."""
WORDS = (
    f"see {TYPED['pasted token']} {TYPED['pasted key id']} {TYPED['pasted jwt']}"
    f" https://ann:{TYPED['password in a URL']}@wiki/x https://wiki/y?token={TYPED['query of a URL']}"
    f" password={TYPED['named password']}"
    f" -----BEGIN OPENSSH PRIVATE KEY----- {TYPED['private key']} -----END OPENSSH PRIVATE KEY-----"
)
EVERY = {**KEPT, **TYPED}


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """Everything that is logged, of a process configured with secrets."""
    kubeconfig = tmp_path / "kubeconfig"
    user = {"token": KEPT["cluster token"], "client-key-data": KEPT["cluster key"]}
    kubeconfig.write_text(json.dumps({"users": [{"name": "bot", "user": user}]}))
    monkeypatch.setenv("SLACK_BOT_TOKEN", KEPT["bot token"])
    monkeypatch.setenv("SLACK_APP_TOKEN", KEPT["app token"])
    monkeypatch.setenv("SLACK_SIGNING_SECRET", KEPT["signing secret"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", KEPT["aws secret key"])
    monkeypatch.setenv("AWS_SESSION_TOKEN", KEPT["aws session token"])
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig))
    url = f"postgresql://bot:{quote(KEPT['database password'], safe='')}@127.0.0.1:9/x"
    monkeypatch.setenv("SIGNALBOX_DATABASE_URL", url)
    import os

    learn_secrets(Settings(), os.environ)
    lines = io.StringIO()
    root, had = logging.getLogger(), list(logging.getLogger().handlers)
    root.handlers.clear()
    structlog.reset_defaults()
    configure("info", lines)
    structlog.configure(cache_logger_on_first_use=False)
    yield lines
    root.handlers[:] = had
    structlog.reset_defaults()
    unlearn()


@pytest.fixture
def box(tmp_path: Path, told: io.StringIO) -> Iterator[House]:
    database = Database(f"sqlite:///{tmp_path}/signalbox.db")
    migrate(database)
    yield house(database, tmp_path)
    database.close()


def everything(box: House) -> str:
    """All rows of all tables, but for the disclosures."""
    found: list[str] = []
    with box.database.read() as session:
        for table in SQLModel.metadata.sorted_tables:
            if table.name != "disclosure":
                found += [str(tuple(row)) for row in session.connection().execute(select(table))]
    return "\n".join(found)


def shown(box: House) -> str:
    """What people get to see of every change, on cards, boards and lists."""
    now, texts = box.world.clock.now(), [box.desk.status()]
    for view in box.desk.changes():
        whole = box.desk.view(view.id)
        assert whole is not None
        texts += [
            str(cards.card(whole, now)),
            cards.summary(whole),
            str(cards.decided_line(whole)),
            str(whole),
        ]
    return "\n".join(texts)


def clean(where: str, text: str) -> None:
    found = [name for name, canary in EVERY.items() if canary in text or quote(canary, safe="") in text]
    assert not found, f"{found} in {where}"


def test_no_secret_gets_anywhere(box: House, told: io.StringIO) -> None:
    """Typed, answered by others, raised by defects, or told by a database: nothing is kept, shown or logged of it."""
    said = WORDS + " " + " ".join(KEPT.values())
    answers = [
        str(
            _raised(
                lambda: box.desk.command(f"/failover nowhere --reason '{said}'", Caller(ONCALL, "ann", OPS))
            )
        )
    ]
    change = box.ask(f"/failover us-west-2 --reason '{said}'")
    answers.append(box.desk.vote(box.question(change).id, "approve", "U0STRANGER1", reason=said).text)
    box.world.clock.at += 181
    assert box.vote(change, "break_glass", ONCALL).counted
    box.outside.blind = _says(said)
    box.drive(change, lambda: len(box.outside.reads) > 60, by=3)
    box.outside.blind = lambda _port, _verb: False
    (review,) = box.decisions(change, "review")
    for lead in (LEAD, LEAD2):
        box.desk.vote(review.id, "close", lead, reason=said)
    step = next(s for s, row in box.steps(change).items() if row.state == "active")
    _outcome(box, change, step, said)
    edit(box, "rto_seconds: 900", f"rto_seconds: {json.dumps(said)}")
    assert box.estates.now
    answers.append(box.estates.complaint)
    answers.append(str(_raised(lambda: Database(Settings().database_url).read().__enter__().connection())))
    box.trail.note(alive.started(Settings(), "replica-1", box.database), alive.heartbeat(box.database))
    log = structlog.get_logger()
    log.warning("said", error=said, nested={"token": "x", "list": [said]}, thing=ValueError(said))
    try:
        raise ValueError(said)
    except ValueError:
        log.exception("defect")
        logging.getLogger("library").exception("it said %s", said)
    clean("rows", everything(box))
    clean("messages", shown(box) + "\n".join(answers))
    clean("logs", told.getvalue())
    assert "defect" in told.getvalue()
    assert "[redacted:" in everything(box)
    assert box.verified().findings == []
    clean("the verifier's report", str(box.verified()))
    for line in told.getvalue().splitlines():
        if line.startswith("{"):
            json.loads(line)


def test_a_signed_reason_with_a_secret_is_not_taken(box: House) -> None:
    """What was signed cannot be changed, so the answer is refused; the person is told, and nothing is written of it."""
    from bot.changes.signed import Signed

    change = box.ask()
    answer = box.desk.vote(
        box.question(change).id,
        "approve",
        LEAD,
        "terminal",
        reason=WORDS,
        signed=Signed("ssh-ed25519 x", b"0"),
    )
    assert not answer.counted
    assert "looks like a secret" in answer.text
    clean("rows", everything(box))


def test_events_are_scrubbed_by_the_trail_itself(box: House) -> None:
    """Whoever forgets to take a secret out: the trail does, in every event there is."""
    box.trail.note(
        *(
            Event(name=name, detail={"text": WORDS, "deep": [{"x": list(KEPT.values())}]})
            for name in Name
            if name not in (Name.KEY_INTRODUCED, Name.KEY_ROTATED)
        )
    )
    clean("rows", everything(box))


def _raised(deed: Callable[[], Any]) -> SignalboxError | str:
    try:
        deed()
    except SignalboxError as error:
        return error
    except Exception as error:
        # What is raised by others is logged, never told.
        structlog.get_logger().warning("raised", error=str(error))
    return ""


def _says(said: str) -> Callable[[str, str], bool]:
    """Reads fail with words that hold secrets: now an answer of the outside, now a defect."""
    count = 0

    def blind(_port: str, _verb: str) -> bool:
        nonlocal count
        count += 1
        if count % 2:
            raise Unreachable(f"They said {said}.", then=said)
        raise ValueError(said)

    return blind


def _outcome(box: House, change: str, step: str, said: str) -> None:
    from bot.act import Act, acting

    register = box.outside.register
    assert register is not None
    with acting(Act(ONCALL, f"run-{change}", step)):
        token = register.intent("s3", "PutObject", "us-west-2", {"Key": said, "token": "x"})
        register.outcome(token, ok=False, request_id="r", error=f"AccessDenied: {said}")
