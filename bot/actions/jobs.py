"""Jobs by which a run looks through a service's own eyes: their names, SQL and results."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from typing import Any

from bot import act
from bot.action import Args
from bot.ports import JobResult, JobSpec, Ports

_LONGEST = 63  # a DNS label


def job_name(step: str, what: str) -> str:
    """The Job's name in this run: the same at every visit, also after a take-over by another process."""
    whole = f"{act.current().run}-{step}-{what}"
    name = f"signalbox-{re.sub(r'[^a-z0-9]+', '-', whole.lower()).strip('-')}"
    if len(name) <= _LONGEST:
        return name
    digest = hashlib.sha256(whole.encode()).hexdigest()[:8]
    return f"{name[: _LONGEST - 9].rstrip('-')}-{digest}"


def look(ports: Ports, region: str, database: Args, step: str) -> dict[str, str]:
    """State and last words of the step's Job for this database."""
    name = job_name(step, database["database"])
    result: JobResult = ports.clusters.job(region, database["namespace"], name)
    return {"state": result.state, "message": result.message[:500]}


def again(ports: Ports, region: str, database: Args, image: str, sql: Sequence[str]) -> None:
    """Start the current step's Job for this database in place of an ended one; a running one is left."""
    current = act.current()
    namespace, name = database["namespace"], job_name(current.step, database["database"])
    state = ports.clusters.job(region, namespace, name).state
    if state == "running":
        return
    if state != "absent":
        ports.clusters.remove_job(region, namespace, name)
    ports.clusters.run_job(
        region,
        JobSpec(
            namespace=namespace,
            name=name,
            image=image,
            secret=database["secret"],
            secret_key=database["key"],
            sql=tuple(sql),
            labels={"app.kubernetes.io/managed-by": "signalbox"},
        ),
    )


def insert(region: str) -> str:
    """A write that a service could make, recognisable as ours: table `signalbox.probe (run, region, at)`."""
    current = act.current()
    values = f"{_quoted(f'{current.run}/{current.step}')}, {_quoted(region)}, now()"
    return f"INSERT INTO signalbox.probe (run, region, at) VALUES ({values}) RETURNING run, region, at"  # noqa: S608


def newest_heartbeat(table: str, region: str) -> str:
    """Epoch seconds of the newest row that the writer in `region` left behind."""
    if not re.fullmatch(r"\w+(\.\w+)?", table):
        raise ValueError(f"{table!r} is not a table's name")
    return f"SELECT extract(epoch from max(at)) FROM {table} WHERE region = {_quoted(region)}"  # noqa: S608


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


_REFUSALS = (
    "read-only transaction",
    "25006",
    "timeout expired",
    "timed out",
    "connection refused",
    "no route to host",
    "network is unreachable",
)


def refused(job: dict[str, Any]) -> bool:
    """Whether the Job's write was seen refused by the network or by a read-only server.

    A name that does not resolve, a wrong password or a missing table prove nothing about the next writer.
    """
    message = str(job.get("message", "")).lower()
    return job.get("state") == "failed" and any(sign in message for sign in _REFUSALS)
