"""The Team page: who may invite, change and let go whom, and that nobody gives more than they have."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group, Permission, User
from django.core import mail
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from flowlog.models import FormerAddress, StaffSession
from flowlog.staffpages import passwords, people, second_factor
from flowlog.staffpages.groups import MANAGEMENT_GROUP, OPERATION_GROUP, SERVICE_GROUP
from flowlog.staffpages.once import UsedForm
from orders.models import Store, StoreStaff
from tests.staff import client_of, make_staff

pytestmark = pytest.mark.django_db

LIST = "/admin/orders/member/"


@pytest.fixture(autouse=True)
def mailing(settings: Any) -> None:
    settings.MAILERS = {"default": {"BACKEND": "django.core.mail.backends.locmem.EmailBackend"}}


@pytest.fixture
def boss() -> User:
    return make_staff("gil", MANAGEMENT_GROUP)


@pytest.fixture
def client(boss: User) -> Client:
    return client_of(boss)


def values(email: str = "Nova@Loja.example", function: str = SERVICE_GROUP, **changed: Any) -> dict[str, Any]:
    group = Group.objects.get(name=function).pk
    return {"name": "Nova Pessoa", "email": email, "function": group, "stores": [Store.get_default().pk], **changed}


def page(user: User) -> str:
    return f"{LIST}{user.pk}/change/"


class TestInviting:
    def test_a_mail_brings_the_link_for_the_password(self, client: Client, boss: User, settings: Any) -> None:
        assert client.post(f"{LIST}add/", values()).status_code == 302
        new = User.objects.get(email="nova@loja.example")
        assert (new.username, new.first_name, new.is_staff, new.is_superuser) == (
            "nova@loja.example",
            "Nova Pessoa",
            True,
            False,
        )
        assert not new.has_usable_password()
        assert [group.name for group in new.groups.all()] == [SERVICE_GROUP]
        assert [each.store for each in new.memberships.all()] == [Store.get_default()]
        [sent] = mail.outbox
        assert sent.to == ["nova@loja.example"]
        link = re.search(rf"{settings.SITE_URL}(/admin/senha/\S+)", str(sent.body))
        assert link
        person = Client()
        address = person.get(link[1], follow=True).redirect_chain[-1][0]
        password = "uma-frase-bem-longa"
        person.post(address, {"new_password1": password, "new_password2": password})
        person.post("/admin/login/", {"username": "nova@loja.example", "password": password})
        assert person.get("/admin/orders/order/").status_code == 200

    def test_without_mail_the_link_is_shown_to_be_handed_over(self, client: Client, settings: Any) -> None:
        settings.MAILERS = {"default": {"BACKEND": "flowlog.mail.no_mail.EmailBackend"}}
        form = {**values(), "_once": "x" * 22}
        body = client.post(f"{LIST}add/", form, follow=True).content.decode()
        assert f"{settings.SITE_URL}/admin/senha/" in body
        # It is shown once: what a form was answered is kept for who sends it again, the link is not.
        assert "/admin/senha/" not in str(UsedForm.objects.get().answer)
        assert "/admin/senha/" not in client.post(f"{LIST}add/", form, follow=True).content.decode()
        assert User.objects.filter(email="nova@loja.example").count() == 1

    @pytest.mark.parametrize("email", ["GIL@loja.example", "nada"])
    def test_nobody_has_two_accesses(self, client: Client, boss: User, email: str) -> None:
        User.objects.filter(pk=boss.pk).update(email="gil@loja.example")
        before = User.objects.count()
        assert client.post(f"{LIST}add/", values(email)).status_code == 200
        assert User.objects.count() == before
        assert mail.outbox == []

    def test_a_store_is_asked_for(self, client: Client) -> None:
        shown = client.post(f"{LIST}add/", values(stores=[]))
        assert "stores" in shown.context["adminform"].form.errors


class TestNoMoreThanTheyHave:
    def test_functions_that_may_more_are_neither_offered_nor_taken(self, client: Client) -> None:
        form = client.get(f"{LIST}add/").context["adminform"].form
        assert [group.name for group in form.fields["function"].queryset] == [SERVICE_GROUP, MANAGEMENT_GROUP]
        shown = client.post(f"{LIST}add/", values(function=OPERATION_GROUP))
        assert "function" in shown.context["adminform"].form.errors
        assert not User.objects.filter(email="nova@loja.example").exists()

    def test_a_function_that_an_owner_widened_is_not_offered_any_more(self, client: Client) -> None:
        Group.objects.get(name=SERVICE_GROUP).permissions.add(Permission.objects.get(codename="view_webhookevent"))
        form = client.get(f"{LIST}add/").context["adminform"].form
        assert [group.name for group in form.fields["function"].queryset] == [MANAGEMENT_GROUP]

    def test_stores_of_others_are_neither_offered_nor_taken(self, client: Client) -> None:
        other = Store.objects.create(name="Outra")
        form = client.get(f"{LIST}add/").context["adminform"].form
        assert list(form.fields["stores"].queryset) == [Store.get_default()]
        client.post(f"{LIST}add/", values(stores=[other.pk]))
        assert not StoreStaff.objects.filter(store=other).exists()

    def test_nothing_else_is_taken_from_what_is_posted(self, client: Client) -> None:
        names = ("is_superuser", "is_staff", "user_permissions", "password", "groups", "username", "last_login")
        client.post(f"{LIST}add/", values(**dict.fromkeys(names, "1")))
        new = User.objects.get(email="nova@loja.example")
        assert (new.is_superuser, new.username, new.user_permissions.count()) == (False, "nova@loja.example", 0)
        assert [group.name for group in new.groups.all()] == [SERVICE_GROUP]

    def test_superusers_are_not_seen_at_all(self, client: Client) -> None:
        root = make_staff("root", group="")
        User.objects.filter(pk=root.pk).update(is_superuser=True)
        assert root.pk not in [member.pk for member in client.get(LIST).context["cl"].result_list]
        for address in (page(root), f"{LIST}{root.pk}/password/", f"{LIST}{root.pk}/second-factor/"):
            assert client.post(address, {"post": "yes"}).status_code in {302, 404}
        assert mail.outbox == []

    @pytest.mark.parametrize("why", ["oneself", "may more", "works elsewhere too"])
    def test_some_are_seen_and_not_changed(self, client: Client, boss: User, why: str) -> None:
        member = boss if why == "oneself" else make_staff("bia")
        if why == "may more":
            member.user_permissions.add(Permission.objects.get(codename="view_webhookevent"))
        if why == "works elsewhere too":
            StoreStaff.objects.create(store=Store.objects.create(name="Outra"), user=member)
        shown = client.get(page(member))
        assert shown.status_code == 200
        assert "Outra" not in shown.content.decode()
        assert client.post(page(member), values("roubado@loja.example")).status_code == 403
        for name in ("password", "second-factor"):
            assert client.post(f"{LIST}{member.pk}/{name}/").status_code == 403
        assert User.objects.get(pk=member.pk).email == ""
        assert mail.outbox == []

    def test_attendants_have_no_team_page(self, boss: User) -> None:
        ana = client_of(make_staff())
        for address in (LIST, f"{LIST}add/", page(boss), f"{LIST}{boss.pk}/password/"):
            assert ana.get(address).status_code == 403


class TestAnotherAddress:
    """A manager gives a colleague another e-mail: that alone must not give them the colleague's access."""

    @pytest.fixture
    def ana(self, boss: User) -> User:
        ana = make_staff(password="segredo")
        User.objects.filter(pk=ana.pk).update(email="ana@loja.example", first_name="Ana")
        return User.objects.get(pk=ana.pk)

    def change(self, client: Client, ana: User, email: str) -> str:
        done = client.post(page(ana), values(email, name="Ana", is_active="on"), follow=True)
        return str(done.content.decode())

    def test_the_former_one_is_told_and_gets_the_links(self, client: Client, ana: User) -> None:
        said = self.change(client, ana, "gil2@loja.example")
        assert "Links para uma nova senha vão para o endereço anterior até Ana confirmar" in said
        assert [sent.to for sent in mail.outbox] == [["ana@loja.example"]]
        assert "Agora é gil2@loja.example" in str(mail.outbox[0].body)
        assert "/admin/senha/" not in str(mail.outbox[0].body)
        client.post(f"{LIST}{ana.pk}/password/")
        assert passwords.mail_who_forgot("gil2@loja.example") == 0
        assert passwords.mail_who_forgot("ana@loja.example") == 1
        # Once more: it is still hers.
        self.change(client, ana, "gil3@loja.example")
        assert {tuple(sent.to) for sent in mail.outbox[:3]} == {("ana@loja.example",)}
        assert {to for sent in mail.outbox for to in sent.to} == {"ana@loja.example", "gil2@loja.example"}
        assert passwords.address_of(ana) == "ana@loja.example"

    def test_the_new_one_counts_once_she_confirms_it(self, client: Client, ana: User) -> None:
        self.change(client, ana, "ana2@loja.example")
        hers = client_of(User.objects.get(pk=ana.pk))
        assert "alterou seu e-mail para ana2@loja.example" in hers.get("/admin/conta/").content.decode()
        hers.post("/admin/conta/", {"do": "take_address", "address": "ana2@loja.example", "password": "errada"})
        assert passwords.address_of(ana) == "ana@loja.example"
        hers.post("/admin/conta/", {"do": "take_address", "address": "ana2@loja.example", "password": "segredo"})
        assert passwords.mail_who_forgot("ana2@loja.example") == 1
        assert mail.outbox[-1].to == ["ana2@loja.example"]
        assert "alterou seu e-mail" not in hers.get("/admin/conta/").content.decode()

    def test_only_the_one_that_she_saw_is_confirmed(self, client: Client, ana: User) -> None:
        self.change(client, ana, "ana2@loja.example")
        hers = client_of(User.objects.get(pk=ana.pk))
        form = {"do": "take_address", "address": "ana2@loja.example", "password": "segredo"}
        self.change(client, ana, "gil2@loja.example")
        assert "foi alterado de novo" in hers.post("/admin/conta/", form, follow=True).content.decode()
        assert passwords.address_of(ana) == "ana@loja.example"

    def test_what_a_superuser_says_is_final(self, client: Client, ana: User) -> None:
        self.change(client, ana, "gil2@loja.example")
        root = client_of(User.objects.create_superuser("root"))
        said = self.change(root, ana, "ana3@loja.example")
        assert "Links para uma nova senha" not in said
        assert {to for sent in mail.outbox[1:] for to in sent.to} == {"ana@loja.example", "gil2@loja.example"}
        assert passwords.mail_who_forgot("ana3@loja.example") == 1
        assert not FormerAddress.objects.exists()

    def test_also_on_the_page_of_raw_accounts(self, client: Client, ana: User) -> None:
        self.change(client, ana, "gil2@loja.example")
        root = client_of(User.objects.create_superuser("root"))
        address = f"/admin/auth/user/{ana.pk}/change/"
        now = {"date_joined_0": "01/11/2026", "date_joined_1": "10:00:00"}
        done = root.post(
            address, {"username": "ana", "email": "ana3@loja.example", "is_active": "on", "is_staff": "on", **now}
        )
        assert done.status_code == 302
        assert passwords.mail_who_forgot("ana3@loja.example") == 1

    def test_who_had_none_gets_no_link_at_another(self, client: Client, ana: User) -> None:
        User.objects.filter(pk=ana.pk).update(email="")
        self.change(client, ana, "gil2@loja.example")
        client.post(f"{LIST}{ana.pk}/password/")
        assert passwords.mail_who_forgot("gil2@loja.example") == 0
        assert mail.outbox == []

    def test_back_to_the_former_one_is_as_it_was(self, client: Client, ana: User) -> None:
        self.change(client, ana, "ana2@loja.example")
        self.change(client, ana, "ana@loja.example")
        assert passwords.mail_who_forgot("ana@loja.example") == 1
        assert not FormerAddress.objects.exists()

    def test_who_has_never_logged_in_is_invited_at_the_new_one(self, client: Client) -> None:
        client.post(f"{LIST}add/", values("errado@loja.example"))
        new = User.objects.get(email="errado@loja.example")
        self.change(client, new, "certo@loja.example")
        client.post(f"{LIST}{new.pk}/password/")
        assert [sent.to for sent in mail.outbox] == [["errado@loja.example"], ["certo@loja.example"]]


