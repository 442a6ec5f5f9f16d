"""What people do about an instance of the Evolution API: at the phone, on its pages, or by `manage.py evolution`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.urls import reverse
from django.utils.translation import gettext as _

from flowlog.checklist import Item, failed, ok, warning
from flowlog.times import moment
from integrations.evolution.manager import EvolutionManager, RemoteInstance, manager
from integrations.evolution.servers import Server, of_settings, server_of
from integrations.evolution.webhooks import leads_here
from integrations.gateways.guides import Guide, name_of, unheard_of
from integrations.gateways.outcomes import GatewayError
from integrations.gateways.sentences import cause
from integrations.models import EvolutionInstance

# What each server has listed, or why not.
type _Listed = dict[Server, dict[str, RemoteInstance] | GatewayError]


class EvolutionGuide(Guide):
    """Its connection is the shop's phone; what the system has to do with it is done by `manage.py evolution`."""

    has_phone = True

    def set_up_at(self, instance: EvolutionInstance) -> str:
        """Where the phone is connected."""
        return reverse("admin:integrations_evolutioninstance_phone", args=[instance.pk])

    def unheard(self) -> str:
        """The phone first."""
        return _(
            "No receipt and no answer has come in yet. Connect the phone or, where it is connected, press “Receipts "
            "and answers”."
        )

    def silent(self, instance: Any) -> tuple[str, str]:
        """If webhooks come even so, nothing leaves the phone."""
        of = {"instance": instance.name, "since": moment(instance.silent_since)}
        if instance.heard_at and instance.heard_at >= instance.silent_since:
            return (
                _("WhatsApp %(instance)s: the gateway takes the messages, but none arrives") % of,
                _(
                    "None of those since %(since)s was confirmed by WhatsApp. See on the shop's phone whether it still "
                    "sends; if not, connect it again with the QR code, on the page of this WhatsApp."
                )
                % of,
            )
        return (
            _("WhatsApp %(instance)s: the receipts do not come in") % of,
            _(
                "None came for the messages since %(since)s, so nobody knows whether they arrived. Open the page of "
                "this WhatsApp and press “Receipts and answers”."
            )
            % of,
        )

    def refused(self, instance: Any) -> tuple[str, str]:
        """Mostly the secret is another one than when its webhook was set."""
        of = {"instance": instance.name, "last": moment(instance.refused_at), "status": instance.refused_status}
        if instance.refused_status != HTTPStatus.UNAUTHORIZED:
            return (
                _("WhatsApp %(instance)s: the gateway's webhooks are refused") % of,
                _("The last one, %(last)s, with status %(status)d. Press “Receipts and answers” on its page.") % of,
            )
        if not settings.EVOLUTION_WEBHOOK_SECRET:
            return (
                _("WhatsApp %(instance)s: the gateway's webhooks are refused") % of,
                _(
                    "No secret is set, so none can be trusted. Set EVOLUTION_WEBHOOK_SECRET in .env, restart, and "
                    "press “Receipts and answers” on its page."
                ),
            )
        return (
            _("WhatsApp %(instance)s: the gateway's webhooks are refused, for the secret is wrong") % of,
            _("The last one %(last)s. Press “Receipts and answers” on its page.") % of,
        )

    def check_settings(self) -> Iterator[Item]:
        """The server of the settings answers and takes our key."""
        try:
            manager().instances()
        except GatewayError as error:
            activated = error.code != "license_required"
            todo = _("See EVOLUTION_API_URL and EVOLUTION_API_KEY in .env.") if activated else ""
            yield unheard_of("Evolution API", error, todo)
        else:
            yield ok("Evolution API", _("Answers, and takes our key."))

    def check(self, instances: Sequence[EvolutionInstance]) -> Iterator[Item]:
        """Each is there and connected, and what happens to it is told here.

        Nothing of those at the server of the settings if that cannot be asked: it has been said.
        """
        listed: _Listed = {}
        for instance in instances:
            yield from self._check(instance, listed)

    def _check(self, instance: EvolutionInstance, listed: _Listed) -> Iterator[Item]:
        server = None
        try:
            server = server_of(instance)
            remote = _remote_instances(server, listed)
        except GatewayError as error:
            if server != of_settings():
                todo = _("See the instance's address and key in the admin.")
                yield unheard_of(name_of(instance), error, todo)
            return
        if instance.name not in remote:
            yield _missing(instance, manager(server))
            return
        yield self.standing(instance, remote[instance.name].state)
        if remote[instance.name].state == "open":
            yield _way_back(instance.name, manager(server))

    def closed(self, instance: EvolutionInstance) -> tuple[str, str]:
        """The phone has to be connected."""
        todo = _("Run `manage.py evolution connect %(name)s` and read the QR code with the shop's phone.")
        return _("It is not connected to WhatsApp."), todo % {"name": instance.name}


def _remote_instances(server: Server, listed: _Listed) -> dict[str, RemoteInstance]:
    """What the server lists. It is asked once: one that does not answer costs its time-out."""
    if server not in listed:
        try:
            listed[server] = {each.name: each for each in manager(server).instances()}
        except GatewayError as error:
            listed[server] = error
    found = listed[server]
    if isinstance(found, GatewayError):
        raise found
    return found


def _missing(instance: EvolutionInstance, gateway: EvolutionManager) -> Item:
    item = name_of(instance)
    try:
        hidden = gateway.is_hidden(instance.name)
    except GatewayError as error:
        return unheard_of(item, error, _("Run predeploy again."))
    if hidden:
        return failed(
            item, _("It cannot be seen with this key."), _("Set EVOLUTION_API_KEY to the gateway's global key.")
        )
    todo = _("Run `manage.py evolution create %(name)s`, or mend its name in the admin.")
    return warning(item, _("The gateway has no such instance."), todo % {"name": instance.name})


def _way_back(instance: str, gateway: EvolutionManager) -> Item:
    """Whether the gateway tells this site what happens at the instance."""
    name = _("webhook of %(name)s") % {"name": instance}
    try:
        webhook = gateway.webhook(instance)
    except GatewayError as error:
        return warning(name, cause(error.code), _("Run predeploy again."))
    todo = _("Run `manage.py evolution set-webhook %(name)s`.") % {"name": instance}
    if not webhook.url:
        return warning(name, _("Its receipts and answers go nowhere."), todo)
    if not leads_here(webhook.url, instance):
        return warning(name, _("Its receipts and answers go to %(url)s.") % {"url": webhook.url}, todo)
    if webhook.lacks:
        events = ", ".join(sorted(webhook.lacks))
        return warning(name, _("The gateway does not tell of %(events)s.") % {"events": events}, todo)
    return ok(name, _("Comes here."))
