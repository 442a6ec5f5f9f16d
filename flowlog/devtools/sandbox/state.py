"""What the sandbox knows: instances, messages, who is on WhatsApp, and how it is to behave."""

from __future__ import annotations

import random
import threading
import time
import uuid
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from flowlog.devtools.sandbox.archive import Archive, Message
from flowlog.devtools.sandbox.courier import Courier, Delivery
from flowlog.devtools.sandbox.faults import BY_ENDING, Fault
from flowlog.devtools.sandbox.ids import lid_of, new_key_id, new_row_id
from flowlog.devtools.sandbox.jids import create_jid, digits_of, variants
from flowlog.devtools.sandbox.messenger import Messenger
from flowlog.devtools.sandbox.options import Options, ReplyForm, Version
from flowlog.devtools.sandbox.parcels import Carrier
from flowlog.devtools.sandbox.qr import Qr
from flowlog.devtools.sandbox.schedule import Schedule
from flowlog.devtools.sandbox.shop import Shop

BAILEYS, BUSINESS, EVOLUTION = INTEGRATIONS = ("WHATSAPP-BAILEYS", "WHATSAPP-BUSINESS", "EVOLUTION")
META = "META"
"""A number at Meta itself, beside the gateway: see `meta.py`."""
SHORTEST_NUMBER = 10
OWN_JID = "5511999990000@s.whatsapp.net"
"""The shop's own address, the same for every instance."""


@dataclass(frozen=True, slots=True)
class Webhook:
    """Where an instance's events go. `events` are those that it is told, without `enabled` none."""

    enabled: bool = True
    url: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    events: tuple[str, ...] = ()
    by_events: bool = False
    base64: bool = False
    id: str = field(default_factory=new_row_id)
    created_at: float = field(default_factory=time.time)
    updated_at: float = field(default_factory=time.time)


@dataclass(frozen=True, slots=True)
class MetaApp:
    """What the shop has at Meta for a number: the app's secret, where its webhooks go, and approved templates.

    `templates` are bodies with one variable, `{{1}}`, by name and language.
    """

    app_secret: str
    webhook_url: str
    templates: Mapping[tuple[str, str], str]


@dataclass(slots=True)
class Instance:
    """One connection to WhatsApp. `state` is open, connecting or close; a `forgetful` one stores nothing it sends.

    A `paired` one has the keys of a phone: it connects without a QR code. `qr` is the code to pair with,
    `backlog` what WhatsApp keeps for the instance until it is connected. A number at Meta itself is one too, by its
    id there, always open, with its `meta`.
    """

    name: str
    integration: str = BAILEYS
    token: str = field(default_factory=lambda: str(uuid.uuid4()).upper())
    number: str | None = None
    state: str = "close"
    forgetful: bool = False
    was_connected: bool = False
    paired: bool = False
    qr: Qr | None = None
    webhook: Webhook | None = None
    disconnection: Disconnection | None = None
    backlog: list[Callable[[], None]] = field(default_factory=list)
    meta: MetaApp | None = None
    settings: dict[str, object] = field(default_factory=dict)
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    created_at: float = field(default_factory=time.time)


