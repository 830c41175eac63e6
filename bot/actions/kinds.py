"""Every verb that plans may name."""

from __future__ import annotations

from bot.action import Action
from bot.actions import (
    capacity,
    check,
    database,
    dns,
    fence,
    guard,
    members,
    probe,
    signoff,
    standby,
    sync,
    workload,
)

KINDS: dict[str, Action] = {
    action.kind: action
    for action in (
        database.FAILOVER,
        database.SWITCHOVER,
        members.CONNECTED,
        fence.WORKLOADS,
        fence.NETWORK,
        fence.OPEN,
        fence.CONFIRM,
        guard.GUARD,
        guard.SURE,
        capacity.NODES,
        capacity.REPLICAS,
        capacity.RESTORE,
        standby.WARM,
        workload.RESTART,
        workload.ACTIVATE,
        sync.HOLD,
        sync.RELEASE,
        dns.STOP,
        dns.UNSTOP,
        dns.WEIGHTS,
        dns.ANSWERS,
        dns.DRAINED,
        probe.WRITE,
        probe.HEARTBEAT,
        check.SMOKE,
        check.PAYMENTS,
        check.LOST,
        signoff.SIGNOFF,
    )
}
