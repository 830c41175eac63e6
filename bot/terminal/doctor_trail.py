"""What `signalbox doctor` looks at of the trail's proof: the archive, and the key that signs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bot.errors import SignalboxError
from bot.estate_file import read_estate
from bot.settings import Settings
from bot.trail.note import NotANote, key
from bot.vault import Archive, Locking, Signer

LEAST_DAYS = 365
"""An auditor's period is a year."""
_PROBE = b"signalbox doctor\n"
"""No checkpoint: nobody can do anything with a signature over it."""


@dataclass(frozen=True)
class Check:
    """One thing that was looked at."""

    name: str
    ok: bool
    says: str


def archive_check(settings: Settings, opened: Callable[[str, str], Archive]) -> Check:
    """Whether the archive answers, keeps what it is given, and lies where no outage of production takes it along."""
    if not settings.archive:
        return Check(
            "archive",
            ok=True,
            says="none is configured: the trail lies in the database alone, and who writes there can cut its end off",
        )
    try:
        archive = opened(settings.archive, settings.archive_region)
        locking = archive.locking()
        next(archive.versions(), None)
    except SignalboxError as error:
        return Check("archive", ok=False, says=str(error))
    wrong = _weak(locking) + _near(locking.region, settings)
    if wrong:
        return Check("archive", ok=False, says=f"{archive.where}: {'; '.join(wrong)}")
    return Check(
        "archive",
        ok=True,
        says=f"{archive.where} in {locking.region} locks by {locking.mode} for {locking.days} days",
    )


def signing_check(settings: Settings, opened: Callable[[str], Signer]) -> Check:
    """Whether the key that signs checkpoints does; a file is only looked for, as it is made when it is missing."""
    if not settings.kms_key:
        path = settings.signing_key or settings.state / "signing.key"
        found = "" if path.exists() else ", which is made at the first start"
        return Check(
            "signing",
            ok=True,
            says=f"a local key (unattested) in {path}{found}: who has the file can sign anything; KMS is better",
        )
    try:
        signer = opened(settings.kms_key)
        if not key("doctor", signer.public).verifies(_PROBE, signer.sign(_PROBE)):
            return Check(
                "signing", ok=False, says=f"{settings.kms_key} signs, and its own key does not verify it"
            )
    except (SignalboxError, NotANote) as error:
        return Check("signing", ok=False, says=str(error))
    near = _near(settings.kms_key.split(":")[3], settings)
    return Check("signing", ok=True, says=f"{settings.kms_key} signs{': but ' + near[0] if near else ''}")


def _weak(locking: Locking) -> list[str]:
    found = []
    if not locking.enabled or not locking.versioned:
        found.append("it has no Object Lock: what is stored there can be removed")
    elif locking.mode != "COMPLIANCE":
        kept = f"by {locking.mode}, which some may lift" if locking.mode else "nothing by itself"
        found.append(f"its default retention locks {kept}: COMPLIANCE is needed")
    elif (locking.days or 0) < LEAST_DAYS:
        found.append(f"it locks for {locking.days} days: {LEAST_DAYS} at least are needed")
    return found


def _near(region: str, settings: Settings) -> list[str]:
    try:
        regions = read_estate(settings.estate).regions
    except SignalboxError:
        return []
    return [f"it is in {region}, which production may have to leave"] if region in regions else []
