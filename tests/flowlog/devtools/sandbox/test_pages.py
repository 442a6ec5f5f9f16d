"""The sandbox's pages: customers' phones, connections, behaviour."""

from __future__ import annotations

import re
from collections.abc import Mapping

import pytest
import requests

from flowlog.devtools.sandbox.faults import MAGIC_NUMBERS
from flowlog.devtools.sandbox.formatting import preview, to_html
from tests.flowlog.devtools.sandbox.api import MOBILE, Api

ESCAPED_URL = "https://a.example/x_y_z?a=1&amp;b=2"


# -- The phone -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("*Olá*", "<strong>Olá</strong>"),
        ("_Olá_, ~não~", "<em>Olá</em>, <s>não</s>"),
        ("*_as duas_*", "<strong><em>as duas</em></strong>"),
        ("2*3*4 e a_b_c", "2*3*4 e a_b_c"),
        ("* não *", "* não *"),
        ("**", "**"),
        ("a\nb", "a<br>b"),
        ("<b>&\"'", "&lt;b&gt;&amp;&quot;&#x27;"),
        ("*<i>*", "<strong>&lt;i&gt;</strong>"),
        (
            "Veja https://a.example/x_y_z?a=1&b=2.",
            f'Veja <a href="{ESCAPED_URL}" target="_blank" rel="noopener noreferrer">{ESCAPED_URL}</a>.',
        ),
        ("javascript:alert(1)", "javascript:alert(1)"),
        ('https://a"onmouseover="b', None),
    ],
)
def test_formatting(text: str, html: str | None) -> None:
    if html is None:
        assert 'onmouseover="' not in to_html(text)
    else:
        assert to_html(text) == html


def test_a_preview_is_one_line_without_marks() -> None:
    assert preview("*Olá*, _Ana_!\n\nTudo ~bem~?") == "Olá, Ana! Tudo bem?"


def test_the_page_shows_a_phone_and_escapes_what_it_shows(api: Api) -> None:
    api.send("<script>alert('x')</script> *Olá*", number="5531987654321")
    api.send("<img src=x onerror=alert(1)>")
    page = api.call("GET", "/phone/553187654321", key=None)
    assert page.status_code == 200
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "&lt;script&gt;alert(&#x27;x&#x27;)&lt;/script&gt; <strong>Olá</strong>" in page.text
    assert "<script>" not in page.text
    assert "<img" not in page.text
    assert "+55 (31) 8765-4321" in page.text
    # The chat of one phone does not show the messages of another; the list shows both.
    assert page.text.count('class="bubble"') == 1
    assert page.text.count('class="phone-line') == 2
    assert api.call("GET", "/phone/+5531987654321", key=None).text.count('class="bubble"') == 1


def test_the_pages_allow_nothing_from_elsewhere(api: Api) -> None:
    for path in ("/phone", f"/phone/{MOBILE}", "/phone/instances", "/phone/static/phone.js", "/phone/nobody"):
        headers = api.call("GET", path, key=None).headers
        policy = headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; ")
        assert "unsafe" not in policy
        assert headers["X-Content-Type-Options"] == "nosniff"


def test_the_page_is_rendered_again_only_when_there_is_something_new(api: Api) -> None:
    tag = api.call("GET", "/phone", key=None).headers["ETag"]
    again = api.call("GET", "/phone", key=None, headers={"If-None-Match": tag})
    assert (again.status_code, again.content) == (304, b"")
    api.send()
    assert api.call("GET", "/phone", key=None, headers={"If-None-Match": tag}).status_code == 200


