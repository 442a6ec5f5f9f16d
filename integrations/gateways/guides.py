"""What people are told about an instance in trouble, and what the checklist of a deploy asks: as its gateway has it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from django.urls import reverse
from django.utils.translation import gettext as _

from flowlog.checklist import Item, failed, ok, warning
from flowlog.times import moment
from integrations.gateways import registry, sentences
from integrations.gateways.outcomes import GatewayError

if TYPE_CHECKING:
    from django.contrib.admin.options import InlineModelAdmin

    from integrations.models import EvolutionInstance

_KEY_REFUSED = frozenset({"unauthorized", "forbidden"})


class Guide:
    """What holds of any kind of gateway; each overrides what it knows better.

    `unheard`, `silent` and `refused` are about an instance as `integrations.inbound.way_back.judged` gives it; the last
    two answer with what is the trouble, and what to do.
    """

    has_phone: ClassVar[bool] = False
    """Whether an instance is a phone's, and connecting that one again is what mends a lost connection."""
    has_servers: ClassVar[bool] = True
    """Whether an instance may have an address and a key of its own."""

    def inlines(self) -> Sequence[type[InlineModelAdmin]]:
        """What the admin's page of an instance asks for beside."""
        return ()

    def set_up_at(self, instance: EvolutionInstance) -> str:
        """The admin's page where a new instance is made ready."""
        return reverse("admin:integrations_evolutioninstance_change", args=[instance.pk])

    def lacks(self, instance: EvolutionInstance) -> str:  # noqa: ARG002
        """What has to be entered there still, as a sentence; empty if nothing has."""
        return ""

    def unheard(self) -> str:
        """What to do so that an instance is heard of for the first time."""
        return _("No receipt and no answer has come in yet.")

    def silent(self, instance: Any) -> tuple[str, str]:
        """None of its latest messages has a receipt."""
        return (
            _("WhatsApp %(instance)s: the receipts do not come in") % {"instance": instance.name},
            _("None came for the messages since %(since)s, so nobody knows whether they arrived.")
            % {"since": moment(instance.silent_since)},
        )

    def refused(self, instance: Any) -> tuple[str, str]:
        """Its webhooks are refused, the latest at `refused_at` with `refused_status`."""
        return (
            _("WhatsApp %(instance)s: the gateway's webhooks are refused") % {"instance": instance.name},
            _("The last one, %(last)s, with status %(status)d.")
            % {"last": moment(instance.refused_at), "status": instance.refused_status},
        )

    def check_settings(self) -> Iterator[Item]:
        """Whether what the settings say of it is right, if they say anything. Asked without the database."""
        return iter(())

    def check(self, instances: Sequence[EvolutionInstance]) -> Iterator[Item]:
        """How each of these, which are all its own, does at it."""
        for instance in instances:
            try:
                state = registry.gateway_for(instance).state()
            except GatewayError as error:
                yield unheard_of(name_of(instance), error, _("See the instance's address and key in the admin."))
            else:
                yield self.standing(instance, state)

    def standing(self, instance: EvolutionInstance, state: str) -> Item:
        """How one does of which the gateway says this. No release is to blame for a phone, nor kept waiting by it."""
        name = name_of(instance)
        if state != "open":
            return warning(name, *self.closed(instance))
        if instance.held_at:
            words = _("Connected, but its messages are held: %(reason)s") % {"reason": instance.held_reason}
            todo = _("It is probed and goes on by itself; `manage.py notifications release %(name)s` ends it now.")
            return warning(name, words, todo % {"name": instance.name})
        return ok(name, _("Connected."))

    def closed(self, instance: EvolutionInstance) -> tuple[str, str]:  # noqa: ARG002
        """That it is not connected, and what to do."""
        return _("It is not connected to WhatsApp."), _("See the instance's address and key in the admin.")


def guide_of(kind: str) -> Guide:
    """That of the kind; of one that this release does not know, what holds of any."""
    known = registry.KINDS.get(kind)
    return (known and known.guide) or Guide()


def unheard_of(name: str, error: GatewayError, todo: str) -> Item:
    """The gateway did not say what it was asked. Only a key that it refuses has to be mended before a deploy."""
    amiss = failed if error.code in _KEY_REFUSED else warning
    return amiss(name, sentences.cause(error.code), todo)


def name_of(instance: EvolutionInstance) -> str:
    """The instance, as the checklist calls it."""
    return _("instance %(name)s") % {"name": instance.name}
