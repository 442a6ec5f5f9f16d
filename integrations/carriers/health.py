"""How a carrier's connection stands, in words for the staff, and what of its news needs somebody."""

from __future__ import annotations

from django.db.models import QuerySet
from django.utils.translation import gettext as _

from flowlog.times import moment
from integrations.carriers.models import CarrierConnection, CarrierNews
from integrations.sources.health import NEW, OFF, OK, REFUSED, SILENT, TROUBLE, UNREADABLE, too_large, unreadable


def words(connection: CarrierConnection, found: str) -> str:
    """What the state means for the staff, and what to do."""
    if connection.source in connection.only_asked() and (sentence := _asked(connection, found)):
        return sentence
    since = {"since": moment(connection.last_news_at), "refused": moment(connection.refused_at)}
    told = {
        OK: _("News comes in. The last came %(since)s.") % since,
        OFF: _("Switched off: what comes in is kept, and no order is made or changed by it."),
        NEW: _("Nothing has come in yet. Follow the steps below."),
        SILENT: _(
            "Nothing has come in since %(since)s, though it used to on most days. See in the carrier's panel whether "
            "its webhook is still there, and whether it is still asked with the right keys."
        )
        % since,
        UNREADABLE: unreadable(connection),
        REFUSED: too_large(connection)
        or _(
            "What came %(refused)s was refused: its signature does not fit the secret. Enter the same secret in the "
            "carrier's panel and here."
        )
        % since,
        TROUBLE: connection.last_error,
    }
    return told[found]


def _asked(connection: CarrierConnection, found: str) -> str:
    """The same of one that tells nothing by itself, where it is another."""
    at = {"at": moment(connection.polled_at)}
    told = {
        OK: _("It is asked about once an hour. It last answered %(at)s.") % at,
        NEW: _("It was not asked yet. That happens within a minute or so."),
        SILENT: _("It has not answered for days: see whether worker-default and beat are at work."),
    }
    return told.get(found, "")


def need_a_person() -> QuerySet[CarrierNews]:
    """What came in by a connection and waits for somebody to see to it."""
    return CarrierNews.objects.filter(
        connection__isnull=False, result__in=CarrierNews.NEED_A_PERSON, seen_at__isnull=True
    )
