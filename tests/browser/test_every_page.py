"""Every page that staff and customers see, looked at by axe-core: nothing in it keeps anybody from using it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from django.contrib.auth.models import User
from playwright.sync_api import Page

from tests.browser.pages import every_page, pages_of_strangers, pages_of_work
from tests.browser.screen import DESK, PICTURES, SMALL_PHONE, Opener, log_in, photograph
from tests.browser.shop import Shop
from tests.integrations.sandbox import SandboxProcess
from tests.shops import make_shop
from tests.staff import make_staff

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(400)]

SERIOUS = ("serious", "critical")
# Each width and each scheme; with PICTURES, for who looks at them, each width in each scheme.
LOOKS = [(DESK, "light"), (SMALL_PHONE, "dark")]
if PICTURES:
    LOOKS += [(DESK, "dark"), (SMALL_PHONE, "light")]


def complaints(page: Page) -> Iterator[str]:
    """What axe-core finds that keeps somebody from using the page, as its rule and the element."""
    page.evaluate(AXE_SCRIPT)
    # Its own copy of all style sheets would be for a rule on trial alone, which it leaves out by itself.
    found = page.evaluate("axe.run({resultTypes: ['violations'], preload: {assets: ['media']}})")
    for violation in found["violations"]:
        for node in violation["nodes"]:
            if node["impact"] in SERIOUS:
                yield f"{violation['id']}: {node['html'][:120]}"


@pytest.mark.parametrize(("width", "scheme"), LOOKS)
def test_no_page_keeps_anybody_from_using_it(
    opened: Opener, live_server: Any, gateway: SandboxProcess, width: int, scheme: str
) -> None:
    ana = make_staff()
    User.objects.filter(pk=ana.pk).update(is_superuser=True, first_name="Ana", last_name="Lima")
    chief = User.objects.get(pk=ana.pk)
    # So that each list has a row, also those of what Maria's shop never had.
    make_shop("Acerola", digits="1111", tracking="AA100000005BR")
    shop = Shop(gateway, chief)
    found: dict[str, list[str]] = {}
    with opened(width, base_url=live_server.url, color_scheme=scheme) as page:
        for address, name in pages_of_strangers(shop.orders["Maria"]):
            page.goto(address)
            photograph(page, f"{name}-{scheme}")
            found[name] = list(complaints(page))
        log_in(page, chief, live_server.url)
        for address, name in [*every_page(chief), *pages_of_work(shop)]:
            answer = page.goto(address)
            assert answer
            assert answer.status == 200, address
            photograph(page, f"{name}-{scheme}")
            found[name] = list(complaints(page))
    assert {name: rules for name, rules in found.items() if rules} == {}
    assert len(found) > 70
