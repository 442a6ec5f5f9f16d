"""An attendant of one shop tries to reach another's, in the browser in every way that it offers, and gets nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db.models import Model
from playwright.sync_api import FilePayload, Page, expect

from flowlog.staffpages.groups import MANAGEMENT_GROUP
from integrations.models import CustomerReply, EvolutionInstance, NotificationLog
from notifications.models import MessageText
from orders.members import Member
from orders.models import Customer, Order
from tests.browser.screen import DESK, Opener, log_in
from tests.shops import Shop, everything, make_shop
from tests.staff import make_staff

pytestmark = pytest.mark.django_db(transaction=True)

ORDERS = "/admin/orders/order/"
MODELS: tuple[type[Model], ...] = (Order, Customer, Member, NotificationLog, CustomerReply, EvolutionInstance)
# A form's own keys, which are nobody's.
NOISE = re.compile(r'name="(?:csrfmiddlewaretoken|_once)" value="[^"]*"|nonce="[^"]*"')


@pytest.fixture
def mine() -> Shop:
    return make_shop("Acerola", digits="1111", tracking="AA100000005BR")


@pytest.fixture
def theirs(mine: Shop) -> Shop:
    return make_shop("Borboleta", digits="2222", tracking="AA200000008BR")


@pytest.fixture
def page(opened: Opener, live_server: Any, mine: Shop, theirs: Shop) -> Iterator[Page]:
    """Ana's window. She may do there all that a person of a shop can, so that it is the store that refuses; and nothing
    in either shop is another at the end."""
    ana = make_staff(stores=[mine.store])
    ana.groups.add(Group.objects.get(name=MANAGEMENT_GROUP))
    with opened(DESK, base_url=live_server.url) as page:
        log_in(page, ana, live_server.url)
        before = everything()
        yield page
    assert everything() == before


def listing(model: type[Model]) -> str:
    return f"/admin/{model._meta.app_label}/{model._meta.model_name}/"


def traces(page: Page, shop: Shop) -> list[str]:
    body = NOISE.sub("", page.content())
    return [mark for mark in shop.marks if mark in body]


def offer(page: Page, select: str, pk: int) -> None:
    """Put into a form what it does not offer, and choose it."""
    page.evaluate(
        "([name, pk]) => document.querySelector(name).append(new Option('x', pk, true, true))", [select, str(pk)]
    )


def test_lists_searches_and_look_ups(page: Page, mine: Shop, theirs: Shop) -> None:
    for model in MODELS:
        page.goto(listing(model))
        assert traces(page, theirs) == [], model
        assert traces(page, mine), model
    for model, terms in ((Order, theirs.marks[:4]), (Customer, theirs.marks[:1]), (NotificationLog, theirs.marks[1:2])):
        page.goto(listing(model))
        for term in terms:
            page.locator("#searchbar").fill(term)
            page.locator("#searchbar").press("Enter")
            expect(page).to_have_url(re.compile(f"q={term}"))
            expect(page.locator("#result_list")).to_have_count(0)
    page.goto(f"{ORDERS}counter/")
    for code in (theirs.order.code, theirs.order.pickup_code):
        page.locator("[name=q]").fill(code)
        page.locator("[name=q]").press("Enter")
        expect(page).to_have_url(re.compile(f"q={code}"))
        assert "Cliente Borboleta" not in page.content()
    page.goto(f"{ORDERS}add/")
    page.locator(".field-customer .select2-selection").click()
    page.locator(".select2-search__field").fill("Cliente")
    expect(page.locator(".select2-results__option")).to_have_text(["Cliente Acerola · (11) 98765-1111"])
    assert traces(page, theirs) == []


def addresses(shop: Shop) -> Iterator[str]:
    """What could be typed into the line of addresses, or sent by a form of one's own."""
    for model in MODELS:
        yield from (f"{listing(model)}{shop.rows[model].pk}/{page}/" for page in ("change", "history"))
    pages = {
        Order: ("transition/confirm", "transition/cancel", "transition/ship/preview", "step/confirm", "note"),
        Customer: ("erase", "data"),
        Member: ("password", "second-factor"),
        NotificationLog: ("resend", "cancel", "dismiss"),
        CustomerReply: ("answer", "handle", "decide"),
        EvolutionInstance: ("phone", "phone/step", "state", "webhook", "logout", "test", "release"),
    }
    for model, names in pages.items():
        yield from (f"{listing(model)}{shop.rows[model].pk}/{name}/" for name in names)
    yield f"{ORDERS}counter/{shop.order.pk}/"
    text = f"{listing(MessageText)}{shop.store.pk}/confirm/"
    yield from (text, f"{text}preview/", f"{text}default/", f"{text}switch/")


