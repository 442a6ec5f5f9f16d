"""`manage.py evolution …`: the gateway's instances from the command line, from the first pairing to a test message."""

from __future__ import annotations

import io
import time
from typing import Any

import segno
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.translation import gettext as _

from flowlog.monitoring import incidents
from flowlog.translations.argparse_words import DJANGOS_OPTIONS
from integrations.evolution import phone
from integrations.evolution.manager import EvolutionManager, RemoteWebhook, manager
from integrations.evolution.phone import WayBack
from integrations.evolution.servers import KIND, Server, by_server, of_settings, server_of
from integrations.gateways import GatewayError, sentences
from integrations.instances.connections import why_held
from integrations.models import EvolutionInstance, NotificationLog, check_instance_name
from notifications import outbox
from orders.contacts import certain_phone, mask_phone
from orders.models import Store

State = EvolutionInstance.State

# Seconds between two questions.
PAIRING_PAUSE, OUTCOME_PAUSE = 2.0, 0.2


class Command(BaseCommand):
    help = _("Work on the instances of the Evolution API. See each action's --help.")
    suppressed_base_arguments = DJANGOS_OPTIONS

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(
            required=True, dest="action", metavar="list|create|connect|state|logout|set-webhook|send-test"
        )
        actions.add_parser("list", help=_("The gateway's instances, and which of them Flowlog knows."))
        for action, words in (
            ("create", _("Make an instance at the gateway.")),
            (
                "connect",
                _("Show the QR code that pairs an instance with a phone, and wait for it to be read."),
            ),
            ("state", _("Whether an instance is connected, whether its messages are held, and where its events go.")),
            ("logout", _("Unpair an instance from its phone.")),
            ("set-webhook", _("Have the gateway tell Flowlog what happens at an instance.")),
        ):
            action_parser = actions.add_parser(action, help=words, description=words)
            action_parser.add_argument("instance", help=_("Its name at the gateway."))
            if action == "connect":
                action_parser.add_argument("--timeout", type=float, default=180, help=_seconds(180))
        words = _("Send a test message through the queue, and wait for its outcome.")
        test = actions.add_parser("send-test", help=words, description=words)
        test.add_argument("number", help=_("Such as (11) 98765-4321 or +5511987654321."))
        test.add_argument("--instance", help=_("The default store's where none is named."))
        test.add_argument("--timeout", type=float, default=60, help=_seconds(60))

    def handle(self, *_args: Any, **options: Any) -> None:
        if acts_on_one := options["action"] not in {"list", "send-test"}:
            _check_name(options["instance"])
        try:
            gateway = manager(_server(options["instance"]) if acts_on_one else None)
            match options["action"]:
                case "list":
                    self._list()
                case "create":
                    self._create(gateway, options["instance"])
                case "connect":
                    self._connect(gateway, options["instance"], options["timeout"])
                case "state":
                    self._state(gateway, options["instance"])
                case "logout":
                    self._logout(gateway, options["instance"])
                case "set-webhook":
                    self._set_webhook(gateway, options["instance"])
                case _:
                    self._send_test(options["number"], options["instance"], options["timeout"])
        except GatewayError as error:
            raise CommandError(_sentence(error)) from None

    def _list(self) -> None:
        servers = by_server(EvolutionInstance.objects.filter(gateway=KIND))
        for server, instances in servers.items():
            if len(servers) > 1:
                self.stdout.write(f"{server.url}:")
            self._list_at(manager(server), {instance.name for instance in instances})

    def _list_at(self, gateway: EvolutionManager, known: set[str]) -> None:
        remote = gateway.instances()
        for each in remote:
            words = [_state_words(each.state), mask_phone(each.phone)]
            words.append("" if each.name in known else _("not in Flowlog"))
            self.stdout.write(f"{each.name}: {', '.join(filter(None, words))}")
        for name in sorted(known - {each.name for each in remote}):
            hidden = gateway.is_hidden(name)
            self.stdout.write(f"{name}: {_('cannot be seen with this key') if hidden else _('not at the gateway')}")
        if not remote and not known:
            self.stdout.write(_("There is no instance."))

    def _create(self, gateway: EvolutionManager, name: str) -> None:
        gateway.create(name)
        words = _("%(name)s: created. Next: evolution connect %(name)s, and then: evolution set-webhook %(name)s")
        self.stdout.write(words % {"name": name})
        self._hint_unless_known(name)

    def _connect(self, gateway: EvolutionManager, name: str, timeout: float) -> None:
        deadline = time.monotonic() + timeout
        shown = ""
        while not (pairing := gateway.connect(name)).connected:
            if pairing.code and pairing.code != shown:
                shown = pairing.code
                self._show_qr_code(shown)
            if time.monotonic() > deadline:
                raise CommandError(_("%(name)s was not connected in time. Try again.") % {"name": name})
            time.sleep(PAIRING_PAUSE)
        phone.note_connected(name, paired=bool(shown))
        self.stdout.write(_("%(name)s: connected.") % {"name": name})
        self._say_if_held(name)
        webhook = gateway.webhook(name)
        if phone.way_back(webhook, name) != WayBack.HERE:
            self.stdout.write(_webhook_words(webhook, name))
        self._hint_unless_known(name)

    def _show_qr_code(self, code: str) -> None:
        drawing = io.StringIO()
        segno.make(code, error="l", micro=False).terminal(drawing, compact=True)
        self.stdout.write(drawing.getvalue())
        self.stdout.write(_("On the shop's phone: WhatsApp > Linked devices > Link a device, and read this code."))
        self.stdout.flush()

    def _state(self, gateway: EvolutionManager, name: str) -> None:
        self.stdout.write(f"{name}: {_state_words(gateway.connection_state(name))}")
        self._say_if_held(name)
        self.stdout.write(_webhook_words(gateway.webhook(name), name))
        self._hint_unless_known(name)

    def _say_if_held(self, name: str) -> None:
        for held in EvolutionInstance.objects.filter(name=name, held_at__isnull=False):
            self.stdout.write(_("Its messages are held: %(reason)s") % {"reason": why_held(held)})

    def _logout(self, gateway: EvolutionManager, name: str) -> None:
        phone.log_out(gateway, name)
        self.stdout.write(_("%(name)s: logged out. To pair it again: evolution connect %(name)s") % {"name": name})

    def _set_webhook(self, gateway: EvolutionManager, name: str) -> None:
        url = phone.set_webhook(gateway, name)
        self.stdout.write(_("%(name)s: the gateway tells %(url)s.") % {"name": name, "url": url})

    def _send_test(self, number: str, name: str | None, timeout: float) -> None:
        try:
            phone = certain_phone(number)
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from None
        instance = _instance(name)
        row = outbox.add_test(instance, phone)
        where = {"id": row.pk, "instance": instance.name, "phone": mask_phone(row.recipient)}
        self.stdout.write(_("Message %(id)s from %(instance)s to %(phone)s …") % where)
        self.stdout.flush()
        deadline = time.monotonic() + timeout
        while row.status in NotificationLog.UNFINISHED:
            if time.monotonic() > deadline:
                raise CommandError(_still_waiting(row))
            time.sleep(OUTCOME_PAUSE)
            row.refresh_from_db()
        if row.status != NotificationLog.Status.SENT:
            raise CommandError(f"{row.get_status_display()}: {row.error_message or row.error_code}")
        self.stdout.write(_("Sent: the gateway accepted it."))

    def _hint_unless_known(self, name: str) -> None:
        if not EvolutionInstance.objects.filter(name=name).exists():
            hint = _(
                "Flowlog does not know %(name)s yet: add it in the admin, or set EVOLUTION_INSTANCE and bootstrap."
            )
            self.stdout.write(hint % {"name": name})


