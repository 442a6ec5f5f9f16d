"""Whether the gateway's news comes back: receipts, and webhooks at all. Without it, "sent" is only half the truth.

WhatsApp's servers confirm a message within seconds, whatever the customer's phone does or hides. So one without any
receipt says little (its webhook may be lost), but an instance of which the latest few have none is deaf, or talks to
nobody. The few must be more than one: a small shop sends some messages a day, and must not be alarmed by one at night.
It holds nothing: messages go on, and it is over with the next receipt.
"""

from __future__ import annotations

from datetime import timedelta
from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.db.models import BooleanField, Exists, ExpressionWrapper, F, OuterRef, Q, QuerySet, Subquery, Value
from django.db.models.expressions import Combinable
from django.db.models.functions import Coalesce, Now

from integrations.gateways import registry
from integrations.gateways.guides import guide_of
from integrations.inbound.models import SEND_MESSAGE, WebhookEvent
from integrations.models import EvolutionInstance, NotificationLog, WebhookTally

# Older messages say nothing of today.
LOOKED_BACK = timedelta(days=7)
# For this long a webhook may be on its way, or not be counted yet.
GRACE = timedelta(minutes=1)
_NO_RECEIPT = (NotificationLog.Receipt.NONE, NotificationLog.Receipt.PENDING)


def judged() -> QuerySet[Any]:
    """The instances, with what is known of their way back.

    `deaf`: the latest messages, from `silent_since` on, have no receipt, though there were webhooks before.
    `refused`: the latest webhook was refused, and messages have left since one was last taken.
    `heard_at`: when one was last taken; `was_heard`: whether one ever was. A held instance sends nothing: not judged;
    and one whose gateway tells nothing back is left out.
    """
    tallies = WebhookTally.objects.filter(source=OuterRef("gateway"), name=OuterRef("name"))
    taken, refusals = tallies.filter(status=HTTPStatus.OK), tallies.exclude(status=HTTPStatus.OK).order_by("-last_at")
    events = WebhookEvent.objects.filter(instance_name=OuterRef("name"), event=SEND_MESSAGE)
    instances = EvolutionInstance.objects.filter(gateway__in=registry.that_tell_receipts()).annotate(
        silent_since=Subquery(_ripe().values("sent_at")[settings.RECEIPTS_MISSED - 1 :][:1]),
        heard_at=Subquery(taken.values("last_at")[:1]),
        was_heard=Exists(taken) | Exists(events),
        refused_at=Subquery(refusals.values("last_at")[:1]),
        refused_status=Subquery(refusals.values("status")[:1]),
    )
    receipted = _sent(sent_at__gte=OuterRef("silent_since")).exclude(receipt__in=_NO_RECEIPT)
    left = _sent(sent_at__lte=Now() - GRACE)
    deaf = Q(was_heard=True, silent_since__isnull=False) & ~Exists(receipted)
    refused = Q(refused_at__gt=Now() - LOOKED_BACK) & (
        Q(Exists(left), heard_at__isnull=True)
        | Q(Exists(left.filter(sent_at__gt=OuterRef("heard_at") + GRACE)), refused_at__gt=F("heard_at") + GRACE)
    )
    return instances.annotate(
        deaf=_whether(Q(held_at__isnull=True) & deaf), refused=_whether(Q(held_at__isnull=True) & refused)
    )


def troubled() -> QuerySet[Any]:
    """Those whose way back is not as it should be."""
    return judged().filter(Q(deaf=True) | Q(refused=True))


def words(instance: Any) -> tuple[str, str]:
    """What is the trouble with an instance of `troubled`, and what to do."""
    guide = guide_of(instance.gateway)
    return guide.refused(instance) if instance.refused else guide.silent(instance)


def hint(instance: Any) -> str:
    """What to do about an instance that was never heard of; empty once it was. No trouble: it is new."""
    return "" if instance.was_heard else guide_of(instance.gateway).unheard()


def _sent(**of: Any) -> QuerySet[NotificationLog]:
    """The messages of the outer instance that were sent lately."""
    rows = NotificationLog.objects.filter(instance=OuterRef("pk"), status=NotificationLog.Status.SENT)
    return rows.filter(sent_at__gt=Now() - LOOKED_BACK, **of)


def _ripe() -> QuerySet[NotificationLog]:
    """Those that should have a receipt, the latest first. To one without the gateway's id none can be assigned."""
    late = Now() - timedelta(seconds=settings.RECEIPTS_WITHIN)
    return _sent(sent_at__lte=late).exclude(provider_message_id="").order_by("-sent_at")


def _whether(condition: Q | Combinable) -> Coalesce:
    # With what never was, a comparison is neither true nor false.
    return Coalesce(ExpressionWrapper(condition, output_field=BooleanField()), Value(value=False))
