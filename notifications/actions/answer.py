"""Answering a customer who has written, in a person's own words."""

from __future__ import annotations

from django.contrib.auth.models import User
from django.db import transaction
from django.utils.translation import gettext as _

from integrations.inbound import inbox
from integrations.inbound.conversation import conversation_of
from integrations.models import CustomerReply, NotificationLog
from notifications import outbox
from notifications.actions import audit


class AnswerRefusedError(Exception):
    """The customer cannot be answered from here now; the text says why, for the person who wanted to."""


def answer(reply: CustomerReply, text: str, *, actor: User, seen: int | None = None) -> NotificationLog:
    """Put the answer into the outbox, and note what the customer had written, up to the id `seen`, as handled.

    Raises `AnswerRefusedError` where there is no conversation, see `integrations.inbound.conversation`.
    """
    with transaction.atomic():
        # As it is now, with its order's store: whoever answers may have had the page before them for long.
        talk = conversation_of(inbox.replies().filter(pk=reply.pk).first() or reply)
        audit.require(actor, "answer_customerreply", [reply, talk.reply])
        if talk.closed:
            raise AnswerRefusedError(talk.closed)
        # Before the message: an erasure holds the replies before it takes their orders.
        waiting = inbox.of_person(talk.reply, inbox.open_replies())
        handled = inbox.handle(waiting.filter(pk__lte=seen or talk.reply.pk), actor)
        row = outbox.add_answer(talk, text, actor)
        audit.record(actor, handled or [talk.reply], _("Answered by message %(number)d.") % {"number": row.pk})
    return row
