"""What is wrong with a running system, by all the checks there are: those of a deploy, and those that watch it.

What is only to be known before a deploy (a gateway that is away, migrations still to be applied) is trouble here.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from queue import Empty, SimpleQueue
from threading import Thread

from django.conf import settings
from django.db import connections
from django.utils.translation import gettext as _

from flowlog.checklist import Check, Item, Judge, State, failed, ok, run, warning
from flowlog.models import Alarm
from flowlog.monitoring import backups, checks, incidents, needs, overview
from flowlog.operations.checklists import (
    backup,
    connection_limits,
    gateway,
    installation,
    postdeploy,
    predeploy,
    servers,
    trial,
    workers,
)
from flowlog.operations.checklists.units import units
from integrations.models import CarrierConnection, ShopConnection
from integrations.sources import health
from outgoing import health as outgoing

# Seconds. Longer than any check takes whose servers answer, however slowly.
PATIENCE = 20.0
# In which a worker that is busy answers.
_ANSWER = 2.0
# What `/readyz` asks, and what to type. The rest of it is said better by a check of the deploy's or by an incident.
TO_TYPE = {
    "sweep": "sudo systemctl status flowlog-beat flowlog-worker-default",
    "worker-default": "sudo systemctl restart flowlog-worker-default",
    "worker-whatsapp": "sudo systemctl restart flowlog-worker-whatsapp",
    "messages": "sudo systemctl restart flowlog-worker-whatsapp",
}
SAID_BETTER = frozenset({"database", "broker", "instances", "receipts", "migrations"})


def items() -> Iterator[Item]:
    """All of them, as they come; what needs a server that does not answer is left out."""
    yield from _run(("settings", installation.production_settings), ("packages", installation.packages))
    yield from _run(("disk", installation.disk), ("units", units), ("code", installation.code))
    database = list(_run(("database", servers.database)))
    broker = list(_run(("broker", servers.broker)))
    yield from (*database, *broker)
    has_database, has_broker = _answers(database), _answers(broker)
    yield from _run(("gateway", partial(_grave, gateway.credentials if has_database else gateway.of_settings)))
    if has_database:
        yield from _run(*_IN_THE_DATABASE)
    if has_broker:
        yield from _run(("workers", partial(workers.consumed_by_this_revision, _ANSWER)))
    since = None if has_broker else datetime.now(UTC) - postdeploy.WITHOUT_WORKERS
    yield from _run(("log", partial(postdeploy.log_has_no_import_errors, since)), ("web", postdeploy.web))


class GivenUpError(Exception):
    """No answer in time."""


def bounded[T](name: str, check: Callable[[], Iterable[T]]) -> Iterator[T]:
    """What it gives, on database connections of its own; raises `GivenUpError` when `PATIENCE` is over."""
    found: SimpleQueue[tuple[T] | Exception | None] = SimpleQueue()

    def work() -> None:
        try:
            for each in check():
                found.put((each,))
            found.put(None)
        except Exception as error:  # noqa: BLE001 - raised where it is waited for
            found.put(error)
        finally:
            connections.close_all()

    # A daemon: what hangs for ever must not keep the command from ending.
    Thread(target=work, name=name, daemon=True).start()
    ends = time.monotonic() + PATIENCE
    while True:
        try:
            got = found.get(timeout=max(ends - time.monotonic(), 0))
        except Empty:
            raise GivenUpError from None
        if got is None:
            return
        if isinstance(got, Exception):
            raise got
        yield got[0]


def _run(*those: tuple[str, Check]) -> Iterator[Item]:
    return run([(name, partial(_told, name, check)) for name, check in those])


def _told(name: str, check: Check) -> Iterator[Item]:
    try:
        yield from bounded(name, check)
    except GivenUpError:
        words = _("No answer in %(seconds)d seconds.") % {"seconds": PATIENCE}
        yield failed(name, words, _("Try again; if it stays so, restart what it asks, or this server."))


def standing() -> list[str]:
    """How the messages stand. Raises whatever the database does, or `GivenUpError`."""
    return list(bounded("standing", overview.as_lines))


def _answers(found: Sequence[Item]) -> bool:
    return bool(found) and found[0].state is not State.FAILED


def _grave(check: Check) -> Iterator[Item]:
    """What a deploy may ignore is what is wrong."""
    for item in check():
        yield replace(item, state=State.FAILED) if item.state is State.WARNING else item


def _copies() -> Iterable[Item]:
    """Before the first night there need not be any."""
    return _grave(backup.copies) if backups.missing_since() else backup.copies()


def _signs_of_life() -> Iterator[Item]:
    for check in checks.run():
        if todo := TO_TYPE.get(check.name):
            yield ok(check.name, check.words) if check.ok else failed(check.name, check.words, todo)


def _incidents() -> Iterator[Item]:
    """What is wrong with instances, since when, and how much waits for it; and statuses that nobody has explained."""
    for one in incidents.present():
        if judge := _JUDGES.get(one.kind):
            words = f"{one.detail} {one.waiting()}".rstrip()
            yield judge(one.headline, words, _open(one.address))


def _connections() -> Iterator[Item]:
    """Shops' systems and carriers whose news does not come in as it should, and systems that do not take ours."""
    for rows in (health.troubled(ShopConnection), health.troubled(CarrierConnection), outgoing.troubled()):
        if number := rows.count():
            words, model = _("Silent, refused, or in trouble: %(number)d."), rows.model._meta
            address = needs.list_of(model.label_lower.replace(".", "_"))
            yield warning(str(model.verbose_name_plural), words % {"number": number}, _open(address))


# Of the others a check of its own tells.
_JUDGES: Mapping[str, Judge] = {
    Alarm.Kind.HELD_INSTANCE: failed,
    Alarm.Kind.WAY_BACK: failed,
    Alarm.Kind.UNMAPPED: warning,
}


def _open(address: str) -> str:
    return _("Open %(address)s") % {"address": settings.SITE_URL + address}


_IN_THE_DATABASE: Sequence[tuple[str, Check]] = (
    ("instances", partial(_grave, gateway.instances)),
    ("incidents", _incidents),
    ("signs of life", _signs_of_life),
    ("connections", _connections),
    ("migrations", partial(_grave, predeploy.pending_migrations)),
    ("trial", trial.rehearse),
    ("backup", _copies),
    ("room", backup.room),
    ("clock", gateway.clock),
    ("processes", workers.processes),
    ("connection limits", connection_limits.limits),
)
