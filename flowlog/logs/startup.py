"""A process that cannot even start says so in `django.log`, where the operator looks, and not only on its terminal.

Works before there are settings, and when these are what is wrong.
"""

from __future__ import annotations

import logging
import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType

from flowlog.logs.config import CRASH, MAIN, STARTED, STARTUP
from flowlog.logs.formats import FORMATS, Mask
from flowlog.logs.masking import Masker, secrets_of

BASE_DIR = Path(__file__).resolve().parents[2]
_RECORDED = "_flowlog_recorded"


@contextmanager
def recorded() -> Iterator[None]:
    """Write down what keeps the block from being done; the exception goes on."""
    try:
        yield
    except Exception as error:
        record(error)
        raise


def record_uncaught() -> None:
    """Write down whatever ends this process, and show it masked."""
    show = sys.excepthook

    def record_and_show(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if not isinstance(error, Exception):
            show(kind, error, trace)
            return
        record(error)
        sys.stderr.write(_settings()[2]("".join(traceback.format_exception(kind, error, trace))))

    sys.excepthook = record_and_show


def record(error: BaseException) -> None:
    """Append the error to `django.log`, once. Never raises: the error itself matters more than that it is kept.

    Its logger is `STARTUP`; `CRASH` for what ends a process that had started.
    """
    if getattr(error, _RECORDED, False):
        return
    with suppress(Exception):
        folder, form, mask = _settings()
        folder.mkdir(parents=True, exist_ok=True)
        says = f"Stopped by {type(error).__name__}: {error}"
        entry = logging.LogRecord(
            _logger(), logging.CRITICAL, __file__, 0, says, (), (type(error), error, error.__traceback__)
        )
        line = FORMATS[form](mask).format(entry)
        with (folder / f"{MAIN}.log").open("a", encoding="utf-8", errors="backslashreplace") as log:
            log.write(f"{line}\n")
        setattr(error, _RECORDED, True)


def tell(process: str) -> None:
    """Write down that this process has started, and which revision of the code it runs."""
    from django.conf import settings  # noqa: PLC0415 - this module works without Django too

    logging.getLogger(STARTED).info("Started %s, revision %s", process, settings.REVISION or "unknown")


def _logger() -> str:
    registry = sys.modules.get("django.apps")
    return CRASH if registry and registry.apps.ready else STARTUP


def _settings() -> tuple[Path, str, Mask]:
    """Where the log is, how it is written and what is hidden in it, as far as that can be read."""
    folder, form, mask = BASE_DIR / "logs", "text", Masker(secrets_of(os.environ))
    with suppress(Exception):
        from flowlog.env import Env  # noqa: PLC0415 - its library may be what is missing

        env = Env(BASE_DIR / ".env")
        mask = Masker(secrets_of(env.everything()))
        folder = Path(env.text("LOG_DIR", str(folder)))
        form = env.text("LOG_FORMAT", form).lower()
    return folder, form if form in FORMATS else "text", mask
