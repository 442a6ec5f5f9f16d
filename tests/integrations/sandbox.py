"""The sandbox gateway as a separate process, for tests that need one on the network.

with sandbox("flowlog") as gateway:
    gateway.fault(Fault.RESET)
    ...  # call gateway.base_url with gateway.api_key
    assert gateway.texts("+5511987654321") == ["Seu pedido foi confirmado"]
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import requests

from flowlog.devtools.sandbox.faults import Fault
from tests.launcher import Launched, python

_TIMEOUT = 20
_POLL = 0.01


class SandboxProcess:
    """One sandbox. It may be stopped and started again; it keeps its address, and with `data` its messages."""

    def __init__(self, *instances: str, api_key: str, data: Path | None, options: tuple[str, ...]) -> None:
        self.api_key = api_key
        self.base_url = ""
        self.port = 0
        self._process: subprocess.Popen[bytes] | Launched | None = None
        self._told: IO[str] | None = None
        self._options = [*options, *(f"--create={name}" for name in instances)]
        if data is not None:
            self._options.append(f"--data={data}")
        self._session = requests.Session()
        self._session.trust_env = False
        # A test may look at it again just when it closes an idle connection, as the real gateway does after 5 s.
        self._session.headers.update({"apikey": api_key, "Connection": "close"})

    def start(self) -> None:
        """Start the process and wait until it listens."""
        reads, writes = os.pipe()
        self._told = os.fdopen(reads)
        with os.fdopen(writes, "w") as stdout:
            self._process = python(
                "manage.py", "evolution_sandbox", f"--port={self.port}", f"--api-key={self.api_key}", *self._options,
                env={**os.environ, "DEBUG": "true"}, stdout=stdout,
            )  # fmt: skip
        line = self._told.readline()
        if "http://" not in line:
            self.stop()
            raise RuntimeError(f"The sandbox did not start: {line!r}")
        self.base_url = line[line.index("http://") :].strip()
        self.port = int(self.base_url.rpartition(":")[2])

    def stop(self) -> None:
        """End the process at once, as a crash would: connections break, and nothing listens any more."""
        if self._process is None:
            return
        self._process.kill()
        self._process.wait(_TIMEOUT)
        if self._told is not None:
            self._told.close()
        self._process = None

    def messages(self, number: str | None = None) -> list[dict[str, Any]]:
        """What reached the phones, or one of them, in the order of arrival."""
        query = {} if number is None else {"number": number}
        answer = self._session.get(f"{self.base_url}/sandbox/messages", params=query, timeout=_TIMEOUT)
        answer.raise_for_status()
        messages: list[dict[str, Any]] = answer.json()
        return messages

    def texts(self, number: str | None = None) -> list[str]:
        """The texts that reached the phones, or one of them, in the order of arrival."""
        return [message["text"] for message in self.messages(number)]

    def clear(self) -> None:
        """Forget all messages."""
        self._session.delete(f"{self.base_url}/sandbox/messages", timeout=_TIMEOUT).raise_for_status()

    def forget_webhooks(self) -> None:
        """Let nothing be tried again that an earlier test's receiver never took."""
        self._session.delete(f"{self.base_url}/sandbox/webhooks", timeout=_TIMEOUT).raise_for_status()

    def options(self, **changes: Any) -> dict[str, Any]:
        """Change the options that are named; returns all of them."""
        answer = self._session.post(f"{self.base_url}/sandbox/options", json=changes, timeout=_TIMEOUT)
        answer.raise_for_status()
        options: dict[str, Any] = answer.json()
        return options

    def fault(self, fault: Fault | None, times: int = 1) -> None:
        """Let the next sends, of whatever number, meet a fault; None ends it."""
        self.options(fault=fault, fault_count=times)

    def disconnect(self, instance: str, disconnected: bool | int = True) -> None:
        """Cut an instance off from WhatsApp, with a code such as 401 for good, or connect it again."""
        self.options(disconnected={instance: disconnected})

    def forget(self, instance: str, forgetful: bool = True) -> None:
        """Let an instance store nothing of what it sends from now on, or store it again."""
        self.options(forgetful={instance: forgetful})

    def set_webhook(
        self,
        instance: str,
        url: str,
        headers: Mapping[str, str] | None = None,
        *,
        events: Sequence[str] = (),
        by_events: bool = False,
    ) -> None:
        """Let an instance's events, or those of them that are named, be posted to `url`; an empty one ends it."""
        webhook = {"url": url, "headers": dict(headers or {}), "byEvents": by_events, "events": list(events)}
        self._post(f"/webhook/set/{instance}", {"webhook": {"enabled": bool(url), **webhook}})

    def reply(self, number: str, text: str, **more: str) -> str:
        """Write to the shop from a customer's phone; returns the id of the message's key.

        `more` may be `quoted` (the key's id of a message of the shop's), `form` and `instance`.
        """
        key_id: str = self._post("/sandbox/reply", {"number": number, "text": text, **more})["key_id"]
        return key_id

    def edit(self, key_id: str, text: str) -> None:
        """Let a customer change what they wrote."""
        self._post("/sandbox/edit", {"key_id": key_id, "text": text})

    def delete(self, key_id: str) -> None:
        """Let a customer take back what they wrote."""
        self._post("/sandbox/delete", {"key_id": key_id})

    def read(self, number: str) -> None:
        """Let a customer read all messages."""
        self._post("/sandbox/read", {"number": number})

    def receipt(self, key_id: str, status: str) -> None:
        """Let WhatsApp say what became of a message: any status of the gateway's, such as ERROR."""
        self._post("/sandbox/receipt", {"key_id": key_id, "status": status})

    def token(self, instance: str) -> str:
        """The instance's own key."""
        query = {"instanceName": instance}
        answer = self._session.get(f"{self.base_url}/instance/fetchInstances", params=query, timeout=_TIMEOUT)
        return str(answer.json()[0]["token"])

    def remove(self, instance: str) -> None:
        """Forget an instance, if there is one of that name."""
        self._session.delete(f"{self.base_url}/instance/delete/{instance}", timeout=_TIMEOUT)

    def pair(self, instance: str) -> None:
        """Scan the QR code of an instance that is connecting."""
        self._post("/sandbox/pair", {"instance": instance})

    def storm(self, instance: str, count: int) -> None:
        """Send so many `connection.update` at once."""
        self._post("/sandbox/storm", {"instance": instance, "count": count})

    def webhooks(self) -> dict[str, int]:
        """How many webhooks were delivered, dropped and given up since the start, once none is pending any more."""
        deadline = time.monotonic() + _TIMEOUT
        while True:
            answer = self._session.get(f"{self.base_url}/sandbox/webhooks", timeout=_TIMEOUT)
            answer.raise_for_status()
            counts: dict[str, int] = answer.json()
            if counts.pop("pending") == 0:
                return counts
            if time.monotonic() > deadline:
                raise TimeoutError(f"Webhooks or receipts are still pending: {answer.text}")
            time.sleep(_POLL)

    def act(self, action: str, **what: Any) -> dict[str, Any]:
        """Make something happen that has no method of its own: see the sandbox's `actions.py`."""
        return self._post(f"/sandbox/{action}", what)

    def _post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        answer = self._session.post(self.base_url + path, json=body, timeout=_TIMEOUT)
        if not answer.ok:
            raise RuntimeError(f"The sandbox refuses {path}: {answer.text}")
        result: dict[str, Any] = answer.json()
        return result

    def close(self) -> None:
        """Stop for good."""
        self.stop()
        self._session.close()


@contextmanager
def sandbox(
    *instances: str, api_key: str = "test-key", data: Path | None = None, options: tuple[str, ...] = ()
) -> Iterator[SandboxProcess]:
    """A running sandbox with these instances, connected; `options` are more of the command's."""
    process = SandboxProcess(*instances, api_key=api_key, data=data, options=options)
    try:
        process.start()
        yield process
    finally:
        process.close()
