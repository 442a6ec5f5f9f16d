"""How many processes the worker of `whatsapp` has: so many that an instance whose gateway hangs delays no other.

Prefork, since the protocol relies on Celery's time limits, and a fixed number, since Celery's autoscaler ends processes
by the SIGTERM that ours do not listen to.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from django.conf import settings
from django.db import Error as DatabaseError

from flowlog.database import close_pools
from integrations.models import EvolutionInstance

logger = logging.getLogger(__name__)

# An instance sends one message at a time, and is asked about by one at a time.
PER_INSTANCE = 2
LEAST, MOST = 2, 64
# What a process has for itself, besides what all share; and the share of the machine that all of them may have.
MEGABYTES = 60
SHARE = 0.25


@dataclass(frozen=True, slots=True)
class Capacity:
    """How many processes are needed, and how many the memory has room for.

    Needed on each server that has this worker, whatever the others have: any of them may get all the messages that go
    just now, and has to do with the others down.
    """

    needed: int
    room: int

    @property
    def processes(self) -> int:
        """How many there will be."""
        return settings.WHATSAPP_PROCESSES or max(LEAST, min(self.needed, self.room, MOST))


def capacity(root: Path = Path("/")) -> Capacity:
    """As of now, by the instances that there are. Raises `django.db.Error` if the database cannot say."""
    return Capacity(EvolutionInstance.objects.count() * PER_INSTANCE, int(memory(root) / 2**20 * SHARE / MEGABYTES))


def memory(root: Path = Path("/")) -> int:
    """The bytes that this process may have of the machine's memory: the least of what the machine has and its limits.

    These are those of its control group and of all above it (a container's, systemd's `MemoryMax`), of version 2 or 1.
    """
    limits = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for group, name in _groups(root):
        try:
            limits.append(int((group / name).read_text()))
        except (OSError, ValueError):  # the group is not to be seen from here, or has no limit: "max"
            continue
    return min(limits)


def _groups(root: Path) -> Iterator[tuple[Path, str]]:
    """The control groups that limit this process's memory, and the names of the files that say to how much."""
    try:
        memberships = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return
    for controllers, path in (line.split(":", 2)[1:] for line in memberships):
        if not controllers:
            top, name = root / "sys/fs/cgroup", "memory.max"
        elif "memory" in controllers.split(","):
            top, name = root / "sys/fs/cgroup/memory", "memory.limit_in_bytes"
        else:
            continue
        own = PurePosixPath(path.lstrip("/"))
        for group in (own, *own.parents):
            yield top / group, name


def processes() -> int:
    """For a worker that starts: never fails, and leaves no connection behind that its children would share."""
    if settings.WHATSAPP_PROCESSES:
        return int(settings.WHATSAPP_PROCESSES)
    try:
        return capacity().processes
    except DatabaseError:
        logger.warning("The database cannot say how many instances there are: the worker starts with %d", LEAST)
        return LEAST
    finally:
        close_pools()


def size_the_pool(conf: Any, options: dict[str, Any], **_kwargs: Any) -> None:
    """Without `--concurrency` the worker of `whatsapp` has as many processes as its instances need."""
    if "whatsapp" in str(options.get("queues") or ""):
        conf.worker_concurrency = processes()
