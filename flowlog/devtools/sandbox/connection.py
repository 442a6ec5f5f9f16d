"""How an instance comes to its phone and loses it, and what the webhook hears of that."""

from __future__ import annotations

import json
from functools import partial
from http import HTTPStatus

from flowlog.devtools.sandbox.ids import iso
from flowlog.devtools.sandbox.options import Version
from flowlog.devtools.sandbox.qr import new_qr
from flowlog.devtools.sandbox.state import OWN_JID, Disconnection, Instance, Sandbox
from flowlog.devtools.sandbox.webhooks import emit

FINAL_REASONS = frozenset({401, 402, 403, 406})
"""The codes after which WhatsApp knows the instance no more: it has to be paired again."""
PASSING_REASONS = frozenset({408, 428, 440, 500, 503, 515})
"""The codes after which the gateway connects again by itself, as soon as it can."""
LOGGED_OUT = 401
CUT_OFF = 428
CONNECTION_LOST = 408
"""Passing in the release; for the candidate the session is over, and the instance has to be paired again."""


def connect(sandbox: Sandbox, instance: Instance) -> None:
    """Pair the instance if it is not, and connect it. What waited for it at WhatsApp arrives."""
    if instance.state == "open":
        return
    kept = sandbox.change(instance, state="open", was_connected=True, paired=True, qr=None, disconnection=None)
    opened = {"wuid": OWN_JID, "profileName": instance.name, "state": "open", "statusReason": 200}
    emit(sandbox, instance, "connection.update", {"instance": instance.name, **opened})
    for job in kept:
        job()


def disconnect(sandbox: Sandbox, instance: Instance, reason: int = CUT_OFF) -> None:
    """Take its connection away. The webhook hears of a close only if it is final, else of the attempts to connect."""
    if not _is_final(sandbox, reason):
        if instance.state == "open":
            sandbox.change(instance, state="close")
            _connecting(sandbox, instance)
        return
    if not instance.paired and instance.state == "close":
        return
    lost = Disconnection(reason)
    sandbox.change(instance, state="close", paired=False, qr=None, disconnection=lost)
    emit(sandbox, instance, "status.instance", {"instance": instance.name, "status": "closed", **described(lost)})
    closed = {"instance": instance.name, "state": "close", "statusReason": reason}
    emit(sandbox, instance, "connection.update", closed)
    emit(sandbox, instance, "logout.instance", None)


def log_out(sandbox: Sandbox, instance: Instance) -> None:
    """What the API's logout does: the candidate tells nobody of it."""
    if sandbox.options.version is Version.CANDIDATE:
        sandbox.change(instance, state="close", paired=False, qr=None, disconnection=Disconnection(LOGGED_OUT))
    else:
        disconnect(sandbox, instance, LOGGED_OUT)


def _is_final(sandbox: Sandbox, reason: int) -> bool:
    lost_is_final = sandbox.options.version is Version.CANDIDATE
    return reason in FINAL_REASONS or (reason == CONNECTION_LOST and lost_is_final)


def start_pairing(sandbox: Sandbox, instance: Instance, number: str = "") -> None:
    """From close to connecting, with a code to pair with unless the instance is paired already."""
    if instance.state != "close":
        return
    if instance.paired:
        # Cut off from WhatsApp: it tries, and there is nobody to hear it.
        _connecting(sandbox, instance)
        return
    sandbox.change(instance, state="connecting")
    _connecting(sandbox, instance)
    _show_code(sandbox, instance, number)
    if sandbox.options.pair_seconds is not None:
        sandbox.clock.after(sandbox.options.pair_seconds, partial(pair, sandbox, instance))


def renew(sandbox: Sandbox, instance: Instance) -> bool:
    """WhatsApp gives another code, as it does after a while; the one before is void. False if there is none."""
    if instance.qr is None:
        return False
    _show_code(sandbox, instance)
    return True


def _show_code(sandbox: Sandbox, instance: Instance, number: str = "") -> None:
    code = new_qr(number)
    sandbox.change(instance, qr=code)
    shown = {"pairingCode": code.pairing_code, "code": code.code, "base64": code.base64}
    emit(sandbox, instance, "qrcode.updated", {"qrcode": {"instance": instance.name, **shown}})


def pair(sandbox: Sandbox, instance: Instance) -> bool:
    """A phone scans the code. False if there is none."""
    if instance.qr is None:
        return False
    connect(sandbox, instance)
    return True


def restart(sandbox: Sandbox, instance: Instance) -> None:
    """From open to connecting and, after a moment, to open again."""
    sandbox.change(instance, state="connecting")
    _connecting(sandbox, instance)
    sandbox.clock.after(sandbox.options.connect_seconds, partial(_reconnect, sandbox, instance))


def storm(sandbox: Sandbox, instance: Instance, count: int) -> None:
    """What a network that refuses every connection makes of the webhook: so many updates at once."""
    for _ in range(count):
        _connecting(sandbox, instance)


def described(lost: Disconnection | None) -> dict[str, object]:
    """The three fields in which the gateway keeps why an instance was disconnected."""
    if lost is None:
        return dict.fromkeys(("disconnectionAt", "disconnectionReasonCode", "disconnectionObject"))
    payload = {"statusCode": lost.reason, "error": HTTPStatus(lost.reason).phrase, "message": "Stream Errored"}
    error = {"isBoom": True, "isServer": False, "output": {"statusCode": lost.reason, "payload": payload}}
    return {
        "disconnectionAt": iso(lost.at),
        "disconnectionReasonCode": lost.reason,
        "disconnectionObject": json.dumps({"error": error, "date": iso(lost.at)}),
    }


def _reconnect(sandbox: Sandbox, instance: Instance) -> None:
    if instance.state == "connecting" and instance.paired:
        connect(sandbox, instance)


def _connecting(sandbox: Sandbox, instance: Instance) -> None:
    update = {"instance": instance.name, "state": "connecting", "statusReason": 200}
    emit(sandbox, instance, "connection.update", update)
