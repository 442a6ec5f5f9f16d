"""On the first page: the shop's own systems that take no webhooks, to who may see them."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db.models.functions import Now
from django.test import Client

from flowlog.staffpages.groups import MANAGEMENT_GROUP
from orders.models import Store
from outgoing.models import Endpoint
from tests.outgoing.endpoints import make_endpoint
from tests.staff import client_of, make_staff

pytestmark = pytest.mark.django_db


def needs(client: Client) -> list[tuple[str, str]]:
    found = client.get("/admin/").context["needs"]
    return [(need.words, need.address) for need in found if "outgoing" in need.address]


def test_who_takes_nothing_for_an_hour_or_is_gone_is_told_of() -> None:
    chief, colleague = client_of(make_staff("gil", MANAGEMENT_GROUP)), client_of(make_staff())
    elsewhere = Store.objects.create(name="Outra")
    make_endpoint(store=elsewhere, off_reason="Respondeu 410.", is_on=False)
    endpoint, _secret = make_endpoint(last_error="Respondeu com 500.")
    row = Endpoint.objects.filter(pk=endpoint.pk)
    assert needs(chief) == []
    row.update(created_at=Now() - timedelta(hours=2), last_success_at=Now() - timedelta(minutes=50))
    assert needs(chief) == []
    row.update(last_success_at=Now() - timedelta(minutes=70))
    page = f"/admin/outgoing/endpoint/{endpoint.pk}/change/"
    assert needs(chief) == [("Webhook de saída com problema: ERP", page)]
    assert needs(colleague) == []
    row.update(is_on=False)
    assert needs(chief) == []
    row.update(off_reason="Respondeu 410.")
    assert needs(chief) == [("Webhook de saída com problema: ERP", page)]
    make_endpoint(off_reason="Respondeu 410.", is_on=False)
    assert needs(chief) == [("webhooks de saída com problema", "/admin/outgoing/endpoint/")]
    # Whoever saves the page has seen it.
    Endpoint.objects.exclude(pk=endpoint.pk).update(off_reason="")
    chief.post(page, {"description": "ERP", "url": endpoint.url})
    assert needs(chief) == []
    assert not row.get().is_on
