"""`celery -A tests.faults.worker worker …`: Flowlog's worker, which dies or freezes where a test has said so.

A test arms a point by making the file `<point>.<action>` in the folder of FAULTS; the first process that passes the
point removes the file and acts, or, if there is a dot in the file for each time that nothing is to happen, takes one of
them away. Nothing of this exists in Flowlog itself. With PATIENT set, Celery's own time limits
do not end a task that was frozen as soon as it goes on.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Any

import django

django.setup()

from flowlog.celery import app  # noqa: E402 - only now the models can be loaded
from flowlog.timings import Timings  # noqa: E402
from integrations.evolution.client import EvolutionClient  # noqa: E402
from integrations.gateways import transport  # noqa: E402
from notifications import claims, delivery, lookups  # noqa: E402

__all__ = ["Action", "Point", "app", "arm", "armed"]


class Point(StrEnum):
    """Where a worker may fail."""

    BEFORE_CLAIM = "before_claim"
    AFTER_CLAIM = "after_claim"
    BEFORE_REQUEST = "before_request"
    """The attempt is on record, nothing is written to the gateway."""
    BEFORE_BODY = "before_body"
    """The connection is made and the request's head is written, its body not."""
    AFTER_REQUEST = "after_request"
    """The request is written, its answer not read."""
    AFTER_ANSWER = "after_answer"
    """The answer is read, nothing is settled."""
    BEFORE_COMMIT = "before_commit"
    """The answer is settled and the next message claimed, and neither is committed."""
    AFTER_SETTLE = "after_settle"
    AFTER_LOOK_UP = "after_look_up"
    """The gateway has said whether it has the message, nothing is settled."""


class Action(StrEnum):
    """How it fails there."""

    KILL = "kill"
    """-9 for the whole worker, as when the machine goes down."""
    KILL_CHILD = "kill_child"
    """-9 for the process that sends alone, as when memory runs out."""
    FREEZE = "freeze"
    """The whole worker stands still until somebody sends SIGCONT to its group."""


def arm(folder: Path, point: Point, action: Action, passes: int = 0) -> None:
    """Let the next process that passes the point fail there, once, after so many times when nothing happens."""
    (folder / f"{point}.{action}").write_text("." * passes)


def armed(folder: Path) -> list[str]:
    """What has not happened yet."""
    return sorted(path.name for path in folder.iterdir())


def _pass(point: Point) -> None:
    for action in Action:
        file = Path(os.environ["FAULTS"]) / f"{point}.{action}"
        try:
            if passes := file.read_text():
                file.write_text(passes[1:])
                continue
            file.unlink()
        except FileNotFoundError:
            continue
        match action:
            case Action.KILL:
                os.killpg(0, signal.SIGKILL)
            case Action.KILL_CHILD:
                os.kill(os.getpid(), signal.SIGKILL)
            case Action.FREEZE:
                os.killpg(0, signal.SIGSTOP)


def _around(owner: Any, name: str, *, before: Point | None = None, after: Point | None = None) -> None:
    """Let calls of `owner.name` pass a point before it, or after it if it returned something or is no claim."""
    original: Callable[..., Any] = getattr(owner, name)

    def passing(*args: Any, **kwargs: Any) -> Any:
        if before:
            _pass(before)
        result = original(*args, **kwargs)
        if after and not (after in {Point.AFTER_CLAIM, Point.BEFORE_COMMIT} and result is None):
            _pass(after)
        return result

    setattr(owner, name, passing)


def _install() -> None:
    _around(claims, "claim", before=Point.BEFORE_CLAIM, after=Point.AFTER_CLAIM)
    _around(claims, "claim_next", after=Point.BEFORE_COMMIT)
    _around(claims, "begin_attempt", after=Point.BEFORE_REQUEST)
    _around(delivery, "_call", after=Point.AFTER_ANSWER)
    _around(delivery, "settle", after=Point.AFTER_SETTLE)
    _around(lookups, "_ask", after=Point.AFTER_LOOK_UP)

    sending: list[bool] = []
    send_text, getresponse = EvolutionClient.send_text, transport._BoundedConnection.getresponse
    write = transport._BoundedConnection.send

    def marked(*args: Any, **kwargs: Any) -> Any:
        sending.append(True)
        try:
            return send_text(*args, **kwargs)
        finally:
            sending.pop()

    def before_body(connection: Any, data: bytes) -> None:
        if sending and data.startswith(b"{"):
            _pass(Point.BEFORE_BODY)
        write(connection, data)

    def after_request(connection: Any) -> Any:
        if sending:
            _pass(Point.AFTER_REQUEST)
        return getresponse(connection)

    EvolutionClient.send_text = marked  # type: ignore[method-assign]
    transport._BoundedConnection.send = before_body  # type: ignore[assignment,method-assign]
    transport._BoundedConnection.getresponse = after_request  # type: ignore[assignment,method-assign]


if os.environ.get("FAULTS"):
    _install()
if os.environ.get("PATIENT"):
    # Not by the command's options: the settings go before them.
    app.conf.update(task_soft_time_limit=900, task_time_limit=1000, task_annotations=None)
    # Else a busy machine needs all of a turn for the first message.
    Timings.turn = 1.0  # type: ignore[assignment]
