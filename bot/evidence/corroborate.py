"""The trail's calls against CloudTrail and the clusters' audit logs, both ways. Pure: nothing is asked here.

Every call ends in exactly one bin, and every change that somebody else's log has is a call's, a machine's or
listed by itself. What could not be asked is not corroborated: it is never counted as good.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bot.evidence.agree import Record, differences, failure, identity, on, record_id, region_of, result, what
from bot.evidence.calls import Call
from bot.evidence.corroboration import Bin, Corroboration, Found, Identity, Machine, Outside, Source
from bot.records import CLOUDTRAIL, KUBERNETES, AwsRecord, KubernetesRecord, Told

EARLY_SECONDS = 900.0
"""CloudTrail takes up to fifteen minutes until it tells of a call."""
_SKEW_SECONDS = 30.0
_ARRIVES_SECONDS = 120.0
_INSTANCE = re.compile(r"i-[0-9a-f]{8,17}")


@dataclass(frozen=True)
class Own:
    """What is Signalbox's: the role that its changes are made with and its archive's bucket, if there are any."""

    role_arn: str = ""
    archive_bucket: str = ""


def corroborate(
    calls: Iterable[Call],
    told: Sequence[Told],
    *,
    since: float,
    until: float,
    own: Own | None = None,
) -> Corroboration:
    """Reconcile the calls of [since, until) with what was told; all times are epoch seconds.

    Calls and records from beside the window may be given, so that what crosses its ends finds its other half;
    they are not counted.
    """
    return _Reconciler(tuple(calls), told, since, until, own or Own()).done()


class _Reconciler:
    def __init__(
        self,
        calls: tuple[Call, ...],
        told: Sequence[Told],
        since: float,
        until: float,
        own: Own,
    ) -> None:
        self._calls = calls
        self._told = told
        self._since, self._until = since, until
        self._own = own
        # The same event comes twice where files overlap: equal records are one.
        self._records: dict[Record, Told] = {}
        for one in told:
            for event in one.aws:
                self._records.setdefault(event, one)
            for request in one.kubernetes:
                self._records.setdefault(request, one)
        self._by_id: dict[str, list[Record]] = defaultdict(list)
        for record in self._records:
            self._by_id[
                record.audit_id if isinstance(record, KubernetesRecord) else record.request_id
            ].append(record)
        self._by_id.pop("", None)
        self._claimed: set[Record] = set()
        self._selves: set[str] = {own.role_arn} - {""}
        self._seen_data = {
            (r.service, r.region) for r in self._records if isinstance(r, AwsRecord) and r.data
        }
        self._seen = {(r.service, r.region) for r in self._records if isinstance(r, AwsRecord)}

    def done(self) -> Corroboration:
        found: dict[str, Found] = {}
        # Those with an id first: what is left over may then be what an unknown outcome was.
        for call in self._calls:
            if records := self._named(call):
                found[call.intent] = self._matched(call, records)
        for call in self._calls:
            if call.intent not in found:
                found[call.intent] = self._resolved(call) or self._absent(call)
        outside, machines, reads = self._rest()
        return Corroboration(
            since=self._since,
            until=self._until,
            asked_at=max((one.asked_at for one in self._told), default=self._until),
            calls=tuple(found[c.intent] for c in self._calls if self._since <= c.at < self._until),
            outside=outside,
            machines=machines,
            reads=reads,
            sources=tuple(
                sorted(
                    Source(t.log, t.region, len(t.aws) + len(t.kubernetes), t.lack, t.left_out)
                    for t in self._told
                )
            ),
        )

    def _named(self, call: Call) -> list[Record]:
        """Records under the ids that this call was sent or answered with, those that agree most first."""
        if call.service == "http":
            return []
        kubernetes = call.service == "kubernetes"
        ids = {call.audit_id, call.request_id} if kubernetes else {call.request_id}
        there = [
            record
            for one in ids
            for record in self._by_id.get(one, ())
            if isinstance(record, KubernetesRecord) is kubernetes and record not in self._claimed
        ]
        return sorted(there, key=lambda one: (len(differences(call, one)), one.at, repr(one)))

    def _matched(self, call: Call, records: list[Record]) -> Found:
        best = records[0]
        self._claimed.add(best)
        if not differences(call, best):
            self._learn(best)
        if isinstance(best, AwsRecord):
            # CloudTrail may have several events of one request.
            for other in records[1:]:
                assert isinstance(other, AwsRecord)
                if (other.operation, other.principal) == (best.operation, best.principal):
                    self._claimed.add(other)
        wrong, who = differences(call, best), identity(call, best)
        if wrong:
            return Found(call, Bin.MISMATCHED, who, record_id(best), "; ".join(wrong))
        if call.ok is None:
            return Found(call, Bin.RESOLVED, who, record_id(best), result(best))
        return Found(call, Bin.MATCHED, who, record_id(best))

    def _resolved(self, call: Call) -> Found | None:
        """What an unknown outcome was: a record of the same person, operation and Region at that time."""
        if call.ok is not None or call.request_id or call.service in ("http", "kubernetes"):
            return None
        near = [
            record
            for record in self._records
            if isinstance(record, AwsRecord)
            and record not in self._claimed
            and call.at - _SKEW_SECONDS <= record.at <= (call.until or call.at) + _ARRIVES_SECONDS
            and not differences(call, record)
            and (identity(call, record) is Identity.AGREES or record.principal in self._selves)
        ]
        if not near:
            return None
        best = min(near, key=lambda record: (abs(record.at - call.at), repr(record)))
        self._claimed.add(best)
        return Found(call, Bin.RESOLVED, identity(call, best), best.event_id, result(best))

    def _absent(self, call: Call) -> Found:
        why = self._not_asked(call)
        if why:
            return Found(call, Bin.UNASKED, why=why)
        if max(one.asked_at for one in self._asked(call)) - call.at < EARLY_SECONDS:
            return Found(call, Bin.EARLY)
        if call.ok is False:
            return Found(call, Bin.REFUSED)
        return Found(call, Bin.MISSING if call.ok else Bin.NOT_ARRIVED)

    def _not_asked(self, call: Call) -> str:
        """Why nobody could have told of this call; empty when somebody could."""
        if call.service == "http":
            return "nobody keeps a log of requests to a service"
        log, region = _log(call), region_of(call)
        asked = [one for one in self._told if (one.log, one.region) == (log, region)]
        if not asked:
            return f"{log} of {region or 'no Region'} was not asked"
        if not self._asked(call):
            short = f"what {log} of {region} told does not reach it"
            return next((one.lack for one in asked if one.lack), short)
        place = (call.service, region)
        if call.service == "s3" and place not in self._seen_data:
            return (
                "calls for S3 objects are data events, and none were told: a trail's own files may have them"
            )
        if call.service == "route53-recovery-cluster" and place not in self._seen:
            return "no event of routing controls was told"
        return ""

    def _asked(self, call: Call) -> list[Told]:
        """Who could have told of this call, and told all that they had."""
        place = (_log(call), region_of(call))
        return [
            one
            for one in self._told
            if (one.log, one.region) == place and one.since <= call.at <= one.until and not one.lack
        ]

    def _rest(self) -> tuple[tuple[Outside, ...], tuple[Machine, ...], int]:
        """Everything that no call claimed: what was done past the trail, by machines, and mere reading."""
        outside: list[Outside] = []
        machines: Counter[tuple[str, str, str]] = Counter()
        doings: dict[tuple[str, str, str], Counter[str]] = defaultdict(Counter)
        reads = 0
        for record, one in self._records.items():
            if record in self._claimed or not self._since <= record.at < self._until:
                continue
            if record.reads:
                reads += 1
                continue
            who, kind = self._who(record)
            if kind == "machine":
                key = (one.log, record.region, who)
                machines[key] += 1
                doings[key][what(record)] += 1
            else:
                outside.append(
                    Outside(
                        log=one.log,
                        region=record.region,
                        at=record.at,
                        who=who,
                        ours=kind == "signalbox",
                        what=what(record),
                        on=on(record),
                        id=record_id(record),
                        refused=bool(failure(record)),
                    )
                )
        listed = (
            Machine(*key, count, tuple(name for name, _ in sorted(doings[key].items(), key=_most)[:5]))
            for key, count in machines.items()
        )
        return tuple(sorted(outside)), tuple(sorted(listed)), reads

    def _who(self, record: Record) -> tuple[str, str]:
        """Who did it, and whether that is `signalbox`, a `machine` or a `person`."""
        if isinstance(record, KubernetesRecord):
            who = f"{record.as_user} (by {record.user})" if record.as_user else record.user
            if record.user in self._selves:
                return who, "signalbox"
            return who, "machine" if record.user.startswith(("system:", "eks:")) else "person"
        who = record.person or record.principal
        if record.session and record.session != who:
            who = f"{who} ({record.session})"
        if self._own.archive_bucket and (record.operation, record.bucket) == (
            "PutObject",
            self._own.archive_bucket,
        ):
            return f"{who}, into the archive", "machine"
        if record.principal in self._selves:
            return who, "signalbox"
        by_aws = record.kind == "AWSService" or "/aws-service-role/" in record.principal
        return who, "machine" if by_aws or _INSTANCE.fullmatch(record.session) else "person"

    def _learn(self, record: Record) -> None:
        """Whoever made a call of the trail is Signalbox, by the name that the other log has for it."""
        who = record.user if isinstance(record, KubernetesRecord) else record.principal
        # What nobody is known by must not make everybody Signalbox.
        if who and not who.startswith("system:"):
            self._selves.add(who)


def _log(call: Call) -> str:
    return KUBERNETES if call.service == "kubernetes" else CLOUDTRAIL


def _most(item: tuple[str, int]) -> tuple[int, str]:
    return -item[1], item[0]
