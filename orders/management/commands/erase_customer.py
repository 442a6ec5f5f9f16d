"""`manage.py erase_customer NUMBER [--dry-run] [--yes]`: what the button on the customer's page does."""

from __future__ import annotations

import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.translation import gettext as _

from flowlog.translations.argparse_words import DJANGOS_OPTIONS
from orders.erasure import ErasureRefusedError, as_lines, erase
from orders.models import Customer


class Command(BaseCommand):
    help = _("Erase a customer's personal data for good. Sums, statuses and codes of their orders stay.")
    suppressed_base_arguments = DJANGOS_OPTIONS

    def add_arguments(self, parser: CommandParser) -> None:
        words = _("The customer's number: the last one in the address of their page in the admin.")
        parser.add_argument("customer", type=int, metavar="CUSTOMER", help=words)
        parser.add_argument("--dry-run", action="store_true", help=_("Only count it."))
        parser.add_argument("--yes", action="store_true", help=_("Do not ask first."))

    def handle(self, *_args: Any, **options: Any) -> None:
        try:
            customer = Customer.objects.select_related("store").get(pk=options["customer"])
            if not (options["dry_run"] or options["yes"]):
                self._ask(customer)
            proof = erase(customer, dry_run=options["dry_run"])
        except Customer.DoesNotExist:
            raise CommandError(_("There is no customer with this number.")) from None
        except ErasureRefusedError as refusal:
            raise CommandError(str(refusal)) from None
        self.stdout.write(_("Would be erased:") if options["dry_run"] else _("Erased:"))
        for line in as_lines(proof):
            self.stdout.write(f"  {line}")

    def _ask(self, customer: Customer) -> None:
        """Raise `CommandError` unless the person at the terminal means this customer."""
        words = _("Erase the personal data of %(customer)s (%(store)s) for good? Type “yes”: ")
        self.stdout.write(words % {"customer": customer, "store": customer.store}, ending="")
        self.stdout.flush()
        if sys.stdin.readline().strip().casefold() not in {_("yes"), "yes"}:
            raise CommandError(_("Nothing was erased."))
