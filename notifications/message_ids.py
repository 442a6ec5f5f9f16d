"""The id that each message is sent with: where the gateway takes it, nothing has to be guessed about the message."""

from __future__ import annotations

from datetime import UTC

from django.conf import settings
from django.utils.crypto import salted_hmac

from integrations.models import NotificationLog

# As the gateway's own library makes them.
_PREFIX, _DIGITS = "3EB0", 18


def own_id(row: NotificationLog) -> str:
    """The id of the row's message, the same in every attempt and of no other row, which nobody else can know.

    It is proof wherever the gateway names it: as sent, as received, or among what it keeps. That it names another
    proves nothing, since up to 2.3.x it makes ids of its own. The time tells rows apart that have the same key because
    a backup was restored in between.
    """
    return _id_by(settings.SECRET_KEY, row)


def own_ids(row: NotificationLog) -> list[str]:
    """The id, and those that an attempt of the row had before SECRET_KEY was changed, by `EARLIER_SECRET_KEYS`."""
    return [_id_by(key, row) for key in (settings.SECRET_KEY, *settings.EARLIER_SECRET_KEYS)]


def _id_by(key: str, row: NotificationLog) -> str:
    who = f"{row.pk}:{row.created_at.astimezone(UTC).isoformat()}"
    digest = salted_hmac("flowlog.message_id", who, secret=key, algorithm="sha256").hexdigest()
    return _PREFIX + digest[:_DIGITS].upper()
