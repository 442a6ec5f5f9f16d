"""A number at Meta for tests: in the sandbox, as an instance, and its webhooks as Meta sends them."""

from __future__ import annotations

import json
from typing import Any

from django.test import Client

from integrations.meta.signature import sign
from integrations.models import EvolutionInstance, MetaNumber
from tests.integrations.sandbox import SandboxProcess

NUMBER_ID = "106540352242922"
TOKEN = "EAAsandboxtoken0123456789abcdef"
APP_SECRET = "app-secret-of-tests"
TEMPLATE = "aviso_de_pedido"
BODY = "Novidades do seu pedido: {{1}} Para não receber mais avisos, responda SAIR."
WA_ID = "5511987654321"


def set_up(sandbox: SandboxProcess, *, webhook: str = "", verify_token: str = "", number_id: str = NUMBER_ID) -> None:
    """Let the shop have its number, its app and its template at Meta."""
    template = {"name": TEMPLATE, "language": "pt_BR", "body": BODY}
    sandbox.act(
        "meta", phone_number_id=number_id, token=TOKEN, app_secret=APP_SECRET, webhook=webhook,
        verify_token=verify_token, templates=[template],
    )  # fmt: skip


def make_number(instance: EvolutionInstance, **values: Any) -> MetaNumber:
    """What the admin asks for of an instance at Meta."""
    values = {
        "phone_number_id": NUMBER_ID, "access_token": TOKEN, "app_secret": APP_SECRET, "template_name": TEMPLATE,
        "verify_token": "palavra",
    } | values  # fmt: skip
    return MetaNumber.objects.create(instance=instance, **values)


def told(number_id: str = NUMBER_ID, **value: Any) -> dict[str, Any]:
    """A request of Meta's about one number."""
    metadata = {"display_phone_number": "5511999990000", "phone_number_id": number_id}
    change = {"field": "messages", "value": {"messaging_product": "whatsapp", "metadata": metadata, **value}}
    return {"object": "whatsapp_business_account", "entry": [{"id": "102290129340398", "changes": [change]}]}


def status(message_id: str, word: str, **more: Any) -> dict[str, Any]:
    return {"id": message_id, "status": word, "timestamp": "1795453146", "recipient_id": WA_ID, **more}


def message(text: str, message_id: str = "wamid.IN1", **more: Any) -> dict[str, Any]:
    return {
        "from": WA_ID, "id": message_id, "timestamp": "1795453146", "type": "text", "text": {"body": text}, **more,
    }  # fmt: skip


def post(body: Any, *, instance: str = "meta", secret: str = APP_SECRET, signature: str | None = None) -> int:
    """Deliver it as Meta does; returns the status of the answer. Bytes go out as they are."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    signed = sign(secret, raw) if signature is None else signature
    headers = {"X-Hub-Signature-256": signed} if signed else {}
    path = f"/webhooks/meta/{instance}"
    return Client().post(path, raw, content_type="application/json", headers=headers).status_code
