from __future__ import annotations

from pathlib import Path

import pytest
from house import LEAD, OPS, STRANGER, House, house

from bot.errors import NotAllowed, Refused
from bot.evidence.pack import Packer
from bot.reply import Caller, Text
from bot.store.database import Database
from bot.trail.checkpoint import Checkpointer, Keyring
from bot.trail.note import parse_note
from bot.trail.verify import verify_database
from bot.world.signing import FileKey


@pytest.fixture
def box(database: Database, tmp_path: Path) -> House:
    return house(database, tmp_path)


def sealed(house: House, person: str = LEAD) -> str:
    reply = house.desk.command("/signalbox seal", Caller(person, person, OPS))
    assert isinstance(reply, Text)
    return reply.text


def test_the_head_is_signed_at_once_on_request(box: House, tmp_path: Path) -> None:
    """Whoever keeps the answer can show later that the log was not shortened or written anew."""
    checkpointer = Checkpointer(box.trail, Keyring(FileKey(tmp_path / "signing.key")))
    box.desk.packer = Packer(box.trail, checkpointer.seal, checkpointer.vouch)
    box.approved()
    kept = sealed(box).split("```")[1].strip().encode() + b"\n"
    box.tick()
    sealed(box)
    size = parse_note(kept).checkpoint.size
    assert verify_database(box.database.url, known=kept).exit_code == 0
    assert size > 5


def test_nobody_without_a_role_seals_and_no_process_without_a_key(box: House) -> None:
    """Each is told why."""
    with pytest.raises(NotAllowed):
        sealed(box, STRANGER)
    with pytest.raises(Refused, match="No key"):
        sealed(box)
