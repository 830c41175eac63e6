"""The page of an evidence pack, opened from the disk as an auditor opens it."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from evidence_quarter import Quarter, play
from playwright.sync_api import Browser, Page

from bot.evidence.pack import Asked
from bot.store.database import Database
from bot.store.migrate import migrate

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def quarter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Quarter]:
    place = tmp_path_factory.mktemp("quarter")
    database = Database(f"sqlite:///{place}/signalbox.db")
    migrate(database)
    yield play(database, place)
    database.close()


@pytest.fixture(scope="module")
def place(quarter: Quarter, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pack, unpacked."""
    out, place = io.BytesIO(), tmp_path_factory.mktemp("pack")
    quarter.packer.pack(Asked(quarter.days), out)
    zipfile.ZipFile(out).extractall(place)
    return place


@pytest.fixture(scope="module")
def opened(chromium: Browser, place: Path) -> Iterator[tuple[Page, list[str]]]:
    """The page without a network, and what the browser complained of."""
    said: list[str] = []
    context = chromium.new_context(viewport={"width": 1280, "height": 900}, offline=True)
    page = context.new_page()
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on(
        "request", lambda request: said.append(request.url) if not request.url.startswith("file:") else None
    )
    page.goto((place / "index.html").as_uri())
    yield page, said
    context.close()


def test_it_opens_without_a_complaint_or_a_request(opened: tuple[Page, list[str]]) -> None:
    """No error, nothing loaded from anywhere, and nothing wider than the window."""
    page, said = opened
    assert said == []
    assert page.evaluate("document.documentElement.scrollWidth") <= 1280
    assert page.locator("script").count() == 0


def test_its_numbers_tie_to_the_tables(opened: tuple[Page, list[str]], place: Path) -> None:
    """What stands at a glance is what the CSV files hold."""
    page, _ = opened
    lines = list(csv.DictReader(io.StringIO((place / "population.csv").read_text(), newline="")))
    events = list(csv.DictReader(io.StringIO((place / "events.csv").read_text(), newline="")))
    shown = {one.get_attribute("data-tie"): int(one.inner_text()) for one in page.locator("[data-tie]").all()}
    results = [line["result"] for line in lines]

    assert shown.pop("gaps in the heartbeat") == 2
    assert shown == {
        "changes": len(lines),
        "of them ran": sum(bool(line["run_started_at_utc"]) for line in lines),
        "denied": results.count("denied"),
        "expired, cancelled, void": sum(one in ("expired", "cancelled", "void") for one in results),
        "rolled back": results.count("rolled_back"),
        "aborted or pre-empted": sum(one in ("aborted", "preempted") for one in results),
        "dry runs": results.count("dry_run"),
        "break-glass": sum(line["emergency"] == "yes" for line in lines),
        "drills": sum(line["drill"] == "yes" for line in lines),
        "refusals": sum(event["about"] == "refusal" for event in events),
        "calls announced": sum(int(line["calls_announced"]) for line in lines),
    }


def test_every_link_leads_to_a_file_or_a_section(opened: tuple[Page, list[str]], place: Path) -> None:
    """Of this pack, and none to anywhere else."""
    page, _ = opened
    links = {one.get_attribute("href") or "" for one in page.locator("a").all()}
    assert len(links) > 20
    for link in links:
        found = page.locator(link).count() if link.startswith("#") else (place / link).exists()
        assert found, link


def test_typed_words_are_shown_as_they_are(opened: tuple[Page, list[str]]) -> None:
    """Markup that somebody typed is read, not obeyed."""
    page, _ = opened
    assert "<script>alert(1)</script>" in page.locator("#changes ~ div").first.inner_text()


def test_it_prints_on_paper(opened: tuple[Page, list[str]]) -> None:
    """Several pages of A4."""
    page, _ = opened
    printed = page.pdf(prefer_css_page_size=True)
    assert printed.startswith(b"%PDF-")
    assert (
        5
        <= printed.count(b"/Type /Page\n") + printed.count(b"/Type /Page/") + printed.count(b"/Type /Page ")
        <= 20
    )
