"""Who had access, what they did with it, and the approvals policy in force over time: two tables of a pack.

The trail tells when an estate came into force and by which digest. What the estate said is taken from the row that
tells it (`estate:policy:changed`), else from the kept estate that has this digest, else it is said to be not known.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from bot.changes.estates import policy_changes
from bot.changes.glass import BREAK
from bot.changes.signed import fingerprint
from bot.evidence.estates import Estates
from bot.evidence.population import population
from bot.evidence.records import Population
from bot.evidence.table import as_csv, at
from bot.evidence.window import Row, Window, bodies, parsed
from bot.trail.event import Name

ACCESS, POLICY = "access_review.csv", "approvals_policy.csv"
_ESTATE = b'"estate:'
_FACES = ("slack", "terminal")
NOT_KNOWN = "not known"

REVIEW_HEADINGS = (
    "person", "role", "role_since_utc", "role_since_row", "role_before", "left_at_utc", "left_row",
    "may_ask", "may_approve", "may_break_glass", "may_review_break_glass", "key_fingerprints",
    "asked_for_changes", "dry_runs", "approved", "denied", "cancelled", "other_answers", "broke_glass",
    "stops_asked", "was_refused", "searches_and_packs", "last_seen_utc", "last_seen_row", "estate_digest",
    "reviewer_to_fill_in", "decision_to_fill_in", "decided_on_to_fill_in",
)  # fmt: skip
POLICY_HEADINGS = (
    "in_force_from_utc", "in_force_until_utc", "row", "estate_digest", "kind", "may_ask", "approving_role",
    "approvals_needed", "question_open_seconds", "channels", "break_glass_by", "break_glass_after_seconds",
    "review_role", "reviews_needed", "people_with_the_approving_role", "known_from",
)  # fmt: skip


@dataclass(frozen=True)
class Force:
    """An estate in force from row `seq` on. `parts` are policy, people, keys and break_glass as plain JSON;
    None where only the digest is known. `known` says from where.
    """

    seq: int
    at_ms: int
    digest: str
    parts: Mapping[str, Any] | None
    known: str

    @property
    def people(self) -> dict[str, str] | None:
        """Roles by person, or None when not known."""
        return None if self.parts is None else dict(self.parts.get("people") or {})


def part(window: Window) -> dict[str, bytes]:
    """The two files of a pack, the same for the same window. Raises Altered."""
    forces = in_force(window)
    return {
        ACCESS: as_csv(REVIEW_HEADINGS, _reviews(window, forces)),
        POLICY: as_csv(POLICY_HEADINGS, _policies(window, forces)),
    }


@lru_cache(maxsize=1)
def in_force(window: Window) -> tuple[Force, ...]:
    """Every estate from the log's first row to the window's end, in order. Raises Altered."""
    following = _Following(Estates(window.database))
    for seq, body in bodies(window.database, 0, window.outside):
        if _ESTATE in body:
            following.read(parsed(seq, body))
    return tuple(following.found)


@dataclass
class _Following:
    """Follows the estate from row to row."""

    estates: Estates
    found: list[Force] = field(default_factory=list)
    _before: Mapping[str, Any] | None = None
    _tells: bool = False
    """Whether a row has told of a policy before: then a change without such a row left the policy as it was"""

    def read(self, row: Row) -> None:
        if row.name == Name.ESTATE_ACCEPTED:
            self._before = self.found[-1].parts if self.found else None
            digest = str(row.detail.get("after", ""))
            parts, known = self._known(digest)
            self.found.append(Force(row.seq, row.time_ms, digest, parts, known))
        elif row.name == Name.POLICY_CHANGED:
            self._tells = True
            if self.found and self.found[-1].digest == row.detail.get("after"):
                self._told(row)

    def _known(self, digest: str) -> tuple[Mapping[str, Any] | None, str]:
        kept = self.estates.by_digest(digest)
        if kept is not None:
            parts = {name: one["after"] for name, one in policy_changes(None, kept).items()}
            return parts, "the kept estate that has this digest"
        if self._tells and self._before is not None:
            return self._before, "rows before it: none tells of a change of the policy since"
        return None, f"{NOT_KNOWN}: only the digest is recorded"

    def _told(self, row: Row) -> None:
        """Take in what the row says, unless the kept estate has told all of it; a row that was cut tells nothing."""
        last = self.found[-1]
        if self.estates.by_digest(last.digest) is not None or "cut" in row.record["unmapped"]:
            return
        changed = {name: one.get("after") for name, one in row.detail.get("parts", {}).items()}
        begun: Mapping[str, Any] | None = self._before if row.detail.get("before") else {}
        if begun is not None:
            self.found[-1] = Force(
                last.seq, last.at_ms, last.digest, {**begun, **changed}, f"row {row.seq} and rows before it"
            )


@dataclass
class _Person:
    """What the rows tell of one person. Roles: empty = none, NOT_KNOWN = the trail does not tell."""

    role: str = ""
    since: Force | None = None
    before: str = ""
    left: Force | None = None
    did: Counter[str] = field(default_factory=Counter)
    seen: tuple[int, int] | None = None


def _reviews(window: Window, forces: tuple[Force, ...]) -> Iterator[list[object]]:
    people = _roles(window, forces)
    _did(window, people)
    last = forces[-1] if forces else None
    order = {"lead": 0, "on-call": 1, "auditor": 2}
    for person, one in sorted(people.items(), key=lambda pair: (order.get(pair[1].role, 9), pair[0])):
        yield list(_review(person, one, last))


def _roles(window: Window, forces: tuple[Force, ...]) -> dict[str, _Person]:
    """Everybody who had a role at the window's end, or lost one within it."""
    found: dict[str, _Person] = {}
    for force in forces:
        people = force.people
        if people is None:
            for one in found.values():
                one.before, one.role, one.since, one.left = one.role, NOT_KNOWN, force, None
            continue
        for person in {*people, *found}:
            one = found.setdefault(person, _Person())
            role = people.get(person, "")
            if role != one.role:
                one.before, one.role, one.since = one.role, role, force
                one.left = force if not role else None
    return {
        person: one
        for person, one in found.items()
        if one.role or (one.left is not None and one.left.seq >= window.inside)
    }


