"""How a shop's connection stands, in words for the staff, and what of its news needs somebody."""

from __future__ import annotations

from django.db.models import QuerySet
from django.utils.translation import gettext as _

from flowlog.times import moment
from integrations.shops.models import ShopConnection, ShopNews
from integrations.sources.health import NEW, OFF, OK, REFUSED, SILENT, TROUBLE, UNREADABLE, too_large, unreadable


def words(connection: ShopConnection, found: str) -> str:
    """What the state means for the staff, and what to do."""
    since = {"since": moment(connection.last_news_at), "refused": moment(connection.refused_at)}
    told = {
        OK: _("News comes in. The last came %(since)s.") % since,
        OFF: _("Switched off: what comes in is kept, and no order is made or changed by it."),
        NEW: _("Nothing has come in yet. Follow the steps below in the shop, then change an order there."),
        SILENT: _(
            "Nothing has come in since %(since)s, though it used to on most days. See in the shop whether its webhook "
            "is still active: some systems switch it off by themselves after a few failures."
        )
        % since,
        UNREADABLE: unreadable(connection),
        REFUSED: too_large(connection)
        or _(
            "What came %(refused)s was refused: its signature does not fit the secret. Enter the same secret in the "
            "shop and here."
        )
        % since,
        TROUBLE: connection.last_error,
    }
    return told[found]


def need_a_person() -> QuerySet[ShopNews]:
    """What came in and waits for somebody to see to it."""
    return ShopNews.objects.filter(result__in=ShopNews.NEED_A_PERSON, seen_at__isnull=True)
