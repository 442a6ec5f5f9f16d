"""The servers of the Evolution API: the one of the settings, and those that instances have of their own."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from django.conf import settings

from flowlog.secrets_at_rest import Unreadable
from integrations.gateways.outcomes import GatewayError, Outcome
from integrations.models import EvolutionInstance

KIND = "evolution"


@dataclass(frozen=True, slots=True)
class Server:
    """Where the API is, and the key that Flowlog shows there."""

    url: str
    key: str = field(repr=False)


def of_settings() -> Server:
    """The server of the settings."""
    return Server(settings.EVOLUTION_API_URL, settings.EVOLUTION_API_KEY)


def by_server(instances: Iterable[EvolutionInstance]) -> dict[Server, list[EvolutionInstance]]:
    """The servers with their instances, that of the settings first. Raises `GatewayError` as `server_of` does."""
    found: dict[Server, list[EvolutionInstance]] = {of_settings(): []}
    for instance in instances:
        found.setdefault(server_of(instance), []).append(instance)
    return found


def server_of(instance: EvolutionInstance) -> Server:
    """The server where the instance is; the settings say what it does not.

    Another server never gets the settings' key. Raises `GatewayError` if the instance's own cannot be read.
    """
    try:
        own = instance.api_key.reveal()
    except Unreadable:
        raise GatewayError(Outcome.INSTANCE_DOWN, "key_unreadable") from None
    if instance.api_url:
        return Server(instance.api_url, own)
    return Server(settings.EVOLUTION_API_URL, own or settings.EVOLUTION_API_KEY)
