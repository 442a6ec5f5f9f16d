"""Whether Meta takes a text to somebody now: it does for 24 hours after their last message to the same number."""

from __future__ import annotations

from datetime import timedelta

from django.db.models.functions import Coalesce, Least, Now

from integrations.models import CustomerReply, EvolutionInstance
from orders.accounts import account_key

# A little less than the 24 hours: a text that comes too late is lost, while a template always goes.
OPEN_FOR = timedelta(hours=24) - timedelta(minutes=5)


def is_open(instance: EvolutionInstance, recipient: str) -> bool:
    """Whether one of the customers with this number (E.164) has written to the instance so recently.

    By WhatsApp's clock or ours, whichever says earlier. What strangers write is not kept: to them it is closed.
    """
    written = Least(Coalesce("written_at", "received_at"), "received_at")
    answers = CustomerReply.objects.filter(instance=instance, customer__account=account_key(recipient))
    return answers.alias(written=written).filter(written__gt=Now() - OPEN_FOR).exists()
