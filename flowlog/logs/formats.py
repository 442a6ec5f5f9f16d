"""One line per event, for people or for machines; a traceback is folded into its line."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from datetime import datetime

type Mask = Callable[[str], str]


def written_at(line: str) -> datetime | None:
    """When a line of either form was written; None for what is no such line."""
    text = line.partition(" ")[0]
    try:
        if line.startswith("{"):
            text = str(json.loads(line)["time"])
        moment = datetime.fromisoformat(text)
    except (ValueError, KeyError, TypeError):
        return None
    return moment if moment.tzinfo else None


class _Line(logging.Formatter):
    def __init__(self, mask: Mask) -> None:
        super().__init__()
        self._mask = mask

    @staticmethod
    def _time(record: logging.LogRecord) -> str:
        return datetime.fromtimestamp(record.created).astimezone().isoformat(timespec="milliseconds")

    def _traceback(self, record: logging.LogRecord) -> str:
        parts = [self.formatException(record.exc_info)] if record.exc_info else []
        if record.stack_info:
            parts.append(self.formatStack(record.stack_info))
        return "\n".join(parts)


class TextLine(_Line):
    """`time level logger [process] what is in hand: message`; a line break is written as ` ⏎ `."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, masked."""
        ids = " ".join(f"{name}={value}" for name, value in getattr(record, "ids", {}).items())
        says = "\n".join(filter(None, (record.getMessage(), self._traceback(record))))
        text = " ⏎ ".join(self._mask(says).splitlines())
        about = f" ({self._mask(ids)})" if ids else ""
        return f"{self._time(record)} {record.levelname} {record.name} [{record.process}]{about} {text}"


class JsonLine(_Line):
    """The same as one JSON object: time, level, logger, process, message, what is in hand, and the traceback."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, masked."""
        fields = {
            "time": self._time(record),
            "level": record.levelname,
            "logger": record.name,
            "process": record.process,
            "message": self._mask(record.getMessage()),
            **{name: self._mask(value) for name, value in getattr(record, "ids", {}).items()},
        }
        if traceback := self._traceback(record):
            fields["traceback"] = self._mask(traceback)
        return json.dumps(fields, ensure_ascii=False)


FORMATS: dict[str, type[_Line]] = {"text": TextLine, "json": JsonLine}
