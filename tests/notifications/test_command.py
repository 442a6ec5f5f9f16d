"""`manage.py notifications …`, as an operator types it."""

from __future__ import annotations

import io

import pytest
from django.core.management import CommandError, call_command

from integrations import connections
from integrations.models import EvolutionInstance
from tests.factories import make_instance

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
            connections.hold(instance.pk, "unauthorized", "x")


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
