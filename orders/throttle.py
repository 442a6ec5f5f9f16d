"""How often one address may ask for a public page: counted in the database, for all web processes together."""

from __future__ import annotations

import ipaddress

from django.conf import settings
from django.db import connection, models
from django.http import HttpRequest
from django.utils.crypto import salted_hmac

# Addresses share this many counters, so that the table never grows, needs no cleaning and holds nobody's address.
_COUNTERS = 65_536
# Whoever has one IPv6 address has all of its network.
_IPV6_NETWORK = 64

_COUNT = """
    INSERT INTO orders_requestcounter AS counter (id, minute, requests) VALUES (%s, date_trunc('minute', now()), 1)
    ON CONFLICT (id) DO UPDATE SET
        requests = CASE WHEN counter.minute = excluded.minute THEN counter.requests + 1 ELSE 1 END,
        minute = excluded.minute
    RETURNING requests
"""


class RequestCounter(models.Model):
    """The requests of the addresses that share this counter, in the minute of the last one."""

    id = models.PositiveIntegerField(primary_key=True)
    minute = models.DateTimeField()
    requests = models.PositiveIntegerField()

    class Meta:
        app_label = "orders"

    def __str__(self) -> str:
        return f"{self.id}: {self.requests} @ {self.minute:%H:%M}"


def is_too_often(request: HttpRequest) -> bool:
    """Count the request; whether its address has used up this minute's requests."""
    with connection.cursor() as cursor:
        cursor.execute(_COUNT, [_counter_of(client_address(request))])
        (requests,) = cursor.fetchone()
    return bool(requests > settings.TRACKING_PAGE_REQUESTS_PER_MINUTE)


def client_address(request: HttpRequest) -> str:
    """Who asks. `X-Forwarded-For` counts only as far as our own proxies have written it."""
    forwarded = [part.strip() for part in request.headers.get("X-Forwarded-For", "").split(",")]
    proxies = settings.TRUSTED_PROXIES
    address: str = request.META.get("REMOTE_ADDR", "")
    return forwarded[-proxies] if 0 < proxies <= len(forwarded) and forwarded[-proxies] else address


def _counter_of(address: str) -> int:
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        counted = address
    else:
        network = ip if ip.version == 4 else ipaddress.ip_network((ip, _IPV6_NETWORK), strict=False)  # noqa: PLR2004
        counted = str(network)
    return int.from_bytes(salted_hmac("orders.throttle", counted, algorithm="sha256").digest()[:8]) % _COUNTERS
