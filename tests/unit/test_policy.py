from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from plans import estate_text

from bot.errors import NotAllowed, Refused
from bot.estate_file import parse_estate
from bot.policy import Ballot, check_asker, check_voter, outcome

ESTATE = parse_estate(estate_text().encode())
ONCALL, LEAD, LEAD2, DEV = "U0000ONCALL", "U0000LEAD01", "U0000LEAD02", "U00000DEV01"
OPS = "C0000000OPS"


def ballot(*votes: tuple[str, str], quorum: int = 2, asker: str = ONCALL) -> Ballot:
    """An approval by leads."""
    return Ballot(("lead",), quorum, (asker,), ("approve", "deny", "cancel"), votes, asker)


def test_only_people_with_a_role_may_ask_and_only_where_it_is_meant() -> None:
    """A developer may not ask at all, on-call not in another channel; the terminal has no channel."""
    assert check_asker(ESTATE, "failover", ONCALL, OPS, face="slack").approve.quorum == 1
    with pytest.raises(NotAllowed, match="no role"):
        check_asker(ESTATE, "failover", DEV, OPS, face="slack")
    with pytest.raises(NotAllowed, match="channel"):
        check_asker(ESTATE, "failover", ONCALL, "C0000RANDOM", face="slack")
    check_asker(ESTATE, "failover", ONCALL, "terminal", face="terminal")


def test_the_requester_never_counts() -> None:
    """A lead who asked cannot approve, but can cancel."""
    own = ballot(asker=LEAD)
    with pytest.raises(NotAllowed, match="You asked"):
        check_voter(ESTATE, own, LEAD, "approve")
    check_voter(ESTATE, own, LEAD, "cancel")


def test_one_person_counts_once() -> None:
    """The same lead twice is one approval."""
    with pytest.raises(Refused, match="counts once"):
        check_voter(ESTATE, ballot((LEAD, "approve")), LEAD, "approve")


def test_others_may_not_decide() -> None:
    """On-call, developers and strangers do not approve; only the requester cancels."""
    for person in (DEV, "U0000STRANGER"):
        with pytest.raises(NotAllowed):
            check_voter(ESTATE, ballot(), person, "approve")
    with pytest.raises(NotAllowed, match="Only the person who asked"):
        check_voter(ESTATE, ballot(), LEAD, "cancel")


def test_one_denial_denies_and_a_quorum_approves() -> None:
    """A lead's no ends it; two different leads' yes starts it."""
    assert outcome(ballot((LEAD, "approve")), LEAD2, "deny") == "deny"
    assert outcome(ballot(), LEAD, "approve") is None
    assert outcome(ballot((LEAD, "approve")), LEAD2, "approve") == "approve"


@given(
    st.lists(
        st.tuples(st.sampled_from([ONCALL, LEAD, LEAD2, DEV]), st.sampled_from(["approve", "deny"])),
        max_size=8,
    )
)
def test_no_order_of_clicks_approves_without_enough_leads(clicks: list[tuple[str, str]]) -> None:
    """Whatever is clicked, approval needs two different leads who did not ask, and no denial before."""
    votes: list[tuple[str, str]] = []
    for person, choice in clicks:
        now = ballot(*votes)
        try:
            check_voter(ESTATE, now, person, choice)
        except Refused:
            continue
        result = outcome(now, person, choice)
        votes = [v for v in votes if v[0] != person] + [(person, choice)]
        if result == "approve":
            assert {p for p, c in votes if c == "approve"} >= {LEAD, LEAD2}
        if result:
            break
