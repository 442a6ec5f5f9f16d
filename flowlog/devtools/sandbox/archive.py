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
    `updates` are the receipts so far; a reply has one once the gateway took it, and another when it was deleted.
    `kept_as` is the address under which the gateway keeps it, if that is not `remote_jid`; `form` a reply's form;
    `callback_data` what comes back with the receipts from Meta.
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
    kept_as: str = ""
    form: str = "number"
    edited: bool = False
    callback_data: str = ""

    @property
    def row_jid(self) -> str:
        """The address in the gateway's own row."""
        return self.kept_as or self.remote_jid

    @property
    def deleted(self) -> bool:
        """Whether the customer took a reply back."""
        return not self.from_me and "DELETED" in self.updates

    @property
    def timestamp(self) -> int:
        """WhatsApp's time of the message, in whole seconds."""
        return int(self.arrived_at)


class Archive:
    """One JSON object a line: a message, its receipt or its new text. Without a file it does nothing.

    Not safe for threads.
    """

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
                elif "remote_jid" not in fields:
                    messages[fields["key_id"]].text, messages[fields["key_id"]].edited = str(fields["text"]), True
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

    def edit(self, key_id: str, text: str) -> None:
        """Write the new text of one message."""
        self._write({"key_id": key_id, "text": text})

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
