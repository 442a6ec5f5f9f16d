"""A process that cannot even start says so in `django.log`, where the operator looks, and not only on its terminal.

Works before there are settings, and when these are what is wrong.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType

from flowlog.logs.config import MAIN
from flowlog.logs.formats import FORMATS
from flowlog.logs.masking import Masker

BASE_DIR = Path(__file__).resolve().parents[2]


@contextmanager
def recorded() -> Iterator[None]:
    """Write down what keeps the block from being done; the exception goes on."""
    try:
        yield
    except Exception as error:
        record(error)
        raise


def record_uncaught() -> None:
    """Write down whatever ends this process, for one that others start and stop."""
    show = sys.excepthook

    def record_and_show(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if isinstance(error, Exception):
            record(error)
        show(kind, error, trace)

    sys.excepthook = record_and_show


def record(error: BaseException) -> None:
    """Append the error to `django.log`. Never raises: the error itself matters more than that it cannot be kept."""
    with suppress(Exception):
        folder, form = _settings()
        folder.mkdir(parents=True, exist_ok=True)
        says = f"Stopped by {type(error).__name__}: {error}"
        entry = logging.LogRecord(
            "flowlog.startup", logging.CRITICAL, __file__, 0, says, (), (type(error), error, error.__traceback__)
        )
        line = FORMATS[form](Masker()).format(entry)
        with (folder / f"{MAIN}.log").open("a", encoding="utf-8") as log:
            log.write(f"{line}\n")


def _settings() -> tuple[Path, str]:
    """Where the log is and how it is written, as far as that can be read."""
    folder, form = BASE_DIR / "logs", "text"
    with suppress(Exception):
        from flowlog.env import Env  # noqa: PLC0415 - its library may be what is missing

        env = Env(BASE_DIR / ".env")
        folder = Path(env.text("LOG_DIR", str(folder)))
        form = env.text("LOG_FORMAT", form)
    return folder, form if form in FORMATS else "text"
