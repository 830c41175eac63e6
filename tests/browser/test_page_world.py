"""The strip below the page against the sandbox's own console; customers are counted by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from aiohttp import web
from page_workspace import Workspace
from playwright.sync_api import Page, expect

from bot.sandbox import console
from bot.sandbox.bots import Bot
from bot.sandbox.clock import SimClock
from bot.sandbox.faults import Faults
from bot.sandbox.net.databases import Databases
from bot.sandbox.net.ledger import CustomersLedger
from bot.sandbox.slack import SlackStandIn

pytestmark = pytest.mark.browser

Enter = Callable[[str], Page]


@pytest.fixture
def ledger() -> CustomersLedger:
    return CustomersLedger()


@pytest.fixture
def workspace(tmp_path: Path, ledger: CustomersLedger) -> Iterator[Workspace]:
    """As in the sandbox, console and page on one port; the bot is one that nobody started."""

    def application(slack: SlackStandIn, faults: Faults) -> web.Application:
        world: Any = SimpleNamespace(
            slack=slack,
            faults=faults,
            strike=faults.add,
            databases=Databases(SimClock(tmp_path / "clock.json"), faults),
            customers=SimpleNamespace(ledger=ledger),
            outage=SimpleNamespace(begin=lambda: None, end=lambda: None),
            bots=[Bot(0, tmp_path, 1, {})],
        )
        return console.application(cast("Any", world))

    made = Workspace(application)
    yield made
    made.close()


def test_customers_are_shown_by_region_with_what_they_lost(enter: Enter, ledger: CustomersLedger) -> None:
    """Served requests in their Region's colour, failures on top, totals beside."""
    for now in range(100):
        second = ledger.send(now)
        if 40 <= now < 60:
            ledger.fail(second, "timeout")
        else:
            ledger.succeed(second, "us-east-1" if now < 40 else "us-west-2", "1.0")

    page = enter("oncall")

    expect(page.locator("#world .legend")).to_contain_text("us-west-2 1/s")
    expect(page.locator("#world .numbers .bad")).to_have_text("Requests failed20")
    expect(
        page.locator("#world svg path.region0, #world svg path.region1, #world svg path.failed")
    ).to_have_count(3)


def test_a_fault_goes_on_and_off_by_its_switch(enter: Enter, workspace: Workspace) -> None:
    """The switch shows what the sandbox says, whoever changed it; rarer faults join once they are on."""
    page = enter("oncall")
    dark = page.get_by_role("switch", name="us-east-1 dark")

    dark.click()

    expect(dark).to_have_attribute("aria-checked", "true")
    assert workspace.faults.dark("us-east-1")
    dark.click()
    expect(dark).to_have_attribute("aria-checked", "false")
    workspace.faults.add("metrics-down")
    expect(page.get_by_role("switch", name="Metrics down")).to_have_attribute("aria-checked", "true")
    page.get_by_role("switch", name="Metrics down").click()
    expect(page.get_by_role("switch", name="Metrics down")).to_have_count(0)
    assert workspace.faults.all() == []


def test_a_bot_that_does_not_run_can_be_started(enter: Enter) -> None:
    """Each replica stands with its state and what can be done to it."""
    page = enter("oncall")

    replica = page.locator("#world .bots li")
    expect(replica).to_contain_text("Bot 1")
    expect(replica).to_contain_text("not running")
    expect(replica.get_by_role("button")).to_have_text(["Start"])
