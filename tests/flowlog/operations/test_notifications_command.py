"""`manage.py notifications …`, as an operator types it."""

from __future__ import annotations

import io
import json
from datetime import timedelta

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db.models.functions import Now
from django.utils import timezone

from flowlog import heartbeats
from integrations.gateways.sentences import cause
from integrations.inbound import way_back
from integrations.instances import connections
from integrations.models import EvolutionInstance, NotificationLog
from orders.transitions import TRANSITIONS
from tests.broker import purge, take_all
from tests.factories import make_instance, make_order

pytestmark = pytest.mark.django_db


def run(*arguments: str) -> list[str]:
    out = io.StringIO()
    call_command("notifications", *arguments, stdout=out)
    return out.getvalue().splitlines()


def held() -> list[str]:
    return list(EvolutionInstance.objects.filter(held_at__isnull=False).values_list("name", flat=True))


@pytest.fixture(autouse=True)
def instances() -> None:
    for name in ("alfa", "beta", "gama"):
        instance = make_instance(name=name, is_default=False)
        if name != "gama":
            connections.hold(instance.pk, "unauthorized")


def test_release_ends_every_hold() -> None:
    assert run("release") == [
        "alfa: liberada. As mensagens voltam a sair.",
        "beta: liberada. As mensagens voltam a sair.",
    ]
    assert held() == []
    assert run("release") == ["Nenhuma instância está parada."]


def test_release_of_those_that_are_named() -> None:
    assert run("release", "beta", "gama") == [
        "beta: liberada. As mensagens voltam a sair.",
        "gama: não estava parada.",
    ]
    assert held() == ["alfa"]


def test_release_of_one_that_does_not_exist_releases_none() -> None:
    with pytest.raises(CommandError, match=r"Não existe a instância zeta\. Existem: alfa, beta, gama\."):
        run("release", "alfa", "zeta")
    assert held() == ["alfa", "beta"]


def test_without_an_action_it_says_what_there_is() -> None:
    with pytest.raises(CommandError, match="release"):
        run()


class TestStatus:
    @pytest.fixture(autouse=True)
    def messages(self) -> None:
        make_order(notify=True)
        make_order(notify=True)
        NotificationLog.objects.update(next_attempt_at=Now() - timedelta(seconds=150))
        sent = NotificationLog.objects.latest("pk")
        NotificationLog.objects.filter(pk=sent.pk).update(status="sent", sent_at=Now())
        heartbeats.beat("default", "default@loja")

    def test_for_people(self) -> None:
        since = EvolutionInstance.objects.get(name="alfa").held_at
        assert since
        when = f"{timezone.localtime(since):%d/%m/%Y %H:%M}"
        others = "falhou 0, incerta 0, descartada 0, cancelada 0"
        unheard = way_back.hint(way_back.judged().get(name="gama"))
        assert "aperte “Confirmações e respostas”" in unheard
        assert run("status") == [
            "Mensagens",
            "  pendente 1, enviando 0, incerta 0. A mais antiga espera há 2 minutos.",
            f"  Nas últimas 24 horas: pendente 1, enviando 0, enviada 1, {others}.",
            "Workers",
            "  default: último sinal de vida há 0 segundos (default@loja)",
            "  whatsapp: Nenhum worker consumiu esta fila até agora.",
            "  sweep: Nunca foi feita.",
            "WhatsApp",
            f"  alfa: PARADA desde {when}. {cause('unauthorized')}",
            f"  beta: PARADA desde {when}. {cause('unauthorized')}",
            f"  gama: desconhecido. {unheard}",
        ]

    def test_for_scripts(self) -> None:
        data = json.loads("\n".join(run("status", "--json")))
        assert data["messages"] == {"pending": 1, "sending": 0, "unknown": 0}
        assert data["last_day"]["sent"] == 1
        assert 150 <= data["oldest_due_seconds"] < 155
        assert 0 <= data["heartbeats"]["default"].pop("age_seconds") < 5
        assert data["heartbeats"]["default"] == {"host": "default@loja", "silent": False}
        assert data["heartbeats"]["whatsapp"] == {"age_seconds": None, "host": "", "silent": True}
        assert [(each["name"], each["held_code"]) for each in data["instances"]] == [
            ("alfa", "unauthorized"),
            ("beta", "unauthorized"),
            ("gama", ""),
        ]