def _instance(name: str | None) -> EvolutionInstance:
    found = EvolutionInstance.objects.filter(name=name).first() if name else outbox.instance_of(Store.get_default())
    if found is None:
        raise CommandError(
            _("Flowlog has no instance %(name)s: add it in the admin.") % {"name": name}
            if name
            else _("The store has no instance: add one in the admin.")
        )
    return found


def _server(name: str) -> Server:
    """The server where the instance of that name is: its own, or else that of the settings."""
    instance = EvolutionInstance.objects.filter(name=name).first()
    if instance and instance.gateway != KIND:
        raise CommandError(_("%(name)s is no instance of the Evolution API.") % {"name": name})
    return server_of(instance) if instance else of_settings()


def _check_name(name: str) -> None:
    try:
        check_instance_name(name)
    except ValidationError as error:
        raise CommandError(" ".join(error.messages)) from None


def _webhook_words(webhook: RemoteWebhook, name: str) -> str:
    """Where the instance's events go, and what to do if that is not here, or not all of them do."""
    words = {"url": webhook.url, "site": settings.SITE_URL, "name": name}
    found = phone.way_back(webhook, name)
    if found == WayBack.NOWHERE:
        return _("Its receipts and answers go nowhere. Next: evolution set-webhook %(name)s") % words
    if found == WayBack.ELSEWHERE:
        return (
            _(
                "Its receipts and answers go to %(url)s, not to %(site)s. "
                "To have them here: evolution set-webhook %(name)s"
            )
            % words
        )
    if found == WayBack.IN_PART:
        words["events"] = ", ".join(sorted(webhook.lacks))
        return (
            _("The gateway tells %(url)s, but not of %(events)s. To have these too: evolution set-webhook %(name)s")
            % words
        )
    return _("The gateway tells %(url)s what happens at it.") % words


def _still_waiting(row: NotificationLog) -> str:
    """Why the message has no outcome yet, as far as can be told."""
    reasons = [
        f"{one.headline}. {one.detail}" for one in incidents.present() if one.keeps_back and one.name in _concerned(row)
    ]
    # A trouble may be what it has met.
    if row.error_message and not any(sentences.cause(row.error_code) in reason for reason in reasons):
        reasons.insert(0, row.error_message)
    words = _("The message is still %(status)s; it goes on without you, see Notification Logs.")
    return " ".join([words % {"status": row.get_status_display()}, *reasons])


def _seconds(default: int) -> str:
    return _("How many seconds to wait at most (%(default)s by default).") % {"default": default}


def _concerned(row: NotificationLog) -> set[str]:
    return {"whatsapp", row.instance.name if row.instance else ""}


def _state_words(state: str) -> str:
    return str(State(state).label) if state in State.values else state


def _sentence(error: GatewayError) -> str:
    """What went wrong at the gateway, and what to do."""
    words = {
        phone.NOT_SET: _("Set EVOLUTION_WEBHOOK_SECRET first: a long random text that nobody else knows."),
        "instance_not_found": _("The gateway does not know this instance. See: evolution list"),
        "name_in_use": _("The gateway has an instance of that name already."),
        "not_connected": _("The instance is not connected."),
        "cannot_connect": _("The gateway could not start the connection. Try again in a minute."),
        "gateway_unreachable": _("The gateway does not answer. Check that it runs, and EVOLUTION_API_URL."),
        "read_timeout": _("The gateway did not answer in time."),
        "connection_reset": _("The gateway broke the connection off."),
    }
    if error.code in words:
        return words[error.code]
    if error.code in sentences.INSTANCE | sentences.PASSING:
        return sentences.cause(error.code)
    return _("The gateway answered in an unexpected way: %(error)s") % {"error": error}
