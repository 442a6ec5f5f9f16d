"""Every page that staff and customers see, looked at by axe-core: nothing in it keeps anybody from using it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from django.contrib.auth.models import User
from playwright.sync_api import Page, expect

from tests.browser.pages import every_page, pages_of_strangers, pages_of_work
from tests.browser.screen import DESK, PICTURES, SMALL_PHONE, Opener, log_in, photograph
from tests.browser.shop import Shop
from tests.integrations.sandbox import SandboxProcess
from tests.shops import make_shop
from tests.staff import make_staff

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(400)]

SERIOUS = ("serious", "critical")
# A desk by day and a small phone at night; with PICTURES, for who looks at them, each width in each scheme. A page that
# was loaded in the one is turned into the next, and the page after it begins there.
LOOKS = [(DESK, "light"), (SMALL_PHONE, "dark")]
if PICTURES:
    LOOKS += [(SMALL_PHONE, "light"), (DESK, "dark")]
BANNER = ("As mensagens aos clientes não estão saindo.", "WhatsApp zap-Acerola desconectado.")


class Looks:
    """A page in all looks. What axe-core finds in them that keeps somebody from using it is collected in `found`."""

    def __init__(self, page: Page) -> None:
        self.found: dict[str, list[str]] = {}
        self._page = page
        self._next = list(LOOKS)
        self._turn(*LOOKS[0])

    def at(self, address: str, name: str, *words: str) -> None:
        """The page there, on which these words, each a text of its own, can be read. Named for its picture."""
        answer = self._page.goto(address)
        assert answer
        assert answer.status == (404 if "nenhum" in address else 200), address
        self._page.evaluate(AXE_SCRIPT)
        for width, scheme in self._next:
            self._turn(width, scheme)
            for each in words:
                expect(self._page.locator("body").get_by_text(each, exact=True).first, each).to_be_visible()
            photograph(self._page, f"{name}-{scheme}")
            self.found[f"{name} {width} {scheme}"] = list(complaints(self._page))
        self._next.reverse()

    def _turn(self, width: int, scheme: str) -> None:
        """As who turns a phone, and presses the button for the other scheme."""
        self._page.set_viewport_size({"width": width, "height": 844})
        self._page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        self._page.evaluate(_PRESS, scheme)


# Pages that have no such button ask the system alone. True of a page on which it is as was said.
_PRESS = """(scheme) => {
    const root = document.documentElement;
    if (!window.Alpine || !root.hasAttribute("x-data")) return;
    Alpine.$data(root).switchTheme(scheme);
    return Alpine.nextTick().then(() => {
        if (!root.classList.contains(scheme)) throw new Error(`The page does not turn ${scheme}.`);
    });
}"""


def complaints(page: Page) -> Iterator[str]:
    """What axe-core finds that keeps somebody from using the page, as its rule and the element."""
    # Its own copy of all style sheets would be for a rule on trial alone, which it leaves out by itself.
    found = page.evaluate("axe.run({resultTypes: ['violations'], preload: {assets: ['media']}})")
    for violation in found["violations"]:
        for node in violation["nodes"]:
            if node["impact"] in SERIOUS:
                yield f"{violation['id']}: {node['html'][:120]}"


def test_no_page_keeps_anybody_from_using_it(opened: Opener, live_server: Any, gateway: SandboxProcess) -> None:
    ana = make_staff()
    User.objects.filter(pk=ana.pk).update(is_superuser=True, first_name="Ana", last_name="Lima")
    chief = User.objects.get(pk=ana.pk)
    # So that each list has a row, also those of what Maria's shop never had.
    make_shop("Acerola", digits="1111", tracking="AA100000005BR")
    shop = Shop(gateway, chief)
    with opened(DESK, base_url=live_server.url) as page:
        looks = Looks(page)
        for address, name in pages_of_strangers(shop.orders["Maria"]):
            looks.at(address, name)
        log_in(page, chief, live_server.url)
        for address, name in pages_of_work(shop):
            looks.at(address, name)
        # Whatever page somebody is on, she is told.
        shop.break_down()
        for address, name in every_page(chief):
            looks.at(address, name, *BANNER)
    assert {look: rules for look, rules in looks.found.items() if rules} == {}
    assert len(looks.found) > 70 * len(LOOKS)
