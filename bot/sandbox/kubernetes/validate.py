"""What the server refuses: wrong JSON types (400) and field rules (422), for the fields the bot writes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import orjson

from bot.sandbox.kubernetes import kinds
from bot.sandbox.kubernetes.errors import ApiError, Cause, bad_request, invalid
from bot.sandbox.kubernetes.kinds import Kind
from bot.sandbox.kubernetes.meta import Obj
from bot.sandbox.kubernetes.selectors import matches

_NAME = re.compile(r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$")
_FRACTION = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}(Z|[+-]\d\d:\d\d)$")
_RFC_1123 = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must "
    "start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)
_TYPES: dict[Kind, tuple[tuple[str, str, type, str], ...]] = {
    kinds.DEPLOYMENT: (
        ("spec.replicas", "DeploymentSpec.spec", int, "int32"),
        ("spec.paused", "DeploymentSpec.spec", bool, "bool"),
        ("spec.progressDeadlineSeconds", "DeploymentSpec.spec", int, "int32"),
    ),
    kinds.HPA: (
        ("spec.minReplicas", "HorizontalPodAutoscalerSpec.spec", int, "int32"),
        ("spec.maxReplicas", "HorizontalPodAutoscalerSpec.spec", int, "int32"),
    ),
    kinds.JOB: (
        ("spec.parallelism", "JobSpec.spec", int, "int32"),
        ("spec.backoffLimit", "JobSpec.spec", int, "int32"),
        ("spec.suspend", "JobSpec.spec", bool, "bool"),
    ),
    kinds.CRON_JOB: (("spec.suspend", "CronJobSpec.spec", bool, "bool"),),
    kinds.NODE: (("spec.unschedulable", "NodeSpec.spec", bool, "bool"),),
    kinds.LEASE: (("spec.leaseDurationSeconds", "LeaseSpec.spec", int, "int32"),),
}
_GO = {str: "string", int: "number", bool: "bool", float: "number", list: "array", dict: "object"}
_REQUIRED = "Required value"
_NOT_NEGATIVE = "must be greater than or equal to 0"


def check_types(kind: Kind, obj: Obj) -> None:
    """Raise the 400 of a field whose JSON type cannot be decoded."""

    def refuse(why: str) -> ApiError:
        return bad_request(
            f'{kind.name} in version "{kind.version}" cannot be handled as a {kind.name}: {why}'
        )

    for path, struct, wanted, go in _TYPES.get(kind, ()):
        value = read(obj, path)
        if value is None or type(value) is wanted:
            continue
        leaf = path.rpartition(".")[2]
        raise refuse(
            f"json: cannot unmarshal {_GO[type(value)]} into Go struct field {struct}.{leaf} of type {go}"
        )
    if kind == kinds.LEASE:
        for leaf in ("acquireTime", "renewTime"):
            value = read(obj, f"spec.{leaf}")
            if isinstance(value, str) and not _FRACTION.match(value):
                layout = "2006-01-02T15:04:05.000000Z07:00"
                raise refuse(f'parsing time "{value}" as "{layout}": cannot parse "" as ".000000"')


def check(kind: Kind, obj: Obj, old: Obj | None, *, qualified: str = "") -> None:
    """Raise the 422 that names every field at fault. `old` is the stored object of an update."""
    name = obj["metadata"].get("name", "")
    causes = list(_name(name))
    spec = obj.get("spec") if isinstance(obj.get("spec"), dict) else {}
    assert isinstance(spec, dict)
    match kind:
        case kinds.DEPLOYMENT | kinds.REPLICA_SET:
            causes += [*_replicas(spec), *_workload(spec, old)]
        case kinds.POD:
            causes += _containers(spec, "spec")
        case kinds.JOB:
            causes += _containers((spec.get("template") or {}).get("spec") or {}, "spec.template.spec")
        case kinds.CRON_JOB:
            if not spec.get("schedule"):
                causes.append(Cause("spec.schedule", _REQUIRED, "FieldValueRequired"))
        case kinds.HPA:
            causes += _hpa(spec)
        case kinds.PDB:
            if spec.get("minAvailable") is not None and spec.get("maxUnavailable") is not None:
                text = "Invalid value: minAvailable and maxUnavailable cannot be both set"
                causes.append(Cause("spec", text))
        case kinds.SERVICE:
            if not spec.get("ports") and spec.get("clusterIP") != "None":
                causes.append(Cause("spec.ports", _REQUIRED, "FieldValueRequired"))
        case kinds.SECRET if old and (old.get("immutable") and old.get("data") != obj.get("data")):
            causes.append(Cause("data", "Forbidden: field is immutable when `immutable` is set"))
        case kinds.VIRTUAL_SERVICE:
            causes += _weights(spec)
    if causes:
        raise invalid(kind, name, causes, qualified=qualified)


def read(obj: Any, path: str) -> Any:
    """The value at a dotted path; None when absent."""
    for step in path.split("."):
        obj = obj.get(step) if isinstance(obj, dict) else None
    return obj


def _name(name: str) -> Iterator[Cause]:
    if not name:
        text = "Required value: name or generateName is required"
        yield Cause("metadata.name", text, "FieldValueRequired")
    elif not _NAME.match(name) or len(name) > 253:
        yield Cause("metadata.name", f'Invalid value: "{name}": {_RFC_1123}')


def _replicas(spec: Obj) -> Iterator[Cause]:
    if (count := spec.get("replicas", 0)) < 0:
        yield Cause("spec.replicas", f"Invalid value: {count}: {_NOT_NEGATIVE}")


def _workload(spec: Obj, old: Obj | None) -> Iterator[Cause]:
    selector, template = spec.get("selector"), spec.get("template") or {}
    if not selector:
        yield Cause("spec.selector", _REQUIRED, "FieldValueRequired")
    found = (template.get("metadata") or {}).get("labels") or {}
    if selector and not matches(selector, found):
        shown = orjson.dumps(found).decode()
        text = f"Invalid value: {shown}: `selector` does not match template `labels`"
        yield Cause("spec.template.metadata.labels", text)
    if old and old["spec"].get("selector") != selector:
        shown = orjson.dumps(selector).decode()
        yield Cause("spec.selector", f"Invalid value: {shown}: field is immutable")
    yield from _containers(template.get("spec") or {}, "spec.template.spec")


def _containers(spec: Obj, path: str) -> Iterator[Cause]:
    containers = spec.get("containers")
    if not containers:
        yield Cause(f"{path}.containers", _REQUIRED, "FieldValueRequired")
    for number, container in enumerate(containers or []):
        for key in ("name", "image"):
            if not container.get(key):
                yield Cause(f"{path}.containers[{number}].{key}", _REQUIRED, "FieldValueRequired")


def _hpa(spec: Obj) -> Iterator[Cause]:
    low, high = spec.get("minReplicas", 1), spec.get("maxReplicas", 0)
    if low < 1:
        yield Cause("spec.minReplicas", f"Invalid value: {low}: must be greater than or equal to 1")
    if high < 1:
        yield Cause("spec.maxReplicas", f"Invalid value: {high}: must be greater than 0")
    elif high < low:
        text = f"Invalid value: {high}: must be greater than or equal to `minReplicas`"
        yield Cause("spec.maxReplicas", text)
    if not (spec.get("scaleTargetRef") or {}).get("name"):
        yield Cause("spec.scaleTargetRef.name", _REQUIRED, "FieldValueRequired")


def _weights(spec: Obj) -> Iterator[Cause]:
    for r, rule in enumerate(spec.get("http") or []):
        for d, destination in enumerate(rule.get("route") or []):
            weight = destination.get("weight", 0)
            if not isinstance(weight, int) or weight < 0:
                field = f"spec.http[{r}].route[{d}].weight"
                yield Cause(field, f"Invalid value: {orjson.dumps(weight).decode()}: must be an integer >= 0")
