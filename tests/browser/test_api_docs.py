"""The page that describes the API, which works under its own policy, from our own files alone; and a token's form."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import Request, expect

from flowlog.staffpages.groups import MANAGEMENT_GROUP
from tests.api.client import make_token
from tests.browser.screen import DESK, SMALL_PHONE, Opener, log_in, photograph
from tests.staff import make_staff

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
        photograph(page, "api-descricao")
    assert "script-src 'self';" in f"{policy};"
    assert "unsafe" not in policy
    assert len(asked) > 3
    assert [url for url in asked if not url.startswith((live_server.url, "data:"))] == []


# Texts, and what is said to who does not see, outside of examples.
_WORDS = """() => {
    const found = new Set();
    const page = document.getElementById("swagger-ui");
    const texts = document.createTreeWalker(page, NodeFilter.SHOW_TEXT);
    while (texts.nextNode()) {
        const { nodeValue, parentElement } = texts.currentNode;
        const own = "pre, code, textarea, style, .microlight, .headerline";
        if (!parentElement.closest(own)) {
            found.add(nodeValue.trim());
        }
    }
    for (const element of page.querySelectorAll("[aria-label], [title]")) {
        found.add((element.getAttribute("aria-label") ?? element.title).trim());
    }
    return [...found];
}"""
_ENGLISH = re.compile(
    r"\b(the|all|and|of|to|is|it|out|try|execute|clear|cancel|close|copy|response|request|responses|header|headers|body|server"
    r"|parameters?|examples?|schemas?|links|media|available|authoriz\w+|credentials|default|required|loading|details"
    r"|description|download|expand|collapse|characters|matches|reset|edit|value)\b",
    re.IGNORECASE,
)


def test_the_page_of_the_api_speaks_portuguese(opened: Opener, live_server: Any) -> None:
    _token, secret = make_token()
    with opened(DESK, base_url=live_server.url) as page:
        page.goto("/api/v1/docs")
        page.get_by_text("Faz um pedido").click()
        page.get_by_role("button", name="Experimentar").click()
        # React writes its own words again, into texts that were there.
        page.get_by_role("button", name="Cancelar").click()
        expect(page.get_by_role("button", name="Experimentar")).to_be_visible()
        page.get_by_role("button", name="Informar o token").first.click()
        page.get_by_label("Token", exact=True).fill(secret)
        page.get_by_role("button", name="Usar o token").click()
        expect(page.get_by_role("button", name="Esquecer o token")).to_be_visible()
        page.get_by_role("button", name="Fechar").last.click()
        page.get_by_text("Lista pedidos").click()
        page.get_by_role("button", name="Experimentar").first.click()
        page.get_by_role("button", name="Enviar").first.click()
        expect(page.get_by_text("Corpo da resposta").first).to_be_visible()
        page.get_by_role("button", name="Informar o token").first.click()
        expect(page.get_by_text("Valor:").first).to_be_visible()
        words = page.evaluate(_WORDS)
        ours = page.evaluate("fetch('/api/v1/openapi.json').then(answer => answer.text())")
        mark = page.locator(".parameter__name.required").first
        assert mark.evaluate("mark => getComputedStyle(mark, '::after').content") == '"obrigatório"'
    assert {"Parâmetros", "Respostas", "Esquemas", "Formato", "Resposta do servidor"} <= {*words}
    said = {each for each in words if _ENGLISH.search(each) and each not in ours}
    assert sorted(each for each in said if "/" not in each) == []  # an address is no sentence


def test_the_form_of_a_token_on_a_small_phone_in_another_time_zone(opened: Opener, live_server: Any) -> None:
    """Each choice is read to its end, and the warning about the hour is in words, Portuguese ones."""
    with opened(SMALL_PHONE, base_url=live_server.url, timezone_id="Europe/Lisbon") as page:
        log_in(page, make_staff(group=MANAGEMENT_GROUP), live_server.url)
        page.goto("/admin/api/apitoken/add/")
        warning = "Atenção: a hora deste aparelho não é a que vale aqui. Ele está 3 horas à frente."
        expect(page.get_by_text(warning).locator("visible=true")).to_have_count(1)
        for choice in page.locator("#id_scopes label span").all():
            assert choice.evaluate("words => words.scrollWidth <= words.clientWidth")
        expect(page.get_by_text("O que pode fazer")).to_be_visible()
        photograph(page, "token-novo-em-outro-fuso")
