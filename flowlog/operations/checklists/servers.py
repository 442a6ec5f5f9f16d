"""PostgreSQL and Redis: reachable, new enough, and set up as Flowlog needs them."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.db import Error as DatabaseError
from django.db import connection
from django.utils.translation import gettext as _

from flowlog.addresses import is_here
from flowlog.broker import PUBLISH_TRANSPORT_OPTIONS, QUEUES, redis_client
from flowlog.celery import app
from flowlog.checklist import Item, failed, ok, warning

logger = logging.getLogger(__name__)

POSTGRESQL_AT_LEAST, REDIS_AT_LEAST = 15, 7
_FULL = 0.8


def database() -> Iterator[Item]:
    """It answers, is new enough, and the role may do what migrations need, but no more."""
    name = "PostgreSQL"
    try:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT current_setting('server_version'), current_setting('server_version_num')::int / 10000,"
                " has_schema_privilege(current_schema(), 'CREATE'), rolsuper,"
                " (SELECT count(*) FROM pg_tables WHERE schemaname = current_schema()"
                "  AND NOT pg_has_role(current_user, tableowner, 'USAGE')), current_setting('synchronous_commit')"
                " FROM pg_roles WHERE rolname = current_user"
            )
            version, major, may_create, superuser, foreign, synchronous = cursor.fetchone()
    except DatabaseError as error:
        reason = str(error).strip().partition("\n")[0]
        todo = _("See DATABASE_URL, and its server.")
        if is_here(str(connection.settings_dict["HOST"])):
            todo = _to_start("postgresql", "DATABASE_URL")
        yield failed(name, _("Does not answer: %(reason)s") % {"reason": reason}, todo)
        return
    if major < POSTGRESQL_AT_LEAST:
        yield failed(name, version, _("Flowlog needs version %(version)d.") % {"version": POSTGRESQL_AT_LEAST})
    else:
        yield ok(name, _("Answers, version %(version)s.") % {"version": version})
    yield from _role(may_create=may_create, superuser=superuser, foreign_tables=foreign)
    if synchronous == "off":
        yield warning(
            name,
            _("synchronous_commit is off: after a crash a sent message may be forgotten, and sent again."),
            _("Leave it on for Flowlog's database."),
        )


def _role(*, may_create: bool, superuser: bool, foreign_tables: int) -> Iterator[Item]:
    name = _("database role")
    if not may_create or foreign_tables:
        yield failed(
            name,
            _("It may not create tables, or does not own all of them: migrations would fail."),
            _("Let Flowlog's role own its database: ALTER DATABASE … OWNER TO …, and the tables likewise."),
        )
    elif superuser:
        yield warning(name, _("It is a superuser."), _("Give Flowlog a role of its own, which owns its database only."))
    else:
        yield ok(name, _("May do what it must, and no more."))


def broker() -> Iterator[Item]:
    """It answers, is new enough, throws nothing away, and has room."""
    name = "Redis"
    try:
        with redis_client(settings.REDIS_URL) as client:
            client.ping()
            info: dict[str, Any] = client.info()
            _open_as_celery_does()
    except Exception as error:  # kombu's are of many kinds
        logger.warning("The broker: %s", type(error).__name__, exc_info=True)
        words = _("Does not answer: %(reason)s") % {"reason": str(error).partition("\n")[0]}
        todo = _("See REDIS_URL, and try `redis-cli ping`.")
        if is_here(urlsplit(settings.REDIS_URL).hostname or ""):
            todo = _to_start("redis-server", "REDIS_URL")
        yield failed(name, words, todo)
        return
    version = str(info.get("valkey_version") or info.get("redis_version", "0"))
    if int(version.partition(".")[0]) < REDIS_AT_LEAST:
        yield failed(name, version, _("Flowlog needs version %(version)d.") % {"version": REDIS_AT_LEAST})
    else:
        yield ok(name, _("Answers, version %(version)s.") % {"version": version})
    yield _memory(info)
    if info.get("maxmemory_policy") != "noeviction":
        yield warning(
            _("memory of Redis"),
            _("When it is full it throws tasks away (maxmemory-policy %(policy)s).")
            % {"policy": info.get("maxmemory_policy")},
            _("Set maxmemory-policy noeviction. No message is lost either way, but they wait for the sweep."),
        )
    if not info.get("aof_enabled"):
        yield warning(
            _("storage of Redis"),
            _("After a restart of Redis its tasks are gone (appendonly is off)."),
            _("Set appendonly yes. No message is lost either way, but they wait for the sweep."),
        )


def _to_start(unit: str, setting: str) -> str:
    words = _("`sudo systemctl start %(unit)s`; if it runs, see %(setting)s in .env.")
    return words % {"unit": unit, "setting": setting}


def _open_as_celery_does() -> None:
    """The way that tasks take: another library than the one that pings, which reads the address in its own way."""
    with app.connection_for_write(transport_options=PUBLISH_TRANSPORT_OPTIONS) as connection:
        channel: Any = connection.channel()  # `default_channel` would try for ever
        for queue in QUEUES:
            queue.bind(channel).queue_declare()


def _memory(info: dict[str, Any]) -> Item:
    name = _("memory of Redis")
    limit = int(info.get("maxmemory") or info.get("total_system_memory") or 0)
    used = int(info.get("used_memory", 0))
    words = _("%(used)d MB of %(limit)d MB in use.") % {"used": used >> 20, "limit": limit >> 20}
    if limit and used > _FULL * limit:
        return failed(name, words, _("Give it more memory, or find out what fills it: `redis-cli --bigkeys`."))
    return ok(name, words)
