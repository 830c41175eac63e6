"""What people type. Importing this package declares every command."""

from commands import failover, runs, signalbox

__all__ = ["failover", "runs", "signalbox"]
