"""`signalbox`: serve, run, decide, verify, doctor, sandbox, … Each imports only what it needs."""

from __future__ import annotations

import getpass
import json
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import cyclopts
from cyclopts import Parameter
from pydantic import ValidationError

from bot.errors import SignalboxError
from bot.logs import configure
from bot.records import Records
from bot.settings import Settings
from bot.terminal.decide import Voter, print_questions
from bot.terminal.decide import decide as answer
from bot.terminal.live import Replica, follow_change, run_command
from bot.terminal.words import console
from bot.vault import Archive, Signer

USAGE = 3


@dataclass(frozen=True)
class Wiring:
    """How a terminal's replica is built, one that stays is served, an archive is opened; `__main__` knows."""

    build: Callable[[Settings], Replica]
    serve: Callable[[Settings], int]
    manifest: Callable[[], dict[str, Any]]
    archive: Callable[[str, str], Archive]
    """The archive at a URL, `s3://bucket/prefix`, in a Region; raises SignalboxError for what is none."""
    records: Callable[[Settings], Records]
    """The logs that others keep of the same calls."""
    assumed: Callable[[Settings], Mapping[str, str]]
    """By Region, why its STS does not give the role of changes; empty where it does."""
    kms_key: Callable[[str], Signer]
    """The key of an ARN; raises SignalboxError for what is none."""


Wired = Annotated[Wiring, Parameter(parse=False)]
app = cyclopts.App(
    name="signalbox",
    help="Moves production between AWS Regions, with approvals and proof.",
    result_action="return_value",
)


def main(wiring: Wiring, words: list[str]) -> int:
    """Run one command; returns its exit code. People's mistakes end in words, never in a stack trace."""
    if words[:1] == ["sandbox"]:
        return _sandbox(words[1:])
    try:
        function, bound, unparsed = app.parse_args(words, exit_on_error=False, print_error=True)
        code = function(*bound.args, **bound.kwargs, **dict.fromkeys(unparsed, wiring))
    except cyclopts.CycloptsError:
        return USAGE
    except SignalboxError as error:
        print(error, file=sys.stderr)
        return 1
    except ValidationError as error:
        for wrong in error.errors():
            print(f"Setting {'.'.join(map(str, wrong['loc']))}: {wrong['msg']}.", file=sys.stderr)
        return USAGE
    except KeyboardInterrupt:
        return 130
    return code if isinstance(code, int) else 0


@app.command
def serve(*, wiring: Wired) -> int:
    """Run one replica: Slack, engine, health endpoint. Configured by the environment."""
    settings = Settings()
    configure(settings.log_level)
    return wiring.serve(settings)


@app.command
def run(
    command: str,
    *,
    person: Annotated[str, Parameter(name="--as", env_var="SIGNALBOX_PERSON")],
    no_wait: Annotated[bool, Parameter(negative="")] = False,
    stay: bool | None = None,
    wiring: Wired,
) -> int:
    """Run a command such as "/failover us-west-2" without Slack, on the same database.

    Args:
        command: the words that one would type in Slack, in quotation marks.
        person: who you are: your id under `people:` in the estate.
        no_wait: do not wait for the end; another replica drives the run.
        stay: stay until standing steps are done, too; unless told, only when no `signalbox serve` is alive.
    """
    configure("error")
    return run_command(wiring.build(Settings()), command, person, wait=not no_wait, stay=stay)


@app.command
def follow(change: str = "", *, stay: bool | None = None, wiring: Wired) -> int:
    """Follow a change that was asked for elsewhere, and drive it if nobody else does.

    Args:
        change: its id; unless told, the newest one that is open.
        stay: stay until standing steps are done, too; unless told, only when no `signalbox serve` is alive.
    """
    configure("error")
    return follow_change(wiring.build(Settings()), change, stay=stay)


@app.command
def questions(*, wiring: Wired) -> int:
    """List the open questions, who may answer them and what to type."""
    configure("error")
    desk = wiring.build(Settings()).desk
    try:
        return print_questions(console(), desk)
    finally:
        desk.database.close()


