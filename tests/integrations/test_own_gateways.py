"""An instance's gateway and server as the staff edit them."""

from __future__ import annotations

from collections.abc import Callable
from io import StringIO
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.contrib.admin.models import LogEntry
from django.core.management import CommandError, call_command
from django.db import IntegrityError, transaction
from django.test import Client

from flowlog.staffpages.groups import MANAGEMENT_GROUP
from integrations.models import EvolutionInstance
from tests.factories import make_instance
from tests.integrations import parcels, shops
from tests.outgoing.endpoints import make_endpoint
from tests.staff import client_of, make_staff

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def instance() -> EvolutionInstance:
    return make_instance()


@pytest.fixture
def client() -> Client:
    return client_of(make_staff())


class TestGatewayOfItsOwn:
    """A manager gives an instance a server of its own; nobody sees a key again, or sends it elsewhere."""

    @pytest.fixture
    def save(self) -> Callable[..., Any]:
        client = client_of(make_staff("gil", MANAGEMENT_GROUP))
        instance = EvolutionInstance.objects.get()

        def save(**edited: str) -> Any:
            values = {
                "store": instance.store_id, "name": "flowlog", "is_default": "on", "messages_per_minute": "0",
                "daily_cap": "0", "gateway": "evolution",
            }  # fmt: skip
            return client.post(f"/admin/integrations/evolutioninstance/{instance.pk}/change/", values | edited)

        return save

    @staticmethod
    def stored() -> tuple[str, str]:
        instance = EvolutionInstance.objects.get()
        return instance.api_url, instance.api_key.reveal()

    def test_the_key_is_written_and_never_shown(self, save: Callable[..., Any], client: Client) -> None:
        assert save(api_url=" https://two.example.com/ ", api_key="key-number-2").status_code == 302
        assert self.stored() == ("https://two.example.com", "key-number-2")
        page = client.get(f"/admin/integrations/evolutioninstance/{EvolutionInstance.objects.get().pk}/change/")
        assert "two.example.com" in page.content.decode()
        assert "key-number-2" not in page.content.decode()
        assert save(api_url="https://two.example.com", messages_per_minute="7").status_code == 302
        assert self.stored() == ("https://two.example.com", "key-number-2")
        for written in [*LogEntry.objects.all(), *EvolutionInstance.objects.values_list("api_key", flat=True)]:
            assert "key-number-2" not in f"{written} {vars(written) if isinstance(written, LogEntry) else ''}"

    def test_a_stored_key_goes_to_no_other_server(self, save: Callable[..., Any]) -> None:
        save(api_url="https://two.example.com", api_key="key-number-2")
        answer = save(api_url="https://thief.example.com")
        assert answer.status_code == 200
        assert "uma que está guardada não é enviada a outro servidor" in answer.content.decode()
        assert self.stored() == ("https://two.example.com", "key-number-2")
        assert save(api_url="https://three.example.com", api_key="key-number-3").status_code == 302
        assert self.stored() == ("https://three.example.com", "key-number-3")
        assert save(api_url="").status_code == 302
        assert self.stored() == ("", "")

    def test_a_key_alone_can_be_forgotten(self, save: Callable[..., Any]) -> None:
        save(api_key="a-token")
        assert self.stored() == ("", "a-token")
        assert save(forget_key="on").status_code == 302
        assert self.stored() == ("", "")

    @pytest.mark.parametrize(
        ("edited", "words"),
        [
            ({"api_url": "http://two.example.com", "api_key": "k"}, "O endereço deve começar com https://."),
            ({"api_url": "two.example.com", "api_key": "k"}, "Digite um endereço como https://"),
            ({"api_url": "https://u:p@two.example.com", "api_key": "k"}, "Digite um endereço como https://"),
            ({"api_url": "https://two.example.com/?x=1", "api_key": "k"}, "Digite um endereço como https://"),
            ({"api_url": "https://two.example.com"}, "Outro servidor precisa de uma chave própria"),
            ({"api_key": "chave-é"}, "A chave deve ter só caracteres ASCII"),
            ({"gateway": "snails"}, "Faça uma escolha válida"),
        ],
    )
    def test_what_could_not_work_is_refused(self, edited: dict[str, str], words: str, save: Callable[..., Any]) -> None:
        answer = save(**edited)
        assert (answer.status_code, self.stored()) == (200, ("", ""))
        assert words in answer.content.decode()

    def test_without_a_key_to_encrypt_with_it_says_so(self, save: Callable[..., Any], settings: Any) -> None:
        settings.CREDENTIALS_KEYS = []
        answer = save(api_url="http://127.0.0.1:8085", api_key="a-key")
        assert "falta CREDENTIALS_KEYS no .env" in answer.content.decode()
        assert self.stored() == ("", "")
        assert save(messages_per_minute="9").status_code == 302

    def test_the_database_knows_no_server_without_a_key(self) -> None:
        with pytest.raises(IntegrityError), transaction.atomic():
            EvolutionInstance.objects.update(api_url="https://two.example.com")


def test_the_stored_keys_are_encrypted_anew(instance: EvolutionInstance, settings: Any) -> None:
    old, new = (Fernet.generate_key().decode() for _ in range(2))
    other = make_instance(name="other", is_default=False)
    settings.CREDENTIALS_KEYS = [old]
    for row in (instance, other):
        row.api_key = f"key-of-{row.name}"
        row.save(update_fields=["api_key"])
    settings.CREDENTIALS_KEYS = [new, old]
    out = StringIO()
    call_command("rotate_credentials", stdout=out)
    assert out.getvalue() == "Cifrados com a primeira chave: 2.\n"
    settings.CREDENTIALS_KEYS = [new]
    assert [row.api_key.reveal() for row in EvolutionInstance.objects.order_by("pk")] == [
        "key-of-flowlog",
        "key-of-other",
    ]
    settings.CREDENTIALS_KEYS = [old]
    with pytest.raises(CommandError, match=f"WhatsApp {instance.pk}, .* {other.pk}"):
        call_command("rotate_credentials", stdout=StringIO())
    settings.CREDENTIALS_KEYS = []
    with pytest.raises(CommandError, match="CREDENTIALS_KEYS não está definida"):
        call_command("rotate_credentials")


def test_so_are_the_secrets_of_all_that_is_connected(settings: Any) -> None:
    old, new = (Fernet.generate_key().decode() for _ in range(2))
    settings.CREDENTIALS_KEYS = [old]
    shop, carrier = shops.make_connection(), parcels.make_connection()
    endpoint, former = make_endpoint()
    secret = endpoint.new_secret()
    endpoint.save()
    settings.CREDENTIALS_KEYS = [new, old]
    call_command("rotate_credentials", stdout=StringIO())
    settings.CREDENTIALS_KEYS = [new]
    for row in (shop, carrier, endpoint):
        row.refresh_from_db()
    assert (shop.reveal()["secret"], carrier.reveal()["secret"]) == (shops.SECRET, parcels.SECRET)
    assert endpoint.signing_secrets() == [secret, former]
