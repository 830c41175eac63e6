from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from sqlmodel import select

from bot.store.database import Database
from bot.store.tables import Anchor, CheckpointRow, Entry
from bot.world.vault import S3Archive

ROOT = Path(__file__).parents[2]
CHAIN = "signalbox/dying"
sys.path.append(str(ROOT / "tests" / "contract"))


@pytest.mark.timeout(110)
def test_a_shipper_killed_at_any_step_leaves_nothing_out_and_nothing_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each life goes on where the one before was killed: before, between and after calls to S3 and the database."""
    from aws_account import Account

    account = Account()
    for name, value in {
        "AWS_ENDPOINT_URL": account.url,
        "AWS_ACCESS_KEY_ID": "AKIASIGNALBOX",
        "AWS_SECRET_ACCESS_KEY": "not-a-secret",
        "AWS_EC2_METADATA_DISABLED": "true",
    }.items():
        monkeypatch.setenv(name, value)
    try:
        ended = subprocess.run(
            [sys.executable, str(ROOT / "tests" / "faults" / "dying_shipper.py"), str(tmp_path),
             "s3://signalbox-trail/kept", "us-east-2"],
            cwd=ROOT, capture_output=True, text=True, timeout=100, check=False,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )  # fmt: skip
        lives = [int(line) for line in ended.stdout.split()]
        assert ended.returncode == 0, ended.stderr[-2000:]
        assert set(lives[:-1]) == {-9}
        assert len(lives) > 10
        archive = S3Archive("s3://signalbox-trail/kept", "us-east-2")
        found = list(archive.versions(f"{CHAIN}/"))
        assert set(Counter(one.key for one in found).values()) == {1}
        held = b"".join(archive.read(one.key).body for one in found if "/entries/" in one.key)
        sizes = [int(one.key[-20:]) for one in found if "/checkpoints/" in one.key]
    finally:
        account.aws.stop()
    database = Database(f"sqlite:///{tmp_path}/trail.db")
    with database.read() as session:
        rows = session.exec(select(Entry.body).where(Entry.seq < sizes[-1]).order_by(Entry.seq)).all()
        points = session.exec(select(CheckpointRow)).all()
        anchor = session.get_one(Anchor, CHAIN)
    database.close()
    assert held == b"".join(body + b"\n" for body in rows)
    assert sizes == sorted(point.size for point in points)
    assert all(point.shipped_at is not None for point in points)
    assert (anchor.state, anchor.locked_size) == ("anchored", sizes[-1])
