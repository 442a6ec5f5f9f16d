"""The copies of the database that `deploy/backup.sh` has made and checked, as far as they are on this machine."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from django.conf import settings
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from django.utils import timezone

from flowlog.addresses import is_here

# One is made each night; this leaves it two hours.
LONGEST_PAUSE = timedelta(hours=26)


def newest() -> datetime | None:
    """When the newest one was made; None if there is none here. It has this name only after it was checked."""
    copies = sorted(Path(settings.BACKUP_DIR).glob("flowlog-*.dump"))
    return datetime.fromtimestamp(copies[-1].stat().st_mtime, UTC) if copies else None


def are_made_here() -> bool:
    """Whether they are to be here, since the database is on this machine and `BACKUP_DIR` exists."""
    return is_here(str(connection.settings_dict["HOST"])) and Path(settings.BACKUP_DIR).is_dir()


def missing_since() -> datetime | None:
    """Of when the newest is, if that is too long ago; without any, since when there has been something to keep."""
    since = newest() or (_began() if are_made_here() else None)
    return since if since and timezone.now() - since > LONGEST_PAUSE else None


def _began() -> datetime | None:
    first = MigrationRecorder(connection).migration_qs.order_by("applied").first()
    return first.applied if first else None
