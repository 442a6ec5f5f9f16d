"""Where an embedded server keeps its data and its socket. Pure: nothing here touches the disk.

The places follow from the server's folder and the user alone, so that every process finds the same
server without asking anyone.
"""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path

# PostgreSQL refuses to run as root. As root it runs as this account, in a place which that account can
# reach: a checkout below /root is closed to it, and nobody's folders are opened up for its sake.
UNPRIVILEGED_USER = "nobody"
ROOT_PLACE = Path("/var/lib/flowlog-dev")

# The kernel's limit for a socket's path is 104 bytes on some systems, 108 on others.
_LONGEST_SOCKET_PATH = 100
_SOCKET_NAME_ROOM = len("/.s.PGSQL.5432.lock")
# Anything else has a meaning in a URL or in a connection string.
_PLAIN_PATH = re.compile(r"[\w./-]+", re.ASCII)


def digest(folder: Path) -> str:
    """A short name that is this folder's own."""
    return hashlib.sha256(os.fsencode(folder)).hexdigest()[:12]


def postgres_place(folder: Path) -> Path:
    """Where the PostgreSQL server of `folder` lives: there, or below `ROOT_PLACE` for root."""
    return ROOT_PLACE / digest(folder) if os.geteuid() == 0 else folder


def socket_folder(place: Path) -> Path:
    """`place`/sockets, or a short folder of this user's below /tmp where that path is too long or not plain."""
    sockets = place / "sockets"
    if len(os.fsencode(sockets)) + _SOCKET_NAME_ROOM <= _LONGEST_SOCKET_PATH and _PLAIN_PATH.fullmatch(str(sockets)):
        return sockets
    # Not $TMPDIR: two terminals may differ in it, and the address has to be the same in both.
    return Path("/tmp") / f"flowlog-{os.geteuid()}-{digest(place)}"  # noqa: S108 - checked by `private_folder`
