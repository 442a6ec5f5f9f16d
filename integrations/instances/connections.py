"""Holding an instance that cannot send, and resuming it; the one place that sends `instance_connection_changed`.

While an instance is held its messages wait without spending attempts. Every now and then one of them is tried, the
probe, and the first that succeeds resumes it. What the gateway says of the connection does not: it calls one open whose
socket is dead. At most it has the next probe come sooner.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import (
    Case,
    DateTimeField,
    Exists,
    F,
    OuterRef,
    PositiveIntegerField,
    QuerySet,
    Value,
    When,
)
from django.db.models.functions import Coalesce, Greatest, Now
from django.utils.translation import gettext

from integrations.gateways import sentences
from integrations.gateways.guides import guide_of
from integrations.locks import unlocked
from integrations.messages import state_changes
from integrations.models import DeliveryAttempt, EvolutionInstance, NotificationLog
from integrations.signals import instance_connection_changed

logger = logging.getLogger(__name__)

State = EvolutionInstance.State

# A message that met one of these waits for another try although nothing is wrong with it.
GATEWAY_AWAY = frozenset({"gateway_unreachable", "gateway_database_down", "number_query_timeout"})
# What connecting the phone again mends.
_CUT = frozenset({"connection_closed", "never_paired", "never_connected"})


def hold(instance_id: int, code: str) -> bool:
    """Hold the instance for the gateway's `code`; returns whether it was not held before.

    An instance that is held already stays so, with the latest reason. One that was released by hand, and has sent
    nothing since, is held again as if it had not been: since then, and with the pauses that its probes had come to.
    What failed because the gateway was away is due at once, since it is what the instance is probed with.
    """
    instances = EvolutionInstance.objects.filter(pk=instance_id)
    free = instances.filter(held_at__isnull=True)
    reason = sentences.cause(code)
    with transaction.atomic():
        probes = free.values_list("probes", flat=True).first()
        if probes is not None:
            state_changes.due_now(_waiting_after(instance_id, GATEWAY_AWAY))
        if not free.update(
            held_at=Coalesce("troubled_since", Now()),
            held_code=code,
            held_reason=reason,
            probe_at=Now() + probe_pause((probes or 0) - 1),
            ask_at=None,
            troubled_since=None,
        ):
            instances.filter(held_at__isnull=False).exclude(held_code=code).update(held_code=code, held_reason=reason)
            return False
        transaction.on_commit(partial(_tell, instance_id, held=True), robust=True)
    return True


def resume(instance_id: int, *, by_message: bool = False) -> bool:
    """End the hold; returns whether there was one. What had failed because of it is due at once, the oldest first.

    `by_message`: that one message could be sent has shown it. Then one that could not, again and again, keeps its
    pause, since it may be the trouble itself. By hand, nothing is shown yet: should the instance be held again before
    anything was sent, that hold goes on.
    """
    if not EvolutionInstance.objects.filter(pk=instance_id, held_at__isnull=False).exists():
        return False
    shown: dict[str, Any] = {"probes": 0, "troubled_since": None} if by_message else {"troubled_since": F("held_at")}
    with transaction.atomic():
        failed = _waiting_after(instance_id, GATEWAY_AWAY | sentences.INSTANCE.keys())
        state_changes.due_now(state_changes.hardly_suspect(failed) if by_message else failed)
        unknown = NotificationLog.objects.filter(instance_id=instance_id, status=NotificationLog.Status.UNKNOWN)
        state_changes.look_up_now(unlocked(unknown.filter(lookup_at__gt=Now())))
        resumed = EvolutionInstance.objects.filter(pk=instance_id, held_at__isnull=False).update(
            held_at=None,
            held_code="",
            held_reason="",
            probe_at=None,
            ask_at=None,
            failures=0,
            failed_recipient="",
            # Never earlier than the pace; and what was woken before now is woken again.
            next_send_at=Greatest(F("next_send_at"), Now()),
            **shown,
        )
        if resumed:
            transaction.on_commit(partial(_tell, instance_id, held=False), robust=True)
    return bool(resumed)


def resume_by_proof(instance_id: int | None, began_at: datetime) -> bool:
    """End the hold if it is proven only now that a message of then has left; returns whether that ended one.

    The message was a probe, and the instance's latest send: what came to nothing since is better evidence.
    """
    if instance_id is None:
        return False
    later = DeliveryAttempt.objects.filter(
        notification__instance=OuterRef("pk"), kind=DeliveryAttempt.Kind.SEND, started_at__gt=began_at
    )
    shown = EvolutionInstance.objects.filter(~Exists(later), pk=instance_id, held_at__lte=began_at)
    if not shown.exists() or not resume(instance_id, by_message=True):
        return False
    EvolutionInstance.objects.filter(pk=instance_id).update(**alive())
    return True


def alive() -> dict[str, Any]:
    """What a message that could be sent changes on its instance, beside its hold.

    If the instance was held since the message was claimed, that is news, and the message is none: only its streak ends.
    """
    if_free = {
        "state": Value(State.OPEN),
        "probes": Value(0, PositiveIntegerField()),
        "troubled_since": Value(None, DateTimeField()),
    }
    return {
        "failures": 0,
        "failed_recipient": "",
        **{name: Case(When(held_at=None, then=new), default=F(name)) for name, new in if_free.items()},
    }


def probe_pause(probes: int) -> timedelta:
    """How long after the probe with that number (from 0; -1 is the start of the hold) the next one comes."""
    times = settings.NOTIFICATIONS
    return timedelta(seconds=min(times.probe_first * 2 ** min(probes + 1, 20), times.probe_max))


def probe_at_once(instance_id: int) -> None:
    """Let the next probe be due, if the instance is held."""
    EvolutionInstance.objects.filter(pk=instance_id, held_at__isnull=False, probe_at__gt=Now()).update(probe_at=Now())


def is_cut(instance: EvolutionInstance) -> bool:
    """Whether the gateway said that it has no connection. Of an `unknown` one it has said nothing."""
    return instance.state in {State.CLOSE, State.CONNECTING}


def needs_phone(instance: EvolutionInstance) -> bool:
    """Whether connecting the phone again is what helps, of one that has a phone."""
    if not guide_of(instance.gateway).has_phone:
        return False
    other_trouble = instance.held_code in sentences.INSTANCE.keys() - _CUT
    return not other_trouble and (is_cut(instance) or instance.held_code in _CUT)


def why_held(instance: EvolutionInstance) -> str:
    """What the staff read about a hold: its reason, and what the gateway has said since of the connection."""
    if instance.state != State.OPEN:
        return instance.held_reason
    again = gettext("By now the gateway calls it connected; the next message shows whether it is.")
    return f"{instance.held_reason} {again}"


def _waiting_after(instance_id: int, codes: Iterable[str]) -> QuerySet[NotificationLog]:
    """What waits for another try because of one of these. Due when it was made, it is due as if it had had no try.

    To be updated before the instance is written (see `integrations.locks`), but for what is being moved on right now.
    """
    return unlocked(
        NotificationLog.objects.filter(
            instance_id=instance_id,
            status=NotificationLog.Status.PENDING,
            error_code__in=list(codes),
            next_attempt_at__gt=F("created_at"),
        )
    )


def _tell(instance_id: int, *, held: bool) -> None:
    instance = EvolutionInstance.objects.select_related("store").get(pk=instance_id)
    if held:
        logger.warning("Instance %s is held: %s", instance.name, instance.held_code)
    else:
        logger.info("Instance %s is resumed", instance.name)
    instance_connection_changed.send_robust(EvolutionInstance, instance=instance, held=held)
