"""Which process writes to which file.

`django.log` is the web's and the commands', and holds what went wrong in any process; each worker and beat has a file
of its own beside it. Any number of processes may write to one file: every line is one append, and a file that was
rotated from outside is opened anew.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from flowlog.logs.formats import FORMATS, Mask

MAIN = "django"
# Several lines every few seconds, of which each says that all is as always.
_CHATTY = ("celery.beat", "celery.worker.strategy", "celery.app.trace")
_SAFE = re.compile(r"[A-Za-z0-9._-]+")


def process_name(arguments: Sequence[str]) -> str:
    """The name of a process's log, from its command line: `worker-whatsapp`, `beat`; `django` for all others."""
    program = Path(arguments[0]) if arguments else Path()
    if "celery" not in (program.name, program.parent.name):
        return MAIN
    if "beat" in arguments:
        return "beat"
    if "worker" not in arguments:
        return MAIN
    for number, argument in enumerate(arguments[:-1]):
        if argument in ("-Q", "--queues") and _SAFE.fullmatch(arguments[number + 1]):
            return f"worker-{arguments[number + 1]}"
    return "worker"


def logging_config(folder: Path, process: str, level: str, form: str, mask: Mask) -> dict[str, Any]:
    """For `logging.config.dictConfig`; `form` is a key of `FORMATS`."""

    def file(name: str, **more: str) -> dict[str, Any]:
        return {
            "class": "logging.handlers.WatchedFileHandler",
            "filename": folder / f"{name}.log",
            "encoding": "utf-8",
            "formatter": "line",
            "filters": ["ids"],
            **more,
        }

    files = {"file": file(process)}
    if process != MAIN:
        files["errors"] = file(MAIN, level="ERROR")
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": {"()": FORMATS[form], "mask": mask}},
        "filters": {"ids": {"()": "flowlog.logs.context.AddIds"}},
        "handlers": {
            "console": {"class": "logging.StreamHandler", "formatter": "line", "filters": ["ids"]},
            **files,
        },
        "loggers": {name: {"level": "WARNING"} for name in _CHATTY if level == "INFO"},
        "root": {"handlers": ["console", *files], "level": level},
    }
