"""The admin as a whole: first page, sidebar, login, users, tasks."""

from __future__ import annotations

import re
from html import escape, unescape
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group, Permission, User
from django.template.loader import render_to_string
from django.test import Client
from django.urls import reverse
from django_celery_results.models import TaskResult
from unfold.paginator import InfinitePaginator

from flowlog.staffpages.groups import MANAGEMENT_GROUP, OPERATION_GROUP
from integrations.models import NotificationLog
from notifications.models import MessageText
from orders.models import Store
from tests.factories import make_instance, make_order
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
    shop = ["Pedidos", "Balcão", "Clientes", "Lojas", "Textos das mensagens"]
    outside = ["Notification Logs", "Respostas", "WhatsApp", "Lojas virtuais", "Avisos das lojas"]
    outside += ["Transportadoras", "Atualizações das transportadoras"]
    assert sidebar(client_of(make_staff()).get("/admin/")) == [*shop, *outside]
    chiefs = [*shop, "Equipe", *outside, "Tokens da API", "Webhooks de saída", "Eventos enviados"]
    assert sidebar(client_of(make_staff("gil", MANAGEMENT_GROUP)).get("/admin/")) == chiefs
    system, olga = ["Webhooks", "Tarefas"], make_staff("olga", OPERATION_GROUP, stores=[])
    assert sidebar(client_of(olga).get("/admin/")) == ["Lojas", *outside, *system]
    assert sidebar(client_of(boss).get("/admin/")) == [*chiefs, "Usuários", "Grupos", *system]


def test_what_is_not_counted_cannot_be_selected_whole() -> None:
    uncounted = [each for each in admin.site._registry.values() if issubclass(each.paginator, InfinitePaginator)]
    assert len(uncounted) == 7
    assert all(getattr(each, "list_disable_select_all", False) for each in uncounted)


@pytest.mark.parametrize(
    ("button", "added", "changed"),
    [
        ("_save", "Cadastro salvo: grupo “Balcão”.", "Alteração salva: grupo “Balcão”."),
        ("_continue", "continuar a edição abaixo.", "Alteração salva: grupo “Balcão”. Você pode continuar a edição"),
        ("_addanother", "“Balcão”. Você pode cadastrar mais abaixo.", "“Balcão”. Você pode cadastrar mais abaixo."),
    ],
)
def test_what_was_saved_is_said_whatever_its_gender(boss: User, button: str, added: str, changed: str) -> None:
    client, groups = client_of(boss), "/admin/auth/group/"

    def said(address: str, **values: str) -> str:
        page = client.post(f"{groups}{address}", values, follow=True).content.decode()
        assert "com sucesso" not in page
        return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", "", page))

    assert added in said("add/", name="Balcão", **{button: "1"})
    group = Group.objects.get(name="Balcão")
    assert changed in said(f"{group.pk}/change/", name="Balcão", **{button: "1"})
    assert "Removido do cadastro: grupo “Balcão”." in said(f"{group.pk}/delete/", post="yes")


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


@pytest.mark.parametrize("name", ["403.html", "403_csrf.html", "404.html", "500.html"])
def test_error_pages_need_nothing(name: str) -> None:
    assert "</html>" in render_to_string(name)


def tab(client: Client, address: str) -> str:
    found = re.search(r"<title>(.*?)</title>", client.get(address, follow=True).content.decode(), re.DOTALL)
    assert found
    return " ".join(unescape(found[1]).split())


def test_each_tab_says_which_page_it_is() -> None:
    client, order = client_of(make_staff("gil", MANAGEMENT_GROUP)), make_order(notify=True)
    page, message = f"/admin/orders/order/{order.pk}/", NotificationLog.objects.get()
    named = {
        "/admin/": "Visão geral",
        "/admin/orders/order/": "Pedidos",
        "/admin/orders/customer/": "Clientes",
        "/admin/orders/store/": "Lojas",
        "/admin/orders/member/": "Equipe",
        "/admin/orders/order/add/": "Adicionar pedido",
        f"{page}change/": f"Pedido {order.code}",
        f"{page}transition/confirm/": f"Confirmar · Pedido {order.code}",
        f"/admin/orders/customer/{order.customer.pk}/change/": "Cliente Maria da Silva",
        f"/admin/integrations/notificationlog/{message.pk}/change/": f"Notification Log {message}",
        "/admin/conta/": "Meu acesso",
    }
    assert {address: tab(client, address) for address in named} == {
        address: f"{words} · Flowlog" for address, words in named.items()
    }
    assert tab(Client(headers={"accept-language": "pt-BR"}), "/admin/login/") == "Entrar · Flowlog"


