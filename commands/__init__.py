"""What people type. Importing this package declares every command."""

from commands import evidence, failover, runs, signalbox

__all__ = ["evidence", "failover", "runs", "signalbox"]