def test_addresses_that_are_typed(page: Page, mine: Shop, theirs: Shop) -> None:
    for address in (
        f"{ORDERS}{theirs.order.pk}/change/",
        f"{ORDERS}{theirs.order.pk}/transition/cancel/",
        f"{ORDERS}print/label/?ids={theirs.order.pk}",
        f"{ORDERS}add/?copy={theirs.order.pk}",
        f"{ORDERS}?of_store={theirs.store.pk}",
        f"{ORDERS}?customer__id__exact={theirs.order.customer_id}",
        f"{listing(NotificationLog)}{theirs.rows[NotificationLog].pk}/resend/",
        f"{listing(CustomerReply)}{theirs.rows[CustomerReply].pk}/answer/",
        f"{listing(MessageText)}{theirs.store.pk}/confirm/",
    ):
        page.goto(address)
        assert traces(page, theirs) == [], address
    page.goto(f"{ORDERS}{mine.order.pk}/change/")
    token = page.locator("[name=csrfmiddlewaretoken]").first.input_value()
    form: dict[str, str | float | bool] = {
        "csrfmiddlewaretoken": token,
        "post": "yes",
        "notify": "on",
        "text": "Oi",
        "number": "1",
        "reason": "x",
    }
    answers = {
        address: page.request.post(address, form=form, headers={"Referer": page.url}, max_redirects=0).status
        for address in addresses(theirs)
    }
    # 302: sent back to a list or the first page, where it says that there is no such thing.
    assert set(answers.values()) <= {302, 403, 404, 405}
    assert len(answers) > 30
    page.goto("/admin/")
    assert traces(page, theirs) == []


def test_forms_that_are_tampered_with(page: Page, mine: Shop, theirs: Shop) -> None:
    for action in ("transition_confirm", "print_label"):
        page.goto(ORDERS)
        page.evaluate("pk => { document.querySelector('.action-select').value = pk }", str(theirs.order.pk))
        page.locator(".action-select").check()
        page.select_option("select[name=action]", action)
        with page.expect_navigation():
            page.get_by_role("button", name="Executar").click()
        assert traces(page, theirs) == []
    page.goto(f"{ORDERS}add/")
    offer(page, "[name=customer]", theirs.order.customer_id)
    page.select_option("[name=delivery_method]", "pickup")
    page.fill("[name=items-0-description]", "Caneca")
    page.fill("[name=items-0-unit_price]", "19,90")
    page.get_by_role("button", name="Salvar", exact=True).click()
    expect(page.locator(".field-customer")).to_contain_text("Faça uma escolha válida")
    page.goto(f"{ORDERS}import/")
    offer(page, "[name=store]", theirs.store.pk)
    content = "número do pedido;cliente;item;preço unitário;forma de entrega\n1;Zé;Caneca;5;Retirada"
    file: FilePayload = {"name": "pedidos.csv", "mimeType": "text/csv", "buffer": content.encode()}
    page.get_by_label("Arquivo (.xlsx ou CSV)").set_input_files(files=file)
    page.get_by_role("button", name="Ver o que o arquivo faria").click()
    expect(page.locator("form[enctype]")).to_contain_text("Faça uma escolha válida")
    assert traces(page, theirs) == []


def test_what_is_taken_along(page: Page, mine: Shop, theirs: Shop) -> None:
    for address in (ORDERS, listing(Customer), listing(NotificationLog)):
        page.goto(address)
        with page.expect_download() as download:
            page.get_by_role("link", name="Exportar CSV").click()
        text = Path(download.value.path()).read_text(encoding="utf-8-sig")
        assert [mark for mark in theirs.marks if mark in text] == []
        assert "Acerola" in text
