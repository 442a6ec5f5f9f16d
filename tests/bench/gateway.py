"""A gateway that takes every message at once, so that what is measured is Flowlog and not its gateway.

`python -m tests.bench.gateway` prints its address. `POST /message/sendText/<instance>` answers as the Evolution API
does; what else there is, is for the scripts:

- `/bench/wait?number=…&seconds=…`: as soon as so many messages came, or the time is over: how many, and when the first
  and the last of them did;
- `/bench/reset?latency=…`: forget them, and answer after so many milliseconds from now on.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import sys
import time
from typing import Any
from urllib.parse import parse_qsl, urlsplit

BACKLOG = 1024


class _State:
    """What came so far, and who waits for more of it."""

    def __init__(self) -> None:
        self.latency = 0.0
        self.arrived: list[float] = []
        self.waiting: list[tuple[int, asyncio.Future[None]]] = []

    def arrive(self) -> int:
        self.arrived.append(time.time())
        for number, future in self.waiting:
            if len(self.arrived) >= number and not future.done():
                future.set_result(None)
        return len(self.arrived)

    async def wait(self, number: int, seconds: float) -> None:
        if len(self.arrived) >= number:
            return
        future = asyncio.get_running_loop().create_future()
        self.waiting.append((number, future))
        await asyncio.wait([future], timeout=seconds)
        self.waiting.remove((number, future))

    def told(self) -> dict[str, Any]:
        first, last = (self.arrived[0], self.arrived[-1]) if self.arrived else (None, None)
        return {"number": len(self.arrived), "first": first, "last": last}


class _Connection(asyncio.Protocol):
    """HTTP of one client, which sends its next request after the answer to its last."""

    def __init__(self, state: _State) -> None:
        self._state = state
        self._buffer = b""
        self._transport: asyncio.Transport
        self._tasks: set[asyncio.Task[None]] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, end, rest = self._buffer.partition(b"\r\n\r\n")
        if not end or len(rest) < (length := _length(head)):
            return
        body, self._buffer = rest[:length], rest[length:]
        path = head.split(b" ", 2)[1].decode()
        if path.startswith("/message/sendText/"):
            self._take(body)
        else:
            task = asyncio.get_running_loop().create_task(self._control(path))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def _take(self, body: bytes) -> None:
        sent = json.loads(body)
        key = {
            "remoteJid": f"{sent['number']}@s.whatsapp.net",
            "fromMe": True,
            "id": f"3EB0{self._state.arrive():04X}{secrets.token_hex(6).upper()}",
        }
        answer = {"key": key, "message": {"conversation": sent["text"]}, "messageTimestamp": 1717775575,
                  "status": "PENDING"}  # fmt: skip
        asyncio.get_running_loop().call_later(self._state.latency, self._answer, 201, answer)

    async def _control(self, path: str) -> None:
        asked = urlsplit(path)
        query = dict(parse_qsl(asked.query))
        if asked.path == "/bench/wait":
            await self._state.wait(int(query["number"]), float(query["seconds"]))
        elif asked.path == "/bench/reset":
            self._state.arrived.clear()
            self._state.latency = float(query["latency"]) / 1000
        else:  # whatever else is asked of a gateway
            self._answer(200, {"instance": {"state": "open"}})
            return
        self._answer(200, self._state.told())

    def _answer(self, status: int, told: dict[str, Any]) -> None:
        body = json.dumps(told).encode()
        head = f"HTTP/1.1 {status} OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        if not self._transport.is_closing():
            self._transport.write(head.encode() + body)


def _length(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line.partition(b":")[2])
    return 0


async def serve() -> None:
    """Until the process is ended."""
    state = _State()
    server = await asyncio.get_running_loop().create_server(lambda: _Connection(state), "127.0.0.1", 0, backlog=BACKLOG)
    sys.stdout.write(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve())
