"""Messages, and the file that keeps them from one run of the sandbox to the next."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(slots=True)
class Message:
    """A message that reached a phone or, without `from_me`, a customer's reply from it.

    `stored` is whether the gateway's own database has it, `quoted` the key's id of the message that a reply answers.
    `updates` are the receipts so far; a reply has one once the gateway took it.
    """

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
    updates: tuple[str, ...] = ()
    from_me: bool = True
    quoted: str = ""

    @property
    def timestamp(self) -> int:
        """WhatsApp's time of the message, in whole seconds."""
        return int(self.arrived_at)


class Archive:
    """One JSON object a line, a message or its receipt; without a file it does nothing. Not safe for threads."""

    def __init__(self, path: Path | None) -> None:
        self._path = path

    def load(self) -> Iterable[Message]:
        """The messages of earlier runs with their receipts. A line that a crash cut short is passed over."""
        messages: dict[str, Message] = {}
        if self._path is None or not self._path.exists():
            return ()
        for line in self._path.read_text(encoding="utf-8").splitlines():
            try:
                fields = json.loads(line)
                if "status" in fields:
                    messages[fields["key_id"]].updates += (str(fields["status"]),)
                else:
                    message = Message(**{**fields, "updates": tuple(fields["updates"])})
                    messages[message.key_id] = message
            except (ValueError, TypeError, KeyError):
                continue
        return messages.values()

    def append(self, message: Message) -> None:
        """Write one message."""
        self._write(asdict(message))

    def update(self, key_id: str, status: str) -> None:
        """Write one receipt."""
        self._write({"key_id": key_id, "status": status})

    def _write(self, fields: dict[str, object]) -> None:
        if self._path is None:
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("a", encoding="utf-8") as file:
            # A line that a crash cut short must not swallow this one; blank lines are passed over.
            file.write(("" if file.tell() == 0 else "\n") + json.dumps(fields))

    def clear(self) -> None:
        """Forget everything."""
        if self._path is not None:
            self._path.unlink(missing_ok=True)
