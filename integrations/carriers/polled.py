"""News that was asked for and not sent, written down as if it had been: it waits, is worked off and applied again as
the other is."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import datetime
from typing import Any

from integrations.carriers.news import ParcelNews

HEADERS = {"Flowlog-Polled": "1"}


def write(news: ParcelNews) -> bytes:
    """The body of its row."""
    return json.dumps(asdict(news), default=str).encode()


def read(body: bytes) -> ParcelNews:
    """The news of such a body."""
    told: dict[str, Any] = json.loads(body)
    at, codes, tags = told.pop("occurred_at"), told.pop("codes"), told.pop("tags")
    when = datetime.fromisoformat(at) if at else None
    return ParcelNews(occurred_at=when, codes=tuple(codes), tags=tuple(tags), **told)