@dataclass(frozen=True, slots=True)
class Disconnection:
    """When and why an instance lost its phone: a code of WhatsApp's, 401 for one that was logged out."""

    reason: int
    at: float = field(default_factory=time.time)


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
        # Instances that were deleted, and until when (monotonic) something is left of them.
        self._ghosts: dict[str, tuple[Instance, float]] = {}
        self.server_url = ""
        self.clock = Schedule()
        self.courier = Courier(lambda: self.options.webhook_retry_scale)
        self.messenger = Messenger(lambda: self.options, self.show_anew)
        self.shop = Shop(self.messenger)
        self.carrier = Carrier(self.messenger)
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
        """The gateway's instances, the oldest first."""
        with self._lock:
            return [instance for instance in self._instances.values() if instance.integration != META]

    def meta_numbers(self) -> list[Instance]:
        """The numbers at Meta itself."""
        with self._lock:
            return [instance for instance in self._instances.values() if instance.integration == META]

    def remove(self, instance: Instance) -> None:
        """Forget an instance; its messages stay on the phones."""
        with self._lock:
            self._instances.pop(instance.name, None)
            if self.options.version is Version.RELEASE:
                self._ghosts[instance.name] = instance, time.monotonic() + self.options.ghost_seconds
            self.revision += 1

    def show_anew(self) -> None:
        """Something has changed that the pages show: those that are open are loaded again."""
        with self._lock:
            self.revision += 1

    def ghost(self, name: str) -> Instance | None:
        """The instance that was deleted a moment ago, as long as something is left of it."""
        with self._lock:
            instance, until = self._ghosts.get(name, (None, 0.0))
        return instance if time.monotonic() < until else None

    def change(self, instance: Instance, **values: object) -> list[Callable[[], None]]:
        """Change fields of an instance. Returns what WhatsApp kept for it, for the caller to run, if it is open now."""
        with self._lock:
            for name, value in values.items():
                setattr(instance, name, value)
            self.revision += 1
            kept = list(instance.backlog) if instance.state == "open" else []
            del instance.backlog[: len(kept)]
        return kept

    def when_open(self, instance: Instance, job: Callable[[], None]) -> None:
        """Run `job` now or, while the instance is not connected, once it is. Meta's needs no connection."""
        with self._lock:
            if instance.state != "open" and instance.integration != BUSINESS:
                instance.backlog.append(job)
                return
        job()

    def dispatch(self, delivery: Delivery, delay: float) -> None:
        """Hand an event to the courier: as often, and as much out of order, as the options say."""
        for _ in range(self.options.webhook_copies):
            jitter = random.random() * self.options.webhook_jitter_seconds  # noqa: S311 - no secret
            self.courier.send(delivery, delay + jitter)

    # -- Behaviour -------------------------------------------------------------------------------

    def configure(self, changes: dict[str, object]) -> None:
        """Change options; the names are those of `Options`."""
        with self._lock:
            self.options = replace(self.options, **changes)  # type: ignore[arg-type]
            self.revision += 1

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

    def deliver(
        self,
        instance: Instance,
        number: str,
        jid: str,
        text: str,
        *,
        key_id: str = "",
        stored: bool = True,
        callback_data: str = "",
    ) -> Message:
        """Put a message on a phone; without `stored` the gateway itself forgets it.

        One with the `key_id` of one that is there already is the same: the phone shows it once.
        """
        with self._lock:
            stored = stored and self.options.keep_messages and not instance.forgetful
            if repeated := self._messages.get(key_id):
                repeated.stored = repeated.stored or stored
                return repeated
            message = self._new_message(instance, number, jid, text)
            message.key_id, message.callback_data = key_id or message.key_id, callback_data
            if instance.integration == EVOLUTION:
                message.kept_as = number
            elif self.options.lid_rows:
                message.kept_as = lid_of(jid)
            message.stored = stored
            return self._put(message)

    def receive(self, instance: Instance, jid: str, text: str, *, quoted: str, form: ReplyForm) -> Message:
        """Put a customer's reply on its way to the gateway, which keeps it under the hidden address if it hears one."""
        with self._lock:
            message = self._new_message(instance, digits_of(jid), jid, text)
            message.stored = self.options.keep_messages and not instance.forgetful
            message.from_me, message.quoted, message.source, message.form = False, quoted, "android", form
            if instance.integration == EVOLUTION:
                message.kept_as = digits_of(jid)
            elif form is not ReplyForm.NUMBER:
                message.kept_as = lid_of(jid)
            return self._put(message)

    def update(self, message: Message, status: str) -> bool:
        """Note a receipt. False if there is nothing to note: the message has it already, or is forgotten."""
        with self._lock:
            if status in message.updates or self._messages.get(message.key_id) is not message:
                return False
            message.updates += (status,)
            self._archive.update(message.key_id, status)
            self.revision += 1
            return True

    def edit(self, message: Message, text: str) -> None:
        """Change a message's text, on the phone at once."""
        with self._lock:
            message.text, message.edited = text, True
            self._archive.edit(message.key_id, text)
            self.revision += 1

    @staticmethod
    def _new_message(instance: Instance, number: str, jid: str, text: str) -> Message:
        return Message(
            id=new_row_id(),
            key_id=new_key_id(instance.integration),
            instance=instance.name,
            instance_id=instance.id,
            number=number,
            remote_jid=jid,
            text=text,
            arrived_at=time.time(),
        )

    def _put(self, message: Message) -> Message:
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
