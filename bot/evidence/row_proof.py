"""One row with the proof that it is in the log that was signed: two files that anybody can check."""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass

from sqlmodel import select

from bot.store.database import Database
from bot.store.tables import Entry
from bot.trail.tiles import prove

_DATE = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class RowProof:
    """The row's bytes as they were hashed, and its C2SP tlog-proof."""

    seq: int
    body: bytes
    proof: bytes

    @property
    def files(self) -> dict[str, bytes]:
        """By the names that they are handed over under."""
        return {f"{self.seq}.json": self.body, f"{self.seq}.tlog-proof": self.proof}

    @property
    def zipped(self) -> bytes:
        """Both files in one."""
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w") as pack:
            for name, content in self.files.items():
                pack.writestr(zipfile.ZipInfo(name, _DATE), content)
        return out.getvalue()

    @property
    def how(self) -> str:
        """What checks it, with or without Signalbox's database."""
        return f"signalbox audit --check {self.seq}.tlog-proof --body {self.seq}.json --key KEY"


def proof_of(database: Database, seq: int) -> RowProof:
    """The row and its proof under the newest checkpoint.

    Raises Refused where there is no such row or no checkpoint covers it yet, Altered where what is stored is not
    what was signed.
    """
    with database.read() as session:
        made = prove(session, seq)
        body = session.exec(select(Entry.body).where(Entry.seq == seq)).one()
    return RowProof(seq, bytes(body), made.text)
