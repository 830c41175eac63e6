"""Proves that a trail is whole. Imports nothing of the bot but this package's own neighbours; trusts no stored hash.

The same verifier reads a database, a pack and a bucket. Checked are the bytes of every row (canonical, numbered
without a gap, each with the hash of the one before, time never backwards, one log), the signed heads (their roots,
their keys, their times, what none of them covers), what the rows say (no run without an approval, nobody for himself)
and how the archive is locked. `docs/trail-format.md` says how to do it without this code.
"""

from bot.trail.verify.bucket import RETENTION_DAYS, Bucket, verify_bucket
from bot.trail.verify.compare import Source, compare, of_bucket, of_database, of_pack
from bot.trail.verify.database import verify_database, verify_rows
from bot.trail.verify.pack import verify_pack
from bot.trail.verify.report import INCOMPLETE, TAMPERED, USAGE, VERIFIED, Report, Row, Unreadable

__all__ = [
    "INCOMPLETE",
    "RETENTION_DAYS",
    "TAMPERED",
    "USAGE",
    "VERIFIED",
    "Bucket",
    "Report",
    "Row",
    "Source",
    "Unreadable",
    "compare",
    "of_bucket",
    "of_database",
    "of_pack",
    "verify_bucket",
    "verify_database",
    "verify_pack",
    "verify_rows",
]
