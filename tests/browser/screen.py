"""Looking at a page as a person does: it fits the screen, and `make browser-test` keeps how it looks."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from django.contrib.auth.models import User
from django.test import Client
from playwright.sync_api import Page, expect

DESK, PHONE, SMALL_PHONE = 1280, 390, 360
# A picture of a whole page costs more than all else that is done with it, and proves nothing: for who looks at them.
PICTURES = bool(os.environ.get("PICTURES"))
SCREENSHOTS = Path(__file__).resolve().parents[2] / "var" / "screenshots"

type Opener = Callable[..., AbstractContextManager[Page]]

# What sticks out of the screen without being part of something that scrolls by itself.
_STICKING_OUT = """() => {
    const scrolls = (element) => element && element !== document.body
        && (["auto", "scroll"].includes(getComputedStyle(element).overflowX) || scrolls(element.parentElement));
    return [...document.body.querySelectorAll("*")].filter((element) => {
        const { width, height, left, right } = element.getBoundingClientRect();
        return width && height && left < innerWidth && right > innerWidth + 1 && !scrolls(element.parentElement);
    }).map((element) => `${element.tagName}.${element.className}: ${element.textContent.trim().slice(0, 40)}`);
}"""


def expect_no_sideways_scrolling(page: Page) -> None:
    found = page.evaluate(_STICKING_OUT)
    assert found == [], found
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def photograph(page: Page, what: str) -> None:
    """It must not scroll sideways. With PICTURES, how all of it looks is kept as `<what>-<width>.png`."""
    expect_no_sideways_scrolling(page)
    if not PICTURES:
        return
    assert page.viewport_size
    path = SCREENSHOTS / f"{what}-{page.viewport_size['width']}.png"
    # What sticks to the window's lower edge would hide what is there.
    style = ".lg\\:sticky { position: static !important }" if "/admin/" in page.url else None
    page.screenshot(path=path, full_page=True, animations="disabled", style=style)


def photograph_on_each(page: Page, what: str, *words: str) -> None:
    """The same on a phone and on a desk, where these words, each a text of its own, can be read."""
    for width in (PHONE, DESK):
        page.set_viewport_size({"width": width, "height": 844})
        for each in words:
            expect(page.locator("body").get_by_text(each, exact=True).first, each).to_be_visible()
        photograph(page, what)


def log_in(page: Page, person: User, address: str) -> None:
    """Log a person in on a site, without its form."""
    client = Client()
    client.force_login(person)
    page.context.add_cookies([{"name": "sessionid", "value": client.cookies["sessionid"].value, "url": address}])
