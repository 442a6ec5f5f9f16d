"""How many connections the database gives, and how many Flowlog takes at its busiest: a managed one has few."""

from __future__ import annotations

from collections.abc import Iterator

from django.db import connection
from django.utils.translation import gettext as _

from flowlog.checklist import Item, ok, warning
from notifications import capacity

# One for each thread that answers requests (flowlog-web.service, while it restarts flowlog-web-stand-in.service too;
# gunicorn.conf.py), one for each process of a worker, one for its parent, and the clock's.
WEB_PROCESSES, STAND_IN_PROCESSES, WEB_THREADS = 3, 1, 4
_OF_WORKER_DEFAULT, _OF_THE_CLOCK = 3, 1
# The copy of each night beside a deploy: three to read, two to check, one for a command.
_BESIDE = 6

# Those that superusers and the members of pg_use_reserved_connections keep are not for us; -1 is no limit.
_GIVEN = """
    SELECT current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
        - coalesce(current_setting('reserved_connections', true), '0')::int,
        datconnlimit, rolconnlimit
    FROM pg_database, pg_roles WHERE datname = current_database() AND rolname = current_user
"""


def limits() -> Iterator[Item]:
    """The database gives as many connections as one server with all of Flowlog may take at once."""
    with connection.cursor() as cursor:
        cursor.execute(_GIVEN)
        given = min(limit for limit in cursor.fetchone() if limit >= 0)
    name, numbers = _("connections of the database"), {"needed": needed(), "given": given}
    words = _("Up to %(needed)d are needed; the database gives %(given)d.") % numbers
    if needed() <= given:
        yield ok(name, words)
    else:
        yield warning(
            name, words, _("Raise max_connections (or the plan), or lower WHATSAPP_PROCESSES and WEB_CONCURRENCY.")
        )


def needed() -> int:
    """By one server with everything, at its busiest."""
    of_worker_whatsapp = capacity.capacity().processes + 1
    of_the_web = (WEB_PROCESSES + STAND_IN_PROCESSES) * WEB_THREADS
    return of_the_web + _OF_WORKER_DEFAULT + of_worker_whatsapp + _OF_THE_CLOCK + _BESIDE