def test_deleting_a_group_says_in_words_what_goes(boss: User) -> None:
    """Nothing but its name: what a group may do is no thing of its own, and Django has no words for it."""
    group = Group.objects.create(name="Balcão")
    group.permissions.add(*Permission.objects.filter(codename__in=("view_order", "change_order")))
    group.user_set.add(boss)
    page = client_of(boss).get(f"/admin/auth/group/{group.pk}/delete/")
    assert " object (" not in page.content.decode()
    assert page.context["deleted_objects"] == [f'Grupo: <a href="/admin/auth/group/{group.pk}/change/">Balcão</a>']
    assert {str(name): count for name, count in page.context["model_count"]} == {"grupos": 1}


def test_an_empty_list_says_how_it_is_filled_or_that_a_search_left_none(boss: User) -> None:
    """Without rows; what is looked for or filtered out is another thing."""
    client = client_of(boss)
    # The texts are those of the kinds that there are: it is never empty.
    registry: dict[Any, Any] = admin.site._registry
    lists = [(model, each) for model, each in registry.items() if model is not MessageText]
    for model, model_admin in lists:
        address = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
        told = escape(str(model_admin.when_empty))
        if not model_admin.get_queryset(client.get(address).wsgi_request).exists():
            assert told in client.get(address).content.decode()
        if model_admin.search_fields:
            page = client.get(address, {"q": "ninguém"}).content.decode()
            assert "Nada foi encontrado para “ninguém”." in page
            assert told not in page
    assert len({str(each.when_empty) for _model, each in lists}) == len(lists)
    page = client.get("/admin/orders/order/").content.decode()
    assert 'href="/admin/orders/order/add/"' in page
    assert "Nada por aqui" in page


def test_the_way_up_names_a_thing_as_it_is_written(boss: User) -> None:
    """A number's name at its gateway is in small letters, and so it is looked for there."""
    instance = make_instance(Store.get_default(), name="loja-da-ana", is_default=False)
    page = client_of(boss).get(f"/admin/integrations/evolutioninstance/{instance.pk}/change/").content.decode()
    way = re.findall(r"<a[^>]*>([^<]*)", page.partition("<h1")[2].partition("</h1>")[0])
    assert [each.strip() for each in way] == ["Integrations", "WhatsApp", "loja-da-ana"]


@pytest.mark.parametrize("address", ["/admin/auth/group/add/", "/admin/auth/user/{pk}/change/"])
def test_permissions_are_in_words_and_none_is_lost_by_saving(boss: User, address: str) -> None:
    """Of tables without a page nobody is offered one, but for what somebody has already."""
    boss.user_permissions.add(Permission.objects.get(codename="view_session"))
    page = client_of(boss).get(address.format(pk=boss.pk)).content.decode()
    offered = re.findall(r"<option[^>]*>([^<]*)", page)
    assert "Pedido: importar" in offered
    assert "Cliente: apagar dados pessoais" in offered
    assert "Sessão: ver" in offered
    assert "Sessão: alterar" not in offered
    assert [each for each in offered if re.search(r"\b(?:Can|can)\b", each)] == []


def test_a_task_is_named_and_its_state_is_in_words(boss: User) -> None:
    task = TaskResult.objects.create(task_id="a1", task_name="notifications.tasks.sweep", status="SUCCESS")
    client, tasks = client_of(boss), "/admin/django_celery_results/taskresult/"
    assert ">concluída<" in re.sub(r"\s*([<>])\s*", r"\1", client.get(tasks).content.decode())
    assert tab(client, f"{tasks}{task.pk}/change/") == "Tarefa notifications.tasks.sweep · Flowlog"
    assert list(client.get(tasks, {"status": "FAILURE"}).context["cl"].result_list) == []
    assert list(client.get(tasks, {"status": "SUCCESS"}).context["cl"].result_list) == [task]


def test_a_plain_no_is_no_alarm() -> None:
    no, yes = (render_to_string("unfold/helpers/boolean.html", {"value": value}) for value in (False, True))
    assert ("red" in no, 'title="Não"' in no, 'title="Sim"' in yes) == (False, True, True)
