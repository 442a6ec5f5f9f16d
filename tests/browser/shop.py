"""A shop after a day on which everything happened: messages in every state, an answer, carriers' news, trouble."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.contrib.auth.models import User
from django.db.models.functions import Now
from django.utils import timezone
from django_celery_results.models import TaskResult

from api.models import ApiToken
from flowlog.devtools.sandbox.faults import Fault
from flowlog.heartbeats import SENDING_QUEUE
from flowlog.models import Heartbeat
from integrations.carriers.inbox import ingest
from integrations.carriers.updates import Status as Told
from integrations.carriers.updates import Update
from integrations.inbound.intake import process
from integrations.instances import connections
from integrations.models import CarrierConnection, EvolutionInstance, NotificationLog, ShopConnection, ShopNews
from notifications import claims, own_texts
from notifications.actions import cancel
from notifications.delivery import deliver
from orders.models import Order, Store
from orders.services import apply_transition
from outgoing.models import Endpoint, OutgoingAttempt, OutgoingEvent
from tests.factories import TRACKING_CODE, make_order
from tests.integrations import webhooks
from tests.integrations.sandbox import SandboxProcess

Status, Receipt = NotificationLog.Status, NotificationLog.Receipt
# The customers, whose latest messages are each in another state.
RECEIPTS = {
    "Beatriz": Receipt.NONE,
    "Caio": Receipt.SERVER_ACK,
    "Davi": Receipt.ERROR,
    "Elisa": Receipt.DELIVERY_ACK,
    "Fátima": Receipt.READ,
}
OTHERS = {
    "Gabriel": Status.FAILED,
    "Heloísa": Status.UNKNOWN,
    "Ícaro": Status.SKIPPED,
    "Joana": Status.CANCELLED,
    "Kaíque": Status.SENDING,
    "Letícia": Status.PENDING,
}


class Shop:
    """`orders` by the customer's first name; Maria's has the longest story."""

    def __init__(self, gateway: SandboxProcess, ana: User) -> None:
        self._gateway = gateway
        self._ana = ana
        self.orders: dict[str, Order] = {}
        Store.objects.update(name="Loja da Esquina", phone="+5511933334444", pickup_address="Rua das Flores, 120")
        EvolutionInstance.objects.update(messages_per_minute=0)
        own_texts.write(Store.get_default(), "refund", "Devolvemos {total} do pedido *{código}*.", actor=ana)
        self._marias_order()
        for name, receipt in RECEIPTS.items():
            self._receive(self._send(self._order(name)), receipt)
        self._others()
        for code, status in (("XX000000000BR", "delivered"), (TRACKING_CODE, "delivered")):
            self._carrier_says(status, code=code)
        site = ShopConnection.objects.create(store=Store.get_default(), source="woocommerce", name="Site da loja")
        ShopNews.objects.create(connection=site, body=b"{}", external_id="11", external_number="1011", due_at=None)
        CarrierConnection.objects.create(store=Store.get_default(), source="melhorenvio", name="Melhor Envio da loja")
        token = ApiToken(store=Store.get_default(), name="Programa da loja", scopes=["orders:read"])
        token.renew()
        token.save()
        endpoint = Endpoint(store=Store.get_default(), description="Sistema da loja", url="https://loja.example/in")
        endpoint.new_secret()
        endpoint.save()
        sent = OutgoingEvent.objects.create(endpoint=endpoint, kind="test", payload={"message": "Um teste."})
        OutgoingAttempt.objects.create(event=sent, milliseconds=15, http_status=500, error="Respondeu com 500.")
        TaskResult.objects.create(
            task_id="0f8fad5b-d9cb-469f-a165-70867728950e", task_name="notifications.tasks.sweep", status="FAILURE",
            worker="default@loja", result='{"exc_type": "OperationalError"}', traceback="Traceback\n" + "x" * 300,
        )  # fmt: skip

    def latest(self, name: str) -> NotificationLog:
        """The latest message about somebody's order."""
        return NotificationLog.objects.filter(order=self.orders[name]).latest("pk")

    def break_down(self) -> None:
        """From now on the worker is silent and the instance held."""
        an_hour_ago = Now() - timedelta(hours=1)
        Heartbeat.objects.create(queue=SENDING_QUEUE, host="loja", beat_at=an_hour_ago)
        connections.hold(EvolutionInstance.objects.get(name="flowlog").pk, "connection_closed")

    def _order(self, name: str, **values: Any) -> Order:
        phone = f"+55119{81000000 + len(self.orders)}"
        values = {"customer_phone": phone, "actor": self._ana, **values}
        self.orders[name] = make_order(notify=True, **{"customer_name": f"{name} Souza", **values})
        return self.orders[name]

    def _send(self, order: Order) -> NotificationLog:
        row = NotificationLog.objects.filter(order=order).latest("pk")
        deliver(row.pk)
        row.refresh_from_db()
        return row

    @staticmethod
    def _receive(row: NotificationLog, receipt: str) -> None:
        if receipt != Receipt.NONE:
            assert webhooks.post(webhooks.receipt(row.provider_message_id, receipt.upper())) == 200
            process()

    def _marias_order(self) -> None:
        shirt = {"description": "Camiseta azul de algodão orgânico, manga longa, tamanho M", "unit_price": "59.90"}
        items = [{**shirt, "quantity": 2}, {"description": "Caneca", "quantity": 1, "unit_price": "1290.00"}]
        order = self._order(
            "Maria", customer_phone="+5511987654321", delivery_method="correios_pac", items=items,
            delivery_address="Avenida Brasil, 1500, apto 42, Jardim América, Campinas/SP, 13040-000",
        )  # fmt: skip
        self._receive(self._send(order), Receipt.READ)
        for name, receipt in (("confirm", Receipt.READ), ("pay", Receipt.ERROR), ("ship", Receipt.DELIVERY_ACK)):
            data: dict[str, Any] = {"tracking_code": TRACKING_CODE} if name == "ship" else {}
            apply_transition(order, name, actor=self._ana, **data)
            self._receive(self._send(order), receipt)
        self._carrier_says("out_for_delivery", "Objeto saiu para entrega ao destinatário")
        self._receive(self._send(order), Receipt.READ)
        assert webhooks.post(webhooks.reply("Oba! Pode deixar com o porteiro?\nEle se chama Zé.")) == 200
        assert webhooks.post(webhooks.envelope("presence.update", {"id": "x"})) == 200
        assert webhooks.post(webhooks.receipt("NOBODYS", "READ")) == 200
        process()

    def _carrier_says(self, status: str, description: str = "", code: str = TRACKING_CODE) -> None:
        moment = timezone.now()
        update = Update(code, Told(status), moment, description=description)
        ingest([update], source="generic", mark=f"{code} {status}")

    def _others(self) -> None:
        for name, fault in (("Gabriel", Fault.NOT_ON_WHATSAPP), ("Heloísa", Fault.RESET)):
            self._gateway.fault(fault)
            self._send(self._order(name))
        self._send(self._order("Ícaro", customer_phone=""))
        self._order("Joana")
        cancel.cancel([self.latest("Joana")], actor=self._ana)
        self._order("Kaíque")
        claims.claim(self.latest("Kaíque").pk)
        self._order("Letícia")
        for name, status in OTHERS.items():
            assert self.latest(name).status == status, name
