"""`python -m flowlog.devtools.prepare`: tables, the shop's basics and a login. Safe to repeat.

With `--webhook-of URL` the gateway, which then is the sandbox, sends its events to Flowlog at that address.
Shows its steps on stdout; errors go to stderr, and the exit code is 1.
"""

from __future__ import annotations

import argparse
import os
import sys
from http import HTTPStatus
from urllib.parse import quote

import django
import requests
from django.core.management import call_command

from flowlog.devtools.console import Console

ADMIN = "admin"
TIMEOUT = 10


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


def set_webhook(site: str, console: Console) -> None:
    """Let the gateway send the events of the settings' instance to Flowlog at `site`, as an operator would."""
    from django.conf import settings  # noqa: PLC0415 - so that importing this module needs no settings

    from integrations.evolution.manager import WEBHOOK_EVENTS  # noqa: PLC0415

    name = quote(settings.EVOLUTION_INSTANCE, safe="")
    webhook = {
        "enabled": True,
        "url": f"{site}/webhooks/evolution/{name}/",
        "headers": {"Authorization": f"Bearer {settings.EVOLUTION_WEBHOOK_SECRET}"},
        "byEvents": False,
        "base64": False,
        "events": list(WEBHOOK_EVENTS),
    }
    with console.step("Webhook of the sandbox"):
        answer = requests.post(
            f"{settings.EVOLUTION_API_URL}/webhook/set/{name}",
            headers={"apikey": settings.EVOLUTION_API_KEY},
            json={"webhook": webhook},
            timeout=TIMEOUT,
        )
        if answer.status_code != HTTPStatus.CREATED:
            sys.exit(f"The sandbox refuses the webhook of {settings.EVOLUTION_INSTANCE}: {answer.text}")


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="flowlog.devtools.prepare")
    parser.add_argument("--webhook-of", metavar="URL")
    arguments = parser.parse_args()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "flowlog.settings")
    django.setup()
    console = Console(sys.stdout)
    prepare(console)
    if arguments.webhook_of:
        set_webhook(arguments.webhook_of, console)


if __name__ == "__main__":
    main()
