"""The workloads that a step names, found in a cluster."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from bot.ports import Ports, Workload

Named = Mapping[str, Any]


def key(item: Named) -> str:
    """`namespace/name`."""
    return f"{item['namespace']}/{item['name']}"


def find(ports: Ports, region: str, items: Iterable[Named]) -> dict[str, Workload]:
    """The named workloads that exist, by `namespace/name`."""
    wanted = {key(item) for item in items}
    namespaces = sorted({name.split("/", 1)[0] for name in wanted})
    if not namespaces:
        return {}
    found = {f"{w.namespace}/{w.name}": w for w in ports.clusters.workloads(region, namespaces)}
    return {name: found[name] for name in sorted(wanted & found.keys())}


def listed(names: Iterable[str], most: int = 4) -> str:
    """A few names and how many more, for people."""
    short = [name.split("/", 1)[-1] for name in names]
    rest = f" and {len(short) - most} more" if len(short) > most else ""
    return ", ".join(short[:most]) + rest


def count(number: int, noun: str) -> str:
    """`1 service`, `3 services`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
