"""The stores' own texts: which one counts, what is wrong with one, and how it is changed.

A text is read when its message is claimed for the first time, with the claim itself, so that a message that still waits
says what the store would say now. What has been tried once says the same on every further attempt.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import islice

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from flowlog.staffpages.people import name_of
from integrations.messages.kinds import KINDS, OPT_IN, OPT_OUT
from notifications import samples, syntax, texts
from notifications.models import MessageText
from notifications.variables import CODE, VARIABLES, variables_of
from orders.models import Store

# Who may not learn how to change their mind has no choice.
_TO_BE_SAID = {OPT_OUT: "VOLTAR", OPT_IN: "SAIR"}


@dataclass(frozen=True, slots=True)
class Mistake:
    """What is wrong with a text, for the person who wrote it; `start` and `end` are places in it, or both 0."""

    words: str
    start: int = 0
    end: int = 0


def current(store: Store, events: Iterable[str] | None = None) -> dict[str, MessageText]:
    """The newest version of each kind that the store has ever written. One query."""
    versions = MessageText.objects.filter(store=store)
    if events is not None:
        versions = versions.filter(event__in=list(events))
    return {each.event: each for each in versions.order_by("event", "-pk").distinct("event")}


def history(store: Store, event: str) -> QuerySet[MessageText]:
    """Every version, the newest first."""
    return MessageText.objects.filter(store=store, event=event).order_by("-pk")


def same_line_ends(text: str) -> str:
    """As a text is kept and read, whatever a browser makes of its lines."""
    return text.replace("\r\n", "\n").replace("\r", "\n").strip()


@transaction.atomic
def write(store: Store, event: str, text: str, *, actor: User | None) -> MessageText | None:
    """Make it the text that counts; None if it is already. The default's own words are the default.

    The caller has checked it (`mistakes`) and the permission.
    """
    # Two people who save the same text do so one after the other.
    Store.objects.select_for_update(no_key=True).get(pk=store.pk)
    text = "" if text == texts.default(event) else text
    newest = history(store, event).first()
    if text == (newest.text if newest else ""):
        return None
    return MessageText.objects.create(
        store=store, event=event, text=text, author=actor, author_name=name_of(actor)[:150] if actor else ""
    )


@transaction.atomic
def approve(store: Store, *, actor: User | None) -> MessageText | None:
    """Note that somebody of the store has looked at the texts and leaves them as they are; None if one was written
    or left before. It is a version of the first text, in the default's words.

    The caller has checked the permission.
    """
    Store.objects.select_for_update(no_key=True).get(pk=store.pk)
    if MessageText.objects.filter(store=store).exists():
        return None
    name = name_of(actor)[:150] if actor else ""
    return MessageText.objects.create(store=store, event="create", author=actor, author_name=name)


@transaction.atomic
def switch(store: Store, event: str, *, on: bool) -> bool:
    """Whether customers are told this kind at all, which the store itself knows; returns whether that is a change."""
    locked = Store.objects.select_for_update().get(pk=store.pk)
    silent = locked.silent_transitions
    if (event not in silent) is on:
        return False
    locked.silent_transitions = [each for each in silent if each != event] if on else [*silent, event]
    locked.save(update_fields=["silent_transitions"])
    return True


def mistakes(event: str, text: str) -> list[Mistake]:
    """Why the text cannot be this kind's, in the active language; none if it can."""
    parsed = syntax.parse(text)
    found = [*map(_fault, parsed.faults), *_names(event, parsed)]
    if not text:
        return [Mistake(_("The text is empty. To go back to Flowlog's own words, use “Back to the default text”."))]
    if not found and KINDS[event].needs_order and not syntax.is_always_said(CODE, parsed.nodes):
        words = _("The order's code is missing: write {código} where it is always said, not only inside {se …}.")
        found.append(Mistake(words))
    if not found and (word := _TO_BE_SAID.get(event)) and word not in text:
        words = _("Tell the customer the word to answer with: %(word)s.")
        found.append(Mistake(words % {"word": word}))
    if not found:
        found += _too_long(event, text)
    return sorted(found, key=lambda mistake: mistake.start)


def _too_long(event: str, text: str) -> Iterator[Mistake]:
    longest = texts.longest(event, samples.longest(event), text)
    if longest > texts.LONGEST:
        words = _(
            "Too long: with the longest names and addresses it comes to %(length)d characters, and WhatsApp takes "
            "%(most)d."
        )
        yield Mistake(words % {"length": longest, "most": texts.LONGEST})


def _fault(fault: syntax.Fault) -> Mistake:
    sentences = {
        "brace": _("A single “%(what)s”: a variable stands between { and }."),
        "no_name": _("“%(what)s” names no variable."),
        "no_start": _("“%(what)s” has no {se …} before it."),
        "too_deep": _("“%(what)s” stands within too many others."),
        "too_many": _("From “%(what)s” on there are too many { } in one text."),
        "no_end": _("“%(what)s” has no {fim} behind it."),
    }
    return Mistake(sentences[fault.code] % {"what": fault.what}, fault.start, fault.end)


def _names(event: str, parsed: syntax.Parsed) -> Iterator[Mistake]:
    known = {syntax.fold(variable.name): variable for variable in variables_of(event)}
    for place in islice(syntax.named(parsed.nodes), syntax.MOST_TAGS):
        variable = known.get(place.name)
        if variable is None:
            yield Mistake(_unknown(place.name, known), place.start, place.end)
        elif variable.only_asked and isinstance(place, syntax.Variable):
            words = _("“%(name)s” is no text: it can only be asked for, as {se %(name)s}…{fim}.")
            yield Mistake(words % {"name": variable.name}, place.start, place.end)


def _unknown(name: str, known: Iterable[str]) -> str:
    if name in VARIABLES:
        return _("“%(name)s” is not known in this message.") % {"name": VARIABLES[name].name}
    near = get_close_matches(name, list(known), n=1)
    if near:
        return _("There is no variable “%(name)s”. Did you mean {%(near)s}?") % {
            "name": name,
            "near": VARIABLES[near[0]].name,
        }
    return _("There is no variable “%(name)s”.") % {"name": name}
