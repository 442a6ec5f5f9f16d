"""The embedded servers for the length of one command line."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from flowlog.devtools.errors import DevError
from flowlog.devtools.servers import EmbeddedServers


@contextmanager
def embedded_servers(home: Path, *, postgres: bool, valkey: bool) -> Iterator[None]:
    """Start the chosen servers, or join those that run; leave them at the end. Exits with a sentence on failure."""
    # By default these two end a process at once, before it could leave the servers.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda received, _frame: sys.exit(128 + received))
    servers = EmbeddedServers(home, postgres=postgres, valkey=valkey)
    try:
        servers.start()
    except DevError as error:
        sys.exit(str(error))
    try:
        yield
    finally:
        servers.stop()
