"""What an operator does to the gateway's instances: make, pair, log out, and tell them where their events go."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from http import HTTPStatus

from django.conf import settings

from integrations.evolution.client import EvolutionClient, path_segment
from integrations.evolution.servers import Server, of_settings
from integrations.gateways.outcomes import GatewayError, Outcome, Refused
from integrations.gateways.parsing import parse_object

WEBHOOK_EVENTS = (
    "SEND_MESSAGE",
    "MESSAGES_UPDATE",
    "MESSAGES_UPSERT",
    "MESSAGES_EDITED",
    "MESSAGES_DELETE",
    "CONNECTION_UPDATE",
    "QRCODE_UPDATED",
    "STATUS_INSTANCE",
    "LOGOUT_INSTANCE",
)
_MAX_LIST = 4 * 1024 * 1024
# In seconds. The gateway itself waits 2 s for the first QR code.
_PAGE_TIMEOUTS = (3.0, 8.0)
# What the gateway says of a call that cannot be done now, and the code for it.
_REFUSALS = (
    (re.compile(r"already in use"), "name_in_use"),
    (re.compile(r"instance is not connected"), "not_connected"),
)


@dataclass(frozen=True, slots=True)
class RemoteInstance:
    """An instance as the gateway lists it; `phone` is the paired number's digits, or empty."""

    name: str
    state: str
    phone: str


@dataclass(frozen=True, slots=True)
class RemoteWebhook:
    """Where an instance's events are posted to, empty if nowhere, and which of those that we want are not."""

    url: str
    lacks: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Pairing:
    """How far an instance is from being connected: it is, or `code` is the QR code to read, if there is one yet.

    `pairing_code` can be typed on the phone instead. Neither belongs into a log: who has it gets the shop's chats.
    """

    connected: bool
    code: str = field(default="", repr=False)
    pairing_code: str = field(default="", repr=False)


class EvolutionManager(EvolutionClient):
    """The client, with what needs the gateway's global key. Every method raises `GatewayError`."""

    def instances(self) -> list[RemoteInstance]:
        """All instances of the gateway, by name."""
        answer = self._call("GET", "/instance/fetchInstances", max_body=_MAX_LIST)
        try:
            listed = json.loads(answer.body) if answer.status == HTTPStatus.OK else None
        except ValueError:
            listed = None
        if not isinstance(listed, list):
            raise self._unreadable(answer)
        return sorted((_remote(item) for item in listed if isinstance(item, dict)), key=lambda each: each.name)

    def is_hidden(self, instance_name: str) -> bool:
        """Whether the gateway has this instance, which `instances` left out: the key is another instance's token."""
        try:
            self.connection_state(instance_name)
        except GatewayError as error:
            if error.code == "unauthorized":
                return True
            if error.code != "instance_not_found":
                raise
        # What this key can see is listed; a moment after it was deleted an instance still has a state.
        return False

    def create(self, instance_name: str) -> None:
        """Make an instance that is still to be paired."""
        wanted: dict[str, object] = {
            "instanceName": instance_name,
            "integration": "WHATSAPP-BAILEYS",
            "qrcode": False,
            "groupsIgnore": True,
        }
        self._ask("POST", "/instance/create", wanted, expected=HTTPStatus.CREATED)

    def connect(self, instance_name: str, number: str = "") -> Pairing:
        """Start connecting, or ask how far it is. Meant to be called again every few seconds.

        With the phone's `number` (E.164) there is a code to type as well, if that call is the one that starts it.
        """
        query = f"?number={number.removeprefix('+')}" if number else ""
        data = self._ask("GET", f"/instance/connect/{path_segment(instance_name)}{query}")
        instance, code = data.get("instance"), data.get("code")
        if isinstance(instance, dict):
            return Pairing(connected=instance.get("state") == "open")
        if data.get("error"):
            raise GatewayError(Outcome.UNKNOWN, "cannot_connect", http_status=HTTPStatus.OK)
        typed = data.get("pairingCode")
        return Pairing(
            connected=False,
            code=code if isinstance(code, str) else "",
            pairing_code=typed if isinstance(typed, str) else "",
        )

    def logout(self, instance_name: str) -> None:
        """Unpair the instance from its phone."""
        self._ask("DELETE", f"/instance/logout/{path_segment(instance_name)}")

    def set_webhook(self, instance_name: str, url: str, secret: str) -> None:
        """Have the instance's events posted to `url` with the secret."""
        wanted = {
            "enabled": True,
            "url": url,
            "byEvents": False,
            "base64": False,
            "headers": {"Authorization": f"Bearer {secret}"},
            "events": list(WEBHOOK_EVENTS),
        }
        path = f"/webhook/set/{path_segment(instance_name)}"
        self._ask("POST", path, {"webhook": wanted}, expected=HTTPStatus.CREATED)

    def webhook(self, instance_name: str) -> RemoteWebhook:
        """What the instance tells, and to whom."""
        webhook = self._ask("GET", f"/webhook/find/{path_segment(instance_name)}")
        url, events = webhook.get("url"), webhook.get("events")
        if not (isinstance(url, str) and webhook.get("enabled")):
            return RemoteWebhook("")
        told = {each for each in events if isinstance(each, str)} if isinstance(events, list) else set()
        return RemoteWebhook(url, frozenset(WEBHOOK_EVENTS) - told)

    def _ask(
        self, method: str, path: str, payload: dict[str, object] | None = None, *, expected: int = HTTPStatus.OK
    ) -> dict[str, object]:
        """The object that the gateway answered; raises `GatewayError` for any other status than `expected`."""
        answer = self._call(method, path, payload)
        if answer.status == expected:
            return parse_object(answer.body)
        for pattern, code in _REFUSALS:
            if pattern.search(answer.body):
                raise self._error(Refused(Outcome.PERMANENT, code), answer)
        raise self._unreadable(answer)


def manager(server: Server | None = None, *, for_a_page: bool = False) -> EvolutionManager:
    """A manager for the server, by default that of the settings; one for a page gives up soon."""
    server, times = server or of_settings(), settings.NOTIFICATIONS
    most = _PAGE_TIMEOUTS if for_a_page else (times.connect_timeout, times.read_timeout)
    return EvolutionManager(
        server.url,
        server.key,
        connect_timeout=min(most[0], times.connect_timeout),
        read_timeout=min(most[1], times.read_timeout),
    )


def _remote(item: dict[str, object]) -> RemoteInstance:
    jid = item.get("ownerJid")
    phone = jid.partition("@")[0].partition(":")[0] if isinstance(jid, str) else ""
    return RemoteInstance(str(item.get("name", "")), str(item.get("connectionStatus", "")), phone)
