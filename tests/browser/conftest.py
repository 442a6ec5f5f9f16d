"""Chromium, and the windows in which people look at the pages.

Needs Chromium (`CHROMIUM`, by default the one in /usr/bin; best is Debian's chromium-headless-shell, the same engine
without the browser around it, which takes half the time); skipped on a developer's machine without it, never in CI.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.contrib.staticfiles.handlers import StaticFilesHandler
from django.http import HttpRequest, HttpResponseBase
from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright

from tests.browser.screen import DESK, PHONE, Opener, log_in
from tests.staff import make_staff

_THERE = [path for path in ("/usr/bin/chromium-headless-shell", "/usr/bin/chromium") if Path(path).exists()]
CHROMIUM = os.environ.get("CHROMIUM") or (_THERE or ["/usr/bin/chromium"])[0]


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    if not (Path(CHROMIUM).exists() or "CI" in os.environ):
        pytest.skip("no Chromium")
    # Playwright's loop runs in this thread, where Django would refuse to use the database.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    # A page comes late where three browsers and their servers share two cores.
    expect.set_options(timeout=20_000)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()
    del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]


@pytest.fixture(scope="package", autouse=True)
def kept_files() -> Iterator[None]:
    """A window asks for each file once, as in production, where its name changes with it."""
    serve = StaticFilesHandler.serve

    def kept(handler: StaticFilesHandler, request: HttpRequest) -> HttpResponseBase:
        response = serve(handler, request)
        response["Cache-Control"] = "max-age=3600"
        return response

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(StaticFilesHandler, "serve", kept)
        yield


@pytest.fixture
def opened(browser: Browser) -> Opener:
    """A window: `with opened(width, base_url=…) as page`.

    The test fails on anything that a page's scripts, or the policy of a page, complain of.
    """

    @contextmanager
    def open_window(width: int, **options: Any) -> Iterator[Page]:
        here = {"locale": "pt-BR", "timezone_id": "America/Sao_Paulo"}
        context = browser.new_context(viewport={"width": width, "height": 844}, **{**here, **options})
        complaints: list[str] = []
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda message: complaints.append(message.text) if _is_complaint(message) else None)
        yield page
        context.close()
        assert complaints == []

    return open_window


@pytest.fixture(params=[DESK, PHONE], ids=["desk", "phone"])
def page(request: pytest.FixtureRequest, opened: Opener, live_server: Any) -> Iterator[Page]:
    """Ana's window, in which she is logged in."""
    with opened(request.param, base_url=live_server.url) as page:
        log_in(page, make_staff(), live_server.url)
        yield page


def _is_complaint(message: ConsoleMessage) -> bool:
    """Not that a page itself was answered with 404: the test that goes there knows."""
    return message.type == "error" and message.location["url"] != (message.page.url if message.page else "")