class TestChanging:
    def test_function_store_and_name(self, client: Client) -> None:
        ana = make_staff()
        answer = client.post(page(ana), values(function=MANAGEMENT_GROUP, is_active="on"))
        assert answer.status_code == 302
        ana.refresh_from_db()
        assert (ana.username, ana.first_name, ana.email) == ("ana", "Nova Pessoa", "nova@loja.example")
        assert [group.name for group in ana.groups.all()] == [MANAGEMENT_GROUP]
        assert LogEntry.objects.get().object_id == str(ana.pk)

    def test_who_is_switched_off_is_out_at_once(self, client: Client) -> None:
        ana = make_staff()
        hers = client_of(ana)
        assert hers.get("/admin/orders/order/").status_code == 200
        client.post(page(ana), values())
        assert hers.get("/admin/orders/order/").status_code == 302
        assert not StaffSession.objects.filter(user=ana).exists()

    def test_a_link_for_a_new_password_is_mailed(self, client: Client) -> None:
        ana = make_staff(password="segredo")
        User.objects.filter(pk=ana.pk).update(email="ana@loja.example")
        assert "Enviar a ana um e-mail" in client.get(f"{LIST}{ana.pk}/password/").content.decode()
        assert mail.outbox == []
        client.post(f"{LIST}{ana.pk}/password/")
        assert [sent.to for sent in mail.outbox] == [["ana@loja.example"]]
        assert LogEntry.objects.get().change_message == "Link para nova senha enviado."

    def test_without_mail_nobody_gets_anothers_link(self, client: Client, settings: Any) -> None:
        settings.MAILERS = {"default": {"BACKEND": "flowlog.mail.no_mail.EmailBackend"}}
        ana = make_staff(password="segredo")
        body = client.post(f"{LIST}{ana.pk}/password/", follow=True).content.decode()
        assert "/admin/senha/" not in body
        assert "Peça a quem cuida do Flowlog" in body

    def test_a_lost_phone_is_no_end(self, client: Client) -> None:
        ana = make_staff()
        device = second_factor.begin(ana)
        device.confirmed = True
        device.save()
        assert "Desativar a segunda etapa" in client.get(page(ana)).content.decode()
        client.post(f"{LIST}{ana.pk}/second-factor/")
        assert not second_factor.is_on(ana)
        assert LogEntry.objects.get().change_message == "Segunda etapa do login desativada."

    def test_what_people_do_with_their_own_access_is_in_their_history(self, client: Client) -> None:
        ana = make_staff()
        people.note(ana, "Segunda etapa do login ativada.")
        body = client.get(f"{LIST}{ana.pk}/history/").content.decode()
        assert "Segunda etapa do login ativada." in body

    def test_nobody_is_deleted(self, client: Client) -> None:
        ana = make_staff()
        assert client.post(f"{LIST}{ana.pk}/delete/", {"post": "yes"}).status_code == 403


def test_no_password_hash_and_no_raw_permission_is_on_the_page(client: Client) -> None:
    ana = make_staff(password="segredo")
    body = client.get(page(ana)).content.decode()
    for raw in ("pbkdf2", "user_permissions", "is_superuser", "Can add", ana.password):
        assert raw not in body


def test_costs_the_same_whatever_its_length(client: Client) -> None:
    counts = []
    for more in (1, 10):
        for number in range(more):
            make_staff(f"pessoa{more}-{number}")
        client.get(LIST)
        with CaptureQueriesContext(connection) as queries:
            client.get(LIST)
        counts.append(len(queries))
    # Nothing of it by person: their functions and their stores come with two queries for all.
    assert counts == [11, 11]


def test_nobody_is_found_by_their_password(client: Client, boss: User) -> None:
    answer = client.get("/admin/orders/member/", {"password__startswith": boss.password[:20]})
    assert answer.status_code == 400