@pytest.mark.parametrize("number", ["abc", "-1", "1.5", ""])
def test_resend_of_what_is_no_number(number: str) -> None:
    with pytest.raises(CommandError, match=f"“{number}” não é o número de uma mensagem"):
        run("resend", "--", number)


def test_sweep_wakes_what_was_forgotten() -> None:
    purge("whatsapp")
    instance = EvolutionInstance.objects.get(name="gama")
    make_order(notify=True)
    row = NotificationLog.objects.get()
    NotificationLog.objects.update(instance=instance, woken_at=None)
    assert run("sweep") == [
        "Acordadas: 1 para enviar, 0 para consultar, 0 instâncias para testar.",
        "Encerradas: 0 antigas demais. Incertas porque o worker parou: 0.",
    ]
    assert [message.headers["argsrepr"] for message in take_all("whatsapp")] == [f"({row.pk}, …)"]


class TestResend:
    def test_a_new_message(self) -> None:
        make_order(notify=True)
        old = NotificationLog.objects.get()
        NotificationLog.objects.update(status="failed", error_code="expired")
        said = run("resend", str(old.pk))
        new = NotificationLog.objects.latest("pk")
        assert said == [f"A mensagem {old.pk} será reenviada como a mensagem {new.pk}."]
        assert (new.resend_of, new.status, new.requested_by) == (old, "pending", None)

    def test_one_that_may_still_go_out_or_does_not_exist(self) -> None:
        make_order(notify=True)
        old = NotificationLog.objects.get()
        with pytest.raises(CommandError, match=r"^Esta mensagem ainda pode sair sozinha"):
            run("resend", str(old.pk))
        with pytest.raises(CommandError, match=r"^Não existe a mensagem 999999\.$"):
            run("resend", "999999")
        assert NotificationLog.objects.count() == 1


def test_cancel_takes_what_waits_of_these_kinds_alone() -> None:
    order = make_order(until="confirmed", notify=True)
    back, reopened = (
        NotificationLog.objects.create(
            event=event, order=order, instance=None, dedupe_key=event, recipient="+5511987654321", snapshot={},
            expires_at=Now() + timedelta(hours=1),
        )
        for event in ("back_to_preparation", "reopen")
    )  # fmt: skip
    assert run("cancel", "back_to_preparation", "free_answer") == ["1 mensagem cancelada."]
    statuses = dict(NotificationLog.objects.values_list("event", "status"))
    assert statuses == {
        "create": "pending", "confirm": "pending", "back_to_preparation": "cancelled", "reopen": "pending",
    }  # fmt: skip
    NotificationLog.objects.filter(pk=reopened.pk).update(status="unknown", lookup_at=Now())
    with pytest.raises(CommandError, match="1 mensagem está sendo enviada"):
        run("cancel", "reopen")
    assert NotificationLog.objects.get(pk=reopened.pk).status == "unknown"
    with pytest.raises(CommandError, match="explode"):
        run("cancel", "explode")
    assert back.pk


def test_the_guides_command_cancels_every_kind_that_it_names() -> None:
    """And those that came with this version are kinds."""
    guide = (settings.BASE_DIR / "DEPLOY.md").read_text()
    [line] = [line for line in guide.splitlines() if "manage.py notifications cancel" in line]
    kinds = line.split("notifications cancel ")[1].split()
    corrections = {name for name, entry in TRANSITIONS.items() if entry.corrects}
    assert set(kinds) == {"free_answer", "move_deadline", "change_address"} | corrections
    assert run("cancel", *kinds) == ["0 mensagens canceladas."]
