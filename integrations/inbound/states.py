"""What the gateway says of an instance's connection: up to 75 times a second, while it tries in vain to connect."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from integrations.inbound import payloads
from integrations.inbound.models import CONNECTION_EVENTS, WebhookEvent
from integrations.inbound.verdicts import Verdict, Verdicts
from integrations.instances.connections import hold, probe_at_once
from integrations.models import EvolutionInstance

State = EvolutionInstance.State
SETTLING = (State.OPEN, State.CLOSE)


def ingest(instance: EvolutionInstance, events: Sequence[WebhookEvent]) -> Verdicts:
    """Note the latest state that was told, if it is news; what came before it is not kept.

    A lost connection holds the instance even so, unless it was open again since. What another gateway says than the one
    where it is by now, as of the banned phone that it used to be, is nothing to go by.
    """
    told = {each.pk: payloads.state(each.event, each.data) for each in events if each.source == instance.gateway}
    verdicts = {event.pk: Verdict.SUPERSEDED for event in events}
    verdicts |= {pk: Verdict.UNEXPECTED for pk, state in told.items() if not state}
    known = {pk: state for pk, state in told.items() if state}
    if known:
        latest = max(known)
        # First, since it may write messages: see `integrations.locks`.
        _hold_or_probe(instance, known)
        if not _told_since(instance, latest, *State):
            del verdicts[latest]
            state = known[latest]
            EvolutionInstance.objects.filter(pk=instance.pk).exclude(state=state).update(state=state)
    return verdicts


def _hold_or_probe(instance: EvolutionInstance, known: Mapping[int, EvolutionInstance.State]) -> None:
    """Do what the latest of these that settles something asks for; `connecting` does not."""
    settling = max((pk for pk, state in known.items() if state in SETTLING), default=None)
    if settling is None or _told_since(instance, settling, *SETTLING):
        return
    if known[settling] == State.CLOSE:
        hold(instance.pk, "connection_closed")
    else:
        # Not resumed by that alone: the gateway may say `open` with a dead socket. But it is worth a try.
        probe_at_once(instance.pk)


def _told_since(instance: EvolutionInstance, pk: int, *states: EvolutionInstance.State) -> bool:
    """Whether a later webhook of the instance, worked off or not, tells of one of these states."""
    later = WebhookEvent.objects.filter(instance_name=instance.name, event__in=CONNECTION_EVENTS, pk__gt=pk, error="")
    return later.filter(payloads.tells_of(*states)).exists()
