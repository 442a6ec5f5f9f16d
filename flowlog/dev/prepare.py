"""`python -m flowlog.dev.prepare`: tables, the shop's basics and a login. Safe to repeat.

Shows its steps on stdout; errors go to stderr, and the exit code is 1.
"""

from __future__ import annotations

import os
import sys

import django
from django.core.management import call_command

from flowlog.dev.console import Console

ADMIN = "admin"


def prepare(console: Console) -> None:
    """Bring the database up to date and make sure that `admin` can log in."""
    with console.step("Tables"):
        call_command("migrate", interactive=False, verbosity=0)
    with console.step("Shop, instance, staff groups"), open(os.devnull, "w") as nowhere:  # noqa: PTH123
        call_command("bootstrap", stdout=nowhere)
    from django.contrib.auth.models import User  # noqa: PLC0415 - needs the app registry

    if not User.objects.filter(username=ADMIN).exists():
        with console.step(f"Login {ADMIN} / {ADMIN} (development only)"):
            User.objects.create_superuser(ADMIN, "admin@example.com", ADMIN)


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "flowlog.settings")
    django.setup()
    prepare(Console(sys.stdout))
