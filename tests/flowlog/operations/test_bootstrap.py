"""`manage.py bootstrap` speaks to the operator, and repeats nothing."""

from __future__ import annotations

from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.models import Group
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
    groups = ["Grupo: Atendimento", "Grupo: Gerência"]
    assert bootstrap() == [f"Loja: {store}", "Instância: loja (nova)", *groups]
    assert bootstrap() == [f"Loja: {store}", "Instância: loja", *groups]
    assert [EvolutionInstance.objects.count(), Group.objects.count(), Store.objects.count()] == [1, 2, 1]


def test_without_an_instance_it_says_where_to_name_one(settings: Any) -> None:
    settings.EVOLUTION_INSTANCE = ""
    assert bootstrap()[1] == "Nenhuma instância: preencha EVOLUTION_INSTANCE ou crie uma no painel."
    assert not EvolutionInstance.objects.exists()
