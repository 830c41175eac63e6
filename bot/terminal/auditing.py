"""What auditors and those who answer to them type: verify, corroborate, evidence, audit."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from bot.errors import SignalboxError
from bot.logs import configure
from bot.settings import Settings
from bot.terminal.app import USAGE, Wired, app
from bot.terminal.words import console


@app.command(usage="Usage: signalbox verify [SOURCE] [OTHER] [OPTIONS]")
def verify(
    source: str = "",
    other: str = "",
    *,
    key: tuple[str, ...] = (),
    checkpoint: Path | None = None,
    retention_days: int = 365,
    save_checkpoint: Path | None = None,
    as_json: Annotated[bool, Parameter(name="--json", negative="")] = False,
    wiring: Wired,
) -> int:
    """Verify the trail in a database, a pack or a bucket, or two of them against each other.

    Exit code: 0 verified, 1 tampered, 2 incomplete, stale or nothing there, 3 usage.

    Args:
        source: database URL, path of a pack, or s3://bucket/prefix; without it the configured database.
        other: a second one; their rows must be the same, byte for byte.
        key: a verifier key, or a file of one, that must vouch for the log; may be repeated.
        checkpoint: file of a checkpoint kept from last time: the log you saw must be the beginning of this one.
        retention_days: how long each object of a bucket must be locked.
        save_checkpoint: file to keep the newest checkpoint in, once all is verified.
        as_json: print the whole report as JSON.
    """
    from bot.terminal.verify import Asked
    from bot.terminal.verify import verify as examine

    asked = Asked(source, other, key, checkpoint, retention_days, save_checkpoint, as_json)
    return examine(asked, wiring.archive)


@app.command
def corroborate(
    *,
    first: Annotated[str, Parameter(name="--from")],
    last: Annotated[str, Parameter(name="--to")],
    cloudtrail: Annotated[tuple[Path, ...], Parameter(negative="")] = (),
    kubernetes_audit: Annotated[tuple[str, ...], Parameter(negative="")] = (),
    as_json: Annotated[bool, Parameter(name="--json", negative="")] = False,
    wiring: Wired,
) -> int:
    """Compare the trail's calls with CloudTrail and the clusters' audit logs, both ways; changes nothing.

    Exit code: 0 all of it is in both, 1 something is in one alone or differs, 2 something could not be asked, 3 usage.

    Args:
        first: first day, such as 2026-07-01, or time, such as 2026-07-01T03:00Z.
        last: last day, the whole of it, or time.
        cloudtrail: directory of CloudTrail's log files. Without any file the logs themselves are asked.
        kubernetes_audit: REGION=FILE, an API server's audit log as JSON lines.
        as_json: print the whole comparison as JSON.
    """
    from bot.terminal.corroborate import compare, lines

    try:
        found = compare(
            Settings(), first, last, cloudtrail=cloudtrail, kubernetes=kubernetes_audit, live=wiring.records
        )
    except SignalboxError as error:
        print(error, file=sys.stderr)
        return USAGE
    print(found.as_json().decode() if as_json else "\n".join(lines(found)))
    return found.exit_code


@app.command
def evidence(
    period: str = "",
    *,
    quarter: str = "",
    first: Annotated[str, Parameter(name="--from")] = "",
    to: str = "",
    output: Annotated[Path, Parameter(name=("--output", "-o"))],
    seed: str = "",
    sample: int | None = None,
    person: Annotated[str, Parameter(name="--as", env_var="SIGNALBOX_PERSON")] = "",
    cloudtrail: Annotated[tuple[Path, ...], Parameter(negative="")] = (),
    kubernetes_audit: Annotated[tuple[str, ...], Parameter(negative="")] = (),
    wiring: Wired,
) -> int:
    """Write an evidence pack for auditors: `signalbox evidence --from 2026-07-01 --to 2026-09-30 -o PACK.zip`.

    Args:
        period: three months at once, as 2026-Q3.
        quarter: the same, by name.
        first: the first day, UTC.
        to: the last day, itself inside.
        output: the file to write; it must not be there yet.
        seed: the auditor's words by which samples are drawn.
        sample: how many changes are shown whole beside those that always are; all unless told.
        person: who takes the pack away, which is recorded.
        cloudtrail: directory of CloudTrail's log files, which the pack then holds against the trail.
        kubernetes_audit: REGION=FILE, an API server's audit log as JSON lines, likewise.
    """
    from bot.terminal.corroborate import with_logs
    from bot.terminal.evidence import write_pack
    from commands.evidence import asked_days, asked_sampling

    configure("error")
    days, sampling = asked_days(period or quarter, first, to), asked_sampling(seed, sample)
    settings = Settings()
    desk = wiring.build(settings).desk
    try:
        packer = with_logs(desk.packer, settings, cloudtrail, kubernetes_audit)
        print(f"{output}: {write_pack(packer, days, sampling, output, person)}")
    finally:
        desk.database.close()
    return 0


@app.command(
    usage="Usage: signalbox audit [WORDS…] [OPTIONS] | audit proof ROW [-o DIRECTORY] | audit --check FILE --body FILE"
)
def audit(
    *words: str,
    by: str = "",
    what: Annotated[tuple[str, ...], Parameter(negative="")] = (),
    first: Annotated[str, Parameter(name="--from")] = "",
    to: str = "",
    change: str = "",
    about: Annotated[tuple[str, ...], Parameter(negative="")] = (),
    before: int | None = None,
    limit: int = 50,
    as_json: Annotated[bool, Parameter(name="--json", negative="")] = False,
    output: Annotated[Path, Parameter(name=("--output", "-o"))] = Path(),
    check: Path | None = None,
    body: Path | None = None,
    key: Annotated[tuple[str, ...], Parameter(negative="")] = (),
    person: Annotated[str, Parameter(name="--as", env_var="SIGNALBOX_PERSON")] = "",
    wiring: Wired,
) -> int:
    """Search the trail: who did what, when. That somebody searched is recorded, too.

    `audit proof ROW` writes a row and its proof as files; `--check` checks such a proof offline. Exit code of a check:
    0 proved, 1 wrong, 2 it fits but no key was given, 3 usage.

    Args:
        words: kinds of events (approvals, refused, calls), times (today, last 7d), people, or text to find.
        by: the id of a person, or `me`, or `signalbox`.
        what: kinds of events, or the beginning of an event's name; may be repeated.
        first: the earliest time, as 2026-07-01, 2026-07-01T03:00Z or 7d.
        to: the latest time, a day being inside.
        change: the id of a change.
        about: text within the row: a Region, a service, an operation, a request id; may be repeated.
        before: where the last page ended.
        limit: rows on a page.
        as_json: print the rows themselves, byte for byte, a line each.
        output: directory to write a row and its proof into.
        check: a proof to check; needs no database and no settings.
        body: the row that the proof is of.
        key: a verifier key, or a file of one, that must have signed; may be repeated.
        person: who searches, which is recorded.
    """
    from bot.evidence.wanted import Typed
    from bot.terminal import audit as trail

    if check is not None:
        return trail.check(check, body, key)
    configure("error")
    typed = Typed(words, by, what, first, to, change, about, before, person)
    desk = wiring.build(Settings()).desk
    try:
        if words[:1] == ("proof",):
            return trail.take(desk, words[1:], person, output)
        return trail.look(console(), desk, typed, limit=limit, as_json=as_json)
    finally:
        desk.database.close()
