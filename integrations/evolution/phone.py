"""The way of a shop's phone to the gateway: paired, logged out, and its events sent here.

The admin's pages and `manage.py evolution` do it by these. Each asks the gateway first and notes afterwards, so that a
gateway that is away changes nothing; each may raise `GatewayError`.
"""

from __future__ import annotations

import contextlib
from enum import StrEnum

from django.conf import settings

from integrations.evolution.manager import EvolutionManager, Pairing, RemoteWebhook
from integrations.evolution.webhooks import leads_here, webhook_of_this_site
from integrations.gateways.outcomes import GatewayError, Outcome
from integrations.instances.connections import hold, probe_at_once, resume
from integrations.models import EvolutionInstance

State = EvolutionInstance.State
NOT_SET = "webhooks_not_set_up"


class WayBack(StrEnum):
    """Whether receipts and answers of an instance find their way here."""

    HERE = "here"
    NOWHERE = "nowhere"
    ELSEWHERE = "elsewhere"
    IN_PART = "in_part"


def connect(gateway: EvolutionManager, name: str, number: str = "", *, anew: bool = False) -> Pairing:
    """The next step of pairing, with the instance made at the gateway if it has none of that name.

    A code to type comes only with the `number`, and only where pairing begins with it: `anew` ends one that had begun
    without. Then the next step has the code.
    """
    try:
        pairing = gateway.connect(name, number)
    except GatewayError as error:
        if error.code != "instance_not_found":
            raise
        gateway.create(name)
        pairing = gateway.connect(name, number)
    if anew and number and pairing.code and not pairing.pairing_code:
        # Only a session that nobody has paired yet.
        with contextlib.suppress(GatewayError):
            gateway.logout(name)
        return Pairing(connected=False)
    return pairing


def note_connected(name: str, *, paired: bool) -> None:
    """The gateway calls it connected. Only if somebody has `paired` it just now does that show anything."""
    for instance in EvolutionInstance.objects.filter(name=name):
        EvolutionInstance.objects.filter(pk=instance.pk).update(state=State.OPEN)
        (resume if paired else probe_at_once)(instance.pk)


def log_out(gateway: EvolutionManager, name: str) -> None:
    """Unpair it; its messages wait from now on. One that is not connected is all right."""
    gateway.logout(name)
    for instance in EvolutionInstance.objects.filter(name=name):
        EvolutionInstance.objects.filter(pk=instance.pk).update(state=State.CLOSE)
        hold(instance.pk, "connection_closed")


def set_webhook(gateway: EvolutionManager, name: str) -> str:
    """Have its events told here; returns the address. Without a secret no event could be trusted: `NOT_SET`."""
    if not settings.EVOLUTION_WEBHOOK_SECRET:
        raise GatewayError(Outcome.PERMANENT, NOT_SET)
    url = webhook_of_this_site(name)
    gateway.set_webhook(name, url, settings.EVOLUTION_WEBHOOK_SECRET)
    return url


def way_back(webhook: RemoteWebhook, name: str) -> WayBack:
    """Where the webhook that the gateway has leads to."""
    if not webhook.url:
        return WayBack.NOWHERE
    if not leads_here(webhook.url, name):
        return WayBack.ELSEWHERE
    return WayBack.IN_PART if webhook.lacks else WayBack.HERE


def heard_at_last(gateway: EvolutionManager, name: str) -> WayBack:
    """The same, asked of the gateway; where nobody is told yet, we are from now on. Another's address stays."""
    found = way_back(gateway.webhook(name), name)
    if found in (WayBack.NOWHERE, WayBack.IN_PART) and settings.EVOLUTION_WEBHOOK_SECRET:
        set_webhook(gateway, name)
        return way_back(gateway.webhook(name), name)
    return found
