"""`manage.py alarm test|backup-failed`: a mail to whoever is told of trouble.

The second is for systemd, when flowlog-backup.service has failed.
"""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.translation import gettext as _

from flowlog.mail.no_mail import can_mail
from flowlog.monitoring import alarms
from flowlog.translations.argparse_words import DJANGOS_OPTIONS

_ACTIONS = {"test": alarms.try_out, "backup-failed": alarms.tell_of_failed_backup}


class Command(BaseCommand):
    help = _("Mail whoever is told of trouble. See each action's --help.")
    suppressed_base_arguments = DJANGOS_OPTIONS
    # It must go out whatever else is wrong.
    requires_system_checks: Any = ()

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(required=True, dest="action", metavar="|".join(_ACTIONS))
        for action, words in (
            ("test", _("Send a test alarm, and say to whom it went.")),
            ("backup-failed", _("Tell that the backup has failed: systemd does, at once.")),
        ):
            actions.add_parser(action, help=words, description=words)

    def handle(self, *_args: Any, **options: Any) -> None:
        if not can_mail():
            raise CommandError(_("EMAIL_URL is not set, so nobody can be told: set it in .env, and ALERT_EMAILS."))
        try:
            to = _ACTIONS[options["action"]]()
        except OSError as error:  # smtplib's errors are of this kind
            words = _("The mail server did not take it (%(error)s). See EMAIL_URL in .env.")
            raise CommandError(words % {"error": f"{type(error).__name__}: {error}"}) from None
        if not to:
            raise CommandError(
                _("Nobody is told: set ALERT_EMAILS in .env, or give the accounts of the management an address.")
            )
        self.stdout.write(_("Sent to %(people)s.") % {"people": ", ".join(to)})
