"""The sandbox's interface as its tests call it: as a gateway's, and as one whose webhooks are taken."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

import requests

from tests.integrations.receiver import Hook
from tests.integrations.sandbox import SandboxProcess

MOBILE = "5511987654321"
JID = f"{MOBILE}@s.whatsapp.net"
OWN_JID = "5511999990000@s.whatsapp.net"
AT_ONCE = {"server_ack_seconds": 0, "delivery_ack_seconds": 0, "read_seconds": None, "connect_seconds": 0}
SECRET = {"Authorization": "Bearer fixed"}
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


class Api:
    """The gateway's HTTP interface, as a client without manners."""

    def __init__(self, process: SandboxProcess) -> None:
        self.process = process
        self.session = requests.Session()
        self.session.trust_env = False

    def call(
        self, method: str, path: str, json: Any = None, *, key: str | None = "test-key", **more: Any
    ) -> requests.Response:
        headers = {**({} if key is None else {"apikey": key}), **more.pop("headers", {})}
        return self.session.request(
            method, self.process.base_url + path, json=json, headers=headers, timeout=10, **more
        )

    def send(self, text: Any = "Olá", number: Any = MOBILE, **more: Any) -> requests.Response:
        return self.call("POST", "/message/sendText/loja", {"number": number, "text": text, **more})

    def find(self, where: Mapping[str, Any], **more: Any) -> list[str]:
        answer = self.call("POST", "/chat/findMessages/loja", {"where": where, **more})
        assert answer.status_code == 200
        return [record["message"]["conversation"] for record in answer.json()["messages"]["records"]]


def assert_error(answer: requests.Response, status: int, name: str, message: object) -> None:
    assert answer.status_code == status
    assert answer.json() == {"status": status, "error": name, "response": {"message": message}}


class Gateway:
    """The gateway's interface for the instance `loja`, and the sandbox behind it."""

    def __init__(self, process: SandboxProcess) -> None:
        self.process = process
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.headers["apikey"] = process.api_key

    def call(self, method: str, path: str, body: Any = None) -> requests.Response:
        return self.session.request(method, self.process.base_url + path, json=body, timeout=10)

    def get(self, path: str) -> Any:
        return self.call("GET", path).json()

    def send(self, text: str = "Olá", number: str = MOBILE, instance: str = "loja") -> Any:
        return self.call("POST", f"/message/sendText/{instance}", {"number": number, "text": text}).json()

    def set_webhook(self, **webhook: Any) -> requests.Response:
        return self.call("POST", "/webhook/set/loja", {"webhook": webhook})


def instance_id(gateway: Gateway) -> str:
    (found,) = gateway.get("/instance/fetchInstances?instanceName=loja")
    return str(found["id"])


def data(hooks: list[Hook]) -> list[Any]:
    return [hook.body["data"] for hook in hooks]


def statuses(hooks: list[Hook]) -> Counter[str]:
    return Counter(each["status"] for each in data(hooks))
