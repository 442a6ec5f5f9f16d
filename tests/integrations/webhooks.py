"""Webhooks as the gateway sends them."""

from __future__ import annotations

from typing import Any

from django.test import Client

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
