"""What the gateway says of an instance's connection: up to 75 times a second, while it tries in vain to connect."""

from __future__ import annotations

from collections.abc import Sequence

from integrations.connections import hold, probe_at_once
from integrations.inbound import payloads
from integrations.inbound.models import CONNECTION_EVENTS, WebhookEvent
from integrations.inbound.verdicts import Verdict, Verdicts
from integrations.models import EvolutionInstance

State = EvolutionInstance.State


def take_in(instance: EvolutionInstance, events: Sequence[WebhookEvent]) -> Verdicts:
    """Note the latest state that was told, if it is news; what came before it is not kept."""
    told = {event.pk: payloads.state(event.event, event.data) for event in events}
    verdicts = {pk: Verdict.SUPERSEDED if state else Verdict.UNEXPECTED for pk, state in told.items()}
    latest = max((pk for pk, state in told.items() if state), default=None)
    later = WebhookEvent.objects.filter(instance_name=instance.name, event__in=CONNECTION_EVENTS)
    if latest is None or later.filter(pk__gt=max(told), error="").exists():
        return verdicts
    del verdicts[latest]
    state = told[latest]
    instances = EvolutionInstance.objects.filter(pk=instance.pk)
    instances.exclude(state=state).update(state=state)
    if state == State.CLOSE:
        hold(instance.pk, "connection_closed")
    elif state == State.OPEN:
        # Not healed by that alone: the gateway may say `open` with a dead socket. But it is worth a try.
        probe_at_once(instance.pk)
    return verdicts
