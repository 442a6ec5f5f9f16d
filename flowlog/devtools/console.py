"""What a person sees of a longer command: one line per step, with the time that it took."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TextIO


class Console:
    """Writes at once, so that a step is seen while it is under way."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stdout

    def line(self, text: str = "") -> None:
        """One whole line."""
        self._write(f"{text}\n")

    @contextmanager
    def step(self, what: str) -> Iterator[None]:
        """`what … ok (1.9 s)`, or `failed` if the block raises."""
        started = time.monotonic()
        self._write(f"  {what} … ")
        try:
            yield
        except BaseException:
            self._write("failed\n")
            raise
        self._write(f"ok ({time.monotonic() - started:.1f} s)\n")

    def _write(self, text: str) -> None:
        # A terminal that was closed must not keep anyone from stopping what runs.
        with suppress(OSError):
            self._stream.write(text)
            self._stream.flush()
