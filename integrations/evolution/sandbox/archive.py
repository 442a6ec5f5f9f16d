"""Messages, and the file that keeps them from one run of the sandbox to the next."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Message:
    """A message that reached a phone. `stored` is whether the gateway's own database has it."""

    id: str
    key_id: str
    instance: str
    instance_id: str
    number: str
    remote_jid: str
    text: str
    arrived_at: float
    stored: bool = True
    message_type: str = "conversation"
    source: str = "web"
    updates: tuple[str, ...] = ("SERVER_ACK", "DELIVERY_ACK")

    @property
    def timestamp(self) -> int:
        """WhatsApp's time of the message, in whole seconds."""
        return int(self.arrived_at)


class Archive:
    """One JSON object a line; without a file it does nothing. Not safe for threads by itself."""

    def __init__(self, path: Path | None) -> None:
        self._path = path

    def load(self) -> Iterator[Message]:
        """The messages of earlier runs. A line that a crash cut short is passed over."""
        if self._path is None or not self._path.exists():
            return
        for line in self._path.read_text(encoding="utf-8").splitlines():
            try:
                fields = json.loads(line)
                yield Message(**{**fields, "updates": tuple(fields["updates"])})
            except (ValueError, TypeError, KeyError):
                continue

    def append(self, message: Message) -> None:
        """Write one message."""
        if self._path is None:
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("a", encoding="utf-8") as file:
            # A line that a crash cut short must not swallow this one; blank lines are passed over.
            file.write(("" if file.tell() == 0 else "\n") + json.dumps(asdict(message)))

    def clear(self) -> None:
        """Forget everything."""
        if self._path is not None:
            self._path.unlink(missing_ok=True)
