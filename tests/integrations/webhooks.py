"""Webhooks as the gateway sends them."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import requests
from django.conf import settings
from django.test import Client
from django.utils import timezone

from integrations.models import EvolutionInstance, NotificationLog, WebhookEvent
from tests.broker import purge
from tests.processes import wait_until, web_server, worker

SECRET = "test-webhook-secret"
JID = "5511987654321@s.whatsapp.net"


def envelope(event: str, data: Any, instance: str = "flowlog") -> dict[str, Any]:
    return {
        "event": event,
        "instance": instance,
        "data": data,
        "destination": f"http://testserver/webhooks/evolution/{instance}/",
        "date_time": "2026-11-23T16:59:03.337Z",
        "sender": "5511999990000@s.whatsapp.net",
        "server_url": "http://127.0.0.1:18080",
        "apikey": "TOKEN-LOJA",
    }


def receipt(key_id: str, status: str, **values: Any) -> dict[str, Any]:
    data = {"keyId": key_id, "remoteJid": JID, "fromMe": True, "status": status, "messageId": "cmwtifzcx000"}
    return envelope("messages.update", data | values)


def sent_message(key_id: str, text: str, timestamp: int, jid: str = JID) -> dict[str, Any]:
    data = {
        "key": {"remoteJid": jid, "fromMe": True, "id": key_id},
        "pushName": "Você",
        "status": "PENDING",
        "message": {"conversation": text},
        "messageType": "conversation",
        "messageTimestamp": timestamp,
        "source": "web",
    }
    return envelope("send.message", data)


def reply(text: str, key_id: str = "3EB0INCOMING000001", *, quoted: str = "", **key: Any) -> dict[str, Any]:
    """What a customer wrote; `key` changes the parts of its key."""
    data = {
        "key": {"remoteJid": JID, "id": key_id, "fromMe": False, "participant": "", "addressingMode": "pn"} | key,
        "pushName": "Cliente",
        "status": "DELIVERY_ACK",
        "message": {"conversation": text, "messageContextInfo": {"deviceListMetadataVersion": 2}},
        "messageType": "conversation",
        "messageTimestamp": 1795453146,
        "source": "desktop",
    }
    if quoted:
        data["contextInfo"] = {"stanzaId": quoted, "participant": "5511999990000@s.whatsapp.net"}
    return envelope("messages.upsert", data)


def connection(state: str, reason: int = 200) -> dict[str, Any]:
    return envelope("connection.update", {"instance": "flowlog", "state": state, "statusReason": reason})


def post(
    body: Any, *, instance: str = "flowlog", secret: str = f"Bearer {SECRET}", client: Client | None = None
) -> int:
    """Deliver it as the gateway does; returns the status of the answer. Bytes go out as they are."""
    answer = (client or Client()).post(
        f"/webhooks/evolution/{instance}/",
        body,
        content_type="application/json",
        headers={"authorization": secret} if secret else {},
    )
    return answer.status_code


def post_all(address: str, bodies: Sequence[object], clients: int = 8) -> float:
    """POST all of them from some clients at once, each over one connection; returns how many a second were taken in."""

    def post_some(some: Sequence[object]) -> None:
        with requests.Session() as session:
            session.trust_env = False
            session.headers["Authorization"] = f"Bearer {settings.EVOLUTION_WEBHOOK_SECRET}"
            for body in some:
                assert session.post(address, json=body, timeout=30).status_code == 200

    started = time.perf_counter()
    with ThreadPoolExecutor(clients) as pool:
        list(pool.map(post_some, [bodies[number::clients] for number in range(clients)]))
    return len(bodies) / (time.perf_counter() - started)


@dataclass(frozen=True, slots=True)
class Flood:
    """What a flood of webhooks took."""

    number: int
    taken_in_per_second: float
    seconds: float


def flood_with_receipts(instance: EvolutionInstance, messages: int, patience: float) -> Flood:
    """Two receipts for each of so many messages, a quarter repeated, all shuffled, from clients at once over HTTP.

    A web server and a worker of their own take them in and work them off; asserts that none is lost or lowered.
    """
    NotificationLog.objects.bulk_create(
        NotificationLog(
            instance=instance, event="confirm", dedupe_key=f"flood:{each}", snapshot={}, status="sent",
            sent_at=timezone.now(), expires_at=timezone.now(), provider_message_id=f"3EB0{each}",
        )
        for each in range(messages)
    )  # fmt: skip
    highest = {f"3EB0{each}": random.choice(["DELIVERY_ACK", "READ"]) for each in range(messages)}
    lower = {"DELIVERY_ACK": "SERVER_ACK", "READ": "DELIVERY_ACK"}
    bodies = [receipt(key_id, status) for key_id, most in highest.items() for status in (most, lower[most])]
    bodies += random.sample(bodies, len(bodies) // 4)
    random.shuffle(bodies)
    purge("default")
    with web_server() as address, worker("default"):
        started = time.perf_counter()
        rate = post_all(f"{address}/webhooks/evolution/{instance.name}/", bodies)
        left = WebhookEvent.objects.filter(processed_at=None)
        wait_until(lambda: not left.exists(), "the webhooks to be worked off", patience)
        took = time.perf_counter() - started
    rows = NotificationLog.objects.filter(instance=instance)
    assert {row.provider_message_id: row.receipt.upper() for row in rows} == highest
    assert not rows.filter(delivered_at=None).exists()
    assert {row.provider_message_id for row in rows if row.read_at} == {
        key_id for key_id, most in highest.items() if most == "READ"
    }
    assert WebhookEvent.objects.filter(error="").count() == WebhookEvent.objects.count() == len(bodies)
    return Flood(len(bodies), rate, took)
