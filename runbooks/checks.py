"""What proves that customers are served."""

from __future__ import annotations

from collections.abc import Iterable

from bot.plan import Step
from runbooks.steps import Steps


def checks(make: Steps, smoke: Iterable[str], payments: Iterable[str]) -> list[Step]:
    """Smoke tests, then a payment, then what was lost."""
    here, paid = make.estate.regions[make.to].ingress, make.estate.checks.payments
    smoke_args = {
        "region": make.to,
        "url": here.url,
        "checks": [
            {"name": c.name, "host": c.host, "path": c.path, "status": c.status}
            for c in make.estate.checks.smoke
        ],
    }
    payment_args = {
        "region": make.to,
        "url": here.url,
        "host": paid.host,
        "path": paid.path,
        "status": paid.status,
        "name_servers": list(make.estate.dns.name_servers),
    }
    lost_args = {"query": make.estate.metrics.payments_lost}
    return [
        make.step("check/smoke", "check.smoke@1", smoke_args, "verify", smoke),
        make.step("check/payments", "check.payments@1", payment_args, "verify", ["check/smoke", *payments]),
        make.step("check/lost", "check.lost@1", lost_args, "verify", ["check/payments"], on_fail="go_on"),
    ]
