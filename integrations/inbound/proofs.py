"""The gateway's own account of what it sent: proof for a message whose outcome nobody knows.

It says what it sent (`send.message`), and what became of a message by its id (`messages.update`). Neither changes a
message of unknown outcome, or one that is being sent: it is kept. The look-up of the message takes the first before it
asks the gateway, and asks it what the second are about.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.db.models import Q

from integrations.evolution import jids
from integrations.evolution.messages import own_message, text_of
from integrations.gateways.parsing import mapping, printable
from integrations.gateways.protocol import FoundMessage
from integrations.inbound.models import MESSAGES_UPDATE, META_STATUS, SEND_MESSAGE, WebhookEvent
from integrations.inbound.verdicts import Verdicts
from integrations.locks import unlocked
from integrations.messages import state_changes
from integrations.models import EvolutionInstance, NotificationLog

# So many receipts of one number are looked at: what the shop writes to it by hand has some too.
_MOST = 10


def ingest(instance: EvolutionInstance, events: Sequence[WebhookEvent]) -> Verdicts:
    """Have messages of unknown outcome with such a text looked up at once."""
    texts = {text for event in events if (text := text_of(mapping(event.data.get("message"))))}
    unknown = NotificationLog.objects.filter(instance=instance, status=NotificationLog.Status.UNKNOWN)
    state_changes.look_up_now(unlocked(unknown.filter(message__in=texts)))
    return {}


def id_told_of(instance: EvolutionInstance, own_id: str, *, since: datetime) -> str:
    """The gateway's id of the message that was sent with this id of ours, if it has told of it since then; or nothing.

    That it was sent, or what became of it. Only for an id that nobody else can know: then it does not matter under
    which address. Meta gives its messages ids of its own, and says ours beside.
    """
    told = WebhookEvent.objects.filter(instance_name=instance.name, received_at__gte=since)
    sent = told.filter(event=SEND_MESSAGE, payload__data__key__id=own_id, error="")
    # Parked until the message is known to be sent.
    parked = told.filter(processed_at__isnull=True)
    if sent.exists() or parked.filter(event=MESSAGES_UPDATE, payload__data__keyId=own_id).exists():
        return own_id
    of_meta = parked.filter(event=META_STATUS, payload__data__biz_opaque_callback_data=own_id)
    ids = of_meta.order_by("-pk").values_list("payload__data__id", flat=True)[:_MOST]
    return next((each for each in ids if printable(each)), "")


def sent_messages(instance: EvolutionInstance, recipient: str, text: str, *, since: datetime) -> list[FoundMessage]:
    """What the gateway said that it sent to the recipient in these very words since then, the latest first.

    The address must be one of the number: under a nameless one (`…@lid`) the text alone proves nothing.
    """
    message = "payload__data__message__"
    in_these_words = Q(**{f"{message}conversation": text}) | Q(**{f"{message}extendedTextMessage__text": text})
    told = WebhookEvent.objects.filter(
        in_these_words, instance_name=instance.name, event=SEND_MESSAGE, received_at__gte=since, error=""
    )
    addresses = (*jids.addresses(recipient), jids.bare(recipient))
    found = [own_message(event.data, address) for event in told.order_by("-pk") for address in addresses]
    return [each for each in found if each and each.text == text and each.timestamp >= int(since.timestamp())]


def acknowledged(instance: EvolutionInstance, recipient: str, *, since: datetime) -> list[str]:
    """The ids of messages that no row has, and of which the gateway has told since then that they went to this number.

    Only what is parked is looked at, as such a webhook is for a day: the latest first, and not many.
    """
    addresses = (*jids.addresses(recipient), jids.bare(recipient))
    told = WebhookEvent.objects.filter(
        instance_name=instance.name,
        event=MESSAGES_UPDATE,
        processed_at__isnull=True,
        received_at__gte=since,
        payload__data__remoteJid__in=addresses,
    )
    ids = told.order_by("-pk").values_list("payload__data__keyId", flat=True)[:_MOST]
    return list(dict.fromkeys(each for each in ids if printable(each)))
