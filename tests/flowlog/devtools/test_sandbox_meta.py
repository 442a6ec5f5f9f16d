"""The stand-in for Meta's Cloud API: its tokens, its 24 hours, its templates and its signed webhooks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import requests

from tests.integrations.meta import NUMBER_ID, TEMPLATE, TOKEN, set_up
from tests.integrations.sandbox import SandboxProcess

PHONE = "5511987654321"


@pytest.fixture
def number(running_sandbox: SandboxProcess) -> Iterator[SandboxProcess]:
    running_sandbox.clear()
    set_up(running_sandbox)
    yield running_sandbox
    running_sandbox.options(meta_window_seconds=86_400, meta_code=0)


def call(
    sandbox: SandboxProcess, to: str = PHONE, *, token: str = TOKEN, number_id: str = NUMBER_ID, **body: Any
) -> Any:
    with requests.Session() as session:
        session.trust_env = False
        return session.post(
            f"{sandbox.base_url}/v24.0/{number_id}/messages",
            json={"messaging_product": "whatsapp", "to": to, **body},
            headers={"Authorization": f"Bearer {token}"},
            timeout=20,
        )


def text(body: str = "Oi") -> dict[str, Any]:
    return {"type": "text", "text": {"body": body}}


def template(*values: str, name: str = TEMPLATE, language: str = "pt_BR") -> dict[str, Any]:
    parameters = [{"type": "text", "text": value} for value in values]
    body = {"type": "body", "parameters": parameters}
    return {"type": "template", "template": {"name": name, "language": {"code": language}, "components": [body]}}


def code(answer: Any) -> tuple[int, int]:
    return answer.status_code, answer.json()["error"]["code"]


def test_the_token_comes_first_and_then_the_number(number: SandboxProcess) -> None:
    assert code(call(number, token="another", **text())) == (401, 190)
    answer = call(number, number_id="999999", **text())
    assert (*code(answer), answer.json()["error"]["error_subcode"]) == (400, 100, 33)
    assert number.messages() == []


def test_a_text_reaches_the_phone_only_within_24_hours_of_the_customers(number: SandboxProcess) -> None:
    answer = call(number, **text("Cedo demais"))
    assert (answer.status_code, answer.json()["messages"][0]["message_status"]) == (200, "accepted")
    number.reply(PHONE, "Bom dia", instance=NUMBER_ID)
    assert call(number, **text("Agora sim")).status_code == 200
    number.options(meta_window_seconds=0)
    assert call(number, **text("Tarde demais")).status_code == 200
    assert number.texts() == ["Agora sim"]


def test_a_template_goes_at_any_time_with_one_value_on_one_line(number: SandboxProcess) -> None:
    assert call(number, **template("pedido A1")).status_code == 200
    assert number.texts() == ["Novidades do seu pedido: pedido A1 Para não receber mais avisos, responda SAIR."]
    assert code(call(number, **template("a", name="outro"))) == (404, 132001)
    assert code(call(number, **template("a", language="en_US"))) == (404, 132001)
    assert code(call(number, **template())) == (400, 132000)
    assert code(call(number, **template("a", "b"))) == (400, 132000)
    for value in ("duas\nlinhas", "uma\ttabulação", "muitos     espaços"):
        assert code(call(number, **template(value))) == (400, 132018)
    assert len(number.messages()) == 1


@pytest.mark.parametrize(
    ("ending", "expected"),
    [
        ("9012", (401, 190)),
        ("9013", (400, 4)),
        ("9014", (400, 131030)),
        ("9026", (400, 131047)),
        ("9027", (400, 199999)),
    ],
)
def test_magic_numbers_are_refused_in_metas_form(number: SandboxProcess, ending: str, expected: Any) -> None:
    assert code(call(number, f"551198765{ending}", **template("a"))) == expected
    assert number.messages() == []


def test_the_gateway_knows_nothing_of_it(number: SandboxProcess) -> None:
    with pytest.raises(RuntimeError, match="does not exist"):
        number.set_webhook(NUMBER_ID, "http://127.0.0.1:9/")
    assert NUMBER_ID not in number.options()["instances"]


def test_a_webhook_that_does_not_answer_the_question_is_not_taken(number: SandboxProcess) -> None:
    with pytest.raises(RuntimeError, match="challenge"):
        set_up(number, webhook=f"{number.base_url}/phone")
