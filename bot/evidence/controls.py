"""The control matrix: what each criterion asks about, and what the log has on it. Facts and counts, no judgement."""

from __future__ import annotations

from dataclasses import dataclass

from bot.evidence.records import Population


@dataclass(frozen=True)
class Control:
    """One line. `see` are files of the pack or anchors of its page."""

    criterion: str
    about: str
    facts: tuple[str, ...]
    see: tuple[str, ...]
    not_here: str = ""


def controls(found: Population) -> list[Control]:
    """Trust Services Criteria 2017 (points of focus revised 2022), as far as Signalbox has to do with them."""
    changes = [one for one in found.changes if not one.dry_run]
    ran = [one for one in changes if one.started_seq is not None]
    approvals = [asked for one in changes for asked in one.of("approval")]
    denied = [asked for asked in approvals if asked.outcome == "deny"]
    own = [one for one in ran if one.requester in {vote.person for vote in one.approvers}]
    early = [
        one
        for one in ran
        for vote in one.approvers
        if one.started_seq is not None and vote.seq > one.started_seq
    ]
    other_plan = [one for one in ran if (asked := one.of("approval")) and asked[-1].digest != one.run_digest]
    reviewed = [one for one in found.emergencies if one.reviewed]
    calls = [one.calls for one in changes]
    sent = sum(one.intents for one in calls)
    clicks = sum(one.name == "person:click:refused" for one in found.refusals)
    late = sum(one.ok is False for one in found.archive)
    measured = sum(bool(one.times.loss_ms) for one in ran)
    logins = "sign-in, multi-factor and sessions of Slack accounts: the identity provider has them"
    policies = [one for one in found.estates if one.name == "estate:policy:changed"]
    accepted = [one for one in found.estates if one.name == "estate:file:accepted"]
    return [
        Control(
            "CC6.1",
            "Logical access",
            (
                f"{count(len(found.refusals), 'command or click was', 'commands and clicks were')} refused.",
                (
                    f"{count(len(approvals), 'approval was', 'approvals were')} asked for, "
                    "each naming the role and the number needed."
                ),
            ),
            ("#refusals", "events.csv", "approvals_policy.csv"),
            logins,
        ),
        Control(
            "CC6.2",
            "Registering and removing people",
            (
                (
                    f"{count(len(accepted), 'estate file was', 'estate files were')} accepted, "
                    f"{count(len(policies), 'change of policy is', 'changes of policy are')} recorded."
                ),
            ),
            ("#estates", "access_review.csv"),
            "when people joined and left: the identity provider and HR have it",
        ),
        Control(
            "CC6.3",
            "Least privilege, segregation of duties",
            (
                f"Of {count(len(ran), 'run', 'runs')}, {len(own)} had the requester among those who approved.",
                f"{count(len(early), 'approval was', 'approvals were')} given after its run had started.",
                f"{count(len(other_plan), 'run', 'runs')} had another plan than the one approved.",
            ),
            ("population.csv", "samples/", "access_review.csv"),
        ),
        Control(
            "CC6.6",
            "Threats from outside",
            (
                (
                    f"{count(clicks, 'click', 'clicks')} and "
                    f"{count(len(found.refusals) - clicks, 'command', 'commands')} turned away."
                ),
            ),
            ("#refusals",),
            "requests that failed Slack's signature never became rows",
        ),
        Control(
            "CC7.2",
            "Monitoring for anomalies",
            (
                (
                    f"{count(found.heartbeats, 'heartbeat', 'heartbeats')}, "
                    f"{count(len(found.gaps), 'gap', 'gaps')} longer than 20 minutes."
                ),
                f"Runs of the verifier on record: {sum(n.name == 'evidence:trail:verified' for n in found.access)}.",
                f"The archive was late or differed {count(late, 'time', 'times')}.",
            ),
            ("#coverage", "#archive", "corroboration.json"),
        ),
        Control(
            "CC7.3",
            "Evaluating events",
            (
                (
                    f"{sum(bool(one.reason) for one in changes)} of {count(len(changes), 'change', 'changes')} "
                    "had a reason recorded beside the command."
                ),
            ),
            ("population.csv",),
            "triage and severity: the incident tool has them",
        ),
        Control(
            "CC7.4",
            "Responding",
            (
                f"{sum(not one.planned for one in ran)} unplanned and {sum(one.planned for one in ran)} planned runs.",
                (
                    f"{count(len(found.emergencies), 'break-glass', 'break-glasses')}; "
                    f"reviewed when the window ended: {len(reviewed)}."
                ),
            ),
            ("#timeline", "#glass"),
        ),
        Control(
            "CC7.5",
            "Recovering",
            (
                (
                    f"Turned back: {sum(one.rolled_back for one in ran)}. "
                    f"Aborted or pre-empted: {len(found.where('aborted', 'preempted'))}."
                ),
                f"{sum(one.holds for one in ran)} holds, {sum(one.retried for one in ran)} retries.",
                f"{sum(one.skipped for one in ran)} steps skipped.",
                f"{sum(one.unconfirmed for one in ran)} steps not confirmed.",
            ),
            ("#changes", "samples/"),
            "follow-up actions after an incident: the ticket system has them",
        ),
        Control(
            "CC8.1",
            "Authorising and making changes",
            (
                f"{count(len(found.changes), 'change', 'changes')}: {len(ran)} ran, {len(denied)} denied.",
                f"{len(found.where('expired'))} expired, {len(found.where('dry_run'))} shown as dry runs.",
                f"{sum(asked.state == 'void' for asked in approvals)} approvals were voided: the world had changed.",
                f"{sent} calls were announced, {sum(c.succeeded for c in calls)} succeeded.",
                (
                    f"{sum(c.failed for c in calls)} failed, {sum(c.unknown for c in calls)} ended unknown, "
                    f"{sum(c.unanswered for c in calls)} have no outcome."
                ),
            ),
            ("population.csv", "samples/"),
            "software deployments: Signalbox moves traffic and databases, it ships no code",
        ),
        Control(
            "CC9.1",
            "Mitigating disruption",
            (f"{count(len(found.drills), 'drill', 'drills')} in this period.",),
            ("#recovery", "drills/"),
            "the risk register and the calendar of exercises to come",
        ),
        Control(
            "A1.2",
            "Recovery infrastructure",
            (f"{count(measured, 'run', 'runs')} measured how much the databases had lost.",),
            ("#recovery",),
            "the state of backups: AWS Backup and RDS have it",
        ),
        Control(
            "A1.3",
            "Testing recovery plans",
            (
                (
                    f"{count(len(found.drills), 'drill', 'drills')}; "
                    f"{count(sum(bool(one.rto_parts) for one in ran), 'run', 'runs')} with a measured recovery time."
                ),
            ),
            ("#recovery", "drills/"),
            "issues found in exercises, their owners and re-tests, unless recorded as drills",
        ),
    ]


def count(number: int, one: str, many: str) -> str:
    """`1 run`, `2 runs`."""
    return f"{number} {one if number == 1 else many}"
