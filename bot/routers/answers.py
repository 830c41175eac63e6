"""What the authoritative name servers answer for the public names, and whether that is one Region only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bot.ports import Dns

Answers = dict[str, dict[str, list[str] | None]]


def read(dns: Dns, names: Sequence[str], name_servers: Sequence[str]) -> Answers:
    """Addresses by name and name server, sorted; None where a server did not answer."""
    found: Answers = {}
    for name in names:
        answers = dns.answers(name, name_servers)
        found[name] = {
            server: None if (values := answers.get(server)) is None else sorted(values)
            for server in name_servers
        }
    return found


def silent(answers: Mapping[str, Mapping[str, Sequence[str] | None]]) -> list[str]:
    """Name servers that did not answer for some name."""
    return sorted({s for by_server in answers.values() for s, values in by_server.items() if values is None})


def elsewhere(
    answers: Mapping[str, Mapping[str, Sequence[str] | None]], addresses: Sequence[str]
) -> list[str]:
    """`server: name → addresses` wherever anything but `addresses` is answered, an empty answer included."""
    return [
        f"{server}: {name} → {', '.join(values) or 'nothing'}"
        for name, by_server in sorted(answers.items())
        for server, values in sorted(by_server.items())
        if values is not None and (not values or set(values) - set(addresses))
    ]


def only(answers: Mapping[str, Mapping[str, Sequence[str] | None]], addresses: Sequence[str]) -> bool:
    """Every name has a server that answers, and every answer is within `addresses`."""
    heard = all(any(v is not None for v in by_server.values()) for by_server in answers.values())
    return bool(answers) and heard and not elsewhere(answers, addresses)
