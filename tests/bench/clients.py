"""Clients of the web server: some at once that send what they have, or very many that look at a page."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from urllib.parse import urlsplit

from tests.bench.figures import Figure
from tests.bench.perfkit import Usage, children, p95, spread
from tests.processes import web_server

CLIENTS = 8
CODES = (200, 201)
TURNS = 5
# Addresses that only say 200: by the same short way through Django that webhooks take, and as any view of the site.
FLOORS = {"/webhooks/floor/": "only saying 200", "/floor/": "the same behind all middlewares"}

type Post = tuple[bytes, dict[str, str]]
"""A body and its headers."""


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

    def post_all(self, path: str, posts: Sequence[Post]) -> Sent:
        """POST from some clients at once, each over one connection. All have to be taken.

        The clients share the machine with the server: so they do little themselves.
        """
        address = urlsplit(self.address)

        def some(share: Sequence[Post]) -> list[float]:
            times = []
            with closing(HTTPConnection(str(address.hostname), address.port, timeout=60)) as server:
                for body, headers in share:
                    began = time.perf_counter()
                    server.request("POST", path, body, headers)
                    answer = server.getresponse()
                    told = answer.read()
                    times.append((time.perf_counter() - began) * 1000)
                    assert answer.status in CODES, f"{path}: {answer.status} {told[:200]!r}"
            return times

        before, started = Usage.now(self.pids), time.perf_counter()
        with ThreadPoolExecutor(CLIENTS) as pool:
            shares = list(pool.map(some, [posts[each::CLIENTS] for each in range(CLIENTS)]))
        took = time.perf_counter() - started
        used = Usage.now(self.pids) - before
        return Sent(len(posts) / took, [each for share in shares for each in share], used.cpu / len(posts) * 1000)

    def beside_the_floors(
        self, name: str, path: str, posts: Sequence[Post], *, least: float | None
    ) -> Iterator[Figure]:
        """The posts taken in beside the same to the floors: in turns, a part of them in each, so that a busy moment of
        the machine meets all. The turn whose ratio is in the middle is told; of the processor, all of them."""
        addresses = [path, *FLOORS]
        for each in addresses:
            self.post_all(each, posts[: 2 * CLIENTS])
        told: dict[str, list[Sent]] = {each: [] for each in addresses}
        for turn in range(TURNS):
            for each in addresses[:: 1 if turn % 2 else -1]:
                told[each].append(self.post_all(each, posts[turn::TURNS]))
        cpu = {each: sum(sent.cpu_ms for sent in told[each]) / TURNS for each in addresses}
        for floor, floor_name in FLOORS.items():
            pairs = sorted(zip(told[path], told[floor], strict=True), key=_ratio)
            ours, bare = pairs[TURNS // 2]
            yield Figure(f"{name}, one web process", ours.per_second, "/s", bare.per_second, floor_name, least=least,
                         spread=spread([*map(_ratio, pairs)]))  # fmt: skip
            yield Figure(f"{name}: processor for one", cpu[path], "ms", cpu[floor], floor_name, most=1.5)
            yield Figure(f"{name}: p95 of the answers", ours.p95, "ms", bare.p95, floor_name)

    def look(self, paths: Sequence[str], clients: int) -> Sent:
        """GET the pages from so many clients at once, each over a connection of its own. All have to be there.

        Each client has an address of its own, as the reverse proxy writes it down.
        """
        before, started = Usage.now(self.pids), time.perf_counter()
        times = asyncio.run(_storm(urlsplit(self.address).port or 80, paths, clients))
        took = time.perf_counter() - started
        return Sent(len(paths) / took, times, (Usage.now(self.pids) - before).cpu / len(paths) * 1000)


def _ratio(pair: tuple[Sent, Sent]) -> float:
    return pair[0].per_second / pair[1].per_second


async def _storm(port: int, paths: Sequence[str], clients: int) -> list[float]:
    left, times = iter(paths), []

    async def client(number: int) -> None:
        headers = f"Host: 127.0.0.1\r\nX-Forwarded-For: 203.0.113.{number}\r\nConnection: close"
        for path in left:
            began = time.perf_counter()
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(f"GET {path} HTTP/1.1\r\n{headers}\r\n\r\n".encode())
            answer = await reader.read()
            writer.close()
            times.append((time.perf_counter() - began) * 1000)
            assert answer.startswith(b"HTTP/1.1 200 "), f"{path}: {answer[:40]!r}"

    await asyncio.gather(*map(client, range(clients)))
    return times


@contextmanager
def server(workers: int) -> Iterator[Server]:
    before = set(children())
    with web_server("tests.bench.floor_web", WEB_CONCURRENCY=str(workers)) as address:
        yield Server(address, [pid for pid in children() if pid not in before])
