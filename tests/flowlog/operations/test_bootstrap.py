"""`manage.py bootstrap` speaks to the operator, and repeats nothing."""

from __future__ import annotations

from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission
from django.core.management import call_command

from integrations.models import EvolutionInstance
from orders.models import Store

pytestmark = pytest.mark.django_db


def bootstrap() -> list[str]:
    out = StringIO()
    call_command("bootstrap", stdout=out, no_color=True)
    return out.getvalue().splitlines()


def test_it_says_what_there_is_now_and_a_second_time_makes_nothing(settings: Any) -> None:
    settings.EVOLUTION_INSTANCE = "loja"
    store = Store.get_default().name
    groups = ["Grupo: Atendimento", "Grupo: Gerência", "Grupo: Operação"]
    assert bootstrap() == [f"Loja: {store}", "Instância: loja (nova)", *groups]
    assert bootstrap() == [f"Loja: {store}", "Instância: loja", *groups]
    assert [EvolutionInstance.objects.count(), Group.objects.count(), Store.objects.count()] == [1, 3, 1]


def test_without_an_instance_it_says_where_to_name_one(settings: Any) -> None:
    settings.EVOLUTION_INSTANCE = ""
    assert bootstrap()[1] == "Nenhuma instância: preencha EVOLUTION_INSTANCE ou crie uma no painel."
    assert not EvolutionInstance.objects.exists()


ATTENDANCE = """
integrations.answer_customerreply integrations.cancel_notificationlog integrations.dismiss_notificationlog
integrations.resend_notificationlog integrations.view_carriernews notifications.view_messagetext
integrations.view_deliveryattempt integrations.view_evolutioninstance integrations.view_notificationlog
orders.add_customer orders.add_order orders.add_orderitem orders.change_customer orders.change_order
orders.change_orderitem orders.delete_orderitem orders.view_customer orders.view_order orders.view_orderevent
orders.view_orderitem orders.view_store integrations.view_shopconnection integrations.view_shopnews
integrations.view_carrierconnection
"""
MANAGEMENT = f"""{ATTENDANCE}
integrations.add_evolutioninstance integrations.change_evolutioninstance integrations.release_evolutioninstance
orders.add_member orders.add_store orders.change_member orders.change_store orders.delete_customer
orders.disclose_customer orders.erase_customer orders.export_customer orders.export_messages orders.export_order
orders.import_customer orders.import_order orders.view_member notifications.change_messagetext
integrations.add_shopconnection integrations.change_shopconnection integrations.read_shopnews
integrations.apply_shopnews integrations.add_carrierconnection integrations.change_carrierconnection
integrations.read_carriernews integrations.apply_carriernews
api.view_apitoken api.add_apitoken api.change_apitoken
outgoing.view_endpoint outgoing.add_endpoint outgoing.change_endpoint outgoing.view_outgoingevent
outgoing.view_outgoingattempt
"""
OPERATION = """
django_celery_results.view_taskresult integrations.cancel_notificationlog integrations.change_evolutioninstance
integrations.release_evolutioninstance integrations.resend_notificationlog integrations.view_carriernews
integrations.view_deliveryattempt integrations.view_evolutioninstance integrations.view_notificationlog
integrations.view_webhookevent orders.view_store orders.work_in_all_stores integrations.view_shopconnection
integrations.add_shopconnection integrations.change_shopconnection integrations.view_shopnews
integrations.read_shopnews integrations.apply_shopnews integrations.view_carrierconnection
integrations.add_carrierconnection integrations.change_carrierconnection integrations.read_carriernews
integrations.apply_carriernews
"""


def permissions_of(group: str) -> set[str]:
    rows = Group.objects.get(name=group).permissions.values_list("content_type__app_label", "codename")
    return {f"{app}.{name}" for app, name in rows}


def test_each_group_may_do_what_it_needs_and_no_more() -> None:
    bootstrap()
    assert permissions_of("Atendimento") == set(ATTENDANCE.split())
    assert permissions_of("Gerência") == set(MANAGEMENT.split())
    assert permissions_of("Operação") == set(OPERATION.split())


def test_what_an_owner_changed_stays() -> None:
    bootstrap()
    group = Group.objects.get(name="Gerência")
    group.permissions.remove(Permission.objects.get(codename="erase_customer"))
    group.permissions.add(Permission.objects.get(codename="view_taskresult"))
    bootstrap()
    wanted = set(MANAGEMENT.split()) - {"orders.erase_customer"} | {"django_celery_results.view_taskresult"}
    assert permissions_of("Gerência") == wanted


def test_groups_of_the_release_before_get_what_is_new_and_lose_the_tasks() -> None:
    group = Group.objects.create(name="Gerência")
    group.permissions.add(Permission.objects.get(codename="view_taskresult"))
    bootstrap()
    assert permissions_of("Gerência") == set(MANAGEMENT.split())
