"""What each list of the admin, and each page in it, asks of the database: so many statements, whatever the rows."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group, Permission, User
from django.db import connection
from django.db.models.functions import Now
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django_celery_results.models import TaskResult

from integrations.models import CustomerReply, EvolutionInstance, NotificationLog
from orders.models import Order, OrderEvent
from tests.factories import make_instance, make_order
from tests.shops import make_shop
from tests.staff import client_of, make_staff

pytestmark = pytest.mark.django_db

# Of any list, its frame with it.
MOST = 11
# Beyond what the frame of any page asks: who it is, and how the system is.
LISTS = {
    "api_apitoken": 3,
    "auth_group": 2,
    "auth_user": 3,
    "django_celery_results_taskresult": 1,
    "integrations_carrierconnection": 4,
    "integrations_carriernews": 3,
    "integrations_customerreply": 3,
    "integrations_evolutioninstance": 2,
    "integrations_notificationlog": 3,
    "integrations_shopconnection": 4,
    "integrations_shopnews": 3,
    "integrations_webhookevent": 1,
    "notifications_messagetext": 2,
    "orders_customer": 3,
    "orders_member": 4,
    "orders_order": 6,
    "orders_store": 2,
    "outgoing_endpoint": 3,
    "outgoing_outgoingevent": 3,
}


def cost(client: Client, address: str) -> int:
    """Of the page's second time: what is remembered between requests is remembered."""
    client.get(address)
    with CaptureQueriesContext(connection) as asked:
        assert client.get(address).status_code in (200, 302), address
    return len(asked)


def costs(client: Client) -> dict[str, tuple[int, int]]:
    """Of each list, and of the page of its oldest row. Of numbers on hold the banner would count what waits at each."""
    EvolutionInstance.objects.update(held_at=None, held_code="", held_reason="", probe_at=None)
    found = {}
    for model in admin.site._registry:
        name = f"{model._meta.app_label}_{model._meta.model_name}"
        oldest = model._default_manager.order_by("pk").first()
        assert oldest, f"There is no {name} to look at."
        page = reverse(f"admin:{name}_change", args=[oldest.pk])
        found[name] = (cost(client, reverse(f"admin:{name}_changelist")), cost(client, page))
    return found


def another(number: int) -> None:
    """Of what is of no shop."""
    TaskResult.objects.create(task_id=f"t{number}", task_name="notifications.tasks.sweep", status="SUCCESS")
    group = Group.objects.create(name=f"Grupo {number}")
    group.permissions.add(*Permission.objects.filter(codename__endswith="_order"))


def test_lists_and_pages_cost_the_same_whatever_is_in_them() -> None:
    boss: Any = make_staff("chefe", group="")
    User.objects.filter(pk=boss.pk).update(is_superuser=True)
    client = client_of(User.objects.get(pk=boss.pk))
    for number in range(2):
        another(number)
    make_shop("Acerola", digits="1111", tracking="AA100000005BR")
    make_shop("Borboleta", digits="2222", tracking="AA200000008BR")
    few = costs(client)
    for number in range(2, 5):
        another(number)
    make_shop("Caju", digits="3333", tracking="AA300000009BR")
    make_shop("Damasco", digits="4444", tracking="AA400000002BR")
    assert costs(client) == few
    frame = cost(client, "/admin/password_change/")
    assert {name: of_list - frame for name, (of_list, _of_page) in few.items()} == LISTS
    assert max(of_list for of_list, _of_page in few.values()) <= MOST


def test_pages_of_orders_and_customers_cost_no_more_than_a_list() -> None:
    """However much happened, was told and was written back; by a superuser, while no worker runs."""
    instance = make_instance()
    order = make_order(until="confirmed")
    boss: Any = make_staff("chefe", group="")
    User.objects.filter(pk=boss.pk).update(is_superuser=True)
    client = client_of(User.objects.get(pk=boss.pk))
    found = [page_costs(client, order)]
    for number in (1, 25):
        for each in range(number):
            event = OrderEvent.objects.filter(order=order).latest("pk")
            event.pk = None
            event.save(force_insert=True)
            NotificationLog.objects.create(
                order=order, order_event=event, instance=instance, event="confirm", status="sent", snapshot={},
                dedupe_key=f"{number}-{each}", expires_at=Now(), sent_at=Now(),
            )  # fmt: skip
            CustomerReply.objects.create(
                instance=instance, customer=order.customer, order=order, text="Oi", kind="text", received_at=Now(),
                provider_message_id=f"{number}-{each}",
            )  # fmt: skip
        found.append(page_costs(client, order))
    # Who has written is asked about once more: whether they may be answered.
    assert found == [(10, 10), (11, 11), (11, 11)]


def page_costs(client: Client, order: Order) -> tuple[int, int]:
    of_order = cost(client, reverse("admin:orders_order_change", args=[order.pk]))
    return of_order, cost(client, reverse("admin:orders_customer_change", args=[order.customer_id]))
