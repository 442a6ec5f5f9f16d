"""Shops' systems and carriers whose news does not come in, or cannot be understood, in the staff's words."""

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
    return [
        incident
        for name, room in _ROOMS.items()
        if name in found
        for connection in health.alarming(room.model).select_related("store")
        for incident in _of(name, room, connection)
    ]


def troubled() -> list[QuerySet[Any]]:
    """The connections with such a trouble, of each kind."""
    return [health.alarming(room.model) for room in _ROOMS.values()]


def over(alarm: Alarm) -> str:
    """The headline of the end of such a trouble."""
    room, _colon, pk = alarm.name.partition(":")
    row = _ROOMS[room].model._default_manager.filter(pk=pk).values_list("name", flat=True).first()
    words = _("Each status of %(name)s has a meaning again") if alarm.kind == Alarm.Kind.UNMAPPED else _(
        "What was wrong with %(name)s is over"
    )  # fmt: skip
    return words % {"name": row or alarm.name}


def _in_trouble() -> set[str]:
    """Which kinds have such a trouble. One query."""
    of_shops, of_carriers = (
        health.alarming(room.model).order_by().annotate(room=Value(name, output_field=CharField())).values_list("room")
        for name, room in _ROOMS.items()
    )
    return {name for (name,) in of_shops.union(of_carriers).order_by()[: len(_ROOMS)]}


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


def _since(connection: Any) -> Any:
    return {
        health.SILENT: connection.last_news_at,
        health.REFUSED: connection.refused_at,
        health.UNREADABLE: connection.unreadable_since,
        health.TROUBLE: connection.polled_at,
    }[connection.alarm]
