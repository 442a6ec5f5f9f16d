"""The Celery application. Its settings are the `CELERY_…` ones in `flowlog.settings`."""

from __future__ import annotations

import ctypes
import gc
import logging.config
import os
import signal
import sys
from contextlib import ExitStack
from typing import Any

import billiard.util
from celery import Celery
from celery.signals import (
    beat_init,
    setup_logging,
    task_postrun,
    task_prerun,
    worker_before_create_process,
    worker_init,
    worker_process_init,
    worker_ready,
)
from celery.worker.control import inspect_command

from flowlog.logs import context, startup
from flowlog.logs.config import MAIN, process_name
from flowlog.roles import Role, role_of

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "flowlog.settings")
# Celery runs Django's checks at a worker's start, and looks at no answer.
os.environ.setdefault("CELERY_SKIP_CHECKS", "1")

if process_name(sys.argv) != MAIN:
    startup.record_uncaught()

_runs_tasks = role_of(sys.argv) is not Role.BEAT
# Without the fixup, by which Celery loads Django's apps.
app = Celery("flowlog", fixups=None if _runs_tasks else [])
app.config_from_object("django.conf:settings", namespace="CELERY")
if _runs_tasks:
    app.autodiscover_tasks()


@setup_logging.connect
def use_django_logging(**_kwargs: Any) -> None:
    """Workers and beat log as the web does; without a receiver Celery would set up its own."""
    from django.conf import settings  # noqa: PLC0415 - the settings import this package

    logging.config.dictConfig(settings.LOGGING)


@worker_init.connect
def ask_less_often(**_kwargs: Any) -> None:
    """A worker waits two seconds for a task before it asks Redis again, and as long for the answer when it stops."""
    from flowlog.transport import Transport  # noqa: PLC0415 - no other process needs it before it publishes

    Transport.brpop_timeout = 2


@worker_init.connect
def look_at_the_schema(**_kwargs: Any) -> None:
    """Before there are children: they share what was found, and what it took to ask."""
    from flowlog import schema  # noqa: PLC0415 - the settings import this package

    schema.look_at_the_start()


@worker_before_create_process.connect
def share_memory_with_children(**_kwargs: Any) -> None:
    """What this process has loaded stays one copy for all its children: looking for garbage in it would copy it.

    What each of them would make for its first message, and takes long, is made here, once.
    """
    from django.urls import get_resolver  # noqa: PLC0415 - the settings import this package

    from flowlog.prepared import compile_all  # noqa: PLC0415

    compile_all()
    _ = get_resolver().reverse_dict
    # With cffi billiard would have each child make a parser of C, only to say that it dies with its parent. Without, it
    # says so by ctypes, which it has not imported then.
    billiard.util.ctypes = ctypes  # type: ignore[attr-defined]
    sys.modules.pop("cffi", None)
    gc.collect()
    gc.freeze()


@worker_process_init.connect
def leave_stopping_to_the_main_process(**_kwargs: Any) -> None:
    """A SIGTERM to the whole process group must not tear a task in hand: the main process ends its children."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


@worker_ready.connect
@beat_init.connect
def tell_of_the_start(**_kwargs: Any) -> None:
    """The log says when which process began to work, and with which code."""
    startup.tell(process_name(sys.argv))


_in_hand: dict[str, ExitStack] = {}


@task_prerun.connect
def log_about_the_task(task_id: str, **_kwargs: Any) -> None:
    """Every line that a task writes names it."""
    _in_hand[task_id] = ExitStack()
    _in_hand[task_id].enter_context(context.about(task=task_id))


@task_postrun.connect
def log_no_longer_about_the_task(task_id: str, **_kwargs: Any) -> None:
    """Lines after it are not about it."""
    if stack := _in_hand.pop(task_id, None):
        stack.close()


@task_postrun.connect
def give_connections_back(**_kwargs: Any) -> None:
    """What a task leaves in use goes back to the pool, which checks it before the next one gets it.

    So PostgreSQL's sessions last as long as the process. By itself Celery 5.7 closes the pool of a prefork child around
    every task, CONN_MAX_AGE or not, so that each one opens sessions anew; `CELERY_DB_REUSE_MAX` keeps it from that.
    """
    from django.db import connections  # noqa: PLC0415 - the settings import this package

    for connection in connections.all(initialized_only=True):
        connection.close()


@inspect_command(name="revision")
def answer_revision(_state: Any) -> dict[str, str]:
    """The revision of the code that this worker runs, for whoever asks all workers over the broker."""
    from django.conf import settings  # noqa: PLC0415 - the settings import this package

    return {"revision": settings.REVISION}
