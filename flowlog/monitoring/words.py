"""How much waits and for how long, as people say it."""

from __future__ import annotations

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from flowlog.times import lasting


def oldest_is_due(seconds: float | None) -> str:
    """Since when the oldest message that is due has been due."""
    if seconds is None:
        return _("None is due.")
    return _("The oldest has been due for %(lasting)s.") % {"lasting": lasting(seconds)}


def messages_wait(number: int, most: int) -> str:
    """How many messages wait; beyond `most` they were not counted."""
    if number > most:
        return _("More than %(most)d messages wait.") % {"most": most}
    if not number:
        return _("No message waits.")
    return ngettext("%(number)d message waits.", "%(number)d messages wait.", number) % {"number": number}
