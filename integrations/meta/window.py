"""Whether Meta takes a text to somebody now: it does for 24 hours after their last message to the same number."""

from __future__ import annotations

from datetime import timedelta

from django.db.models.functions import Coalesce, Least, Now

from integrations.models import CustomerReply, MetaNumber
from orders.accounts import account_key

# A little less than the 24 hours: a text that comes too late is lost, while a template always goes.
OPEN_FOR = timedelta(hours=24) - timedelta(minutes=5)


def is_open(number: MetaNumber, recipient: str) -> bool:
    """Whether one of the customers with this number (E.164) has written to the shop's so recently.

    By WhatsApp's clock or ours, whichever says earlier; what came before the instance was at Meta went to another
    number. What strangers write is not kept: to them it is closed.
    """
    written = Least(Coalesce("written_at", "received_at"), "received_at")
    answers = CustomerReply.objects.filter(
        instance=number.instance_id, customer__account=account_key(recipient), received_at__gt=number.created_at
    )
    return answers.alias(written=written).filter(written__gt=Now() - OPEN_FOR).exists()
