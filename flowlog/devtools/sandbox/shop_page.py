"""The page `/phone/shop`: buttons for what happens in the shop and at the carrier, and what Flowlog answered."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime, tzinfo
from typing import Any

from flowlog.devtools.sandbox.errors import ActionError
from flowlog.devtools.sandbox.messenger import is_success
from flowlog.devtools.sandbox.options import NewsFault
from flowlog.devtools.sandbox.outside import ACTIONS, CUSTOMER, PHONE
from flowlog.devtools.sandbox.state import Sandbox

_FAULTS = (
    (NewsFault.NONE, "normal"),
    (NewsFault.DUPLICATE, "em dobro"),
    (NewsFault.LATE, "atrasado"),
    (NewsFault.REORDERED, "fora de ordem"),
    (NewsFault.COALESCED, "vários num só"),
    (NewsFault.WRONG_SIGNATURE, "assinatura errada"),
)
_STATUSES = {
    "on-hold": "aguarda o Pix",
    "processing": "pago",
    "completed": "concluído e enviado",
    "cancelled": "cancelado",
}
_LABELS = {
    "released": "etiqueta comprada",
    "posted": "postada",
    "out_for_delivery": "saiu para entrega",
    "delivered": "entregue",
    "undelivered": "volta ao remetente",
}
_BUTTONS = (
    ("Na loja", (("change", "paid", "Pago"), ("change", "shipped", "Enviado"), ("change", "cancelled", "Cancelado"))),
    (
        "Na transportadora",
        (
            ("carry", "posted", "Etiqueta postada"),
            ("carry", "out_for_delivery", "Saiu para entrega"),
            ("carry", "delivered", "Entregue"),
            ("carry", "back", "Volta ao remetente"),
        ),
    ),
)
_MOST = 30
_LONGEST_WITHOUT_COUNTRY = 11


def context(sandbox: Sandbox, zone: tzinfo) -> dict[str, object]:
    """What the page shows."""
    shop, options = sandbox.shop, sandbox.options
    orders = [
        {
            "it": each,
            "total": f"{each.total}".replace(".", ","),
            "status": _STATUSES[each.status],
            "label": _LABELS[each.label.status],
            "phone": _digits(each.phone),
        }
        for each in shop.orders()[:_MOST]
    ]
    answered = [
        {
            "time": datetime.fromtimestamp(each.at, zone).strftime("%H:%M:%S"),
            "what": each.what,
            "status": each.status or "sem resposta",
            "is_taken": is_success(each.status),
        }
        for each in sandbox.messenger.answered()
    ]
    return {
        "is_shop": True,
        "is_connected": bool(shop.settings),
        "is_disabled": shop.is_disabled,
        "orders": orders,
        "rows": _BUTTONS,
        "faults": [{"it": fault, "label": label, "chosen": fault is options.news_fault} for fault, label in _FAULTS],
        "hold_seconds": f"{options.news_hold_seconds:g}",
        "held": sandbox.messenger.held,
        "answered": answered,
        "customer": CUSTOMER,
        "customer_phone": PHONE,
    }


def _digits(typed: str) -> str:
    """Whose page to look at: who typed no country is in Brazil."""
    digits = re.sub(r"[^0-9]", "", typed)
    return f"55{digits}" if len(digits) <= _LONGEST_WITHOUT_COUNTRY else digits


def press(sandbox: Sandbox, action: Sequence[str], body: Mapping[str, Any]) -> bool:
    """Do what a button of the page asks; whether there is such a button."""
    match action:
        case ["fault", fault] if fault in list(NewsFault):
            sandbox.configure({"news_fault": NewsFault(fault)})
        case ["place" | "release" | "enable" as name]:
            with suppress(ActionError):
                ACTIONS[name](sandbox, body)
        case [number, "change" | "carry" as name, to] if number.isdecimal():
            with suppress(ActionError):
                ACTIONS[name](sandbox, {"order": number, "to": to})
        case _:
            return False
    return True
