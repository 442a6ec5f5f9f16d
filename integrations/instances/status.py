"""How the WhatsApp of a shop stands, in the shop's words: on its own page, live, and in lists."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from flowlog.staffpages.base import label_html
from flowlog.times import moment
from integrations.inbound import way_back
from integrations.instances.connections import is_cut, needs_phone, why_held
from integrations.models import EvolutionInstance

State = EvolutionInstance.State

STATE_COLOURS: dict[str, str] = {
    State.OPEN: "success",
    State.CONNECTING: "warning",
    State.CLOSE: "danger",
    State.UNKNOWN: "",
}


@dataclass(frozen=True, slots=True)
class Standing:
    """What to read about one WhatsApp: whether its messages go, why not, and what to do."""

    label: SafeString
    headline: str
    words: str


def state_html(instance: EvolutionInstance) -> SafeString:
    """The connection as a label; that its messages are held comes first, unless a phone is all that is missing."""
    if instance.held_at and not needs_phone(instance):
        return label_html("danger", _("held"))
    if instance.held_at:
        return label_html("danger", State.CLOSE.label)
    return label_html(STATE_COLOURS[instance.state], instance.get_state_display())


def standing(instance: EvolutionInstance) -> Standing:
    """How it stands. No query."""
    return Standing(state_html(instance), _headline(instance), _words(instance))


def news_words(instance: EvolutionInstance) -> str:
    """Whether its receipts and answers come in; nothing of one that sends nothing anyway. One query."""
    if instance.held_at or is_cut(instance):
        return ""
    judged: Any = way_back.judged().filter(pk=instance.pk).first()
    if judged is None:
        return ""
    if judged.deaf or judged.refused:
        return ". ".join(way_back.words(judged))
    return way_back.hint(judged) or _("Receipts and answers come in.")


def _headline(instance: EvolutionInstance) -> str:
    if needs_phone(instance):
        return _("The WhatsApp of this shop is disconnected")
    if instance.held_at:
        return _("The messages of this shop are not going out")
    if instance.state == State.OPEN:
        return _("The WhatsApp of this shop is connected")
    return _("Nothing is known of the connection yet")


def _words(instance: EvolutionInstance) -> str:
    if instance.held_at:
        since = {"since": moment(instance.held_at)}
        if needs_phone(instance):
            words = _("Its messages wait since %(since)s, and go as soon as it is connected again with the QR code.")
            return words % since
        words = _("They wait since %(since)s. %(reason)s Next try: %(next)s.")
        return words % {**since, "reason": why_held(instance), "next": _next_try(instance)}
    if needs_phone(instance):
        return _("The messages will wait. Connect it with the QR code.")
    return _("The messages go out.")


def _next_try(instance: EvolutionInstance) -> str:
    if instance.probe_at and instance.probe_at > timezone.now():
        return moment(instance.probe_at)
    return _("with the next message")
