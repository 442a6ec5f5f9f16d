"""How many messages a day a number should send while it is new: WhatsApp bans who begins at full speed."""

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone
from django.utils.translation import gettext as _

from integrations.models import EvolutionInstance

# Until so many days after its first day it should send at most so many a day.
STEPS = ((3, 20), (7, 50), (14, 100), (30, 200))
YOUNG_FOR = timedelta(days=STEPS[-1][0])


def advised_cap(instance: EvolutionInstance) -> int | None:
    """The most messages for today; None for one that is not young, or of which nobody knows when it began."""
    if instance.created_at is None:
        return None
    days = (timezone.now() - instance.created_at).days
    return next((most for until, most in STEPS if days < until), None)


def to_set(instance: EvolutionInstance) -> int | None:
    """The limit that it should have today and has not; None where its own is as low, or nothing is advised."""
    advised = advised_cap(instance)
    return None if advised is None or 0 < instance.daily_cap <= advised else advised


def hint(instance: EvolutionInstance) -> str:
    """What to say on the page of a young number; empty for any other."""
    if advised_cap(instance) is None:
        return ""
    return _(
        "This number is new here. If it is new on WhatsApp too, begin slowly: up to 20 messages a day in the first 3 "
        "days, 50 until the 7th, 100 until the 14th, 200 until the 30th. WhatsApp may ban a number that begins at full "
        "speed."
    )
