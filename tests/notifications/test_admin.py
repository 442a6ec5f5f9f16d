"""Sending again, cancelling and releasing in the admin: asked first, by POST, by those who may."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.db.models.functions import Now
from django.test import Client

from flowlog.staffpages.groups import MANAGEMENT_GROUP
from integrations.instances import connections
from integrations.models import EvolutionInstance, NotificationLog
from notifications.actions import resend
from tests.factories import make_order
from tests.staff import client_of, make_staff

pytestmark = pytest.mark.django_db

Status = NotificationLog.Status
LIST = "/admin/integrations/notificationlog/"
INSTANCES = "/admin/integrations/evolutioninstance/"


@pytest.fixture
def client() -> Client:
    return client_of(make_staff())


def row_of(status: str = Status.FAILED, **values: Any) -> NotificationLog:
    row = NotificationLog.objects.get(order=make_order(notify=True))
    NotificationLog.objects.filter(pk=row.pk).update(status=status, error_code="x", **values)
    row.refresh_from_db()
    return row


def words(client: Client, address: str) -> str:
    return client.get(address).content.decode()


class TestResend:
    def test_asks_first_and_changes_nothing_by_asking(self, client: Client) -> None:
        row = row_of(message="Olá, Maria! Pedido <b>X</b>.")
        assert f'href="{LIST}{row.pk}/resend/"' in words(client, f"{LIST}{row.pk}/change/")
        page = words(client, f"{LIST}{row.pk}/resend/")
        assert "Reenviar esta mensagem para (11) 98765-4321?" in page
        assert "Olá, Maria! Pedido &lt;b&gt;X&lt;/b&gt;." in page
        assert NotificationLog.objects.count() == 1

    def test_goes_to_the_present_phone_as_a_row_that_says_who_asked(self, client: Client) -> None:
        row = row_of()
        assert row.order
        row.order.customer.phone = "+5521999998888"
        row.order.customer.save(update_fields=["phone"])
        response = client.post(f"{LIST}{row.pk}/resend/")
        new = NotificationLog.objects.get(resend_of=row)
        assert response.headers["location"] == f"{LIST}{new.pk}/change/"
        assert (new.status, new.recipient, new.order_event_id) == (Status.PENDING, "+5521999998888", None)
        assert (new.event, new.snapshot) == (row.event, row.snapshot)
        assert new.requested_by
        assert new.requested_by.username == "ana"
        assert LogEntry.objects.get().change_message == "Reenviada."

    def test_twice_is_refused_with_the_reason(self, client: Client) -> None:
        row = row_of()
        client.post(f"{LIST}{row.pk}/resend/")
        response = client.post(f"{LIST}{row.pk}/resend/", follow=True)
        assert "Esta mensagem já está sendo reenviada." in response.content.decode()
        assert NotificationLog.objects.count() == 2

    def test_what_may_still_go_out_has_no_button_and_is_refused(self, client: Client) -> None:
        row = row_of(Status.UNKNOWN)
        assert "/resend/" not in words(client, f"{LIST}{row.pk}/change/")
        response = client.post(f"{LIST}{row.pk}/resend/", follow=True)
        assert "Esta mensagem ainda pode sair sozinha" in response.content.decode()
        assert NotificationLog.objects.count() == 1

    @pytest.mark.parametrize("event", ["opt_out", "opt_in"])
    @pytest.mark.parametrize("status", [Status.SENT, Status.FAILED])
    def test_an_answer_to_the_customer_has_no_button_and_is_refused(
        self, client: Client, event: str, status: str
    ) -> None:
        row = row_of(status, event=event, order=None, order_event=None, sent_at=Now() if status == "sent" else None)
        assert "/resend/" not in words(client, f"{LIST}{row.pk}/change/")
        for ask in (client.get, client.post):
            response = ask(f"{LIST}{row.pk}/resend/", follow=True)
            assert "Esta mensagem respondeu ao que o cliente tinha acabado de escrever." in response.content.decode()
        with pytest.raises(resend.ResendRefusedError):
            resend.resend(row)
        assert NotificationLog.objects.count() == 1

    def test_says_that_the_customer_does_not_want_messages(self, client: Client) -> None:
        row = row_of()
        assert row.order
        type(row.order.customer).objects.update(opted_out_at=Now(), opted_out_how="SAIR")
        assert "O cliente não quer mensagens" in words(client, f"{LIST}{row.pk}/resend/")

    def test_says_that_the_message_has_a_code_that_was_corrected(self, client: Client) -> None:
        row = row_of()
        order = make_order(until="shipped", delivery_method="correios_pac")
        NotificationLog.objects.filter(pk=row.pk).update(order=order, snapshot={"order": {"tracking_code": "AA1"}})
        warning = "O código de rastreio mudou desde então; esta mensagem ainda traz o antigo: AA1."
        assert warning in words(client, f"{LIST}{row.pk}/resend/")
        order.tracking_code = "AA1"
        order.save(update_fields=["tracking_code"])
        assert warning not in words(client, f"{LIST}{row.pk}/resend/")


class TestCancel:
    def test_one_that_waits(self, client: Client) -> None:
        row = row_of(Status.PENDING)
        assert f'href="{LIST}{row.pk}/cancel/"' in words(client, f"{LIST}{row.pk}/change/")
        asked = (
            f"Cancelar a mensagem “Pedido recebido” do pedido {row.snapshot_order_code} (Maria da Silva)? "
            "O cliente não será avisado."
        )
        assert asked in words(client, f"{LIST}{row.pk}/cancel/")
        row.refresh_from_db()
        assert row.status == Status.PENDING
        client.post(f"{LIST}{row.pk}/cancel/")
        row.refresh_from_db()
        assert row.cancelled_by
        assert (row.status, row.cancelled_by.username) == (Status.CANCELLED, "ana")
        assert LogEntry.objects.get().change_message == "Cancelada."

    def test_one_that_does_not_wait_stays_as_it_is(self, client: Client) -> None:
        row = row_of(Status.SENT, sent_at=Now())
        assert "/cancel/" not in words(client, f"{LIST}{row.pk}/change/")
        response = client.post(f"{LIST}{row.pk}/cancel/", follow=True)
        assert "1 mensagem já não estava esperando e ficou como estava." in response.content.decode()
        row.refresh_from_db()
        assert (row.status, row.cancelled_by) == (Status.SENT, None)
        assert not LogEntry.objects.exists()

    def test_many_chosen_in_the_list(self, client: Client) -> None:
        rows = [row_of(Status.PENDING), row_of(Status.PENDING), row_of()]
        chosen = [str(row.pk) for row in rows]
        asked = client.post(LIST, {"action": "cancel_chosen", "_selected_action": chosen})
        assert "Cancelar 3 mensagens? Os clientes não serão avisados." in asked.content.decode()
        assert all(f'name="chosen" value="{pk}"' in asked.content.decode() for pk in chosen)
        assert NotificationLog.objects.filter(status=Status.CANCELLED).count() == 0
        done = client.post(f"{LIST}cancel/", {"chosen": chosen}, follow=True).content.decode()
        assert "2 mensagens canceladas." in done
        assert "1 mensagem já não estava esperando" in done
        assert [NotificationLog.objects.get(pk=row.pk).status for row in rows] == ["cancelled", "cancelled", "failed"]

    def test_names_the_first_ten_that_were_chosen(self, client: Client) -> None:
        rows = [row_of(Status.PENDING) for _ in range(12)]
        NotificationLog.objects.filter(pk=rows[1].pk).update(
            order=None, order_event=None, event="opt_out", snapshot={"customer": {"name": "<b>Zé</b>"}}
        )
        NotificationLog.objects.filter(pk=rows[2].pk).update(order=None, order_event=None, event="test", snapshot={})
        chosen = {"action": "cancel_chosen", "_selected_action": [str(row.pk) for row in rows]}
        listed = client.post(LIST, chosen).context["lines"]
        assert listed[:3] == [
            f"“Pedido recebido” do pedido {rows[0].snapshot_order_code} (Maria da Silva)",
            "“Confirmação: sem mais avisos” (<b>Zé</b>)",
            "“Mensagem de teste” ((11) 98765-4321)",
        ]
        assert (len(listed), listed[-1]) == (11, "… e mais 2.")
        assert "<b>" not in client.post(LIST, chosen).content.decode()

    @pytest.mark.parametrize("chosen", [[], ["x"], ["99999999999999999999999"], ["-1"]])
    def test_nonsense_cancels_nothing(self, client: Client, chosen: list[str]) -> None:
        row = row_of(Status.PENDING)
        assert client.post(f"{LIST}cancel/", {"chosen": chosen}).status_code == 302
        assert client.get(f"{LIST}cancel/", {"chosen": [row.pk]}).status_code == 302
        row.refresh_from_db()
        assert row.status == Status.PENDING


class TestRelease:
    def test_by_the_management(self) -> None:
        client = client_of(make_staff("gil", MANAGEMENT_GROUP))
        instance = EvolutionInstance.objects.get()
        page = f"{INSTANCES}{instance.pk}/change/"
        assert "/release/" not in words(client, page)
        connections.hold(instance.pk, "unauthorized")
        assert f'href="{INSTANCES}{instance.pk}/release/"' in words(client, page)
        assert (
            "A chave do WhatsApp foi recusada (EVOLUTION_API_KEY ou a própria). Chame quem cuida do sistema."
            in words(client, f"{INSTANCES}{instance.pk}/release/")
        )
        assert EvolutionInstance.objects.get().held_at is not None
        done = client.post(f"{INSTANCES}{instance.pk}/release/", follow=True).content.decode()
        assert "Pronto: as mensagens voltam a sair." in done
        assert EvolutionInstance.objects.get().held_at is None
        assert LogEntry.objects.get().change_message == "Liberado."
        again = client.post(f"{INSTANCES}{instance.pk}/release/", follow=True).content.decode()
        assert "Os envios não estavam parados." in again

    def test_of_one_without_a_connection_promises_nothing(self) -> None:
        client = client_of(make_staff("gil", MANAGEMENT_GROUP))
        instance = EvolutionInstance.objects.get()
        connections.hold(instance.pk, "connection_closed")
        EvolutionInstance.objects.update(state=EvolutionInstance.State.CLOSE)
        done = client.post(f"{INSTANCES}{instance.pk}/release/", follow=True).content.decode()
        assert "Pronto: as mensagens são tentadas agora." in done
        assert "As mensagens vão esperar. Conecte com o QR code." in done
        assert "voltam a sair" not in done

    def test_not_by_others(self, client: Client) -> None:
        instance = EvolutionInstance.objects.get()
        connections.hold(instance.pk, "unauthorized")
        assert client.post(f"{INSTANCES}{instance.pk}/release/").status_code == 403
        assert "/release/" not in words(client, f"{INSTANCES}{instance.pk}/change/")
        assert EvolutionInstance.objects.get().held_at is not None


@pytest.mark.parametrize("action", ["resend", "cancel"])
def test_without_the_permission_neither_button_nor_action(action: str) -> None:
    user = make_staff("bia", group="")
    user.user_permissions.add(Permission.objects.get(codename="view_notificationlog"))
    client = client_of(user)
    row = row_of(Status.PENDING if action == "cancel" else Status.FAILED)
    assert f"/{action}/" not in words(client, f"{LIST}{row.pk}/change/")
    for method in (client.get, client.post):
        assert method(f"{LIST}{row.pk}/{action}/").status_code == 403
    assert client.post(f"{LIST}cancel/", {"chosen": [row.pk]}).status_code == 403
    assert NotificationLog.objects.count() == 1
    row.refresh_from_db()
    assert row.status in {Status.PENDING, Status.FAILED}


@pytest.mark.parametrize("action", ["resend", "cancel"])
def test_who_may_not_see_messages_is_shown_none_and_does_nothing_to_them(action: str) -> None:
    user = make_staff("bia", group="")
    user.user_permissions.add(Permission.objects.get(codename=f"{action}_notificationlog"))
    client = client_of(user)
    row = row_of(Status.PENDING if action == "cancel" else Status.FAILED)
    addresses = [f"{LIST}{row.pk}/{action}/", f"{LIST}{row.pk}/change/"]
    assert [client.get(address).status_code for address in addresses] == [403, 403]
    assert client.post(f"{LIST}{row.pk}/{action}/").status_code == 403
    assert client.post(f"{LIST}cancel/", {"chosen": [row.pk]}).status_code == 403
    assert list(NotificationLog.objects.values_list("pk", "status")) == [(row.pk, row.status)]


def test_who_may_not_see_instances_releases_none() -> None:
    user = make_staff("bia", group="")
    user.user_permissions.add(Permission.objects.get(codename="release_evolutioninstance"))
    instance = EvolutionInstance.objects.get()
    connections.hold(instance.pk, "unauthorized")
    for method in (client_of(user).get, client_of(user).post):
        assert method(f"{INSTANCES}{instance.pk}/release/").status_code == 403
    assert EvolutionInstance.objects.get().held_at is not None


def test_another_site_cannot_make_a_browser_do_it() -> None:
    user = make_staff()
    client = Client(enforce_csrf_checks=True)
    client.force_login(user)
    row = row_of()
    assert client.post(f"{LIST}{row.pk}/resend/").status_code == 403
    assert NotificationLog.objects.count() == 1
