from __future__ import annotations

import pytest

from bot.sandbox.net.leads import Leads

EAST, WEST = "us-east-1", "us-west-2"
AT = {EAST: "127.0.1.1", WEST: "127.0.2.1"}


@pytest.fixture
def leads() -> Leads:
    """Names that led to us-east-1 until 100, and to us-west-2 since."""
    leads = Leads({address: region for region, address in AT.items()}, ttl=60)
    leads.look(99, {AT[EAST]})
    leads.look(100, {AT[WEST]})
    return leads


@pytest.mark.parametrize(("region", "sent", "late"), [(EAST, 220, 0), (EAST, 221, 1), (WEST, 999, 0)])
def test_counts_what_reaches_a_left_region_too_late(
    leads: Leads, region: str, sent: float, late: int
) -> None:
    """Twice the TTL after the last answer that led there, nobody may come any more."""
    leads.arrived(region, sent)

    assert leads.late == late


def test_a_region_to_which_any_server_still_leads_is_not_left(leads: Leads) -> None:
    """One stale name server is enough for customers to come, and the wait begins when it has stopped."""
    leads.look(300, {AT[EAST], AT[WEST]})
    leads.arrived(EAST, 300)
    leads.look(310, {AT[WEST]})
    leads.arrived(EAST, 430)
    assert leads.late == 0

    leads.arrived(EAST, 431)
    assert leads.late == 1


def test_nothing_is_late_while_nobody_knows_where_names_lead() -> None:
    """Before the first answer, and when no server answers at all, there is no side that was left."""
    leads = Leads({AT[EAST]: EAST}, ttl=60)
    leads.arrived(EAST, 1000)
    leads.look(2000, set())
    leads.arrived(EAST, 3000)

    assert leads.late == 0
