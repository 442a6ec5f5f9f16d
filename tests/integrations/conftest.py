"""Carriers that sign, and a parcel of theirs."""

from __future__ import annotations

from typing import Any

import pytest

from orders.models import Order
from tests.factories import make_order
from tests.integrations.carriers import SECRET


@pytest.fixture
def carrier_secret(settings: Any) -> None:
    settings.TRACKING_WEBHOOK_SECRET = SECRET


@pytest.fixture
def shipped() -> Order:
    return make_order(until="shipped", delivery_method="correios_pac")
