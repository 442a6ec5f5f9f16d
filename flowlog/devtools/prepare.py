"""`python -m flowlog.devtools.prepare`: tables, the shop's basics and a login. Safe to repeat.

With `--webhook-of URL` the gateway, which then is the sandbox, sends its events to Flowlog at that address, and so do
the shop and the carrier that it plays.
Shows its steps on stdout; errors go to stderr, and the exit code is 1.
"""

from __future__ import annotations

import argparse
import os
import sys
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import django
import requests
from django.core.management import call_command

from flowlog.devtools.console import Console
from flowlog.devtools.sandbox.parcels import OUT_FOR_DELIVERY

ADMIN = "admin"
TIMEOUT = 10
# Known to everybody, like the login: of the development system alone.
SHOP_CREDENTIALS = {
    "secret": "segredo-da-loja",
    "consumer_key": "ck_sandbox",
    "consumer_secret": "cs_sandbox",
}
CARRIER_CREDENTIALS = {
    "secret": "segredo-da-transportadora",
    "token": "token-do-sandbox",
    "mail": "admin@example.com",
}
_SECRETS = (SHOP_CREDENTIALS["secret"], CARRIER_CREDENTIALS["secret"])


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


def connect_outside(site: str, console: Console) -> None:
    """Let the shop and the carrier that the sandbox plays tell the first store of orders and parcels, at `site`.

    Connections that are there already stay as they are; the sandbox takes over what they say.
    """
    from django.conf import settings  # noqa: PLC0415 - needs the app registry

    from integrations.models import CarrierConnection, ShopConnection  # noqa: PLC0415

    with console.step("Shop and carrier of the sandbox"):
        shop = _connection(ShopConnection, "woocommerce", "Loja virtual (sandbox)", SHOP_CREDENTIALS)
        carrier = _connection(
            CarrierConnection, "melhorenvio", "Melhor Envio (sandbox)", CARRIER_CREDENTIALS,
            mapping={OUT_FOR_DELIVERY: "out_for_delivery"},
        )  # fmt: skip
        for action, connection in (("shop", shop), ("carrier", carrier)):
            credentials = connection.reveal()
            if credentials.get("secret") in _SECRETS:
                # The sandbox may have another port than the last time.
                connection.keep(credentials | {"address": settings.EVOLUTION_API_URL})
                connection.save(update_fields=["credentials"])
            webhook = f"{site}{connection.path}{connection.source}/{connection.token}/"
            answer = requests.post(
                f"{settings.EVOLUTION_API_URL}/sandbox/{action}",
                headers={"apikey": settings.EVOLUTION_API_KEY},
                json={**credentials, "webhook": webhook},
                timeout=TIMEOUT,
            )
            if answer.status_code != HTTPStatus.OK:
                sys.exit(f"The sandbox plays no {action}: {answer.text}")


def _connection(connections: Any, source: str, name: str, credentials: dict[str, str], **more: Any) -> Any:
    """The first store's connection to that source, made with these credentials if there is none."""
    from orders.models import Store  # noqa: PLC0415 - needs the app registry

    store = Store.get_default()
    found = connections.objects.filter(store=store, source=source).order_by("pk").first()
    if found is None:
        found = connections(store=store, source=source, name=name, **more)
        found.keep(credentials)
        found.save()
    return found


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
        connect_outside(arguments.webhook_of, console)


if __name__ == "__main__":
    main()
