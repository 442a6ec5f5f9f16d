"""The admin as a whole: first page, sidebar, login, users, tasks."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.template.loader import render_to_string
from django.test import Client
from django.utils import timezone
from django_celery_results.models import TaskResult

from flowlog.staffpages.groups import MANAGEMENT_GROUP
from integrations.models import NotificationLog
from tests.factories import make_order
from tests.staff import client_of, make_staff

pytestmark = pytest.mark.django_db


def sidebar(response: Any) -> list[str]:
    return [
        str(item["title"])
        for group in response.context["sidebar_navigation"]
        for item in group["items"]
        if item["has_permission"]
    ]


@pytest.fixture
def boss() -> User:
    boss = make_staff("chefe", group="")
    boss.is_superuser = True
    boss.save()
    return boss


def test_login_is_in_portuguese_and_leads_to_the_first_page() -> None:
    make_staff(password="segredo")
    client = Client(headers={"accept-language": "pt-BR"})
    body = client.get("/admin/login/").content.decode()
    assert "Flowlog" in body
    assert "Senha" in body
    response = client.post("/admin/login/", {"username": "ana", "password": "segredo"})
    assert (response.status_code, response["Location"]) == (302, "/admin/")


def test_sidebar_shows_what_the_person_may_see(boss: User) -> None:
    shop = ["Pedidos", "Clientes", "Lojas"]
    shop += ["Notification Logs", "Respostas", "Instâncias", "Atualizações das transportadoras"]
    assert sidebar(client_of(make_staff()).get("/admin/")) == shop
    assert sidebar(client_of(make_staff("gil", MANAGEMENT_GROUP)).get("/admin/")) == [*shop, "Tarefas"]
    assert sidebar(client_of(boss).get("/admin/")) == [*shop, "Usuários", "Grupos", "Webhooks", "Tarefas"]


def test_first_page_counts_the_day() -> None:
    client = client_of(make_staff())
    for _ in range(4):
        make_order(notify=True)
    first, second, third, _fourth = NotificationLog.objects.order_by("pk")
    NotificationLog.objects.filter(pk=first.pk).update(status="sent", sent_at=timezone.now())
    NotificationLog.objects.filter(pk=second.pk).update(status="failed", error_code="expired")
    NotificationLog.objects.filter(pk=third.pk).update(status="unknown", error_code="outcome_unknown")
    response = client.get("/admin/")
    assert [(tile["words"], tile["count"]) for tile in response.context["tiles"]] == [
        ("pedidos hoje", 4),
        ("mensagem na fila", 1),
        ("mensagem enviada hoje", 1),
        ("mensagem não enviada hoje", 1),
        ("mensagem que pode ter saído", 1),
    ]
    for tile in response.context["tiles"]:
        listed = client.get(tile["address"])
        assert listed.status_code == 200
        assert len(listed.context["cl"].result_list) == tile["count"]


def test_first_page_of_a_quiet_day_has_nouns_in_the_plural() -> None:
    tiles = client_of(make_staff()).get("/admin/").context["tiles"]
    assert [(tile["words"], tile["count"]) for tile in tiles] == [
        ("pedidos hoje", 0),
        ("mensagens na fila", 0),
        ("mensagens enviadas hoje", 0),
        ("mensagens não enviadas hoje", 0),
    ]


def test_first_page_without_permissions_shows_no_numbers() -> None:
    response = client_of(make_staff("bia", group="")).get("/admin/")
    assert response.status_code == 200
    assert response.context["tiles"] == []
    assert sidebar(response) == []


@pytest.mark.parametrize("address", ["/admin/auth/user/", "/admin/auth/user/add/", "/admin/auth/group/add/"])
def test_users_and_groups(boss: User, address: str) -> None:
    assert client_of(boss).get(address).status_code == 200
    assert client_of(make_staff()).get(address).status_code == 403


def test_user_page_and_password_page(boss: User) -> None:
    client = client_of(boss)
    assert client.get(f"/admin/auth/user/{boss.pk}/change/").status_code == 200
    assert client.get(f"/admin/auth/user/{boss.pk}/password/").status_code == 200


def test_tasks_are_read_only(boss: User) -> None:
    task = TaskResult.objects.create(
        task_id="a1", task_name="notifications.tasks.sweep", status="FAILURE", traceback="<b>"
    )
    client = client_of(boss)
    assert "notifications.tasks.sweep" in client.get("/admin/django_celery_results/taskresult/").content.decode()
    address = f"/admin/django_celery_results/taskresult/{task.pk}/"
    assert "&lt;b&gt;" in client.get(f"{address}change/").content.decode()
    assert client.post(f"{address}change/", {"status": "SUCCESS"}).status_code == 403
    assert client.post(f"{address}delete/", {"post": "yes"}).status_code == 403
    assert TaskResult.objects.get().status == "FAILURE"


def test_a_refusal_is_a_page_in_portuguese() -> None:
    answer = client_of(make_staff()).get("/admin/auth/user/")
    assert answer.status_code == 403
    body = answer.content.decode()
    assert "<h1>Sem permissão</h1>" in body
    assert "Voltar ao início" in body


@pytest.mark.parametrize("name", ["403.html", "404.html", "500.html"])
def test_error_pages_need_nothing(name: str) -> None:
    assert "</html>" in render_to_string(name)
