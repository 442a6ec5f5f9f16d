"""The shop's phone in the admin: connected by QR code or typed code, its events told here, logged out."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.utils import timezone
from django.utils.html import strip_tags

from flowlog.staffpages.groups import MANAGEMENT_GROUP
from integrations.instances import connections
from integrations.models import EvolutionInstance, NotificationLog
from tests.factories import PHONE, make_instance, make_order
from tests.integrations.sandbox import SandboxProcess
from tests.staff import client_of, make_staff

pytestmark = pytest.mark.django_db

LIST = "/admin/integrations/evolutioninstance/"
HERE = "http://testserver/webhooks/evolution/{}/"


@pytest.fixture(autouse=True)
def without_an_instance(settings: Any) -> None:
    """`bootstrap`, which makes the groups, makes none."""
    settings.EVOLUTION_INSTANCE = ""


@pytest.fixture
def manager() -> Client:
    return client_of(make_staff("gil", MANAGEMENT_GROUP))


@pytest.fixture
def new(manager: Client, gateway: SandboxProcess) -> Iterator[EvolutionInstance]:
    """A WhatsApp that the gateway has never heard of."""
    yield make_instance(name="nova", is_default=False)
    gateway.remove("nova")


@pytest.fixture
def step(manager: Client, new: EvolutionInstance) -> Callable[..., dict[str, Any]]:
    def step(**data: str) -> dict[str, Any]:
        answer = manager.post(f"{LIST}{new.pk}/phone/step/", data)
        assert answer.status_code == 200
        assert "no-store" in answer["Cache-Control"]
        answered: dict[str, Any] = answer.json()
        return answered

    return step


class TestConnecting:
    def test_from_nothing_to_connected(
        self, step: Callable[..., Any], new: EvolutionInstance, gateway: SandboxProcess
    ) -> None:
        connections.hold(new.pk, "never_paired")
        shown = step()
        assert shown["status"] == "code"
        assert shown["qr"].startswith("<svg")
        assert step()["qr"] == shown["qr"]
        gateway.pair(new.name)
        done = step(shown="1")
        assert done == {
            "status": "connected",
            "words": "Conectado: as mensagens desta loja já podem sair. "
            "As confirmações e as respostas dos clientes chegam aqui.",
        }
        new.refresh_from_db()
        assert (new.state, new.held_at) == ("open", None)
        assert LogEntry.objects.get().change_message == "Celular conectado."

    def test_a_code_that_was_renewed_is_shown_anew(
        self, step: Callable[..., Any], new: EvolutionInstance, gateway: SandboxProcess
    ) -> None:
        first = step()["qr"]
        gateway.act("renew", instance=new.name)
        second = step()["qr"]
        assert second.startswith("<svg")
        assert second != first

    def test_one_that_is_open_all_the_same_shows_nothing(
        self, step: Callable[..., Any], gateway: SandboxProcess
    ) -> None:
        instance = make_instance()
        connections.hold(instance.pk, "connection_closed")
        client = client_of(make_staff("bia", MANAGEMENT_GROUP))
        assert client.post(f"{LIST}{instance.pk}/phone/step/").json()["status"] == "connected"
        instance.refresh_from_db()
        assert (instance.state, instance.held_code) == ("open", "connection_closed")
        assert LogEntry.objects.count() == 0

    def test_a_code_to_type_also_after_a_qr_code_was_shown(
        self, step: Callable[..., Any], new: EvolutionInstance, gateway: SandboxProcess
    ) -> None:
        assert step()["typed"] == ""
        assert step(number="(11) 98765-4321", anew="1")["status"] == "waiting"
        answer = step(number="(11) 98765-4321")
        assert (answer["status"], answer["qr"], len(answer["typed"])) == ("code", "", 9)
        assert step(number="11 9876")["status"] == "number"
        gateway.pair(new.name)
        assert step(number="(11) 98765-4321", shown="1")["status"] == "connected"

    @pytest.mark.parametrize(
        ("setting", "value", "words"),
        [
            ("EVOLUTION_API_URL", "http://127.0.0.1:9", "O serviço de WhatsApp não responde agora."),
            ("EVOLUTION_API_KEY", "wrong", "A chave do WhatsApp foi recusada"),
        ],
    )
    def test_trouble_is_a_sentence(
        self, step: Callable[..., Any], settings: Any, setting: str, value: str, words: str
    ) -> None:
        setattr(settings, setting, value)
        answer = step()
        assert (answer["status"], answer["words"][: len(words)]) == ("trouble", words)
        assert EvolutionInstance.objects.get().state == "unknown"


class TestWayBack:
    def test_is_set_by_itself_where_there_was_none(
        self, step: Callable[..., Any], new: EvolutionInstance, gateway: SandboxProcess, manager: Client
    ) -> None:
        step()
        gateway.pair(new.name)
        step(shown="1")
        page = manager.get(f"{LIST}{new.pk}/webhook/").content.decode()
        assert "As confirmações e as respostas dos clientes chegam aqui." in page
        assert 'type="submit"' not in page.partition("data-")[0]

    def test_of_another_system_is_left_and_changed_by_a_click(self, gateway: SandboxProcess, manager: Client) -> None:
        instance = make_instance()
        gateway.set_webhook("flowlog", "http://127.0.0.1:9/bot")
        client = manager.post(f"{LIST}{instance.pk}/phone/step/")
        assert "vão para outro sistema" in client.json()["words"]
        page = manager.get(f"{LIST}{instance.pk}/webhook/").content.decode()
        assert "http://127.0.0.1:9/bot" in page
        answer = manager.post(f"{LIST}{instance.pk}/webhook/", follow=True)
        assert answer.redirect_chain == [(f"{LIST}{instance.pk}/change/", 302)]
        assert "chegam aqui." in answer.content.decode()
        assert "vão para outro" not in manager.get(f"{LIST}{instance.pk}/webhook/").content.decode()

    def test_without_a_secret_or_a_gateway_it_says_so(
        self, gateway: SandboxProcess, manager: Client, settings: Any
    ) -> None:
        instance = make_instance()
        settings.EVOLUTION_WEBHOOK_SECRET = ""
        words = "Falta uma configuração para isso."
        assert words in manager.post(f"{LIST}{instance.pk}/webhook/").content.decode()
        settings.EVOLUTION_API_URL = "http://127.0.0.1:9"
        assert "não responde agora" in manager.get(f"{LIST}{instance.pk}/webhook/").content.decode()


def test_logging_out_asks_first_and_then_its_messages_wait(gateway: SandboxProcess, manager: Client) -> None:
    instance = make_instance()
    page = f"{LIST}{instance.pk}/logout/"
    assert "Desconectar o WhatsApp de Minha loja?" in manager.get(page).content.decode()
    assert gateway.options()["instances"]["flowlog"] == "open"
    done = manager.post(page, follow=True).content.decode()
    assert "Desconectado. As mensagens desta loja esperam a partir de agora." in done
    assert "O WhatsApp desta loja está desconectado" in done
    assert gateway.options()["instances"]["flowlog"] == "close"
    instance.refresh_from_db()
    assert (instance.state, instance.held_code) == ("close", "connection_closed")
    assert "Este WhatsApp não está conectado." in manager.post(page, follow=True).content.decode()


def test_a_test_message_goes_through_the_outbox(manager: Client) -> None:
    instance = make_instance()
    page = f"{LIST}{instance.pk}/test/"
    assert manager.post(page, {"phone": "123"}).status_code == 200
    assert not NotificationLog.objects.exists()
    answer = manager.post(page, {"phone": "(11) 98765-4321"}, follow=True)
    row = NotificationLog.objects.get()
    assert (row.event, row.instance, row.recipient, row.status) == ("test", instance, PHONE, "pending")
    assert answer.redirect_chain == [(f"/admin/integrations/notificationlog/{row.pk}/change/", 302)]
    assert LogEntry.objects.get().change_message == "Mensagem de teste para …4321."


PAGES = ("phone/", "webhook/", "logout/", "test/")


@pytest.mark.parametrize("page", PAGES)
def test_service_sees_the_state_and_connects_nothing(page: str, gateway: SandboxProcess) -> None:
    instance = make_instance()
    ana = client_of(make_staff())
    for method in (ana.get, ana.post):
        assert method(f"{LIST}{instance.pk}/{page}").status_code == 403
    assert ana.post(f"{LIST}{instance.pk}/phone/step/").status_code == 403
    body = ana.get(f"{LIST}{instance.pk}/change/").content.decode()
    assert not any(f"{LIST}{instance.pk}/{each}" in body for each in PAGES)
    assert "desconhecido" in ana.get(f"{LIST}{instance.pk}/state/").json()["html"]
    assert "Só a Gerência conecta o celular: avise alguém da Gerência." in body
    assert gateway.options()["instances"]["flowlog"] == "open"


def test_without_the_permission_to_see_them_nobody_sees_a_state() -> None:
    bia = client_of(make_staff("bia", group=""))
    assert bia.get(f"{LIST}{make_instance().pk}/state/").status_code == 403


@pytest.mark.parametrize("page", ["phone/", "phone/step/", "webhook/", "logout/"])
def test_a_number_at_meta_has_no_phone_to_connect(page: str, manager: Client) -> None:
    instance = make_instance(gateway="meta", name="loja-meta", is_default=False)
    assert manager.post(f"{LIST}{instance.pk}/{page}").status_code == 404
    EvolutionInstance.objects.update(state="close")
    body = manager.get(f"{LIST}{instance.pk}/change/").content.decode()
    assert "/phone/" not in body
    assert "QR code" not in body
    assert "/test/" in body


def test_a_step_is_a_post_and_another_site_cannot_make_it(gateway: SandboxProcess) -> None:
    instance = make_instance()
    client = Client(enforce_csrf_checks=True)
    client.force_login(make_staff("gil", MANAGEMENT_GROUP))
    assert client.get(f"{LIST}{instance.pk}/phone/step/").status_code == 405
    assert client.post(f"{LIST}{instance.pk}/phone/step/").status_code == 403


def test_a_new_one_leads_to_its_phone(manager: Client) -> None:
    page = manager.get(f"{LIST}add/").content.decode()
    store = make_order().store
    values = {"store": store.pk, "name": f"loja-{store.pk}", "gateway": "evolution", "messages_per_minute": 20}
    answer = manager.post(f"{LIST}add/", {**values, "daily_cap": 0, "is_default": ""})
    new = EvolutionInstance.objects.get(name=f"loja-{store.pk}")
    assert answer["Location"] == f"{LIST}{new.pk}/phone/"
    assert new.created_at is not None
    assert 'name="api_key"' in page


def test_tests_are_few_in_a_minute(manager: Client) -> None:
    page = f"{LIST}{make_instance().pk}/test/"
    for _ in range(5):
        assert manager.post(page, {"phone": "11 98765-4321"}).status_code == 302
    assert "Foram muitos testes em um minuto" in manager.post(page, {"phone": "11 98765-4321"}).content.decode()
    assert NotificationLog.objects.count() == 5
    # Nor from one number by several people.
    other = client_of(make_staff("bia", MANAGEMENT_GROUP))
    for _ in range(5):
        other.post(page, {"phone": "11 98765-4321"})
    assert NotificationLog.objects.count() == 9


class TestWarmUp:
    @pytest.mark.parametrize(
        ("days", "cap", "advised"),
        [(0, 0, "20"), (5, 100, "50"), (5, 50, ""), (20, 0, "200"), (31, 0, None)],
    )
    def test_a_young_number_is_advised(self, manager: Client, days: int, cap: int, advised: str | None) -> None:
        instance = make_instance(daily_cap=cap)
        EvolutionInstance.objects.update(created_at=days_ago(days))
        page = manager.get(f"{LIST}{instance.pk}/change/").content.decode()
        assert ("comece devagar" in page) == (advised is not None)
        button = f"Enviar no máximo {advised} em 24 horas"
        assert (button in page) == bool(advised)
        assert page.count("Enviar no máximo") == bool(advised)
        manager.post(f"{LIST}{instance.pk}/warm-up/")
        assert EvolutionInstance.objects.get().daily_cap == (int(advised) if advised else cap)
        said = list(LogEntry.objects.values_list("change_message", flat=True))
        before = cap or "sem limite"
        words = f"Mensagens em 24 horas: {advised} (antes: {before}), como se aconselha para um número novo."
        assert said == ([words] if advised else [])

    def test_only_who_may_edit_it_sets_it(self) -> None:
        instance = make_instance()
        attendant = client_of(make_staff())
        assert "Enviar no máximo" not in attendant.get(f"{LIST}{instance.pk}/change/").content.decode()
        assert attendant.post(f"{LIST}{instance.pk}/warm-up/").status_code == 403
        assert EvolutionInstance.objects.get().daily_cap == 0

    def test_asking_sets_nothing(self, manager: Client) -> None:
        instance = make_instance()
        assert manager.get(f"{LIST}{instance.pk}/warm-up/").status_code == 302
        assert EvolutionInstance.objects.get().daily_cap == 0

    def test_nobody_knows_the_age_of_those_from_before(self, manager: Client) -> None:
        instance = make_instance()
        EvolutionInstance.objects.update(created_at=None)
        assert "comece devagar" not in manager.get(f"{LIST}{instance.pk}/change/").content.decode()


def days_ago(days: int) -> Any:
    return timezone.now() - timedelta(days=days, hours=1)


# What a technician calls things; no shop has ever heard of them.
FOREIGN = re.compile(r"gateway|inst[âa]ncia|\bsond|probe|manage\.py|endpoint", re.IGNORECASE)


@pytest.mark.parametrize("held", ["", "connection_closed", "unauthorized", "gateway_unreachable"])
def test_no_technicians_word_meets_a_shop(manager: Client, gateway: SandboxProcess, held: str) -> None:
    instance = make_instance()
    row = NotificationLog.objects.get(order=make_order(notify=True))
    if held:
        connections.hold(instance.pk, held)
    own = f"{LIST}{instance.pk}/"
    pages = ("/admin/", LIST, f"{LIST}add/", f"{own}change/", *(own + page for page in PAGES))
    pages += ("/admin/integrations/notificationlog/", f"/admin/integrations/notificationlog/{row.pk}/change/")
    for page in (*pages, f"{own}release/"):
        answer = manager.get(page)
        assert answer.status_code == 200
        text = unescape(strip_tags(re.sub(r"(?s)<(script|style).*?</\1>", "", answer.content.decode())))
        assert FOREIGN.findall(text) == [], page
