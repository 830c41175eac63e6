"""Whether a record of somebody else's log is of one call of the trail, and what it says."""

from __future__ import annotations

from bot.evidence.calls import Call
from bot.evidence.corroboration import Identity
from bot.records import GLOBAL_REGION, AwsRecord, KubernetesRecord, fit_for_sts

Record = AwsRecord | KubernetesRecord
_NOWHERE = frozenset({"route53", "iam"})
_VERBS = {"post": ("create",), "put": ("update",), "get": ("get", "create")}


def differences(call: Call, record: Record) -> list[str]:
    """In which ways the record is not of this call, in words; another person is one of them."""
    found: list[str] = []
    if isinstance(record, KubernetesRecord):
        method, _, resource = call.operation.partition(" ")
        if record.verb not in _VERBS.get(method, (method,)) or record.resource != resource:
            found.append(f"the log has {what(record)}")
        asked = (call.namespace, call.name or record.name)
        if record.name and call.namespace and asked != (record.namespace, record.name):
            found.append(f"the log has it on {on(record)}")
    elif record.operation != call.operation or record.service != call.service:
        found.append(f"the log has {what(record)}")
    if record.region != region_of(call):
        found.append(f"the log has it in {record.region}")
    if identity(call, record) is Identity.OTHER:
        found.append(f"the log names {named_person(record)}")
    if call.ok is not None and call.ok == bool(failure(record)):
        found.append(f"the log says {failure(record) or 'done'}")
    return found


def identity(call: Call, record: Record) -> Identity:
    """Whether both name the same person."""
    told = named_person(record)
    if not told:
        return Identity.UNTOLD
    expected = call.person if isinstance(record, KubernetesRecord) else fit_for_sts(call.person)
    return Identity.AGREES if told == expected else Identity.OTHER


def named_person(record: Record) -> str:
    """In whose name it was done: SourceIdentity, impersonated user; empty when nobody's."""
    return record.as_user if isinstance(record, KubernetesRecord) else record.person


def failure(record: Record) -> str:
    """The error that was answered; empty when it was done."""
    if isinstance(record, AwsRecord):
        return record.error
    return "" if 0 < record.code < 300 else f"{record.code or 'no answer'}"


def result(record: Record) -> str:
    """What came of it, in a word."""
    return f"refused: {failure(record)}" if failure(record) else "done"


def region_of(call: Call) -> str:
    """The Region whose log has this call."""
    return GLOBAL_REGION if call.service in _NOWHERE else call.region


def record_id(record: Record) -> str:
    """The log's own id of it."""
    return record.audit_id if isinstance(record, KubernetesRecord) else record.event_id


def what(record: Record) -> str:
    """Service and operation, or verb and resource."""
    if isinstance(record, KubernetesRecord):
        return f"{record.verb} {record.resource}"
    return f"{record.service} {record.operation}"


def on(record: Record) -> str:
    """What it was done to, as far as the log says so."""
    if isinstance(record, KubernetesRecord):
        return "/".join(part for part in (record.namespace, record.name) if part)
    return record.bucket
