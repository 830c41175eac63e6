"""What people type. Importing this package declares every command."""

from commands import audit, evidence, failover, runs, signalbox

__all__ = ["audit", "evidence", "failover", "runs", "signalbox"]
