"""What the commands share: they print each item as soon as it is known, and exit with 1 if one failed."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils.translation import gettext as _

from flowlog.checklist import Item, State, as_data, line, passed
from flowlog.translations.argparse_words import DJANGOS_OPTIONS


class ChecklistCommand(BaseCommand):
    """A command whose `items` are its checklist."""

    suppressed_base_arguments = DJANGOS_OPTIONS
    # Its own items say it better, and the commands must work where a check of Django's fails.
    requires_system_checks: Any = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help=_("For scripts."))

    def items(self, **options: Any) -> Iterator[Item]:
        """The checklist, item by item."""
        raise NotImplementedError

    def handle(self, *_args: Any, **options: Any) -> None:
        found: list[Item] = []
        for item in self.items(**options):
            found.append(item)
            if not options["json"]:
                self.stdout.write(line(item))
                self.stdout.flush()
        if options["json"]:
            self.stdout.write(json.dumps(as_data(found), ensure_ascii=False, indent=2))
        else:
            self.stdout.write(verdict(found))
        if not passed(found):
            sys.exit(1)


def verdict(items: list[Item]) -> str:
    """The last line: how many of each."""
    numbers = {state: sum(item.state is state for item in items) for state in State}
    counted = _("%(ok)d fine, %(warning)d to look at, %(failed)d to mend.") % numbers
    return f"\n{counted}"
