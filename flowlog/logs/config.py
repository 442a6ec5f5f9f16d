"""Which process writes to which file.

`django.log` is the web's and the commands', and holds the start of any process and what went wrong in it; each worker
and beat has a file of its own beside it. Any number of processes may write to one file: every line is one append, and a
file that was rotated from outside is opened anew.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from flowlog.logs.formats import FORMATS, Mask

MAIN = "django"
# Several lines every few seconds, of which each says that all is as always.
_CHATTY = ("celery.beat", "celery.worker.strategy", "celery.app.trace")
# Those of manage.py that stay in the foreground.
_SERVING = frozenset({"runserver", "dev", "evolution_sandbox"})
# The loggers of what kept a process from starting, of a crash later on, and of every start.
STARTUP, CRASH, STARTED = "flowlog.startup", "flowlog.crash", "flowlog.started"


def process_name(arguments: Sequence[str]) -> str:
    """The name of a process's log, from its command line: `worker-whatsapp`, `beat`; `django` for all others."""
    program = Path(arguments[0]) if arguments else Path()
    if "celery" not in (program.name, program.parent.name):
        return MAIN
    if "beat" in arguments:
        return "beat"
    if "worker" not in arguments:
        return MAIN
    queue = re.search(r"\0(?:-Q\0?|--queues[\0=])([A-Za-z0-9._-]+)(?:\0|$)", "\0".join(arguments))
    return f"worker-{queue[1]}" if queue else "worker"


def is_command(arguments: Sequence[str]) -> bool:
    """Whether the command line is a command that somebody waits for, such as `manage.py migrate`."""
    return len(arguments) > 1 and Path(arguments[0]).name == "manage.py" and arguments[1] not in _SERVING


class _ForMain(logging.Filter):
    """What a worker writes into `django.log` too: that it has started, and what went wrong."""

    def filter(self, record: logging.LogRecord) -> bool:
        return record.levelno >= logging.ERROR or record.name == STARTED


def logging_config(
    folder: Path, process: str, level: str, form: str, mask: Mask, *, console: bool = True
) -> dict[str, Any]:
    """For `logging.config.dictConfig`; `form` is a key of `FORMATS`. Without `console` only the files are written."""

    def file(name: str, **more: Any) -> dict[str, Any]:
        return {
            "class": "logging.handlers.WatchedFileHandler",
            "filename": folder / f"{name}.log",
            "encoding": "utf-8",
            # Half of a character, in what somebody sent, must not lose the line.
            "errors": "backslashreplace",
            "formatter": "line",
            "filters": ["ids"],
            **more,
        }

    files = {"file": file(process)}
    if process != MAIN:
        files["errors"] = file(MAIN, filters=["ids", "main"])
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": {"()": FORMATS[form], "mask": mask}},
        "filters": {"ids": {"()": "flowlog.logs.context.AddIds"}, "main": {"()": _ForMain}},
        "handlers": {
            "console": {"class": "logging.StreamHandler", "formatter": "line", "filters": ["ids"]},
            **files,
        },
        "root": {"handlers": [*(["console"] if console else []), *files], "level": level},
        "loggers": {
            # These come with handlers of their own, which mask nothing.
            **{name: {"handlers": [], "propagate": True} for name in ("django", "django.server", "gunicorn.error")},
            # That a process has started is told whatever the level.
            STARTED: {"level": "INFO"},
            **{name: {"level": "WARNING"} for name in _CHATTY if level == "INFO"},
        },
    }
