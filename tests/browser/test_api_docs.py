"""The page that describes the API: it works under its own policy, from our own files alone."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Request, expect

from tests.browser.screen import DESK, Opener

pytestmark = pytest.mark.django_db(transaction=True)


def test_the_page_of_the_api_needs_nobody_else(opened: Opener, live_server: Any) -> None:
    """`opened` fails on whatever the page's policy refuses."""
    asked: list[str] = []
    with opened(DESK, base_url=live_server.url) as page:

        def note(request: Request) -> None:
            asked.append(request.url)

        page.on("request", note)
        answer = page.goto("/api/v1/docs")
        assert answer is not None
        policy = answer.headers["content-security-policy"]
        expect(page.get_by_text("Faz o pedido, ou o leva aonde a loja diz que ele está")).to_be_visible()
        page.get_by_text("Lista pedidos").click()
        expect(page.get_by_role("cell", name="updated_since").first).to_be_visible()
    assert "script-src 'self';" in f"{policy};"
    assert "unsafe" not in policy
    assert len(asked) > 3
    assert [url for url in asked if not url.startswith((live_server.url, "data:"))] == []
