"""Which node takes a pod: room by CPU requests, taints, cordons, pod counts."""

from __future__ import annotations

from bot.sandbox.kubernetes import kinds
from bot.sandbox.kubernetes.meta import Obj, condition, labels
from bot.sandbox.kubernetes.store import Store

_CPU_UNITS = {"m": 1.0, "": 1000.0}


def place(store: Store, pod: Obj) -> tuple[str, str]:
    """The chosen node's name and "", or "" and why none fits, in the scheduler's words."""
    nodes = store.list(kinds.NODE)
    used = usage(store)
    wanted = request(pod)
    best, most = "", -1.0
    refusals: dict[str, int] = {}
    for node in nodes:
        name = node["metadata"]["name"]
        cpu, pods = used.get(name, (0.0, 0))
        room = node.get("status", {}).get("allocatable") or {}
        free = millicores(room.get("cpu", "0")) - cpu
        why = _unfit(node, pod)
        if not why and free < wanted:
            why = "Insufficient cpu"
        if not why and pods >= int(room.get("pods", 110)):
            why = "Too many pods"
        if why:
            refusals[why] = refusals.get(why, 0) + 1
        elif free > most:
            best, most = name, free
    if best:
        return best, ""
    reasons = ", ".join(f"{count} {why}" for why, count in sorted(refusals.items(), key=lambda r: r[0]))
    if not nodes:
        return "", "no nodes available to schedule pods"
    none = f"0/{len(nodes)} nodes are available"
    hint = f"preemption: {none}: {len(nodes)} No preemption victims found for incoming pod."
    return "", f"{none}: {reasons}. {hint}"


def usage(store: Store) -> dict[str, tuple[float, int]]:
    """Requested millicores and pods by node; finished pods hold nothing."""
    used: dict[str, tuple[float, int]] = {}
    for pod in store.list(kinds.POD):
        node = pod["spec"].get("nodeName")
        if node and pod.get("status", {}).get("phase") not in ("Succeeded", "Failed"):
            cpu, pods = used.get(node, (0.0, 0))
            used[node] = (cpu + request(pod), pods + 1)
    return used


def request(pod: Obj) -> float:
    """Millicores that a pod asks for."""
    return sum(
        millicores(((c.get("resources") or {}).get("requests") or {}).get("cpu", "0"))
        for c in pod["spec"]["containers"]
    )


def millicores(quantity: str | float) -> float:
    """A CPU quantity ("500m", "2", 0.5) in thousandths of a core."""
    text = str(quantity)
    unit = "m" if text.endswith("m") else ""
    return float(text.removesuffix("m")) * _CPU_UNITS[unit]


def _unfit(node: Obj, pod: Obj) -> str:
    ready = condition(node, "Ready")
    if node["spec"].get("unschedulable"):
        return "node(s) were unschedulable"
    for taint in node["spec"].get("taints") or []:
        if taint["effect"] in ("NoSchedule", "NoExecute") and not _tolerated(taint, pod):
            return f"node(s) had untolerated taint {{{taint['key']}: {taint.get('value', '')}}}"
    if ready is None or ready["status"] != "True":
        return "node(s) were not ready"
    wanted = pod["spec"].get("nodeSelector") or {}
    if any(labels(node).get(key) != value for key, value in wanted.items()):
        return "node(s) didn't match Pod's node affinity/selector"
    return ""


def _tolerated(taint: Obj, pod: Obj) -> bool:
    for toleration in pod["spec"].get("tolerations") or []:
        key = toleration.get("key") in (None, taint["key"])
        effect = toleration.get("effect") in (None, "", taint["effect"])
        exists = toleration.get("operator") == "Exists"
        if key and effect and (exists or toleration.get("value", "") == taint.get("value", "")):
            return True
    return False
