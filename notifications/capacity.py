"""How many processes the worker of `whatsapp` has: so many that an instance whose gateway hangs delays no other.

Prefork, since the protocol relies on Celery's time limits, and a fixed number, since Celery's autoscaler ends processes
by the SIGTERM that ours do not listen to.
"""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
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
    """How many processes are needed, and how many the machine's memory has room for."""

    needed: int
    room: int

    @property
    def processes(self) -> int:
        """How many there will be."""
        return settings.WHATSAPP_PROCESSES or max(LEAST, min(self.needed, self.room, MOST))


def capacity() -> Capacity:
    """As of now, by the instances that there are. Raises `django.db.Error` if the database cannot say."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**20
    return Capacity(EvolutionInstance.objects.count() * PER_INSTANCE, int(memory * SHARE / MEGABYTES))


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
