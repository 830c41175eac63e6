"""On what it was measured."""

from __future__ import annotations

import os
import platform
import sqlite3
from datetime import UTC, datetime
from pathlib import Path

import psutil


def facts() -> dict[str, str]:
    """Cores, memory, versions, date and how busy the machine was; nothing that names it."""
    return {
        "Date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "Processor": f"{os.cpu_count()} cores, {_model()}",
        "Memory": f"{psutil.virtual_memory().total / 2**30:.1f} GiB",
        "System": f"{platform.system()} {platform.release().split('-')[0]}, {_filesystem()} for databases",
        "Python": f"{platform.python_implementation()} {platform.python_version()}",
        "SQLite": f"{sqlite3.sqlite_version}, WAL, synchronous=FULL",
    }


def load() -> str:
    """Load average of the last minute and of the last five."""
    one, five, _ = os.getloadavg()
    return f"{one:.2f} / {five:.2f}"


def _model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else ():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _filesystem() -> str:
    """Where temporary files lie: on tmpfs a durable commit costs nothing and the floors lie."""
    import tempfile

    where = tempfile.gettempdir()
    fitting = [
        part
        for part in psutil.disk_partitions(all=True)
        if where.startswith(part.mountpoint.rstrip("/") + "/")
    ]
    root = [part for part in psutil.disk_partitions(all=True) if part.mountpoint == "/"]
    best = max(fitting or root, key=lambda part: len(part.mountpoint), default=None)
    return best.fstype if best else "unknown file system"
