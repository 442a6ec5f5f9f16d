"""One line per event, for people or for machines; a traceback is folded into its line."""

from __future__ import annotations

import json
import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from datetime import datetime
from typing import Any, override

type Mask = Callable[[str], str]

# Whatever ends a line for some program, or makes a terminal do something. C1 and the separators are allowed in JSON.
_CONTROLS = [chr(code) for code in (*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029)]
_AS_TEXT = str.maketrans({each: f"\\x{ord(each):02x}" for each in _CONTROLS if each != "\t"})
_AS_JSON = str.maketrans({each: f"\\u{ord(each):04x}" for each in _CONTROLS if each >= "\x7f"})


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


class _Line(logging.Formatter, ABC):
    def __init__(self, mask: Mask) -> None:
        super().__init__()
        self._mask = mask

    @override
    def format(self, record: logging.LogRecord) -> str:
        """The line, masked; once for all the handlers that share this formatter, since most of it is to mask."""
        of, line = getattr(record, "line", (None, ""))
        if of is not self:
            line = self._written(record)
            record.line = self, line
        return line

    @abstractmethod
    def _written(self, record: logging.LogRecord) -> str: ...

    @staticmethod
    def _time(record: logging.LogRecord) -> str:
        # Not by `datetime`: Python 3.13.0 crashes if it is used for a line that is written while the process ends.
        moment = time.localtime(record.created)
        sign, minutes = "-" if moment.tm_gmtoff < 0 else "+", abs(moment.tm_gmtoff) // 60
        clock = time.strftime("%Y-%m-%dT%H:%M:%S", moment)
        return f"{clock}.{int(record.created * 1000) % 1000:03}{sign}{minutes // 60:02}:{minutes % 60:02}"

    @staticmethod
    def _message(record: logging.LogRecord) -> str:
        """The message; one whose arguments do not fit too, which `logging` would print unmasked instead."""
        try:
            return record.getMessage()
        except (TypeError, ValueError, KeyError):
            return f"{record.msg} {record.args!r}"

    def _traceback(self, record: logging.LogRecord) -> str:
        parts = [self.formatException(record.exc_info)] if record.exc_info else []
        if record.stack_info:
            parts.append(self.formatStack(record.stack_info))
        return "\n".join(parts)


class TextLine(_Line):
    """`time level logger [process] what is in hand: message`; a line break is written as ` ⏎ `."""

    @override
    def _written(self, record: logging.LogRecord) -> str:
        ids = " ".join(f"{name}={value}" for name, value in getattr(record, "ids", {}).items())
        says = "\n".join(filter(None, (self._message(record), self._traceback(record))))
        text = " ⏎ ".join(self._mask(says).splitlines()).translate(_AS_TEXT)
        about = f" ({self._mask(ids)})" if ids else ""
        return f"{self._time(record)} {record.levelname} {record.name} [{record.process}]{about} {text}"


class JsonLine(_Line):
    """The same as one JSON object: time, level, logger, process, message, what is in hand, and the traceback."""

    @override
    def _written(self, record: logging.LogRecord) -> str:
        fields: dict[str, Any] = {
            "time": self._time(record),
            "level": record.levelname,
            "logger": record.name,
            "process": record.process,
            "message": self._mask(self._message(record)),
            **{name: self._mask(value) for name, value in getattr(record, "ids", {}).items()},
        }
        if traceback := self._traceback(record):
            fields["traceback"] = self._mask(traceback)
        return json.dumps(fields, ensure_ascii=False).translate(_AS_JSON)


FORMATS: dict[str, type[_Line]] = {"text": TextLine, "json": JsonLine}
