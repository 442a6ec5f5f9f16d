"""Whether a system's news comes in as it used to. One that has switched our webhook off does not tell us so."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

from django.db.models import (
    BooleanField,
    Case,
    CharField,
    Count,
    ExpressionWrapper,
    F,
    IntegerField,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    Value,
    When,
)
from django.db.models.functions import Coalesce, Now, TruncDate
from django.utils.translation import gettext as _

from flowlog.times import moment
from integrations.sources.models import Connection, Refusal

# Who told something on so many of the days before its last news tells something on most days.
REGULAR_DAYS, LOOKED_BACK = 5, timedelta(days=14)
SILENT_AFTER = timedelta(days=3)
# Who was refused longer ago has given it up.
REFUSED_LATELY = timedelta(days=7)
# What is too large was not taken in, whatever has come since: so long it is told of.
TOO_LARGE_FOR = timedelta(days=3)
# Somebody may mend the secret there while a refused request is still on its way.
GRACE = timedelta(minutes=1)
# Of what may have a second webhook with another secret, or may be up again in a while, nobody is told at once.
STILL, LASTING = timedelta(hours=1), timedelta(hours=6)

OK, OFF, NEW, SILENT, REFUSED, TROUBLE = "ok", "off", "new", "silent", "refused", "trouble"
UNREADABLE = "unreadable"


def judged(connections: type[Connection]) -> QuerySet[Any]:
    """The connections, each with `days`: on how many it told something before its last news; and with `answered_at`."""
    rows: Any = connections
    news = rows._meta.get_field("news").related_model._default_manager
    before = news.filter(connection=OuterRef("pk"), received_at__gt=OuterRef("last_news_at") - LOOKED_BACK).order_by()
    days = before.values("connection").annotate(days=Count(TruncDate("received_at"), distinct=True)).values("days")
    return connections._default_manager.annotate(
        days=Coalesce(Subquery(days, output_field=IntegerField()), 0), answered_at=Coalesce("polled_at", "created_at")
    )


# The days are only counted of those that are silent.
_TELLS_NOTHING = Q(last_news_at__lt=Now() - SILENT_AFTER) & Q(days__gte=REGULAR_DAYS)
_DOES_NOT_ANSWER = Q(answered_at__lt=Now() - SILENT_AFTER)
_TOO_LARGE = Q(refused_why=Refusal.TOO_LARGE) & Q(refused_at__gt=Now() - TOO_LARGE_FOR)


def _refused_since_news(grace: timedelta) -> Q:
    newer = Q(last_news_at__isnull=True) | Q(refused_at__gt=F("last_news_at") + grace)
    return _TOO_LARGE | Q(refused_at__gt=Now() - REFUSED_LATELY) & newer


_REFUSED, _STILL_REFUSED = _refused_since_news(GRACE), _refused_since_news(STILL)
_TROUBLE = ~Q(last_error="")
_UNREADABLE = Q(unreadable_since__isnull=False)


def troubled(connections: type[Connection]) -> QuerySet[Any]:
    """Those that are on and whose news does not come in as it should."""
    return judged(connections).filter(_UNREADABLE | _silent(connections) | _REFUSED | _TROUBLE, is_on=True)


def alarming(connections: type[Connection]) -> QuerySet[Any]:
    """Those that are on and of whose trouble the staff are told without looking.

    `alarm` is the state that is the trouble, or empty; what may be over in a moment is none. `unmapped`: news waits
    for the meaning of a status.
    """
    model: Any = connections
    news = model._meta.get_field("news").related_model
    rows = news._default_manager.filter(
        connection__isnull=False, result=news.Result.UNKNOWN_STATUS, seen_at__isnull=True
    )
    alarm = Case(
        When(_UNREADABLE, then=Value(UNREADABLE)),
        When(_STILL_REFUSED, then=Value(REFUSED)),
        When(_TROUBLE & Q(answered_at__lt=Now() - LASTING), then=Value(TROUBLE)),
        When(_silent(connections), then=Value(SILENT)),
        default=Value(""),
        output_field=CharField(),
    )
    unmapped = ExpressionWrapper(Q(pk__in=rows.values("connection")), output_field=BooleanField())
    found: QuerySet[Any] = judged(connections).annotate(alarm=alarm, unmapped=unmapped)
    return found.filter(~Q(alarm="") | Q(unmapped=True), is_on=True)


def _silent(connections: type[Connection]) -> Q:
    """Who is only asked is silent if there is no answer: that nothing has happened is one."""
    only_asked = Q(source__in=connections.only_asked())
    return only_asked & _DOES_NOT_ANSWER | ~only_asked & _TELLS_NOTHING


def troubles(connections: type[Connection], keys: Iterable[int]) -> dict[int, str]:
    """Of each that has one, the worst state that holds, by one statement."""
    conditions = (UNREADABLE, _UNREADABLE), (REFUSED, _REFUSED), (TROUBLE, _TROUBLE), (SILENT, _silent(connections))
    worst = Case(
        *(When(condition, then=Value(name)) for name, condition in conditions),
        default=Value(""),
        output_field=CharField(),
    )
    rows = judged(connections).filter(pk__in=keys).annotate(worst=worst)
    return dict(rows.exclude(worst="").values_list("pk", "worst"))


def state(connection: Connection, known: Mapping[int, str] | None = None) -> str:
    """One of the states above, the worst that holds. `known` is what `troubles` says of it and others."""
    if not connection.is_on:
        return OFF
    found = troubles(type(connection), [connection.pk]) if known is None else known
    if connection.pk in found:
        return found[connection.pk]
    is_heard = connection.polled_at if connection.source in connection.only_asked() else connection.last_news_at
    return OK if is_heard else NEW


def unreadable(connection: Connection) -> str:
    """What that state means for the staff, and what to do."""
    return _(
        "Since %(since)s the stored credentials cannot be read: the key in CREDENTIALS_KEYS that encrypted them is "
        "missing. What comes in is answered with 503, so that it is sent again, and nothing is asked for. Who runs the "
        "server puts the key back; else enter the credentials anew."
    ) % {"since": moment(connection.unreadable_since)}


def too_large(connection: Connection) -> str:
    """The same of a refusal, if what was refused last was too large."""
    if connection.refused_why != Refusal.TOO_LARGE:
        return ""
    words = _(
        "What came %(refused)s was refused, because it has more than 1 MiB: see what the system, or a plug-in of it, "
        "adds to what it sends."
    )
    return words % {"refused": moment(connection.refused_at)}
