from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hand_clock import HandClock
from shipped_log import MemoryArchive

from bot.errors import Rejected
from bot.settings import Settings
from bot.terminal.doctor_trail import archive_check, signing_check
from bot.vault import Locking
from bot.world.signing import FileKey

GOOD = {"region": "us-east-2", "enabled": True, "mode": "COMPLIANCE", "days": 400, "versioned": True}


def settings(tmp_path: Path, **more: Any) -> Settings:
    """With an estate of us-east-1 and us-west-2."""
    from plans import estate_text

    path = tmp_path / "estate.yaml"
    path.write_text(estate_text())
    return Settings(**{"estate": path, "state": tmp_path, **more})


class Bucket(MemoryArchive):
    """An archive that locks as the test says."""

    def __init__(self, **locking: Any) -> None:
        super().__init__(HandClock())
        self.told = Locking(**{**GOOD, **locking})

    def locking(self) -> Locking:
        return self.told


@pytest.mark.parametrize(
    ("locking", "words"),
    [
        ({"enabled": False, "mode": "", "days": None}, "no Object Lock"),
        ({"versioned": False}, "no Object Lock"),
        ({"mode": "GOVERNANCE"}, "locks by GOVERNANCE, which some may lift: COMPLIANCE is needed"),
        ({"mode": "", "days": None}, "locks nothing by itself"),
        ({"days": 90}, "it locks for 90 days: 365 at least are needed"),
        ({"region": "us-west-2"}, "in us-west-2, which production may have to leave"),
    ],
)
def test_an_archive_that_proves_nothing_is_wrong(tmp_path: Path, locking: dict[str, Any], words: str) -> None:
    """What could be removed, or be gone together with production."""
    found = archive_check(settings(tmp_path, archive="s3://x"), lambda *_: Bucket(**locking))
    assert not found.ok
    assert words in found.says


def test_a_good_archive_is_told_with_its_lock(tmp_path: Path) -> None:
    """Where, by which mode, how long."""
    found = archive_check(settings(tmp_path, archive="s3://x"), lambda *_: Bucket())
    assert (found.ok, found.says) == (True, "memory://archive in us-east-2 locks by COMPLIANCE for 400 days")


def test_no_archive_is_said_and_no_mistake(tmp_path: Path) -> None:
    """Nothing is refused where none is configured."""
    found = archive_check(settings(tmp_path), lambda *_: Bucket())
    assert found.ok
    assert found.says.startswith("none is configured")


def test_an_archive_that_does_not_answer_is_wrong(tmp_path: Path) -> None:
    """In the words of whoever said no."""
    bucket = Bucket()
    bucket.dark = True
    found = archive_check(settings(tmp_path, archive="s3://x"), lambda *_: bucket)
    assert (found.ok, found.says) == (False, "AWS does not answer: s3.")


def test_a_local_key_is_told_as_unattested_and_not_made(tmp_path: Path) -> None:
    """Looking changes nothing."""
    found = signing_check(settings(tmp_path), FileKey)  # type: ignore[arg-type]
    assert found.ok
    assert "unattested" in found.says
    assert "made at the first start" in found.says
    assert not (tmp_path / "signing.key").exists()


def test_a_key_in_kms_signs_before_it_is_called_well(tmp_path: Path) -> None:
    """A permission that is missing shows here and not in the night."""
    arn = "arn:aws:kms:us-east-2:123456789012:key/1"
    key = FileKey(tmp_path / "kms.key")
    assert signing_check(settings(tmp_path, kms_key=arn), lambda _: key).says == f"{arn} signs"
    near = signing_check(settings(tmp_path, kms_key=arn.replace("us-east-2", "us-east-1")), lambda _: key)
    assert near.ok
    assert "in us-east-1, which production may have to leave" in near.says

    class Mute(FileKey):
        def sign(self, message: bytes) -> bytes:
            raise Rejected("kms sign in us-east-2: AccessDeniedException: no")

    refused = signing_check(settings(tmp_path, kms_key=arn), lambda _: Mute(tmp_path / "kms.key"))
    assert (refused.ok, "AccessDeniedException" in refused.says) == (False, True)
