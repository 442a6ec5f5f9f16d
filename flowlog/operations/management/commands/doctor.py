"""`manage.py doctor`: what is wrong, and what to type.

Where the settings or the code cannot be loaded `flowlog.operations.checklists.unloaded` runs it, without any app.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from django.core.management.base import CommandParser
from django.utils.translation import gettext as _

from flowlog.checklist import Item, passed
from flowlog.operations.checklists import report
from flowlog.operations.checklists.command import ChecklistCommand, verdict


class Command(ChecklistCommand):
    help = _("Say what is wrong, and what to type, by all the checks there are. Exits with 1 if something is.")

    def add_arguments(self, parser: CommandParser) -> None:
        form = parser.add_mutually_exclusive_group()
        form.add_argument("--json", action="store_true", help=_("For scripts."))
        form.add_argument(
            "--report", action="store_true", help=_("For a request for help: without secrets, numbers and names.")
        )

    def items(self, **_options: Any) -> Iterator[Item]:
        """The checklist, item by item."""
        from flowlog.operations.checklists import doctor  # noqa: PLC0415 - needs the apps

        return doctor.items()

    def standing(self) -> list[str]:
        """How the messages stand, for the report."""
        from flowlog.operations.checklists import doctor  # noqa: PLC0415 - needs the apps

        return doctor.standing()

    def handle(self, *args: Any, **options: Any) -> None:
        if options["report"]:
            self._report(**options)
            return
        super().handle(*args, **options)

    def _report(self, **options: Any) -> None:
        hide, found = report.hide(), []
        for line in report.head():
            self.stdout.write(hide(line))
        self.stdout.write("")
        for item in self.items(**options):
            found.append(item)
            self.stdout.write(report.told(item, hide))
            self.stdout.flush()
        self.stdout.write(verdict(found))
        with suppress(Exception):  # a database that is away has been told of
            self.stdout.write("\n".join(["", *map(hide, self.standing())]))
        if not passed(found):
            sys.exit(1)
