"""What the pages of message texts show, as their templates need it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from django.db.models import Count, Q
from django.http import HttpRequest
from django.urls import reverse
from django.utils import translation
from django.utils.safestring import SafeString
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from flowlog.times import moment
from integrations.messages.formatting import to_html
from integrations.messages.kinds import KINDS, kind_words
from integrations.models import NotificationLog
from notifications import own_texts, samples, texts
from notifications.models import MessageText
from notifications.syntax import fold
from notifications.variables import Facts, Values, variables_of
from orders.models import Order, Store

_CONDITION = "{se %s}…{fim}"


def choice(order: Order) -> str:
    """An order as it is chosen for the preview."""
    return f"{order.code} · {order.addressee} · {order.get_delivery_method_display()}"


def chosen_order(request: HttpRequest, orders: Sequence[Order]) -> Order | None:
    """The order that the person has chosen, else the latest of which this was told, else the latest."""
    asked = request.POST.get("preview_order", "")
    told = (order for order in orders if order.was_told)  # type: ignore[attr-defined]
    return next((order for order in orders if str(order.pk) == asked), next(told, orders[0] if orders else None))


def address(page: str, store: Store, event: str) -> str:
    """Of one of the pages of the store's text for the kind."""
    return reverse(f"admin:notifications_messagetext_{page}", args=[store.pk, event])


def listed_kind(store: Store, event: str, newest: MessageText | None) -> dict[str, Any]:
    """A line of the list of kinds."""
    own = newest.text if newest else ""
    text = texts.render(event, samples.example(store, event), own)
    return {
        "words": capfirst(str(kind_words(event))),
        "address": address("edit", store, event),
        "switch": address("switch", store, event) if KINDS[event].needs_order else "",
        "told": not KINDS[event].needs_order or event not in store.silent_transitions,
        "is_own": bool(own),
        "since": _since(newest) if newest and own else "",
        "begins": to_html(text.partition("\n")[0]),
    }


def _since(version: MessageText) -> str:
    when = moment(version.at)
    return f"{version.author_name} · {when}" if version.author_name else when


def version(version: MessageText) -> dict[str, Any]:
    """A line of the history."""
    restore = reverse("admin:notifications_messagetext_restore", args=[version.store_id, version.event, version.pk])
    return {"who": version.author_name, "when": moment(version.at), "text": version.text, "restore": restore}


def offered_variables(store: Store, event: str) -> Iterator[dict[str, Any]]:
    """What may be inserted: the variable, and for what there may not be, the condition; with an example of it."""
    values = Values(Facts(event, samples.example(store, event), texts.LISTED_ITEMS))
    for variable in variables_of(event):
        with translation.override(texts.LANGUAGE):
            example = "" if variable.only_asked else to_html(values[fold(variable.name)].text)
        yield {
            "tag": "" if variable.only_asked else f"{{{variable.name}}}",
            "name": variable.name,
            "condition": _CONDITION % variable.name if variable.may_be_empty else "",
            "words": variable.words,
            "example": example,
        }


def sample(name: str, title: str, text: str) -> dict[str, str | SafeString]:
    """A message as the phone shows it, and how long it is."""
    counted, counts = _("%(length)d of %(most)d characters"), {"length": texts.length(text), "most": texts.LONGEST}
    return {"name": name, "title": title, "html": to_html(text), "counted": counted % counts}


def placed(text: str, mistake: own_texts.Mistake) -> dict[str, Any]:
    """A mistake with the line in which it stands."""
    words = mistake.words
    if mistake.end:
        line = text.count("\n", 0, mistake.start) + 1
        words = _("Line %(line)d: %(words)s") % {"line": line, "words": words}
    return {"words": words, "start": mistake.start, "end": mistake.end}


def queued(store: Store, event: str) -> str:
    """Which messages that wait the text does not touch; empty if none waits."""
    own = Q(order__store=store) if KINDS[event].needs_order else Q(instance__store=store)
    waiting = NotificationLog.objects.filter(own, event=event, status__in=NotificationLog.UNFINISHED)
    counts = waiting.aggregate(all=Count("pk"), written=Count("pk", filter=~Q(message="")))
    if not counts["all"]:
        return ""
    told = []
    if new := counts["all"] - counts["written"]:
        words = ngettext(
            "%(count)d message of this kind waits and will leave with the text that counts then.",
            "%(count)d messages of this kind wait and will leave with the text that counts then.",
            new,
        )
        told.append(words % {"count": new})
    if counts["written"]:
        words = ngettext(
            "%(count)d was tried already and keeps the text that it was tried with.",
            "%(count)d were tried already and keep the text that they were tried with.",
            counts["written"],
        )
        told.append(words % {"count": counts["written"]})
    return " ".join(told)
