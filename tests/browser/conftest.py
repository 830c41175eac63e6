"""The page with everything behind it: the Slack simulator, a small app of its own, and Debian's chromium."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from aiohttp import web
from page_workspace import Workspace
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

CHROMIUM = shutil.which("chromium")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("chromium is not installed")
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def workspace() -> Iterator[Workspace]:
    made = Workspace(lambda _slack, _faults: web.Application())
    made.app_comes()
    yield made
    made.close()


@pytest.fixture
def context(chromium: Browser, workspace: Workspace) -> Iterator[BrowserContext]:
    """One window; a page that errs, logs an error or asks another host fails its test."""
    made = chromium.new_context(viewport={"width": 1440, "height": 900})
    made.set_default_timeout(5_000)
    wrong: list[str] = []
    made.on("weberror", lambda error: wrong.append(str(error.error)))
    made.on("console", lambda line: wrong.append(line.text) if blamed(line) else None)
    made.on("request", lambda asked: None if local(asked.url, workspace) else wrong.append(asked.url))
    yield made
    made.close()
    assert wrong == []


def local(url: str, workspace: Workspace) -> bool:
    return url.startswith((f"{workspace.url}/", "data:"))


def blamed(line: Any) -> bool:
    """Whether a console line counts: the strip below asks for a console that these tests do not run."""
    return line.type == "error" and "/control/" not in line.location["url"]


@pytest.fixture
def enter(context: BrowserContext, workspace: Workspace) -> Callable[[str], Page]:
    """Opens the page as a persona (and, after a slash, in a channel)."""

    def go(place: str) -> Page:
        page = context.new_page()
        page.goto(f"{workspace.url}/#{place}")
        page.locator("#personas [aria-current]").wait_for()
        return page

    return go
