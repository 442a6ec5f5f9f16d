"""The gateways: our credentials are right, our instances are there and connected, and all clocks say the same."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import redis
import requests
from django.conf import settings
from django.db import DatabaseError, ProgrammingError, connection, transaction
from django.utils.translation import gettext as _

from flowlog.broker import redis_client
from flowlog.checklist import Item, failed, ok, warning
from integrations.gateways.guides import guide_of
from integrations.models import EvolutionInstance

_TIMEOUT = (5, 10)
# Seconds. A message's look-up asks for what was sent at about a time.
_MAY_DIFFER, _MUST_NOT_DIFFER = 5, 60


def credentials() -> Iterator[Item]:
    """What the settings say of gateways is right; nothing of a kind of which no instance is, while there are any."""
    try:
        ours = _ours()
    except DatabaseError:
        ours = []
    for kind in sorted({instance.gateway for instance in ours or [EvolutionInstance()]}):
        yield from guide_of(kind).check_settings()


def of_settings() -> Iterator[Item]:
    """The same of the kind that an instance has by default, without asking the database."""
    return guide_of(EvolutionInstance().gateway).check_settings()


def instances() -> Iterator[Item]:
    """Each instance of ours is there and connected; nothing where the gateway of the settings cannot be asked."""
    ours = _ours()
    if not ours:
        yield warning(
            _("instances"),
            _("Flowlog has none, so nothing can be sent."),
            _("Set EVOLUTION_INSTANCE and run `manage.py bootstrap`, or add one in the admin."),
        )
    for kind in sorted({instance.gateway for instance in ours}):
        yield from guide_of(kind).check([instance for instance in ours if instance.gateway == kind])


def _ours() -> list[EvolutionInstance]:
    """Our instances, by name. The old schema may still be in place, which knows of no gateways of their own."""
    both = ("name", "held_at", "held_reason")
    rows = EvolutionInstance.objects.order_by("name")
    try:
        with transaction.atomic():
            return list(rows.only(*both, "gateway", "api_url", "api_key"))
    except ProgrammingError:
        ours, by_default = list(rows.only(*both)), EvolutionInstance()
    for instance in ours:
        for name in ("gateway", "api_url", "api_key"):
            setattr(instance, name, getattr(by_default, name))
    return ours


def clock() -> Iterator[Item]:
    """The clocks of this machine, PostgreSQL, Redis and the gateway say the same, and this one is kept by NTP."""
    name, todo = _("clock"), _("Let all servers keep their time by NTP: `timedatectl set-ntp true`.")
    database, in_redis, at_gateway = _seconds_from_the_database(), _seconds_from_redis(), _seconds_from_the_gateway()
    words = _("The database's differs by %(seconds).1f s.") % {"seconds": database}
    if in_redis is not None:
        words = " ".join([words, _("The one of Redis differs by %(seconds).1f s.") % {"seconds": in_redis}])
    if at_gateway is not None:
        words = " ".join([words, _("The gateway's differs by %(seconds).1f s.") % {"seconds": at_gateway}])
    worst = max(abs(seconds or 0.0) for seconds in (database, in_redis, at_gateway))
    if worst > _MUST_NOT_DIFFER:
        yield failed(name, words, todo)
    elif worst > _MAY_DIFFER:
        yield warning(name, words, todo)
    else:
        yield ok(name, words)
    if _kept_by_ntp() is False:
        yield warning(name, _("This machine does not keep its time by NTP."), todo)


def _kept_by_ntp() -> bool | None:
    """None where nobody can tell."""
    command = ["timedatectl", "show", "--property=NTPSynchronized", "--value"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=5)  # noqa: S603 - fixed words
    except (OSError, subprocess.TimeoutExpired):
        return None
    return {"yes": True, "no": False}.get(done.stdout.strip())


def _seconds_from_the_database() -> float:
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        return float((cursor.fetchone()[0] - datetime.now(UTC)).total_seconds())


def _seconds_from_redis() -> float | None:
    """None if it does not answer."""
    try:
        with redis_client(settings.REDIS_URL) as client:
            seconds, microseconds = client.time()
    except redis.RedisError:
        return None
    return float(seconds) + float(microseconds) / 1e6 - datetime.now(UTC).timestamp()


def _seconds_from_the_gateway() -> float | None:
    """None if it does not say what time it is. Its answer is rounded to a second."""
    try:
        answer = requests.get(settings.EVOLUTION_API_URL, timeout=_TIMEOUT, allow_redirects=False, stream=True)
        answer.close()
        theirs = parsedate_to_datetime(answer.headers["Date"])
    except (requests.RequestException, KeyError, ValueError):
        return None
    return float((theirs - datetime.now(UTC)).total_seconds())
