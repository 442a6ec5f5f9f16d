"""How often one address may ask for a public page: counted in the database, for all web processes together.

The table is unlogged, so that the requests of one address do not wait for the disk one after the other: a crash of
PostgreSQL empties it.
"""

from __future__ import annotations

import ipaddress

from django.conf import settings
from django.db import models
from django.http import HttpRequest
from django.utils.crypto import salted_hmac

from flowlog.prepared import Standalone

# Addresses share this many counters, so that the table never grows, needs no cleaning and holds nobody's address.
_COUNTERS = 65_536
_IPV6_NETWORK = 64

_COUNT = Standalone("""
    INSERT INTO orders_requestcounter AS counter (id, minute, requests)
    VALUES (%(counter)s, date_trunc('minute', now()), 1)
    ON CONFLICT (id) DO UPDATE SET
        requests = CASE WHEN counter.minute = excluded.minute THEN counter.requests + 1 ELSE 1 END,
        minute = excluded.minute
    RETURNING requests
""")


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
    return is_used_up(client_address(request), settings.TRACKING_PAGE_REQUESTS_PER_MINUTE)


def is_used_up(who: str, most: int) -> bool:
    """Count one more of whoever it is; whether they have used up this minute's."""
    [(requests,)] = _COUNT.fetched(counter=_counter_of(who))
    return bool(requests > most)


def client_address(request: HttpRequest) -> str:
    """Who asks. `X-Forwarded-For` counts only as far as our own proxies have written it."""
    forwarded = [part.strip() for part in request.headers.get("X-Forwarded-For", "").split(",")]
    proxies = settings.TRUSTED_PROXIES
    address: str = request.META.get("REMOTE_ADDR", "")
    return forwarded[-proxies] if 0 < proxies <= len(forwarded) and forwarded[-proxies] else address


def client_network(request: HttpRequest) -> str:
    """The same, or of an IPv6 address the first one of its network: whoever has one has them all."""
    return _network(client_address(request))


def _network(address: str) -> str:
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return address
    if ip.version == 4:  # noqa: PLR2004
        return str(ip)
    return str(ipaddress.ip_network((ip, _IPV6_NETWORK), strict=False).network_address)


def _counter_of(who: str) -> int:
    digest = salted_hmac("orders.throttle", _network(who), algorithm="sha256").digest()
    return int.from_bytes(digest[:8]) % _COUNTERS
