"""What the sandbox knows: instances, messages, who is on WhatsApp, and how it is to behave."""

from __future__ import annotations

import random
import secrets
import threading
import time
import uuid
from collections import Counter, defaultdict
from dataclasses import dataclass, field, replace
from pathlib import Path

from integrations.evolution.sandbox.archive import Archive, Message
from integrations.evolution.sandbox.faults import BY_ENDING, Fault
from integrations.evolution.sandbox.jids import create_jid, digits_of, variants

BAILEYS, BUSINESS, EVOLUTION = INTEGRATIONS = ("WHATSAPP-BAILEYS", "WHATSAPP-BUSINESS", "EVOLUTION")
SHORTEST_NUMBER = 10


@dataclass(slots=True)
class Instance:
    """One connection to WhatsApp. `state` is open, connecting or close; a `forgetful` one stores nothing it sends."""

    name: str
    integration: str = BAILEYS
    token: str = field(default_factory=lambda: str(uuid.uuid4()).upper())
    number: str | None = None
    state: str = "close"
    forgetful: bool = False
    was_connected: bool = False
    settings: dict[str, object] = field(default_factory=dict)
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    created_at: float = field(default_factory=time.time)

    def connect(self) -> None:
        """Pair and connect the instance."""
        self.state = "open"
        self.was_connected = True

    def disconnect(self) -> None:
        """Take its connection away."""
        self.state = "close"


@dataclass(frozen=True, slots=True)
class Options:
    """How the sandbox behaves. `fault` meets the next `fault_count` sends, `error_fault` a share of them.

    A search hangs for `search_hang_seconds`, and fails with `search_status` unless that is 0.
    """

    latency_ms: float = 0
    error_rate: float = 0
    error_fault: Fault = Fault.SERVER_ERROR
    hang_seconds: float = 40
    failures: int = 2
    keep_messages: bool = True
    fault: Fault | None = None
    fault_count: int = 0
    search_status: int = 0
    search_hang_seconds: float = 0


class Sandbox:
    """The whole state, safe for threads. With `data`, messages are appended to that file and read at the start."""

    def __init__(self, api_key: str, *, options: Options | None = None, data: Path | None = None) -> None:
        self.api_key = api_key
        self.options = options or Options()
        self.revision = 0
        self.stopped = threading.Event()
        self._lock = threading.RLock()
        self._instances: dict[str, Instance] = {}
        # By the id of the key, in the order of arrival.
        self._messages: dict[str, Message] = {}
        self._chats: dict[str, list[Message]] = defaultdict(list)
        self._failures: Counter[str] = Counter()
        self._archive = Archive(data)
        for message in self._archive.load():
            self._keep(message)

    # -- Instances -------------------------------------------------------------------------------

    def add(self, instance: Instance) -> None:
        """Add an instance whose name is not in use."""
        with self._lock:
            self._instances[instance.name] = instance

    def instance(self, name: str) -> Instance | None:
        """The instance of that name."""
        with self._lock:
            return self._instances.get(name)

    def instances(self) -> list[Instance]:
        """All instances, the oldest first."""
        with self._lock:
            return list(self._instances.values())

    # -- Behaviour -------------------------------------------------------------------------------

    def configure(self, changes: dict[str, object]) -> None:
        """Change options; the names are those of `Options`."""
        with self._lock:
            self.options = replace(self.options, **changes)  # type: ignore[arg-type]

    def pause(self, seconds: float) -> None:
        """Wait, but not beyond the sandbox's end."""
        self.stopped.wait(seconds)

    def queued_fault(self) -> Fault | None:
        """The fault that was asked for the next sends; each call takes one."""
        with self._lock:
            if self.options.fault is None or self.options.fault_count <= 0:
                return None
            self.options = replace(self.options, fault_count=self.options.fault_count - 1)
            return self.options.fault

    def fault_of(self, jid: str) -> Fault | None:
        """The fault of a magic number, or one by chance."""
        fault = BY_ENDING.get(digits_of(jid)[-4:])
        with self._lock:
            if fault is Fault.FAILS_THEN_WORKS:
                self._failures[jid] += 1
                return fault if self._failures[jid] <= self.options.failures else None
            if fault is None and random.random() < self.options.error_rate:  # noqa: S311 - no secret
                return self.options.error_fault
        return fault

    # -- Numbers ---------------------------------------------------------------------------------

    def resolve(self, number: str) -> tuple[str, bool]:
        """The address for `number`, and whether it is known already.

        A known address wins over the one that was asked for if the two differ by the ninth digit only,
        even if one of them is a landline.
        """
        jid = create_jid(number)
        with self._lock:
            for variant in variants(jid):
                if self._chats.get(variant):
                    return variant, True
        return jid, False

    @staticmethod
    def exists(jid: str) -> bool:
        """Whether the address is on WhatsApp: all are that could be a number, except a magic one."""
        digits = digits_of(jid)
        return len(digits) >= SHORTEST_NUMBER and BY_ENDING.get(digits[-4:]) is not Fault.NOT_ON_WHATSAPP

    # -- Messages --------------------------------------------------------------------------------

    def deliver(self, instance: Instance, number: str, jid: str, text: str, *, stored: bool = True) -> Message:
        """Put a message on a phone; without `stored` the gateway itself forgets it."""
        with self._lock:
            message = Message(
                id="cm" + secrets.token_hex(11) + "x",
                key_id=_key_id(instance.integration),
                instance=instance.name,
                instance_id=instance.id,
                number=number,
                remote_jid=jid,
                text=text,
                arrived_at=time.time(),
                stored=stored and self.options.keep_messages and not instance.forgetful,
            )
            self._keep(message)
            self._archive.append(message)
            self.revision += 1
        return message

    def _keep(self, message: Message) -> None:
        self._messages[message.key_id] = message
        self._chats[message.remote_jid].append(message)

    def chats(self) -> dict[str, list[Message]]:
        """Each phone's messages in the order of their arrival, the phone with the latest first."""
        with self._lock:
            chats = [(jid, list(messages)) for jid, messages in self._chats.items() if messages]
        return dict(sorted(chats, key=lambda chat: chat[1][-1].arrived_at, reverse=True))

    def chat(self, jid: str) -> list[Message]:
        """The messages of one address."""
        with self._lock:
            return list(self._chats.get(jid, ()))

    def messages(self) -> list[Message]:
        """All messages in the order of their arrival."""
        with self._lock:
            return list(self._messages.values())

    def message(self, key_id: str) -> Message | None:
        """The message whose key has that id."""
        with self._lock:
            return self._messages.get(key_id)

    def clear(self) -> None:
        """Forget all messages, in the file too, and the failures that were counted."""
        with self._lock:
            self._messages.clear()
            self._chats.clear()
            self._failures.clear()
            self._archive.clear()
            self.revision += 1


def _key_id(integration: str) -> str:
    match integration:
        case "EVOLUTION":
            return str(uuid.uuid4())
        case "WHATSAPP-BUSINESS":
            return "wamid." + secrets.token_urlsafe(40)
        case _:
            return "3EB0" + secrets.token_hex(9).upper()
