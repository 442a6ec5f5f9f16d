"""What a process is there for, by its command line: what it does not need it does not load, which keeps it small.

- `BEAT` publishes tasks by their names. It has neither a database nor Django's apps.
- `WORKER` runs tasks. It has every model and every task; of the pages it has their addresses alone (`flowlog.links`).
- `WHOLE` is everything else, the web and the commands: they have all there is.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum

from flowlog.logs.config import process_name


class Role(Enum):
    BEAT = "beat"
    WORKER = "worker"
    WHOLE = "whole"


def role_of(arguments: Sequence[str]) -> Role:
    """The role of a process with this command line."""
    kind = process_name(arguments).partition("-")[0]
    return Role(kind) if kind in {Role.BEAT.value, Role.WORKER.value} else Role.WHOLE
