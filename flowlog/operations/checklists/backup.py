"""The copies of the database: is the newest of last night, and is there room for the next?"""

from __future__ import annotations

import shutil
from collections.abc import Iterator

from django.conf import settings
from django.db import connection
from django.utils import timezone
from django.utils.translation import gettext as _

from flowlog.checklist import Item, ok, warning
from flowlog.monitoring import backups
from flowlog.times import lasting

# The copy itself, and the database into which it is restored for a check; smaller, but nobody can say by how much.
_TIMES_THE_DATABASE = 2


def copies() -> Iterator[Item]:
    """The newest copy is young enough. A copy of another machine's cannot be looked at from here."""
    name, newest = _("backup"), backups.newest()
    todo = _("Run `sudo systemctl start flowlog-backup`, and see logs/backup.log.")
    if newest:
        age = lasting((timezone.now() - newest).total_seconds())
        words = _("The newest copy in %(folder)s is %(age)s old.") % {"folder": settings.BACKUP_DIR, "age": age}
        yield warning(name, words, todo) if backups.missing_since() else ok(name, words)
    elif backups.are_made_here():
        yield warning(name, _("There is no copy in %(folder)s.") % {"folder": settings.BACKUP_DIR}, todo)
    else:
        yield ok(name, _("Not looked at: none are made on this machine."))


def room() -> Iterator[Item]:
    """The disk of the copies has room for one and its check; where the database is elsewhere, nothing can be said."""
    if not backups.are_made_here():
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_database_size(current_database())")
        needed = _TIMES_THE_DATABASE * cursor.fetchone()[0]
    free = shutil.disk_usage(settings.BACKUP_DIR).free
    words = _("The next copy and its check need up to %(needed).1f GB; %(free).1f GB are free at %(place)s.") % {
        "needed": needed / (1 << 30),
        "free": free / (1 << 30),
        "place": settings.BACKUP_DIR,
    }
    name = _("room for the backup")
    if free < needed:
        yield warning(name, words, _("Make room: `du -xh --max-depth=2 / | sort -h | tail`."))
    else:
        yield ok(name, words)
