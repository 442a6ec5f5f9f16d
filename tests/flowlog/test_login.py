"""Logging in and what goes with it: too many tries, the second step, forgotten passwords, where one is logged in."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.core import mail
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django_otp.oath import TOTP
from django_otp.plugins.otp_static.models import StaticDevice
from django_otp.plugins.otp_totp.models import TOTPDevice

from flowlog.models import StaffSession
from flowlog.staffpages import passwords, second_factor, sessions
from orders.tasks import mail_who_forgot
from tests.staff import client_of, make_staff

pytestmark = pytest.mark.django_db

LOGIN = "/admin/login/"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
PHONE = "Mozilla/5.0 (Linux; Android 16) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/150.0 Mobile Safari/537.36"


def browser(**headers: str) -> Client:
    return Client(headers={"accept-language": "pt-BR", **headers})


def log_in(client: Client, name: str = "ana", password: str = "segredo", **extra: Any) -> Any:  # noqa: S107
    return client.post(f"{LOGIN}?next=/admin/orders/order/", {"username": name, "password": password}, **extra)


def code_of(device: TOTPDevice, drift: int = 0) -> str:
    totp = TOTP(device.bin_key, device.step, device.t0, device.digits, drift)
    return f"{totp.token():06}"


@pytest.fixture
def ana() -> User:
    ana = make_staff(password="segredo")
    ana.email, ana.first_name = "ana@example.com", "Ana"
    ana.save()
    return ana


@pytest.fixture
def with_second_step(ana: User) -> tuple[TOTPDevice, list[str]]:
    device = second_factor.begin(ana)
    return device, second_factor.confirm(ana, code_of(device, -1))


@pytest.fixture
def mailing(settings: Any) -> None:
    settings.MAILERS = {"default": {"BACKEND": "django.core.mail.backends.locmem.EmailBackend"}}


class TestTooManyTries:
    def test_name_and_address_have_to_wait_and_others_do_not(self, ana: User) -> None:
        make_staff("bia", password="segredo")
        client = browser()
        answers = [log_in(client, password="errada").status_code for _ in range(7)]
        assert answers == [200] * 5 + [429] * 2
        right = log_in(client)
        assert right.status_code == 429
        assert "15 minutos" in right.content.decode()
        assert log_in(client, "bia")["Location"] == "/admin/orders/order/"
        # Somebody else's tries keep nobody out of their own shop.
        assert log_in(browser(), REMOTE_ADDR="10.0.0.9").status_code == 302

    def test_it_is_said_alike_of_names_that_nobody_has(self, ana: User) -> None:
        bodies = []
        for name in ("ana", "ninguem"):
            client = browser()
            for _ in range(6):
                answer = log_in(client, name, "errada")
            bodies.append((answer.status_code, answer.content))
        assert bodies[0] == bodies[1]

    def test_behind_a_proxy_the_browsers_address_counts(self, ana: User, settings: Any) -> None:
        settings.TRUSTED_PROXIES = 1
        for _ in range(6):
            log_in(browser(), password="errada", headers={"x-forwarded-for": "6.6.6.6, 1.2.3.4"})
        assert log_in(browser(), headers={"x-forwarded-for": "7.7.7.7, 1.2.3.4"}).status_code == 429
        assert log_in(browser(), headers={"x-forwarded-for": "1.2.3.4, 5.6.7.8"}).status_code == 302


@pytest.mark.parametrize("target", ["//evil.example/", "https://evil.example/", "javascript:alert(1)"])
def test_the_log_in_leads_to_no_other_site(ana: User, with_second_step: Any, target: str) -> None:
    make_staff("bia", password="segredo")
    client = browser()
    assert client.post(f"{LOGIN}?next={target}", {"username": "bia", "password": "segredo"})["Location"] == "/admin/"
    client = browser()
    client.post(f"{LOGIN}?next={target}", {"username": "ana", "password": "segredo"})
    code = with_second_step[1][0]
    assert client.post(f"/admin/login/codigo/?next={target}", {"code": code})["Location"] == "/admin/"


class TestSecondStep:
    def test_the_password_alone_lets_nobody_in(self, ana: User, with_second_step: Any) -> None:
        client = browser()
        answer = log_in(client)
        assert answer["Location"] == "/admin/login/codigo/?next=%2Fadmin%2Forders%2Forder%2F"
        assert client.get("/admin/orders/order/").status_code == 302
        assert client.get(answer["Location"]).status_code == 200
        wrong = client.post(answer["Location"], {"code": "000000"})
        assert "Este código não confere" in wrong.content.decode()
        assert client.get("/admin/orders/order/").status_code == 302

    def test_a_code_of_the_app_does(self, ana: User, with_second_step: Any) -> None:
        client = browser()
        address = log_in(client)["Location"]
        answer = client.post(address, {"code": code_of(with_second_step[0])})
        assert answer["Location"] == "/admin/orders/order/"
        assert client.get("/admin/orders/order/").status_code == 200

    def test_a_code_on_paper_does_once(self, ana: User, with_second_step: Any) -> None:
        code = with_second_step[1][3]
        for expected in (302, 200):
            client = browser()
            address = log_in(client)["Location"]
            assert client.post(address, {"code": f" {code.upper()} "}).status_code == expected
        assert second_factor.codes_left(ana) == 9

    def test_without_the_first_step_there_is_no_second(self, ana: User, with_second_step: Any) -> None:
        answer = browser().post("/admin/login/codigo/", {"code": with_second_step[1][0]})
        assert answer["Location"] == LOGIN
        assert second_factor.codes_left(ana) == 10

    def test_it_is_switched_on_with_a_right_code_and_off_with_the_password(self, ana: User) -> None:
        client = browser()
        log_in(client)
        shown = client.post("/admin/conta/", {"do": "begin"})
        assert "<svg" in shown.content.decode()
        device = TOTPDevice.objects.get()
        assert not second_factor.is_on(ana)
        assert (
            "Este código não confere" in client.post("/admin/conta/", {"do": "confirm", "code": "0"}).content.decode()
        )
        TOTPDevice.objects.update(throttling_failure_count=0, throttling_failure_timestamp=None)
        done = client.post("/admin/conta/", {"do": "confirm", "code": code_of(device)})
        assert len(done.context["codes"]) == 10
        assert second_factor.is_on(ana)
        # Whoever finds the browser open cannot switch it off.
        client.post("/admin/conta/", {"do": "switch_off", "password": "errada"})
        assert second_factor.is_on(ana)
        client.post("/admin/conta/", {"do": "switch_off", "password": "segredo"})
        assert not second_factor.is_on(ana)
        assert not StaticDevice.objects.exists()
        words = list(LogEntry.objects.order_by("pk").values_list("change_message", flat=True))
        assert words == ["Segunda etapa do login ativada.", "Segunda etapa do login desativada."]

    def test_what_was_begun_before_is_worth_nothing(self, ana: User) -> None:
        """Who found the browser open for a moment has seen a secret."""
        client = browser()
        log_in(client)
        seen = client.post("/admin/conta/", {"do": "begin"}).context["secret"]
        old = TOTPDevice.objects.get()
        assert client.post("/admin/conta/", {"do": "begin"}).context["secret"] != seen
        new = TOTPDevice.objects.get()
        assert "Este código não confere" in (
            client.post("/admin/conta/", {"do": "confirm", "code": code_of(old)}).content.decode()
        )
        assert not second_factor.is_on(ana)
        # A wrong code shows the same once more: the app has read it.
        shown = client.post("/admin/conta/", {"do": "confirm", "code": "0"})
        assert shown.context["secret"] == second_factor.secret_of(new)

    @pytest.mark.parametrize("change", ["password", "is_active", "is_staff"])
    def test_a_first_step_is_worth_nothing_once_the_access_has_changed(
        self, ana: User, with_second_step: Any, change: str
    ) -> None:
        client = browser()
        address = log_in(client)["Location"]
        if change == "password":
            ana.set_password("outra-frase-longa")
        else:
            setattr(ana, change, False)
        ana.save()
        assert client.post(address, {"code": with_second_step[1][0]})["Location"] == LOGIN
        assert client.get("/admin/orders/order/").status_code == 302
        assert second_factor.codes_left(ana) == 10


class TestGuessingThePasswordOnceInside:
    """Whoever finds a browser open has no more tries than at the log-in."""

    def test_on_my_access(self, ana: User, with_second_step: Any) -> None:
        client = client_of(ana)
        guess = {"do": "switch_off", "password": "errada"}
        answers = [client.post("/admin/conta/", guess).status_code for _ in range(7)]
        assert answers == [200] * 5 + [429] * 2
        assert client.post("/admin/conta/", {"do": "switch_off", "password": "segredo"}).status_code == 429
        assert second_factor.is_on(ana)
        # They count together with those at the log-in.
        assert log_in(browser()).status_code == 429

    def test_on_the_page_for_a_new_one(self, ana: User) -> None:
        client, new = client_of(ana), "uma-frase-bem-longa"
        values = {"old_password": "errada", "new_password1": new, "new_password2": new}
        answers = [client.post("/admin/password_change/", values).status_code for _ in range(7)]
        assert answers == [200] * 5 + [429] * 2
        assert client.post("/admin/password_change/", {**values, "old_password": "segredo"}).status_code == 429
        ana.refresh_from_db()
        assert ana.check_password("segredo")

    def test_the_right_one_is_taken(self, ana: User) -> None:
        client, new = client_of(ana), "uma-frase-bem-longa"
        values = {"old_password": "segredo", "new_password1": new, "new_password2": new}
        assert client.post("/admin/password_change/", values).status_code == 302
        assert client.get("/admin/conta/").status_code == 200
        ana.refresh_from_db()
        assert ana.check_password(new)


class TestForgottenPassword:
    def test_the_page_says_the_same_whoever_asks(self, ana: User, mailing: None) -> None:
        bodies = set()
        for address in ("ana@example.com", "ninguem@example.com"):
            answer = browser().post("/admin/senha/", {"email": address}, follow=True)
            bodies.add(answer.content)
        assert len(bodies) == 1
        assert mail.outbox == []  # a worker does it

    def test_the_mail_leads_to_a_new_password_once(self, ana: User, mailing: None, settings: Any) -> None:
        mail_who_forgot("ANA@example.com")
        mail_who_forgot("ana@example.com")
        mail_who_forgot("ninguem@example.com")
        [sent] = mail.outbox
        assert sent.to == ["ana@example.com"]
        link = re.search(rf"{settings.SITE_URL}(/admin/senha/\S+)", str(sent.body))
        assert link
        client = browser()
        for _ in range(6):
            log_in(client, password="errada")
        form = client.get(link[1], follow=True)
        address = form.redirect_chain[-1][0]
        assert form.status_code == 200
        weak = client.post(address, {"new_password1": "1234", "new_password2": "1234"})
        assert weak.status_code == 200
        new = "uma-frase-bem-longa"
        assert client.post(address, {"new_password1": new, "new_password2": new}).status_code == 302
        assert log_in(browser(), password=new).status_code == 302
        assert "já foi usado" in browser().get(link[1], follow=True).content.decode()

    def test_without_mail_the_page_says_whom_to_ask(self, ana: User, settings: Any) -> None:
        settings.MAILERS = {"default": {"BACKEND": "flowlog.mail.no_mail.EmailBackend"}}
        assert "não envia e-mails" in browser().get("/admin/senha/").content.decode()

    def test_who_is_switched_off_gets_none(self, ana: User, mailing: None) -> None:
        User.objects.update(is_active=False)
        assert passwords.mail_who_forgot("ana@example.com") == 0
        assert mail.outbox == []


class TestSessions:
    def test_each_is_listed_with_its_device_and_ended(self, ana: User) -> None:
        here, phone = browser(**{"user-agent": FIREFOX}), browser(**{"user-agent": PHONE})
        log_in(here)
        log_in(phone)
        shown = here.get("/admin/conta/")
        assert [(device, mine) for _row, device, _began, _seen, mine in shown.context["sessions"]] == [
            ("Chrome no Android", False),
            ("Firefox no Linux", True),
        ]
        there = sessions.of(ana).first()
        assert there
        here.post("/admin/conta/", {"do": "end", "session": there.pk})
        assert phone.get("/admin/orders/order/").status_code == 302
        assert here.get("/admin/orders/order/").status_code == 200

    def test_what_a_new_password_has_ended_is_listed_no_more(self, ana: User) -> None:
        here, there = browser(), browser()
        log_in(here)
        log_in(there)
        new = "uma-frase-bem-longa"
        values = {"old_password": "segredo", "new_password1": new, "new_password2": new}
        here.post("/admin/password_change/", values)
        assert there.get("/admin/orders/order/").status_code == 302
        assert [mine for *_each, mine in here.get("/admin/conta/").context["sessions"]] == [True]
        log_in(browser(), password=new)
        # Here, and the one that has just begun: the others' rows are gone.
        assert StaffSession.objects.count() == 2

    def test_the_page_costs_the_same_however_many_there_are(self, ana: User) -> None:
        here, counts = browser(), []
        for more in (1, 5):
            for _ in range(more):
                log_in(browser())
            log_in(here)
            with CaptureQueriesContext(connection) as queries:
                here.get("/admin/conta/")
            counts.append(len(queries))
        assert counts == [10, 10]

    def test_all_others_are_ended_at_once(self, ana: User) -> None:
        clients = [browser() for _ in range(3)]
        for client in clients:
            log_in(client)
        clients[0].post("/admin/conta/", {"do": "end_others"})
        assert [client.get("/admin/orders/order/").status_code for client in clients] == [200, 302, 302]

    def test_nobody_ends_anothers(self, ana: User) -> None:
        client = browser()
        log_in(client)
        theirs = StaffSession.objects.get()
        bia = client_of(make_staff("bia"))
        for wanted in (str(theirs.pk), "x", "9" * 30):
            bia.post("/admin/conta/", {"do": "end", "session": wanted})
        assert client.get("/admin/orders/order/").status_code == 200

    def test_logging_out_ends_it(self, ana: User) -> None:
        client = browser()
        log_in(client)
        client.post("/admin/logout/")
        assert not StaffSession.objects.exists()


def test_a_stale_form_is_answered_with_what_to_do(ana: User) -> None:
    client = Client(enforce_csrf_checks=True, headers={"accept-language": "pt-BR"})
    client.force_login(ana)
    answer = client.post("/admin/orders/order/transition/cancel/", {"csrfmiddlewaretoken": "x" * 64})
    body = answer.content.decode()
    assert answer.status_code == 403
    assert "<h1>Sua sessão mudou. Nada foi feito.</h1>" in body
    assert 'lang="pt-br"' in body
    assert "cancelado" not in body
