"""A parcel's story by a store's own connection, with the web server and the workers as processes of their own."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import pytest
import requests

from integrations.carriers.models import CarrierConnection, CarrierNews
from orders.models import Store
from tests.broker import purge
from tests.factories import PHONE, TRACKING_CODE, make_instance, make_order
from tests.integrations.parcels import label, make_connection, sign
from tests.integrations.sandbox import SandboxProcess
from tests.processes import System, wait_until

pytestmark = pytest.mark.django_db(transaction=True)


def test_melhor_envio_tells_and_the_customer_hears(tmp_path: Path, gateway: SandboxProcess) -> None:
    purge("default", "whatsapp")
    make_instance()
    other = Store.objects.create(name="Outra")
    mine, theirs = make_connection(), make_connection(store=other)
    order = make_order(until="confirmed", delivery_method="correios_pac")
    tags = [{"tag": order.code}]
    with ExitStack() as stack, requests.Session() as session:
        system = System(stack, tmp_path, gateway)
        system.start_all()
        address = system.web()
        session.trust_env = False

        def tell(connection: CarrierConnection, body: bytes, signature: str) -> int:
            url = f"{address}/webhooks/tracking/melhorenvio/{connection.token}"
            headers = {"Content-Type": "application/json"} | ({"X-ME-Signature": signature} if signature else {})
            return session.post(url, body, headers=headers, timeout=20, allow_redirects=False).status_code

        posted, delivered = label("order.posted", tags=tags), label("order.delivered", tags=tags)
        assert tell(mine, posted, "") == 200
        assert tell(mine, posted, sign(posted, "outro")) == 403
        assert tell(theirs, delivered, sign(delivered)) == 200
        assert [tell(mine, posted, sign(posted)) for _time in range(2)] == [200, 200]
        wait_until(lambda: len(gateway.texts(PHONE)) == 1, "the parcel to be told")
        assert TRACKING_CODE in gateway.texts(PHONE)[0]
        assert tell(mine, delivered, sign(delivered)) == 200
        wait_until(lambda: len(gateway.texts(PHONE)) == 2, "the delivery to be told")
        told = [("unknown", theirs.pk), ("applied", mine.pk), ("repeated", mine.pk), ("applied", mine.pk)]
        rows = CarrierNews.objects.order_by("pk").values_list("result", "connection")
        wait_until(lambda: list(rows.all()) == told, "all of it to be worked off")
    order.refresh_from_db()
    assert (order.delivery_status, order.tracking_code) == ("delivered", TRACKING_CODE)
    assert len(gateway.texts()) == 2
