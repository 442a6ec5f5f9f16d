"""Who asks what is kept about them gets all of it, and nobody else's."""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.core.exceptions import PermissionDenied

from flowlog.staffpages.groups import MANAGEMENT_GROUP
from integrations.inbound.intake import process
from integrations.models import NotificationLog
from orders.desk_models import OrderNote
from orders.disclosure import archive
from orders.models import Customer, Order, Store
from orders.services import apply_transition
from tests.factories import make_instance, make_order
from tests.integrations.webhooks import post, reply
from tests.staff import client_of, make_staff

pytestmark = pytest.mark.django_db


@pytest.fixture
def order() -> Order:
    make_instance()
    order = make_order(
        customer_cpf="529.982.247-25", delivery_address="Rua das Flores, 1", notes="portão azul", notify=True
    )
    NotificationLog.objects.update(status="cancelled", message="Olá, Maria! *Sua* encomenda …")
    apply_transition(order, "cancel", reason="Maria desistiu", notify=False)
    OrderNote.objects.create(order=order, text="ligou duas vezes")
    assert post(reply("quero trocar")) == 200
    process()
    make_order(customer_name="Outra Pessoa", customer_phone="+5521998765432", notes="dos fundos")
    return order


def files(content: bytes) -> tuple[str, Any]:
    with zipfile.ZipFile(io.BytesIO(content)) as packed:
        assert packed.namelist() == ["dados.txt", "dados.json"]
        return packed.read("dados.txt").decode("utf-8-sig"), json.loads(packed.read("dados.json"))


def test_all_that_is_kept_is_in_both_files(order: Order) -> None:
    # The same person, from before accounts were known.
    Customer.objects.create(store=order.store, name="Maria S.", phone="+551187654321")
    text, told = files(archive(order.customer))
    assert list(told) == [
        "Loja", "Escrito em", "Cliente", "Pedidos", "Mensagens no WhatsApp", "O que o cliente escreveu",
    ]  # fmt: skip
    assert [(each["nome"], each["telefone (WhatsApp)"]) for each in told["Cliente"]] == [
        ("Maria da Silva", "(11) 98765-4321"), ("Maria S.", "(11) 8765-4321"),
    ]  # fmt: skip
    assert told["Cliente"][0]["CPF/CNPJ"] == "529.982.247-25"
    [kept] = told["Pedidos"]
    assert (kept["código"], kept["endereço de entrega"]) == (order.code, "Rua das Flores, 1")
    assert kept["anotações internas"] == "portão azul\nligou duas vezes"
    assert [message["mensagem"] for message in told["Mensagens no WhatsApp"]] == ["Olá, Maria! *Sua* encomenda …"]
    assert [written["texto"] for written in told["O que o cliente escreveu"]] == ["quero trocar"]
    for secret in ("Maria", "529.982.247-25", "Rua das Flores", "ligou", "desistiu", "encomenda", "trocar"):
        assert secret in text
    assert "Outra Pessoa" not in text + json.dumps(told)
    assert "dos fundos" not in text


def test_is_taken_from_the_customers_page_and_noted(order: Order) -> None:
    client = client_of(make_staff("gil", MANAGEMENT_GROUP))
    address = f"/admin/orders/customer/{order.customer_id}/data/"
    assert f'action="{address}"' in client.get(f"/admin/orders/customer/{order.customer_id}/change/").content.decode()
    assert client.get(address).status_code == 405
    answer = client.post(address)
    assert answer.headers["Content-Type"] == "application/zip"
    assert "Maria" not in answer.headers["Content-Disposition"]
    assert files(answer.content)[1]["Loja"] == "Minha loja"
    entry = LogEntry.objects.get()
    assert (entry.object_id, entry.change_message) == (str(order.customer_id), "O que está guardado foi baixado.")


def test_is_given_to_nobody_without_the_permission_or_the_store(order: Order) -> None:
    address = f"/admin/orders/customer/{order.customer_id}/data/"
    service = client_of(make_staff("eva"))
    assert address not in service.get(f"/admin/orders/customer/{order.customer_id}/change/").content.decode()
    assert service.post(address).status_code == 403
    other = make_staff("bia", MANAGEMENT_GROUP, stores=[Store.objects.create(name="Outra")])
    assert client_of(other).post(address).status_code == 404
    with pytest.raises(PermissionDenied):
        archive(order.customer, actor=other)
    assert LogEntry.objects.count() == 0
