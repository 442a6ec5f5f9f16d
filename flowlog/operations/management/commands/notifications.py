"""`manage.py notifications status|sweep|resend|cancel|release|purge|reconcile`: looking after the messages by hand."""

from __future__ import annotations

import argparse
import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from flowlog.monitoring import overview
from flowlog.translations.argparse_words import DJANGOS_OPTIONS
from integrations import retention
from integrations.messages.kinds import KINDS
from integrations.models import EvolutionInstance, NotificationLog
from notifications.actions import cancel, release, resend
from notifications.reconcile import reconcile
from notifications.sweep import sweep

_PURGED = {
    "messages": gettext_lazy("Messages anonymised"),
    "replies": gettext_lazy("Customers' replies erased"),
    "instances": gettext_lazy("Instances' last failed number erased"),
    "lids": gettext_lazy("Nameless addresses forgotten"),
    "attempts": gettext_lazy("Delivery attempts deleted"),
    "webhooks": gettext_lazy("Webhooks deleted"),
    "carrier_news": gettext_lazy("Carriers' news deleted"),
    "shop_news": gettext_lazy("Shops' news forgotten"),
    "used_forms": gettext_lazy("Used forms forgotten"),
}


class Command(BaseCommand):
    help = _("Work on the messages to customers. See each action's --help.")
    suppressed_base_arguments = DJANGOS_OPTIONS

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(
            required=True, dest="action", metavar="status|sweep|resend|cancel|release|purge|reconcile"
        )

        def add(action: str, words: str) -> CommandParser:
            return actions.add_parser(action, help=words, description=words)

        status = add("status", _("What waits, since when, and whether workers and instances live."))
        status.add_argument("--json", action="store_true", help=_("For scripts."))
        add("sweep", _("Wake what was left behind, as the worker does every few seconds."))
        resend = add("resend", _("Send a message again, as a new one."))
        resend.add_argument("id", type=_number, help=_("The message's number under Notification Logs."))
        cancelling = add(
            "cancel", _("Cancel what waits of some kinds, as before a roll-back to a version without them.")
        )
        cancelling.add_argument(
            "kinds", nargs="+", metavar="KIND", choices=sorted(KINDS), help=", ".join(sorted(KINDS))
        )
        release = add("release", _("End the hold of instances, so that their messages go again."))
        words = _("Names; without any, all that are held.")
        release.add_argument("instances", nargs="*", metavar="INSTANCE", help=words)
        purge = add("purge", _("Erase what is older than the RETENTION_… settings say, as each night."))
        purge.add_argument("--dry-run", action="store_true", help=_("Only count it."))
        add(
            "reconcile",
            _("After a backup was restored: find what was already sent, so that it is not sent again."),
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        match options["action"]:
            case "status":
                self._status(as_json=options["json"])
            case "sweep":
                self._sweep()
            case "resend":
                self._resend(options["id"])
            case "cancel":
                self._cancel(options["kinds"])
            case "purge":
                self._purge(dry_run=options["dry_run"])
            case "reconcile":
                self._reconcile()
            case _:
                self._release(options["instances"])

    def _status(self, *, as_json: bool) -> None:
        if as_json:
            self.stdout.write(json.dumps(overview.as_data(), ensure_ascii=False, indent=2))
        else:
            self.stdout.write("\n".join(overview.as_lines()))

    def _sweep(self) -> None:
        swept = sweep()
        self.stdout.write(
            _("Woken: %(woken)d to send, %(looked_up)d to look up, %(probed)d instances to probe.")
            % {"woken": swept.woken, "looked_up": swept.looked_up, "probed": swept.probed}
        )
        ended = swept.expired + swept.outcome_unknown
        self.stdout.write(
            _("Ended: %(ended)d too old. Uncertain since their worker stopped: %(lease_expired)d.")
            % {"ended": ended, "lease_expired": swept.lease_expired}
        )

    def _resend(self, pk: int) -> None:
        row = NotificationLog.objects.filter(pk=pk).first()
        if row is None:
            raise CommandError(_("There is no message %(id)s.") % {"id": pk})
        try:
            new = resend.resend(row)
        except resend.ResendRefusedError as refusal:
            raise CommandError(str(refusal)) from None
        self.stdout.write(_("Message %(old)s is sent again as %(new)s.") % {"old": pk, "new": new.pk})

    def _cancel(self, kinds: list[str]) -> None:
        rows = NotificationLog.objects.filter(event__in=kinds)
        number = len(cancel.cancel(rows.filter(status=NotificationLog.Status.PENDING)))
        words = ngettext("%(number)d message cancelled.", "%(number)d messages cancelled.", number)
        self.stdout.write(words % {"number": number})
        left = rows.filter(status__in=NotificationLog.UNFINISHED).count()
        if left:
            words = ngettext(
                "%(number)d message is being sent, or perhaps it went out: wait and run this again.",
                "%(number)d messages are being sent, or perhaps they went out: wait and run this again.",
                left,
            )
            raise CommandError(words % {"number": left})

    def _release(self, names: list[str]) -> None:
        known = {instance.name: instance for instance in EvolutionInstance.objects.all()}
        if unknown := [name for name in names if name not in known]:
            raise CommandError(
                _("There is no instance %(unknown)s. There are: %(known)s.")
                % {"unknown": ", ".join(unknown), "known": ", ".join(known) or "-"}
            )
        released = [name for name in names or known if release.release(known[name])]
        for name in released:
            self.stdout.write(_("%(instance)s: released. Its messages go again.") % {"instance": name})
        for name in names:
            if name not in released:
                self.stdout.write(_("%(instance)s: was not held.") % {"instance": name})
        if not names and not released:
            self.stdout.write(_("No instance is held."))

    def _purge(self, *, dry_run: bool) -> None:
        if dry_run:
            self.stdout.write(_("Nothing is changed. This is what there would be to do:"))
        purged, for_ever = retention.due() if dry_run else retention.purge(), retention.kept_for_ever()
        for name, number in purged.counts().items():
            words = _("kept for ever") if name in for_ever else str(number)
            self.stdout.write(f"{_PURGED[name]}: {words}")

    def _reconcile(self) -> None:
        number = NotificationLog.objects.filter(status__in=NotificationLog.UNFINISHED).count()
        words = ngettext(
            "Asking the gateway for %(number)d message …", "Asking the gateway for %(number)d messages …", number
        )
        self.stdout.write(words % {"number": number})
        self.stdout.flush()
        result = reconcile()
        self.stdout.write(
            _("At the gateway, so already sent: %(sent)d. Not there, so still to be sent: %(waiting)d.")
            % {"sent": len(result.sent), "waiting": len(result.waiting)}
        )
        if result.unclear:
            raise CommandError(
                _(
                    "Of %(number)d messages the gateway could not say whether they were sent: %(ids)s. Once the "
                    "workers run, they go out, perhaps for the second time. Run this again when the gateway answers, "
                    "or start only the web and cancel in the admin what must not be repeated."
                )
                % {"number": len(result.unclear), "ids": ", ".join(map(str, result.unclear))}
            )


def _number(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(_("“%(text)s” is no message's number.") % {"text": text})
    return int(text)
