"""In which order a transaction takes locks, so that no two ever wait for each other.

1. Messages (`NotificationLog`): only while it holds no other lock, several at once by their keys. Whoever has one
   already, or wants any number in whatever order, takes only those that are free (`unlocked`).
2. Instances (`EvolutionInstance`).
3. The rest: attempts, webhooks, replies, customers, orders.

A status change holds its order before it writes messages, but those are new: nobody else can have them. New rows refer
to others under a lock that none of these takes amiss, but for an order's: so replies come last. An erasure, which needs
all of it, keeps webhooks from being worked off meanwhile, and locks the customer's messages first, then their replies.
"""

from __future__ import annotations

from django.db.models import QuerySet

from integrations.models import NotificationLog


def unlocked(rows: QuerySet[NotificationLog]) -> QuerySet[NotificationLog]:
    """Those of the rows that no other transaction has locked; from now on, and until its end, this one has.

    To be updated: whoever holds one of the others is about to move it on.
    """
    return NotificationLog.objects.filter(
        pk__in=rows.order_by().select_for_update(skip_locked=True, no_key=True).values("pk")
    )
