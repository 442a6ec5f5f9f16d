"""Where the gateway is to tell what happens at an instance."""

from __future__ import annotations

from urllib.parse import quote

from django.conf import settings


def webhook_of_this_site(instance_name: str) -> str:
    """The address for the instance's events."""
    return f"{settings.SITE_URL}/webhooks/evolution/{quote(instance_name, safe='')}/"


def leads_here(url: str, instance_name: str) -> bool:
    """Whether events posted to `url` come in as the instance's."""
    return url.rstrip("/") == webhook_of_this_site(instance_name).rstrip("/")
