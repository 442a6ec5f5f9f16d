"""News that was asked for and not sent, written down as if it had been: it waits, is worked off and applied again as
the other is."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import datetime
from decimal import Decimal
from typing import Any

from integrations.shops.news import Item, OrderNews, Placed

HEADERS = {"Flowlog-Polled": "1"}


def write(news: OrderNews) -> bytes:
    """The body of its row."""
    return json.dumps(asdict(news), default=str, ensure_ascii=True).encode()


def read(body: bytes) -> OrderNews:
    """The news of such a body."""
    told: dict[str, Any] = json.loads(body)
    placed = told.pop("placed")
    items = tuple(
        Item(each["description"], Decimal(each["quantity"]), Decimal(each["unit_price"]))
        for each in placed.pop("items")
    )
    phones, freight, discount = placed.pop("phones"), Decimal(placed.pop("freight")), Decimal(placed.pop("discount"))
    placed_at = told.pop("placed_at", None)
    return OrderNews(
        statuses=tuple(told.pop("statuses")),
        changed_at=datetime.fromisoformat(told.pop("changed_at")),
        placed=Placed(phones=tuple(phones), items=items, freight=freight, discount=discount, **placed),
        placed_at=datetime.fromisoformat(placed_at) if placed_at else None,
        **told,
    )
