"""A store's quiet hours: when its customers are not to be written to, by the clock where the store is."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.utils.translation import gettext_lazy as _

from orders.models import Store

# The zones of Brazil, as people name them. Empty: that of the settings.
TIME_ZONES = (
    ("", _("as the system")),
    ("America/Sao_Paulo", _("Brasília, São Paulo, most of Brazil")),
    ("America/Manaus", _("Amazonas, Mato Grosso, Rondônia, Roraima (1 hour before Brasília)")),
    ("America/Rio_Branco", _("Acre (2 hours before Brasília)")),
    ("America/Noronha", _("Fernando de Noronha (1 hour after Brasília)")),
)


def end_of(store: Store, now: datetime) -> datetime | None:
    """When the quiet hours end in which `now` (aware) lies; None if it lies in none."""
    begin, end = store.quiet_from, store.quiet_until
    if begin is None or end is None or begin == end:
        return None
    local = now.astimezone(store.zone)
    clock, over_midnight = local.time(), begin > end
    evening = clock >= begin
    is_quiet = (evening or clock < end) if over_midnight else (evening and clock < end)
    if not is_quiet:
        return None
    day = local.date() + timedelta(days=1 if over_midnight and evening else 0)
    return datetime.combine(day, end, local.tzinfo)
