"""Which addresses may be called for somebody who typed where to: those of the public Internet alone.

Whoever may enter the address of a shop's system, or of a webhook, has no say over the server's own network: its
database, the gateway, a cloud's metadata. A name says nothing of where it leads, and may lead elsewhere a moment later,
so what is judged is the address that the name was resolved to, and the connection is made to that very one:
`integrations.gateways.transport.GatewaySession(public_only=True)` does both.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

from django.conf import settings

# On networks without IPv4 its addresses are written so (RFC 6052); what counts is the one within.
_NAT64 = IPv6Network("64:ff9b::/96")


def may_be_called(address: str) -> bool:
    """Whether the numeric address, as `getaddrinfo` gives it, may be called for who typed where to.

    Loopback only where Flowlog itself is tried out on one machine: elsewhere `SITE_URL` begins with https.
    """
    found = _unwrapped(address)
    if found.is_loopback:
        return bool(settings.SITE_URL.startswith("http://"))
    return _is_public(found)


def is_public(address: str) -> bool:
    """Whether the numeric address is one of the public Internet: not private, loopback, link-local, shared, reserved,
    multicast or unspecified, however it is written. Raises `ValueError` for what is no address."""
    return _is_public(_unwrapped(address))


def _is_public(address: IPv4Address | IPv6Address) -> bool:
    if address.is_multicast or address.is_reserved or not address.is_global:
        return False
    return not (isinstance(address, IPv6Address) and address.is_site_local)


def _unwrapped(address: str) -> IPv4Address | IPv6Address:
    """The address, or the IPv4 one that is written as IPv6."""
    found = ip_address(address)
    if isinstance(found, IPv4Address):
        return found
    if found in _NAT64:
        return IPv4Address(int(found) & 0xFFFFFFFF)
    return found.ipv4_mapped or found