def _did(window: Window, people: dict[str, _Person]) -> None:
    """Count what people did within the window; who had no role and tried is a line of their own."""
    found: Population = population(window)
    for change in found.changes:
        if change.inside and change.requester:
            one = people.setdefault(change.requester, _Person())
            one.did["dry run" if change.dry_run else "asked"] += 1
    for row in window.rows():
        if row.face not in _FACES and row.name != Name.GLASS_BROKEN:
            continue
        one = people.setdefault(row.actor, _Person())
        one.seen = (row.seq, row.time_ms)
        match row.name:
            case Name.VOTE_CAST:
                choice = str(row.approval.get("choice"))
                one.did[choice if choice in ("approve", "deny", "cancel", BREAK) else "other"] += 1
            case Name.GLASS_BROKEN:
                one.did["glass"] += 1
            case Name.RUN_STOPPING:
                one.did["stop"] += 1
            case Name.COMMAND_REFUSED | Name.CLICK_REFUSED:
                one.did["refused"] += 1
            case Name.TRAIL_SEARCHED | Name.PACK_EXPORTED:
                one.did["looked"] += 1


def _review(person: str, one: _Person, last: Force | None) -> Iterator[object]:
    parts = last.parts if last is not None else None
    yield person
    yield one.role or "none"
    yield from (at(one.since.at_ms), one.since.seq) if one.since and one.role else ("", "")
    yield one.before or "none"
    yield from (at(one.left.at_ms), one.left.seq) if one.left else ("", "")
    yield from _rights(one.role, parts)
    yield _fingerprints(person, parts)
    for key in (
        "asked",
        "dry run",
        "approve",
        "deny",
        "cancel",
        "other",
        "glass",
        "stop",
        "refused",
        "looked",
    ):
        yield one.did[key]
    yield from (at(one.seen[1]), one.seen[0]) if one.seen else ("not in this window", "")
    yield last.digest if last is not None else ""
    yield from ("", "", "")


def _rights(role: str, parts: Mapping[str, Any] | None) -> Iterator[str]:
    if parts is None or role == NOT_KNOWN:
        yield from [NOT_KNOWN] * 4
        return
    policy, glass = parts.get("policy") or {}, parts.get("break_glass")
    yield " ".join(sorted(kind for kind, rule in policy.items() if role in rule["ask"])) or "nothing"
    yield (
        " ".join(sorted(kind for kind, rule in policy.items() if role == rule["approve"]["role"]))
        or "nothing"
    )
    yield "yes" if glass and role in glass["by"] else "no"
    yield "yes" if glass and role == glass["review"]["role"] else "no"


def _fingerprints(person: str, parts: Mapping[str, Any] | None) -> str:
    if parts is None:
        return NOT_KNOWN
    return " ".join(fingerprint(key) for key in (parts.get("keys") or {}).get(person, ())) or "none"


def _policies(window: Window, forces: tuple[Force, ...]) -> Iterator[list[object]]:
    """A line for each kind of change and each time that its rule was in force within the window."""
    for number, force in enumerate(forces):
        after = forces[number + 1] if number + 1 < len(forces) else None
        if after is not None and after.at_ms < window.days.since_ms:
            continue
        until = at(after.at_ms) if after is not None else "the window's end"
        begin = (at(force.at_ms), until, force.seq, force.digest)
        if force.parts is None:
            yield [*begin, NOT_KNOWN, *[""] * 10, force.known]
            continue
        roles = Counter((force.people or {}).values())
        glass = force.parts.get("break_glass")
        for kind, rule in sorted((force.parts.get("policy") or {}).items()):
            approve = rule["approve"]
            yield [
                *begin, kind, " ".join(rule["ask"]), approve["role"], approve["quorum"], rule["expires_seconds"],
                " ".join(rule["channels"]), *_glass(glass if kind == "failover" else None), roles[approve["role"]],
                force.known,
            ]  # fmt: skip


def _glass(glass: Mapping[str, Any] | None) -> tuple[object, ...]:
    if not glass:
        return ("", "", "", "")
    review = glass["review"]
    return (" ".join(glass["by"]), glass["after_seconds"], review["role"], review["quorum"])
