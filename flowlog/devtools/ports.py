"""Choosing loopback ports, so that several checkouts run side by side."""

from __future__ import annotations

import socket

from flowlog.devtools.errors import DevError

HOST = "127.0.0.1"
_TRIES = 100
_LAST = 65535


def parse_port(text: str, what: str) -> int:
    """The port that somebody typed for `what`. Raises `DevError`."""
    port = int(text) if text.isascii() and text.isdigit() else 0
    if not 0 < port <= _LAST:
        raise DevError(f"“{text}” is no port for {what}: choose a number from 1 to {_LAST}.")
    return port


def is_free(port: int) -> bool:
    """Whether a server could listen on this loopback port now. Raises `DevError` where it never could."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except PermissionError:
            raise DevError(f"Port {port} is the system's own: choose one from 1024 to {_LAST}.") from None
        except OSError:
            return False
        return True


def choose_port(default: int, wanted: int | None, *, taken: frozenset[int] = frozenset()) -> int:
    """The port that was asked for, or else the first free one from `default` on.

    Raises `DevError` if the wanted port is busy: whoever names a port relies on it.
    """
    if wanted is not None:
        if wanted in taken or not is_free(wanted):
            raise DevError(f"Port {wanted} is busy: stop what uses it, or choose another one.")
        return wanted
    for port in range(default, default + _TRIES):
        if port not in taken and is_free(port):
            return port
    raise DevError(f"No free port between {default} and {default + _TRIES - 1}.")
