"""Clients of the web server: some at once that send what they have, or very many that look at a page."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

import requests

from tests.bench.perfkit import Usage, children, p95
from tests.processes import web_server

CLIENTS = 8
CODES = (200, 201)


@dataclass(frozen=True, slots=True)
class Sent:
    """How many a second, the milliseconds of each answer, and the server's processor for each, in milliseconds."""

    per_second: float
    times: list[float]
    cpu_ms: float

    @property
    def p95(self) -> float:
        return p95(self.times)


@dataclass(frozen=True, slots=True)
class Server:
    """A web server of ours with the floors' addresses."""

    address: str
    pids: list[int]

    def post_all(self, path: str, posts: Sequence[tuple[bytes, dict[str, str]]]) -> Sent:
        """POST bodies with their headers from some clients at once, each over one connection. All have to be taken."""
        url = f"{self.address}{path}"

        def some(share: Sequence[tuple[bytes, dict[str, str]]]) -> list[float]:
            times = []
            with requests.Session() as session:
                session.trust_env = False
                for body, headers in share:
                    began = time.perf_counter()
                    answer = session.post(url, body, headers=headers, timeout=60, allow_redirects=False)
                    times.append((time.perf_counter() - began) * 1000)
                    assert answer.status_code in CODES, f"{path}: {answer.status_code} {answer.text[:200]}"
            return times

        before, started = Usage.now(self.pids), time.perf_counter()
        with ThreadPoolExecutor(CLIENTS) as pool:
            shares = list(pool.map(some, [posts[each::CLIENTS] for each in range(CLIENTS)]))
        took = time.perf_counter() - started
        used = Usage.now(self.pids) - before
        return Sent(len(posts) / took, [each for share in shares for each in share], used.cpu / len(posts) * 1000)

    def look(self, paths: Sequence[str], clients: int) -> Sent:
        """GET the pages from so many clients at once, each over a connection of its own. All have to be there."""
        before, started = Usage.now(self.pids), time.perf_counter()
        times = asyncio.run(_storm(urlsplit(self.address).port or 80, paths, clients))
        took = time.perf_counter() - started
        return Sent(len(paths) / took, times, (Usage.now(self.pids) - before).cpu / len(paths) * 1000)


async def _storm(port: int, paths: Sequence[str], clients: int) -> list[float]:
    left, times = iter(paths), []

    async def client() -> None:
        for path in left:
            began = time.perf_counter()
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode())
            answer = await reader.read()
            writer.close()
            times.append((time.perf_counter() - began) * 1000)
            assert answer.startswith(b"HTTP/1.1 200 "), f"{path}: {answer[:40]!r}"

    await asyncio.gather(*(client() for _ in range(clients)))
    return times


@contextmanager
def server(workers: int) -> Iterator[Server]:
    before = set(children())
    with web_server("tests.bench.floor_web", WEB_CONCURRENCY=str(workers)) as address:
        yield Server(address, [pid for pid in children() if pid not in before])