def test_the_page_shows_ticks_and_replies(api: Api) -> None:
    api.process.options(receipts=False)
    key_id = api.send("Saiu para <entrega>").json()["key"]["id"]
    path = f"/phone/{MOBILE}"
    for status, ticks in (("SERVER_ACK", "sent"), ("DELIVERY_ACK", "delivered"), ("READ", "read")):
        api.process.receipt(key_id, status)
        assert re.findall('class="ticks ([a-z]+)"', api.call("GET", path, key=None).text) == [ticks]
    api.process.disconnect("loja")
    api.process.reply(MOBILE, "<script>obrigada</script>", quoted=key_id)
    page = api.call("GET", path, key=None).text
    assert "<script>obrigada" not in page
    assert "<blockquote>Saiu para &lt;entrega&gt;</blockquote><p>&lt;script&gt;obrigada&lt;/script&gt;</p>" in page
    assert re.findall('class="ticks ([a-z]+)"', page) == ["read", "sent"]
    api.process.disconnect("loja", disconnected=False)
    page = api.call("GET", path, key=None).text
    assert re.findall('class="ticks ([a-z]+)"', page) == ["read", "delivered"]
    # The list counts what the shop sent, and shows who wrote last.
    assert '<span class="snippet">Você: &lt;script&gt;obrigada&lt;/script&gt;</span>' in page
    assert 'title="mensagens recebidas">1</span>' in page


def test_a_message_that_did_not_arrive_shows_it(api: Api) -> None:
    api.process.options(receipts=False)
    api.process.receipt(api.send().json()["key"]["id"], "ERROR")
    page = api.call("GET", f"/phone/{MOBILE}", key=None).text
    assert re.findall('class="ticks ([a-z]+)"', page) == ["error"]
    assert "Marcar como lidas" not in page


def post(api: Api, path: str, form: Mapping[str, str] | None = None, **headers: str) -> requests.Response:
    """A form that a browser sends."""
    return api.call("POST", path, key=None, data=form or {"": ""}, headers=headers, allow_redirects=False)


def test_the_customer_writes_and_reads_on_the_page(api: Api) -> None:
    api.process.options(server_ack_seconds=None, delivery_ack_seconds=None, read_seconds=None)
    path = f"/phone/{MOBILE}"
    key_id = api.send("Primeira").json()["key"]["id"]
    assert "Marcar como lidas" in api.call("GET", path, key=None).text
    done = post(api, f"{path}/read", Origin=api.process.base_url)
    assert (done.status_code, done.headers["Location"]) == (303, path)
    assert api.process.messages()[0]["updates"] == ["SERVER_ACK", "DELIVERY_ACK", "READ"]
    assert "Marcar como lidas" not in api.call("GET", path, key=None).text
    page = api.call("GET", f"{path}?responder={key_id}", key=None).text
    assert f'<input type="hidden" name="quoted" value="{key_id}"><span>Primeira</span>' in page
    assert post(api, f"{path}/reply", {"text": "Oi", "quoted": key_id}).status_code == 303
    assert post(api, f"{path}/reply", {"text": "", "quick": "SAIR"}).status_code == 303
    # Nothing to say, nothing sent.
    assert post(api, f"{path}/reply", {"text": " "}).status_code == 303
    replies = re.findall('<article class="bubble own".*?<p>(.*?)</p>', api.call("GET", path, key=None).text)
    assert replies == ["Oi", "SAIR"]


def test_the_customer_changes_and_takes_back_on_the_page(api: Api) -> None:
    path = f"/phone/{MOBILE}"
    shops = api.send().json()["key"]["id"]
    first, second = (api.process.reply(MOBILE, text) for text in ('"<Bom> dia"', "Quero devolver"))
    page = api.call("GET", path, key=None).text
    assert page.count(">Editar</a>") == page.count(">Apagar</button>") == 2
    page = api.call("GET", f"{path}?editar={first}", key=None).text
    assert f'name="key_id" value="{first}"' in page
    assert 'value="&quot;&lt;Bom&gt; dia&quot;"' in page
    assert post(api, f"{path}/edit", {"key_id": first, "text": "SAIR"}).status_code == 303
    assert post(api, f"{path}/delete", {"key_id": second}).status_code == 303
    # Nobody changes the shop's messages, or says nothing.
    assert post(api, f"{path}/edit", {"key_id": shops, "text": "outra"}).status_code == 303
    assert post(api, f"{path}/edit", {"key_id": first, "text": " "}).status_code == 303
    page = api.call("GET", path, key=None).text
    said = re.findall('<article class="bubble(?: own)?".*?<p>(.*?)</p>', page)
    assert said == ["Olá", "SAIR", "<em>Mensagem apagada</em>"]
    assert page.count("<span>editada</span>") == 1
    assert page.count(">Editar</a>") == 1
    for key_id in (second, shops, "nothing"):
        assert "Editar: " not in api.call("GET", f"{path}?editar={key_id}", key=None).text