@app.command(usage="Usage: signalbox decide [CHANGE] CHOICE --as PERSON [OPTIONS]")
def decide(
    *words: str,
    person: Annotated[str, Parameter(name="--as", env_var="SIGNALBOX_PERSON")],
    key: Path | None = None,
    reason: str = "",
    yes: Annotated[bool, Parameter(negative="")] = False,
    wiring: Wired,
) -> int:
    """Answer an open question, or end a run, signed with your key. Exit code: 0 when it counted, else 1.

    Answers: approve, deny, cancel, break_glass, retry, skip, instead, acknowledge, close; rollback and abort.

    Args:
        words: the id of a change or of a question, unless only one is open; and the answer.
        person: who you are: your id under `people:` in the estate.
        key: file of your private Ed25519 key; unless told, the SSH agent signs (SSH_AUTH_SOCK).
        reason: why; everyone reads it, and it is kept.
        yes: do not ask once more.
    """
    configure("error")
    tty = sys.stdin.isatty()
    voter = Voter(
        person,
        key,
        os.environ.get("SSH_AUTH_SOCK", ""),
        ask=getpass.getpass if tty else None,
        sure=_sure if tty and not yes else None,
    )
    desk = wiring.build(Settings()).desk
    try:
        return answer(console(), desk, words, voter, reason)
    finally:
        desk.database.close()


@app.command
def recover(
    *,
    person: Annotated[str, Parameter(name="--as", env_var="SIGNALBOX_PERSON")] = "",
    key: Path | None = None,
    reason: str = "",
    emergency: Annotated[bool, Parameter(negative="")] = False,
    yes: Annotated[bool, Parameter(negative="")] = False,
    wiring: Wired,
) -> int:
    """Let the trail go on where database and archive differ, signed by two leads. Without --as and --reason: show it.

    Args:
        person: who you are: your id under `people:` in the estate.
        key: file of your private Ed25519 key; unless told, the SSH agent signs (SSH_AUTH_SOCK).
        reason: what happened to the database; everyone reads it, and it is kept.
        emergency: on call or lead, you do it alone and at once; everybody is told, and it is reviewed.
        yes: do not ask once more.
    """
    from bot.terminal.recover import Signing
    from bot.terminal.recover import recover as sign

    configure("error")
    tty = sys.stdin.isatty()
    signing = Signing(
        person,
        reason,
        key,
        os.environ.get("SSH_AUTH_SOCK", ""),
        ask=getpass.getpass if tty else None,
        sure=_sure if tty and not yes else None,
    )
    desk = wiring.build(Settings()).desk
    try:
        return sign(console(), desk, signing if person and (reason or key) else None, emergency=emergency)
    finally:
        desk.database.close()


def _sure() -> bool:
    return input("  Sign and send it? [y/N] ").strip().lower() in ("y", "yes")


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


@app.command
def doctor(*, as_json: Annotated[bool, Parameter(name="--json", negative="")] = False, wiring: Wired) -> int:
    """Check the configuration and what it reaches; changes nothing. Exit code 1 when something is wrong."""
    from bot.terminal.doctor import examine, role

    settings = Settings()
    found = [*examine(settings, wiring.archive, wiring.kms_key), *role(settings, wiring.assumed)]
    if as_json:
        print(json.dumps([{"check": c.name, "ok": c.ok, "says": c.says} for c in found], indent=2))
    else:
        for check in found:
            print(f"{'ok     ' if check.ok else 'WRONG  '} {check.name}: {check.says}")
    return 0 if all(check.ok for check in found) else 1


@app.command
def manifest(*, wiring: Wired) -> int:
    """Print the Slack app's manifest as JSON: paste it when creating the app."""
    print(json.dumps(wiring.manifest(), indent=2))
    return 0


@app.command
def estate(path: Path) -> int:
    """Check an estate file and print its digest."""
    from bot.estate_file import read_estate

    found = read_estate(path)
    print(
        f"{path}: good. {len(found.services)} services, {len(found.regions)} Regions, digest {found.digest}"
    )
    return 0


@app.command
def sandbox() -> None:
    """The whole world on one machine: see `signalbox sandbox --help`."""


def _sandbox(words: list[str]) -> int:
    try:
        from bot.sandbox.main import main as play
    except ImportError as error:
        print(
            f"The sandbox is not installed ({error.name} is missing): pip install 'signalbox[sandbox]'.",
            file=sys.stderr,
        )
        return USAGE
    return play(words)
