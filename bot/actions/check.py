"""What proves that customers are served: pages, a payment made and read back, and what was lost."""

from __future__ import annotations

from urllib.parse import urlsplit, urlunsplit

from bot import act
from bot.action import Action, Args, Seen
from bot.errors import OutsideError, Rejected
from bot.ports import HttpAnswer, Ports
from bot.routers.lost import counted
from bot.verdict import Verdict, failed, passed, unknown, waiting

_SERVED_BY = "x-served-by"


def _brief(answer: HttpAnswer) -> dict[str, str | int]:
    return {
        "status": answer.status,
        "served_by": answer.headers.get(_SERVED_BY, ""),
        "body": answer.body[:200],
    }


def _observe_smoke(ports: Ports, args: Args) -> Seen:
    found: dict[str, dict[str, str | int]] = {}
    for check in args["checks"]:
        try:
            found[check["name"]] = _brief(ports.http.get(args["url"] + check["path"], host=check["host"]))
        except OutsideError as error:
            found[check["name"]] = {"status": 0, "served_by": "", "body": error.what[:200]}
    return {"checks": found}


def _judge_smoke(args: Args, seen: Seen) -> Verdict:
    wrong = []
    for check in args["checks"]:
        answer = seen["checks"][check["name"]]
        if answer["status"] != check["status"]:
            told = answer["status"] or "no answer"
            wrong.append(f"{check['name']}: {told} instead of {check['status']}")
        elif answer["served_by"] not in ("", args["region"]):
            wrong.append(f"{check['name']}: served by {answer['served_by']}")
    if wrong:
        return waiting("; ".join(wrong))
    return passed(f"{len(args['checks'])} of {len(args['checks'])} smoke tests pass in {args['region']}")


def _describe_smoke(args: Args) -> str:
    return f"Smoke-test {', '.join(c['name'] for c in args['checks'])} in {args['region']}"


def payment_id() -> str:
    """The same at every visit of this step: a payment is made once."""
    return f"signalbox-{act.current().key('payment').replace('/', '-')}"


def _addresses(ports: Ports, args: Args) -> list[str]:
    answers = ports.dns.answers(args["host"], args["name_servers"])
    return sorted({address for values in answers.values() for address in values or ()})


def _url(args: Args, address: str) -> str:
    """The entry's URL with the address that customers are given in its place."""
    parts = urlsplit(args["url"])
    netloc = f"{address}:{parts.port}" if parts.port else address
    return str(urlunsplit((parts.scheme, netloc, args["path"], "", "")))


def _observe_payments(ports: Ports, args: Args) -> Seen:
    addresses = _addresses(ports, args)
    if not addresses:
        return {"addresses": [], "status": 0, "served_by": "", "body": ""}
    answer = ports.http.get(f"{_url(args, addresses[0])}/{payment_id()}", host=args["host"])
    return {"addresses": addresses, **_brief(answer)}


def _judge_payments(args: Args, seen: Seen) -> Verdict:
    if not seen["addresses"]:
        return unknown(f"no name server answers for {args['host']}")
    if seen["status"] == 200 and seen["served_by"] in ("", args["region"]):
        return passed(f"a payment under {args['host']} was made and read back from {args['region']}")
    if seen["served_by"] not in ("", args["region"]):
        return waiting(f"{args['host']} is still served by {seen['served_by']}")
    if seen["status"] == 404:
        return failed(f"no payment has been made under {args['host']}")
    return waiting(f"{args['host']}{args['path']} answers {seen['status']}: {seen['body']}")


def _pay(ports: Ports, args: Args) -> None:
    addresses = _addresses(ports, args)
    if not addresses:
        raise Rejected(f"No name server answers for {args['host']}.", not_done="No payment was made.")
    payment = payment_id()
    body = {"id": payment, "amount": 1, "currency": "USD", "purpose": "signalbox check"}
    answer = ports.http.post(_url(args, addresses[0]), body, host=args["host"], key=payment)
    if answer.status != args["status"]:
        raise Rejected(
            f"The payment was answered with {answer.status} instead of {args['status']}.",
            not_done="Whether it was made is looked up next.",
        )


def _describe_payments(args: Args) -> str:
    return f"Make the smallest payment under {args['host']} and read it back from {args['region']}"


def _observe_lost(ports: Ports, args: Args) -> Seen:
    found = counted(ports.metrics, args["query"])
    return {"lost": found.count, "why": found.why}


def _judge_lost(args: Args, seen: Seen) -> Verdict:
    if seen["lost"] is None:
        return passed(f"payments lost: unknown until reconciled ({seen['why']})", payments_lost=None)
    return passed(f"payments lost so far: {seen['lost']}", payments_lost=seen["lost"])


def _describe_lost(args: Args) -> str:
    return "Count the payments that customers were promised and that are not where production is written now"


SMOKE = Action(
    kind="check.smoke@1",
    observe=_observe_smoke,
    judge=_judge_smoke,
    describe=_describe_smoke,
    timeout=180,
)
PAYMENTS = Action(
    kind="check.payments@1",
    observe=_observe_payments,
    judge=_judge_payments,
    describe=_describe_payments,
    apply=_pay,
    timeout=180,
    tries=5,
    grace=2,
)
LOST = Action(
    kind="check.lost@1",
    observe=_observe_lost,
    judge=_judge_lost,
    describe=_describe_lost,
    timeout=30,
)
