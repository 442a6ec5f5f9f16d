"""`manage.py evolution …`, as an operator types it."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command
from django.db.models.functions import Now

from flowlog.operations.management.commands import evolution
from integrations.evolution.manager import WEBHOOK_EVENTS
from integrations.gateways.sentences import cause
from integrations.instances import connections
from integrations.models import EvolutionInstance, NotificationLog
from notifications import delivery, outbox, texts
from orders.models import Store
from tests.broker import purge
from tests.factories import PHONE, make_instance
from tests.integrations.raw_server import Connection, raw_server
from tests.integrations.sandbox import SandboxProcess, sandbox
from tests.processes import worker

pytestmark = pytest.mark.django_db

NO_WEBHOOK = "As confirmações de entrega e as respostas não vão a lugar nenhum. Agora: evolution set-webhook %s"
NO_LICENCE = "O serviço de WhatsApp está sem licença (página /manager). Chame quem cuida do sistema."
NOT_KNOWN = "O Flowlog ainda não conhece nova: cadastre no painel, ou defina EVOLUTION_INSTANCE e rode bootstrap."


def run(*arguments: str) -> list[str]:
    out = io.StringIO()
    call_command("evolution", *arguments, stdout=out)
    return out.getvalue().splitlines()


class Gateway:
    """Answers with what was observed of the real one, one answer after the other; the last one repeats."""

    def __init__(self) -> None:
        self.answers: list[tuple[str, object]] = []
        self.requests: list[tuple[str, Any]] = []

    def talk(self, connection: Connection) -> None:
        while request := connection.request():
            head, _, body = request.partition(b"\r\n\r\n")
            self.requests.append((head.decode().partition(" HTTP")[0], json.loads(body) if body else None))
            status, answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
            connection.answer(json.dumps(answer).encode(), status)


@pytest.fixture
def canned(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Gateway]:
    monkeypatch.setattr(evolution, "PAIRING_PAUSE", 0.01)
    gateway = Gateway()
    with raw_server(gateway.talk) as server:
        settings.EVOLUTION_API_URL = server.url
        yield gateway


def failure(status: str, message: object) -> tuple[str, object]:
    return status, {"status": int(status[:3]), "error": "x", "response": {"message": message}}


class TestWithTheSandbox:
    def test_list_and_state(self, gateway: SandboxProcess) -> None:
        assert run("list") == ["flowlog: conectado, …0000, não cadastrada no Flowlog"]
        make_instance()
        make_instance(name="zeta", is_default=False)
        assert run("list") == ["flowlog: conectado, …0000", "zeta: não existe no gateway"]
        assert run("state", "flowlog") == ["flowlog: conectado", NO_WEBHOOK % "flowlog"]

    def test_a_key_of_one_instance_cannot_see_another(self, settings: Any) -> None:
        for name in ("flowlog", "vizinha", "zeta"):
            make_instance(name=name, is_default=name == "flowlog")
        with sandbox("flowlog", "vizinha") as own:
            settings.EVOLUTION_API_URL, settings.EVOLUTION_API_KEY = own.base_url, own.token("flowlog")
            assert run("list") == [
                "flowlog: conectado, …0000",
                "vizinha: não pode ser vista com esta chave",
                "zeta: não existe no gateway",
            ]

    def test_without_a_licence_every_action_says_so(self, gateway: SandboxProcess, settings: Any) -> None:
        settings.EVOLUTION_WEBHOOK_SECRET = "s3cret"
        gateway.options(licensed=False)
        for action in (["list"], *([name, "nova"] for name in ("create", "connect", "state", "logout", "set-webhook"))):
            with pytest.raises(CommandError) as refused:
                run(*action)
            assert str(refused.value) == NO_LICENCE

    def test_state_says_that_messages_are_held(self, gateway: SandboxProcess) -> None:
        connections.hold(make_instance().pk, "unauthorized")
        assert run("state", "flowlog") == [
            "flowlog: conectado",
            f"As mensagens dela estão paradas: {cause('unauthorized')}",
            NO_WEBHOOK % "flowlog",
        ]

    def test_state_says_where_its_events_go(self, gateway: SandboxProcess) -> None:
        make_instance()
        here = "http://testserver/webhooks/evolution/flowlog/"
        run("set-webhook", "flowlog")
        assert run("state", "flowlog")[1:] == [f"O gateway avisa {here} do que acontece nela."]
        gateway.set_webhook("flowlog", here.rstrip("/"))
        assert run("state", "flowlog")[1:] == [f"O gateway avisa {here.rstrip('/')} do que acontece nela."]
        gateway.set_webhook("flowlog", "http://127.0.0.1:8000/webhooks/evolution/flowlog/")
        [line] = run("state", "flowlog")[1:]
        assert line == (
            "As confirmações de entrega e as respostas vão para http://127.0.0.1:8000/webhooks/evolution/flowlog/, "
            "e não para http://testserver. Para recebê-las aqui: evolution set-webhook flowlog"
        )

    @pytest.mark.parametrize("name", ["nome ruim/../x", "", "..", " loja", "loja ", "loja?", "loja\n"])
    def test_a_name_that_no_address_can_hold_is_refused_before_any_request(
        self, gateway: SandboxProcess, name: str
    ) -> None:
        for action in ("create", "connect", "state", "logout", "set-webhook"):
            with pytest.raises(CommandError) as refused:
                run(action, name)
            assert str(refused.value) == "Use só letras, números, espaços, pontos, - e _ no nome."
        assert run("list") == ["flowlog: conectado, …0000, não cadastrada no Flowlog"]

    def test_errors_are_one_sentence(self, gateway: SandboxProcess, settings: Any) -> None:
        with pytest.raises(CommandError, match=r"^O gateway não conhece esta instância\. Veja: evolution list$"):
            run("state", "zeta")
        with pytest.raises(CommandError, match=r"^O gateway já tem uma instância com esse nome\.$"):
            run("create", "flowlog")
        settings.EVOLUTION_API_KEY = "wrong"
        with pytest.raises(CommandError, match=r"^A chave do WhatsApp foi recusada"):
            run("list")
        settings.EVOLUTION_API_URL = "http://127.0.0.1:9"
        with pytest.raises(CommandError, match=r"^O gateway não responde\. Confira se ele está no ar"):
            run("list")

    def test_from_nothing_to_connected_with_its_webhook_and_out_again(
        self, settings: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(evolution, "PAIRING_PAUSE", 0.05)
        with sandbox("flowlog") as own:
            settings.EVOLUTION_API_URL, settings.EVOLUTION_API_KEY = own.base_url, own.api_key
            own.options(connect_seconds=0.1, pair_seconds=0.5)
            run("create", "nova")
            assert run("state", "nova")[0] == "nova: desconectado"
            lines = run("connect", "nova", "--timeout", "20")
            assert any("Aparelhos conectados" in line for line in lines)
            assert lines[-3:] == ["nova: conectada.", NO_WEBHOOK % "nova", NOT_KNOWN]
            said = run("set-webhook", "nova")
            assert said == ["nova: o gateway vai avisar em http://testserver/webhooks/evolution/nova/."]
            run("logout", "nova")
            assert run("connect", "nova", "--timeout", "20")[-2:] == ["nova: conectada.", NOT_KNOWN]
            run("logout", "nova")
            with pytest.raises(CommandError, match=r"^A instância não está conectada\.$"):
                run("logout", "nova")


class TestNames:
    """In the admin's form, which cleans the row, the rule is the command's."""

    @pytest.mark.parametrize("name", ["loja", "Loja São João", "loja.centro-2_b"])
    def test_a_new_one_as_people_call_things(self, name: str) -> None:
        EvolutionInstance(name=name, store=Store.get_default()).full_clean()

    def test_a_new_or_changed_one_that_no_address_can_hold(self) -> None:
        row = make_instance()
        words = {"name": ["Use só letras, números, espaços, pontos, - e _ no nome."]}
        for instance in (row, EvolutionInstance(store=row.store, messages_per_minute=0)):
            instance.name = "nome ruim/../x"
            with pytest.raises(ValidationError) as refused:
                instance.full_clean()
            assert refused.value.message_dict == words

    def test_one_that_was_there_before_the_rule_can_still_be_changed(self) -> None:
        row = make_instance(name="a/b")
        row.daily_cap = 7
        row.full_clean()


class TestInstances:
    def test_create(self, canned: Gateway) -> None:
        canned.answers = [("201 Created", {"instance": {"instanceName": "nova"}, "hash": "SECRET-TOKEN"})]
        next_steps = "evolution connect nova, e depois: evolution set-webhook nova"
        assert run("create", "nova") == [f"nova: criada. Agora: {next_steps}", NOT_KNOWN]
        assert canned.requests == [
            (
                "POST /instance/create",
                {
                    "instanceName": "nova", "integration": "WHATSAPP-BAILEYS", "qrcode": False, "groupsIgnore": True,
                },
            )
        ]  # fmt: skip

    def test_connect_draws_each_code_once_and_resumes(self, canned: Gateway) -> None:
        instance = make_instance(name="nova")
        connections.hold(instance.pk, "never_paired")
        waiting, first = ("200 OK", {"count": 0}), ("200 OK", {"pairingCode": None, "code": "2@abc", "count": 1})
        second = ("200 OK", {"pairingCode": None, "code": "2@def", "count": 2})
        opened = ("200 OK", {"instance": {"instanceName": "nova", "state": "open"}})
        canned.answers = [waiting, first, first, second, opened, ("200 OK", None)]
        lines = run("connect", "nova")
        asked = [("GET /instance/connect/nova", None)] * 5
        assert canned.requests == [*asked, ("GET /webhook/find/nova", None)]
        assert sum("Aparelhos conectados" in line for line in lines) == 2
        assert sum("▄" in line or "█" in line for line in lines) > 20
        assert lines[-2:] == ["nova: conectada.", NO_WEBHOOK % "nova"]
        instance.refresh_from_db()
        assert (instance.held_at, instance.state) == (None, "open")

    def test_connect_of_an_open_one_resumes_nothing_but_has_it_probed_at_once(self, canned: Gateway) -> None:
        instance = make_instance(name="nova")
        connections.hold(instance.pk, "connection_closed")
        held_at = EvolutionInstance.objects.get().held_at
        opened = ("200 OK", {"instance": {"instanceName": "nova", "state": "open"}})
        canned.answers = [opened, ("200 OK", None)]
        assert run("connect", "nova") == [
            "nova: conectada.",
            f"As mensagens dela estão paradas: {connections.why_held(EvolutionInstance.objects.get())}",
            NO_WEBHOOK % "nova",
        ]
        assert EvolutionInstance.objects.get(probe_at__lte=Now(), state="open").held_at == held_at

    @pytest.mark.parametrize("found", [None, {"enabled": False, "url": "http://testserver/x"}, {"enabled": True}])
    def test_no_webhook_that_works_is_none(self, canned: Gateway, found: object) -> None:
        canned.answers = [("200 OK", {"instance": {"instanceName": "nova", "state": "open"}}), ("200 OK", found)]
        assert run("state", "nova") == ["nova: conectado", NO_WEBHOOK % "nova", NOT_KNOWN]

    def test_one_that_was_set_before_there_were_edits_is_to_be_set_again(self, canned: Gateway) -> None:
        here = "http://testserver/webhooks/evolution/nova/"
        found = {"enabled": True, "url": here, "events": [*set(WEBHOOK_EVENTS) - {"MESSAGES_EDITED"}, "CALL"]}
        canned.answers = [("200 OK", {"instance": {"instanceName": "nova", "state": "open"}}), ("200 OK", found)]
        assert run("state", "nova")[1] == (
            f"O gateway avisa em {here}, mas não de MESSAGES_EDITED. "
            "Para receber também estes: evolution set-webhook nova"
        )

    def test_connect_gives_up_in_time(self, canned: Gateway) -> None:
        canned.answers = [("200 OK", {"count": 0})]
        with pytest.raises(CommandError, match=r"^nova não foi conectada a tempo\. Tente de novo\.$"):
            run("connect", "nova", "--timeout", "0.05")

    def test_connect_that_fails_at_the_gateway(self, canned: Gateway) -> None:
        canned.answers = [("200 OK", {"error": True, "message": "[object Object]"})]
        with pytest.raises(CommandError, match=r"^O gateway não conseguiu iniciar a conexão\."):
            run("connect", "nova")

    def test_logout(self, canned: Gateway) -> None:
        make_instance(name="nova", state="open")
        canned.answers = [("200 OK", {"status": "SUCCESS", "error": False, "response": {"message": "x"}})]
        assert run("logout", "nova") == ["nova: desconectada. Para conectar de novo: evolution connect nova"]
        assert canned.requests == [("DELETE /instance/logout/nova", None)]
        assert EvolutionInstance.objects.get().state == "close"
        canned.answers = [failure("400 Bad Request", ['The "nova" instance is not connected'])]
        with pytest.raises(CommandError, match=r"^A instância não está conectada\.$"):
            run("logout", "nova")

    def test_set_webhook(self, canned: Gateway, settings: Any) -> None:
        settings.EVOLUTION_WEBHOOK_SECRET = "s3cret"
        canned.answers = [("201 Created", {"id": "x"})]
        lines = run("set-webhook", "nova loja")
        assert lines == ["nova loja: o gateway vai avisar em http://testserver/webhooks/evolution/nova%20loja/."]
        assert canned.requests == [
            (
                "POST /webhook/set/nova%20loja",
                {
                    "webhook": {
                        "enabled": True,
                        "url": "http://testserver/webhooks/evolution/nova%20loja/",
                        "byEvents": False,
                        "base64": False,
                        "headers": {"Authorization": "Bearer s3cret"},
                        "events": [
                            "SEND_MESSAGE", "MESSAGES_UPDATE", "MESSAGES_UPSERT", "MESSAGES_EDITED",
                            "MESSAGES_DELETE", "CONNECTION_UPDATE", "QRCODE_UPDATED", "STATUS_INSTANCE",
                            "LOGOUT_INSTANCE",
                        ],
                    }
                },
            )
        ]  # fmt: skip

    def test_set_webhook_needs_a_secret(self, canned: Gateway, settings: Any) -> None:
        settings.EVOLUTION_WEBHOOK_SECRET = ""
        with pytest.raises(CommandError, match=r"^Defina antes EVOLUTION_WEBHOOK_SECRET:"):
            run("set-webhook", "nova")
        assert canned.requests == []

    @pytest.mark.parametrize(
        ("answer", "words"),
        [
            (failure("500 Internal Server Error", "x"), "O gateway respondeu de um jeito inesperado: gateway_error"),
            (
                failure("500 Internal Server Error", "\nInvalid `x` invocation in"),
                "O serviço de WhatsApp está com um problema.",
            ),
            (("200 OK", "no list"), "O gateway respondeu de um jeito inesperado: unexpected_answer"),
            (failure("404 Not Found", ["Cannot GET /x"]), "Não há uma Evolution API neste endereço."),
        ],
    )
    def test_odd_answers(self, canned: Gateway, answer: tuple[str, object], words: str) -> None:
        canned.answers = [answer]
        with pytest.raises(CommandError) as refused:
            run("list")
        assert str(refused.value).startswith(words)


class TestSendTest:
    @pytest.mark.django_db(transaction=True)
    def test_through_queue_and_worker_to_the_phone(self, gateway: SandboxProcess) -> None:
        purge("whatsapp")
        make_instance()
        env = {"EVOLUTION_API_URL": gateway.base_url, "EVOLUTION_API_KEY": gateway.api_key}
        with worker("whatsapp", **env):
            lines = run("send-test", "(11) 98765-4321")
            with pytest.raises(CommandError, match=r"^falhou: Este número não está no WhatsApp\."):
                run("send-test", "+5511987659001")
        row = NotificationLog.objects.earliest("pk")
        assert lines == [f"Mensagem {row.pk} de flowlog para …4321 …", "Enviada: o gateway aceitou."]
        assert (row.status, row.event, row.order, row.recipient) == ("sent", "test", None, PHONE)
        assert gateway.texts(PHONE) == [row.message]
        assert row.message.startswith("Mensagem de teste de Minha loja, enviada pelo Flowlog em ")

    def test_without_a_worker_it_says_so(self) -> None:
        make_instance()
        with pytest.raises(CommandError) as refused:
            run("send-test", PHONE, "--timeout", "0")
        assert str(refused.value) == (
            "A mensagem ainda está pendente e segue sozinha: acompanhe em Notification Logs. As mensagens aos clientes "
            "não estão saindo. O serviço que envia as mensagens ainda não deu sinal de vida."
        )

    @pytest.mark.django_db(transaction=True)
    def test_why_it_waits_is_said_once(self, gateway: SandboxProcess, settings: Any) -> None:
        row = outbox.add_test(make_instance(), PHONE)
        settings.EVOLUTION_API_KEY = "wrong"
        delivery.deliver(row.pk)
        row.refresh_from_db()
        assert (row.status, row.error_code) == ("pending", "unauthorized")
        words = evolution._still_waiting(row)
        assert words.count("A chave do WhatsApp foi recusada") == 1
        assert "WhatsApp flowlog parado. As mensagens dele esperam desde " in words
        connections.resume(row.instance_id or 0)
        row.refresh_from_db()
        assert evolution._still_waiting(row).count("A chave do WhatsApp foi recusada") == 1

    def test_wrong_ones(self) -> None:
        with pytest.raises(CommandError, match="não é um telefone"):
            run("send-test", "abc")
        with pytest.raises(CommandError, match=r"^A loja não tem instância: cadastre uma no painel\.$"):
            run("send-test", PHONE)
        with pytest.raises(CommandError, match=r"^O Flowlog não tem a instância zeta: cadastre no painel\.$"):
            run("send-test", PHONE, "--instance", "zeta")
        assert not NotificationLog.objects.exists()

    @pytest.mark.django_db(transaction=True)
    def test_each_test_has_words_of_its_own_and_may_be_sent_once(self, gateway: SandboxProcess) -> None:
        instance = make_instance()
        row = outbox.add_test(instance, PHONE)
        delivery.deliver(row.pk)
        delivery.deliver(row.pk)
        row.refresh_from_db()
        assert row.status == "sent"
        assert gateway.texts(PHONE) == [row.message]
        later = replace(row.parsed_snapshot, occurred_at=datetime(2026, 11, 23, 12, 0, 1, tzinfo=UTC))
        assert texts.render("test", later) != row.message
