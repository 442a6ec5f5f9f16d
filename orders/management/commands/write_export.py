"""`manage.py write_export ID`: write the file of one export, for the worker that was asked to (`orders.tasks`)."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from orders import export_jobs


class Command(BaseCommand):
    help = "Write the file of one export in the background; workers call this."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("pk", type=int)

    def handle(self, *_args: Any, **options: Any) -> None:
        export_jobs.carry_out(options["pk"])
