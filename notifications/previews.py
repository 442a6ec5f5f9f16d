"""The very message that a customer will get of a transition, and what keeps it from going: said before, not after."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import ngettext, ngettext_lazy

from integrations.instances.connections import why_held
from integrations.messages.formatting import to_html
from integrations.messages.sentences import sentence
from integrations.models import EvolutionInstance, NotificationLog
from notifications import outbox, own_texts, policy, samples, texts
from orders import consent
from orders.admin import previews
from orders.admin.previews import Asked
from orders.contacts import format_phone
from orders.models import Order
from orders.transitions import Transition, TransitionNotAllowed, clean_data

_NOT_TOLD = {
    "no_phone": ngettext_lazy(
        "%(count)d customer has no phone and is not told.",
        "%(count)d customers have no phone and are not told.",
        "count",
    ),
    "refusing": ngettext_lazy(
        "%(count)d customer does not want WhatsApp messages.",
        "%(count)d customers do not want WhatsApp messages.",
        "count",
    ),
    "silent": ngettext_lazy(
        "For %(count)d order this message is switched off.",
        "For %(count)d orders this message is switched off.",
        "count",
    ),
}


def register() -> None:
    """Called once, when the admin is loaded."""
    previews.register_previewer(preview)
    previews.register_bulk_previewer(bulk_preview)


def preview(_request: HttpRequest, asked: Asked) -> SafeString | str:
    """The message as it would leave now, or why none will."""
    if not asked.transition.notifies_customer:
        return ""
    if not asked.notify:
        return render_to_string("admin/notifications/preview.html", {"quiet": True})
    order, event = asked.order, asked.transition.name
    instance = outbox.instance_of(order.store)
    values = {
        "message": to_html(message(asked)),
        "problems": [words for code in [refusal(order, event, instance)] if code for words in [_words(code)]],
        "notes": list(_notes(instance)),
        "phone": format_phone(outbox.recipient(order.customer.phone)),
    }
    return render_to_string("admin/notifications/preview.html", values)


def bulk_preview(_request: HttpRequest, orders: QuerySet[Order], transition: Transition) -> SafeString | str:
    """How many of these customers get a message and why the others do not, and that of the first. A few queries."""
    if not transition.notifies_customer:
        return ""
    event = transition.name
    silent = Q(store__tells_customers=False) | Q(store__silent_transitions__contains=[event])
    judged = orders.annotate(refuses=consent.refused("customer")).order_by("pk")
    told = judged.exclude(silent).exclude(customer__phone="").filter(refuses=False)
    counts = judged.aggregate(
        all=Count("pk"),
        silent=Count("pk", filter=silent),
        no_phone=Count("pk", filter=~silent & Q(customer__phone="")),
        refusing=Count("pk", filter=~silent & ~Q(customer__phone="") & Q(refuses=True)),
    )
    if not counts["all"]:
        return ""
    first = told.select_related("store", "customer").first()
    values: dict[str, Any] = {"lines": list(_counted(counts)), "order": first}
    if first:
        values["message"] = to_html(message(Asked(first, transition, {}, notify=True)))
        values["notes"] = list(_notes(outbox.instance_of(first.store)))
    return render_to_string("admin/notifications/bulk_preview.html", values)


def _counted(counts: dict[str, int]) -> Iterator[str]:
    """Of the numbers the sentences, those who get a message first."""
    told = counts["all"] - counts["silent"] - counts["no_phone"] - counts["refusing"]
    words = ngettext("%(count)d message will be sent.", "%(count)d messages will be sent.", told)
    yield words % {"count": told} if told else _("No message will be sent.")
    for why, of_those in _NOT_TOLD.items():
        if counts[why]:
            yield of_those % {"count": counts[why]}


def message(asked: Asked) -> str:
    """The text, with what was typed so far as it will be written down, or as it stands where it cannot be."""
    event, data = asked.transition.name, asked.data
    try:
        data = clean_data(asked.transition, data.items())
    except TransitionNotAllowed:
        data = {}
    own = own_texts.current(asked.order.store, [event]).get(event)
    return texts.render(event, samples.after(asked.order, asked.transition, data), own.text if own else "")


def refusal(order: Order, event: str, instance: EvolutionInstance | None) -> str:
    """The code of why a message of this kind would not be sent, as it will be asked when it is its turn; or nothing."""
    row = NotificationLog(event=event, order=order, instance=instance, recipient=outbox.recipient(order.customer.phone))
    row.customer_refuses = consent.refuses(order.customer_id)  # type: ignore[attr-defined]
    return policy.refusal(row)


def _words(code: str) -> str:
    if code == "opted_out":
        return _("The customer does not want WhatsApp messages: none will be sent.")
    if code == "no_phone":
        return _("The customer has no phone: no message will be sent.")
    return _("No message will be sent: %(why)s") % {"why": sentence(code)}


def _notes(instance: EvolutionInstance | None) -> Iterator[str]:
    """What there is to know of a message that will be sent."""
    if instance and instance.held_at:
        words = _("It will wait, since the store's WhatsApp sends nothing at the moment: %(why)s")
        yield words % {"why": why_held(instance)}
    if settings.NOTIFICATIONS_OVERRIDE_RECIPIENT:
        yield _("This is a test installation: every message goes to one number, and not to the customer.")