def test_the_connections_page(api: Api) -> None:
    assert api.process.options(connect_seconds=0)["instances"]["loja"] == "open"
    for action, state, offered in (
        ("disconnect", "close", "Conectar"),
        ("connect", "open", "Cortar a conexão"),
        ("log-out", "close", "Mostrar o QR code"),
        ("show-code", "connecting", "Ler o código"),
        ("pair", "open", "Encerrar a sessão no celular"),
    ):
        if action == "pair":
            picture = api.call("GET", "/phone/instances/loja/code.png", key=None)
            assert (picture.headers["Content-Type"], picture.content[:8]) == ("image/png", b"\x89PNG\r\n\x1a\n")
        done = post(api, f"/phone/instances/loja/{action}")
        assert (done.status_code, done.headers["Location"]) == (303, "/phone/instances")
        assert api.process.options()["instances"]["loja"] == state
        assert offered in api.call("GET", "/phone/instances", key=None).text
    assert api.call("GET", "/phone/instances/loja/code.png", key=None).status_code == 404


def test_behaviour_is_chosen_on_the_page(api: Api) -> None:
    before = api.process.options()
    for choice, option, value in (
        (1, "receipts", False),
        (0, "receipts", True),
        (3, "read_seconds", None),
        (2, "read_seconds", 5),
        (7, "reply_form", "nameless"),
        (6, "reply_form", "anonymous"),
        (5, "reply_form", "lid"),
        (4, "reply_form", "number"),
    ):
        assert post(api, f"/phone/behaviour/{choice}").status_code == 303
        assert api.process.options()[option] == value
        assert api.call("GET", "/phone/instances", key=None).text.count('aria-pressed="true"') == 3
    assert api.process.options() == before


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": "null"},
        {"Host": "rebound.example", "Origin": "http://rebound.example"},
    ],
)
def test_no_other_site_presses_a_button(api: Api, headers: dict[str, str]) -> None:
    before = api.process.options()
    for path in (f"/phone/{MOBILE}/reply", "/phone/instances/loja/log-out", "/phone/behaviour/1"):
        assert post(api, path, {"text": "a"}, **headers).status_code == 403
    assert api.process.options() == before
    assert "bubble own" not in api.call("GET", f"/phone/{MOBILE}", key=None).text


@pytest.mark.parametrize(
    "path",
    ["/phone/behaviour/8", "/phone/instances/loja/delete", "/phone/abc/reply", f"/phone/{MOBILE}/clear", "/phone"],
)
def test_there_are_no_other_buttons(api: Api, path: str) -> None:
    assert post(api, path).status_code == 404


@pytest.mark.parametrize(
    "path", ["/phone/abc", "/phone/static/../server.py", "/phone/static/%2e%2e%2fpages.py", "/phone/1/2"]
)
def test_nothing_but_the_pages_is_served(api: Api, path: str) -> None:
    connection = requests.Request("GET", api.process.base_url).prepare()
    connection.url = api.process.base_url + path
    assert api.session.send(connection, timeout=10).status_code == 404


def test_a_phone_without_messages_and_the_magic_numbers_are_shown(api: Api) -> None:
    page = api.call("GET", f"/phone/{MOBILE}", key=None).text
    assert "Este celular ainda não recebeu mensagens." in page
    assert "+55 (11) 98765-4321" in page
    assert all(number.ending in page for number in MAGIC_NUMBERS)
