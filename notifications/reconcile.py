"""After a backup was restored: what still waits in it may have gone out since it was made.

The gateway is asked for each message that is not finished, before the workers start again and send it a second time.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from datetime import UTC, datetime

from django.utils import timezone

from integrations.gateways import Archive, Gateway, GatewayError, gateway_for
from integrations.messages import state_changes
from integrations.models import NotificationLog
from notifications import claims, controls, evidence
from notifications.message_ids import own_ids
from notifications.models import with_texts

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Reconciled:
    """What became of the unfinished messages, by their keys."""

    sent: list[int] = field(default_factory=list)
    """The gateway has them: they are `sent` now."""
    waiting: list[int] = field(default_factory=list)
    """Not sent yet: the gateway, which does keep what it sends, does not have them."""
    unclear: list[int] = field(default_factory=list)
    """The gateway did not answer, or keeps nothing that it sent. They are as they were."""


def reconcile() -> Reconciled:
    """Make `sent` what the gateway has already; never sends anything, and changes nothing else. Can be repeated.

    A message that may not be sent at all (no number, no instance) counts as waiting.
    """
    result, not_there = Reconciled(), list[tuple[Gateway, NotificationLog]]()
    rows = with_texts(NotificationLog.objects.filter(status__in=NotificationLog.UNFINISHED)).select_related("instance")
    for row in rows.order_by("pk"):
        try:
            if row.instance is None or not row.recipient:
                result.waiting.append(row.pk)
            elif _was_sent(gateway := gateway_for(row.instance), row):
                result.sent.append(row.pk)
            else:
                not_there.append((gateway, row))
        except (GatewayError, OSError, ValueError) as error:
            logger.warning("Notification %s cannot be reconciled: %s", row.pk, error)
            result.unclear.append(row.pk)
    # Only now, since what was found is something to compare with too.
    found: dict[int, bool] = {}
    for gateway, row in not_there:
        (result.waiting if _keeps_messages(gateway, row, found) else result.unclear).append(row.pk)
    return result


def _was_sent(gateway: Gateway, row: NotificationLog) -> bool:
    """Whether the gateway has it; if so the row is `sent`, as of then."""
    if not isinstance(gateway, Archive):
        return False
    went_to = row.recipient if row.first_attempt_at else ""
    claims.render(row)
    row.recipient = went_to or row.recipient
    since, until = row.created_at - controls.CLOCK_SKEW, timezone.now() + controls.AHEAD
    found = gateway.find(row.recipient, since=since, until=until)
    at = {each.provider_message_id: each.timestamp for each in found if each.text == row.message}
    message_id = evidence.not_held_by_others(row, list(at))
    if message_id:
        return _note(row, message_id, datetime.fromtimestamp(at[message_id], UTC))
    for own_id in own_ids(row) if gateway.capabilities.takes_ids else ():
        if gateway.find_by_id(own_id):
            return _note(row, own_id, row.first_attempt_at or timezone.now())
    return False


def _note(row: NotificationLog, message_id: str, sent_at: datetime) -> bool:
    unchanged = NotificationLog.objects.filter(pk=row.pk, status=row.status, claim_token=row.claim_token)
    return bool(
        state_changes.to_sent(unchanged, message_id, sent_at=sent_at, message=row.message, recipient=row.recipient)
    )


def _keeps_messages(gateway: Gateway, row: NotificationLog, found: dict[int, bool]) -> bool:
    """Whether the gateway keeps what the row's instance sends; `found` remembers what it was asked before."""

    def is_found(gateway: Archive, control: NotificationLog) -> bool:
        if control.pk not in found:
            found[control.pk] = controls.is_found(gateway, control)
        return found[control.pk]

    try:
        return controls.keeps_messages(gateway, row, found=is_found)
    except GatewayError:
        return False
