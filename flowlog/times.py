"""Times and durations, as people write and say them."""

from __future__ import annotations

from datetime import datetime, tzinfo

from django.utils import formats, timezone
from django.utils.translation import ngettext

MINUTE, HOUR, DAY = 60, 3600, 86_400


def moment(when: datetime | None, zone: tzinfo | None = None) -> str:
    """A time as `23/11/2026 18:30`, in that zone or the system's; empty for none."""
    return formats.date_format(timezone.localtime(when, zone), "SHORT_DATETIME_FORMAT") if when else ""


def lasting(seconds: float) -> str:
    """The duration in its largest unit, rounded down: `45 seconds`, `2 minutes`, `3 hours`, `4 days`."""
    number = max(int(seconds), 0)
    if number < MINUTE:
        return ngettext("%(number)d second", "%(number)d seconds", number) % {"number": number}
    if number < HOUR:
        number //= MINUTE
        return ngettext("%(number)d minute", "%(number)d minutes", number) % {"number": number}
    if number < DAY:
        number //= HOUR
        return ngettext("%(number)d hour", "%(number)d hours", number) % {"number": number}
    number //= DAY
    return ngettext("%(number)d day", "%(number)d days", number) % {"number": number}
