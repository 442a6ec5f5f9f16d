"""The checks behind `/readyz`: each is ok or not, and says so in words without secrets, names or people."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import redis
from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from flowlog import heartbeats, schema
from flowlog.broker import redis_client
from flowlog.monitoring import figures
from flowlog.monitoring.words import oldest_is_due
from flowlog.times import lasting
from integrations.inbound import way_back

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Check:
    """What one check found."""

    name: str
    ok: bool
    words: str


def run() -> list[Check]:
    """All checks; without a database only those that need none. Never raises."""
    database = _guarded("database", _database)
    checks = [*database, *_broker()]
    if all(check.ok for check in database):
        for name, check in _IN_THE_DATABASE:
            checks += _guarded(name, check)
    return checks


def _guarded(name: str, check: Callable[[], Iterator[Check]]) -> list[Check]:
    try:
        return list(check())
    except (DatabaseError, InterfaceError) as error:
        logger.warning("Health check %s: %s", name, error)
        return [Check(name, ok=False, words=_("The database does not answer as it should."))]


def _database() -> Iterator[Check]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    yield Check("database", ok=True, words=_("Answers."))


def _broker() -> Iterator[Check]:
    try:
        with redis_client(settings.REDIS_URL) as client:
            client.ping()
    except redis.RedisError as error:
        logger.warning("Health check broker: %s", error)
        yield Check("broker", ok=False, words=_("Redis does not answer."))
    else:
        yield Check("broker", ok=True, words=_("Answers."))


def _heartbeats() -> Iterator[Check]:
    pulses = heartbeats.pulses()
    yield _sweep(pulses.pop(heartbeats.SWEEP))
    for pulse in pulses.values():
        if pulse.host and pulse.age is not None:
            words = _("Last sign of life %(lasting)s ago.") % {"lasting": lasting(pulse.age)}
        else:
            words = _("No worker has ever consumed this queue.")
        yield Check(f"worker-{pulse.queue}", not pulse.silent, words)


def _sweep(pulse: heartbeats.Pulse) -> Check:
    if pulse.host and pulse.age is not None:
        words = _("Last done %(lasting)s ago.") % {"lasting": lasting(pulse.age)}
    else:
        words = _("It was never done.")
    return Check("sweep", not pulse.silent, words)


def _oldest_due() -> Iterator[Check]:
    yield Check("messages", not figures.stalled(), oldest_is_due(figures.oldest_due()))


def _instances() -> Iterator[Check]:
    number = len(figures.held_instances())
    words = ngettext("%(number)d is held.", "%(number)d are held.", number) % {"number": number}
    yield Check("instances", not number, words if number else _("None is held."))


def _way_back() -> Iterator[Check]:
    number = way_back.troubled().count()
    words = ngettext(
        "Of %(number)d instance no news comes back from the gateway.",
        "Of %(number)d instances no news comes back from the gateway.",
        number,
    ) % {"number": number}
    yield Check("receipts", not number, words if number else _("Nothing is amiss."))


def _migrations() -> Iterator[Check]:
    missing = len(schema.missing_now())
    words = ngettext("%(number)d is not applied.", "%(number)d are not applied.", missing) % {"number": missing}
    yield Check("migrations", not missing, words if missing else _("All are applied."))


_IN_THE_DATABASE: tuple[tuple[str, Callable[[], Iterator[Check]]], ...] = (
    ("workers", _heartbeats),
    ("messages", _oldest_due),
    ("instances", _instances),
    ("receipts", _way_back),
    ("migrations", _migrations),
)
