"""Shops' systems and carriers whose news does not come in, or cannot be understood, and systems of the shop's own that
take no webhooks, in the staff's words."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import CharField, QuerySet, Value
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from flowlog.models import Alarm
from flowlog.monitoring.incident import Incident
from flowlog.translations import Words
from integrations.carriers import health as carriers
from integrations.models import CarrierConnection, ShopConnection
from integrations.shops import health as shops
from integrations.sources import health
from outgoing import health as outgoing
from outgoing.models import Endpoint

_OUTGOING = "outgoing"


@dataclass(frozen=True, slots=True)
class _Room:
    """One kind of connections, and what its states mean."""

    model: type[Any]
    words: Callable[[Any, str], str]
    unmapped: Words


_ROOMS: Mapping[str, _Room] = {
    "shop": _Room(
        ShopConnection,
        shops.words,
        gettext_lazy("Orders with it are not made, or not brought on, until somebody says what it means."),
    ),
    "carrier": _Room(
        CarrierConnection,
        carriers.words,
        gettext_lazy("Parcels with it are not brought on until somebody says what it means."),
    ),
}
_HEADLINES: Mapping[str, Words] = {
    health.SILENT: gettext_lazy("%(name)s has gone silent"),
    health.REFUSED: gettext_lazy("What %(name)s sends is refused"),
    health.UNREADABLE: gettext_lazy("The credentials of %(name)s cannot be read"),
    health.TROUBLE: gettext_lazy("%(name)s does not answer as it should"),
}


def present() -> list[Incident]:
    """All such troubles there are now. One query while there is none."""
    found = _in_trouble()
    of_connections = [
        incident
        for name, room in _ROOMS.items()
        if name in found
        for connection in health.alarming(room.model).select_related("store")
        for incident in _of(name, room, connection)
    ]
    return [*of_connections, *(map(_of_endpoint, outgoing.troubled()) if _OUTGOING in found else ())]


def troubled() -> list[QuerySet[Any]]:
    """The connections with such a trouble, of each kind."""
    return list(_troubled().values())


def over(alarm: Alarm) -> tuple[str, str]:
    """The headline of the end of such a trouble, and what there is to say of it if it did not end by itself."""
    room, _colon, pk = alarm.name.partition(":")
    model = Endpoint if room == _OUTGOING else _ROOMS[room].model
    row: Any = model._default_manager.filter(pk=pk).first()
    name = {"name": str(row) if row else alarm.name}
    if row and not row.is_on:
        return _("%(name)s has been switched off") % name, _("While it is off nobody is told of trouble with it.")
    if alarm.kind == Alarm.Kind.UNMAPPED:
        return _("Each status of %(name)s has a meaning again") % name, ""
    return _("What was wrong with %(name)s is over") % name, ""


def _troubled() -> dict[str, QuerySet[Any]]:
    return {name: health.alarming(room.model) for name, room in _ROOMS.items()} | {_OUTGOING: outgoing.troubled()}


def _in_trouble() -> set[str]:
    """Which kinds have such a trouble. One query."""
    first, *others = (
        rows.order_by().annotate(room=Value(name, output_field=CharField())).values_list("room")
        for name, rows in _troubled().items()
    )
    return {name for (name,) in first.union(*others).order_by()[: 1 + len(others)]}


def _of(name: str, room: _Room, connection: Any) -> Iterator[Incident]:
    opts, key = room.model._meta, f"{name}:{connection.pk}"
    page, called = f"admin:{opts.app_label}_{opts.model_name}", {"name": connection.name}
    if connection.alarm:
        yield Incident(
            kind=Alarm.Kind.CONNECTION,
            name=key,
            since=_since(connection),
            headline=str(_HEADLINES[connection.alarm]) % called,
            detail=room.words(connection, connection.alarm),
            address=reverse(f"{page}_change", args=[connection.pk]),
            permission=f"{opts.app_label}.view_{opts.model_name}",
            store_id=connection.store_id,
        )
    if connection.unmapped:
        yield Incident(
            kind=Alarm.Kind.UNMAPPED,
            name=key,
            since=None,
            headline=_("%(name)s sends a status without a meaning") % called,
            detail=str(room.unmapped),
            address=reverse(f"{page}_mapping", args=[connection.pk]),
            permission=f"{opts.app_label}.change_{opts.model_name}",
            store_id=connection.store_id,
        )


def _of_endpoint(endpoint: Endpoint) -> Incident:
    headline = _("%(name)s takes no webhooks") if endpoint.is_on else _("%(name)s takes no webhooks any more")
    waits = _("What there is to tell it waits, for three days at most.")
    off = _("It was switched off: what happens meanwhile is never told to it. Save its page once you have seen to it.")
    return Incident(
        kind=Alarm.Kind.CONNECTION,
        name=f"{_OUTGOING}:{endpoint.pk}",
        since=endpoint.last_success_at or endpoint.created_at,
        headline=headline % {"name": endpoint},
        detail=f"{endpoint.off_reason or endpoint.last_error} {waits if endpoint.is_on else off}",
        address=reverse("admin:outgoing_endpoint_change", args=[endpoint.pk]),
        permission="outgoing.view_endpoint",
        store_id=endpoint.store_id,
    )


def _since(connection: Any) -> Any:
    return {
        health.SILENT: connection.last_news_at,
        health.REFUSED: connection.refused_at,
        health.UNREADABLE: connection.unreadable_since,
        health.TROUBLE: connection.polled_at,
    }[connection.alarm]
