"""`manage.py postdeploy`: the checklist after a deploy."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.management.base import CommandError, CommandParser
from django.utils.translation import gettext as _

from flowlog.broker import QUEUES
from flowlog.checklist import Item, run
from flowlog.operations.checklists import postdeploy
from flowlog.operations.checklists.command import ChecklistCommand
from orders.contacts import certain_phone


class Command(ChecklistCommand):
    help = _(
        "Check the log, the workers, the site, and that a test order's message is sent. Exits with 1 if one fails."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        where = parser.add_mutually_exclusive_group()
        where.add_argument("--number", default="", help=_("Who gets the test message, such as +5511987654321."))
        where.add_argument("--dry", action="store_true", help=_("Send nothing."))
        words = _("How many seconds to wait at most (%(default)s by default).") % {"default": 60}
        parser.add_argument("--timeout", type=_seconds, default=60, help=words)
        parser.add_argument(
            "--queues",
            type=_queues,
            help=_("Which queues this machine serves, comma-separated, if others serve the rest (default: all)."),
        )
        parser.add_argument("--since", type=_moment, help=_("When the restart began, as 2026-11-24T08:00:00-03:00."))

    def items(self, **options: Any) -> Iterator[Item]:
        """The checklist, item by item."""
        phone = "" if options["dry"] else _phone(options["number"])
        return run(
            postdeploy.checks(phone=phone, timeout=options["timeout"], since=options["since"], own=options["queues"])
        )


def _phone(number: str) -> str:
    """Who gets the test message; the test number of the settings where none is named."""
    number = number or settings.NOTIFICATIONS_OVERRIDE_RECIPIENT
    if not number:
        raise CommandError(_("Say where the test message goes with --number, or send none with --dry."))
    try:
        return certain_phone(number)
    except ValidationError as error:
        raise CommandError(" ".join(error.messages)) from None


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise argparse.ArgumentTypeError(_("“%(text)s” is no number of seconds.") % {"text": text})
    return seconds


def _queues(text: str) -> frozenset[str]:
    """Some of the queues; none for the empty text."""
    chosen, known = {name.strip() for name in text.split(",")} - {""}, {queue.name for queue in QUEUES}
    if chosen - known:
        words = _("“%(text)s” does not name queues: there are %(known)s.")
        raise argparse.ArgumentTypeError(words % {"text": text, "known": ", ".join(sorted(known))})
    return frozenset(chosen)


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise argparse.ArgumentTypeError(_("“%(text)s” is no moment with its offset.") % {"text": text})
    return moment
