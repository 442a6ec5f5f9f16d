"""What the scripts share: the rows that they work on, and how time, statements, processor and memory are counted."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Any, Self

import psutil
import psycopg
import redis
import requests
from django.conf import settings
from django.db import connection
from django.db.models import Field, Model
from django.test.utils import CaptureQueriesContext

from integrations.models import EvolutionInstance
from orders.models import Order, Store
from orders.services import create_order

PATIENCE = 600.0


# -- Rows ----------------------------------------------------------------------------------------


def make_stores(number: int, pace: int = 0) -> list[Store]:
    """So many stores with an instance each, `i0` and on; the first is the default one."""
    stores = [Store.get_default()]
    stores += [Store.objects.create(name=f"Loja {each}") for each in range(1, number)]
    for each, store in enumerate(stores):
        EvolutionInstance.objects.create(store=store, name=f"i{each}", is_default=True, messages_per_minute=pace)
    return stores


def make_order(store: Store, number: int, *, notify: bool = False) -> Order:
    """An order of a customer who has that number."""
    return create_order(
        store=store,
        customer_name=f"Maria {number} da Silva",
        customer_phone=f"+55119{80_000_000 + number:08d}",
        items=[{"description": "Camiseta azul", "quantity": 2, "unit_price": "59.90"}],
        delivery_method="courier",
        delivery_address="Rua das Flores, 10, Centro",
        notify=notify,
    )


class Insert:
    """A bare INSERT of rows like this one, with its key or a new one: constant SQL, whatever columns the table has."""

    def __init__(self, row: Model, *, key: bool = False) -> None:
        self._values = {
            column: field.get_db_prep_save(getattr(row, field.attname), connection)
            for column, field in _stored(type(row), key=key).items()
        }
        places = ", ".join(["%s"] * len(self._values))
        table, key_column = row._meta.db_table, row._meta.pk.column
        self._sql = f"INSERT INTO {table} ({', '.join(self._values)}) VALUES ({places}) RETURNING {key_column}"  # noqa: S608

    def __call__(self, cursor: psycopg.Cursor, **changed: Any) -> int:
        """Insert one, with some columns changed; its id."""
        [inserted] = cursor.execute(self._sql, list((self._values | changed).values())).fetchall()
        return int(inserted[0])


def copied(model: type[Model], **changed: str) -> tuple[str, str]:
    """The columns of a table but its key, as an INSERT names them, and as a SELECT for it does: `changed` is SQL."""
    columns = _stored(model)
    return ", ".join(columns), ", ".join(changed.get(each, each) for each in columns)


def _stored(model: type[Model], *, key: bool = False) -> dict[str, Field]:
    """The fields that a row is written with, by their columns."""
    concrete = model._meta.concrete_fields
    return {str(each.column): each for each in concrete if not each.generated and (key or not each.primary_key)}


# -- Time and statements -------------------------------------------------------------------------


def timed(work: Callable[[], object]) -> float:
    """How many milliseconds it takes once."""
    started = time.perf_counter()
    work()
    return (time.perf_counter() - started) * 1000


def median_ms(work: Callable[[], object], rounds: int) -> float:
    return statistics.median(timed(work) for _ in range(rounds))


def spread(values: Sequence[float]) -> float:
    """How far they are apart, as a part of their median."""
    return (max(values) - min(values)) / statistics.median(values)


def p95(values: Iterable[float]) -> float:
    ordered = sorted(values)
    return ordered[int(len(ordered) * 0.95)]


def statements_of(work: Callable[[], object]) -> list[str]:
    """The statements that `work` makes in this thread, also BEGIN, SAVEPOINT and COMMIT: the database answers each."""
    log = connection.queries_log
    log.clear()  # it has room for so many, and what it throws away would be counted as none
    with CaptureQueriesContext(connection) as captured:
        work()
    assert len(log) < (log.maxlen or 0), "More statements than can be counted."
    return [each["sql"] for each in captured]


def bare_connection() -> psycopg.Connection:
    """Past Django, to the same database."""
    return psycopg.connect(os.environ["DATABASE_URL"])


# -- Processor, memory and what servers count ------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Usage:
    """What was used so far: subtract an earlier one. Redis counts for all its databases together."""

    cpu: float  # seconds of the processes that were asked for, and of all their children
    postgres_cpu: float  # of the database's living sessions, if it runs on this machine
    redis_cpu: float
    transactions: int
    sessions: int
    wal: int  # bytes
    commands: int
    published: int

    @classmethod
    def now(cls, pids: Iterable[int] = ()) -> Self:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_stat_clear_snapshot()")
            cursor.execute(
                "SELECT xact_commit + xact_rollback, sessions, pg_current_wal_lsn() - '0/0'::pg_lsn"
                " FROM pg_stat_database WHERE datname = current_database()"
            )
            transactions, sessions, wal = cursor.fetchone()
        with redis.Redis.from_url(settings.REDIS_URL) as client:
            told: dict[str, Any] = client.info("all")
        return cls(
            cpu=_cpu(pids),
            postgres_cpu=_postgres_cpu(),
            redis_cpu=told["used_cpu_user"] + told["used_cpu_sys"],
            transactions=transactions,
            sessions=sessions,
            wal=int(wal),
            commands=told["total_commands_processed"],
            published=told.get("cmdstat_lpush", {}).get("calls", 0),
        )

    def __sub__(self, earlier: Self) -> Self:
        return type(self)(*(getattr(self, each.name) - getattr(earlier, each.name) for each in fields(self)))


def _cpu(pids: Iterable[int]) -> float:
    total = 0.0
    for process in family(pids):
        try:
            total += sum(process.cpu_times()[:4])  # with that of children that have ended
        except psutil.NoSuchProcess:
            continue
    return total


def _postgres_cpu() -> float:
    """PostgreSQL writes the database into its sessions' titles."""
    name, total = f" {connection.settings_dict['NAME']} ", 0.0
    for process in psutil.process_iter(["name", "cmdline", "cpu_times"]):
        told = process.info
        if told["name"] == "postgres" and name in " ".join(told["cmdline"] or []):
            total += told["cpu_times"].user + told["cpu_times"].system
    return total


def family(pids: Iterable[int]) -> list[psutil.Process]:
    """The processes and all that descend from them."""
    mains = [psutil.Process(pid) for pid in pids]
    return [*mains, *(child for main in mains for child in main.children(recursive=True))]


def children() -> list[int]:
    """The processes that this one has started and that still run."""
    return [child.pid for child in psutil.Process().children()]


def memory(pids: Iterable[int]) -> float:
    """MiB that the processes and all their children have, each page that they share counted once."""
    return float(sum(process.memory_full_info().pss for process in family(pids)) / 2**20)


# -- The gateway, see `tests/bench/gateway.py` -----------------------------------------------------


@dataclass(frozen=True, slots=True)
class Arrived:
    """How many messages reached the gateway, and by its clock the first and the last of them."""

    number: int
    first: float
    last: float


class Gateway:
    """The gateway of the settings."""

    def __init__(self) -> None:
        self._session = requests.Session()
        self._session.trust_env = False

    def reset(self, latency_ms: float = 0) -> None:
        """It has nothing, and takes so long from now on."""
        self._ask("reset", latency=latency_ms)

    def wait(self, number: int, seconds: float = PATIENCE) -> Arrived:
        """Once it has so many. Raises `TimeoutError`."""
        arrived = Arrived(**self._ask("wait", number=number, seconds=seconds))
        if arrived.number < number:
            raise TimeoutError(f"{arrived.number} of {number} messages reached the gateway in {seconds:g} s.")
        return arrived

    def _ask(self, what: str, **query: Any) -> dict[str, Any]:
        address = f"{settings.EVOLUTION_API_URL}/bench/{what}"
        told: dict[str, Any] = self._session.get(address, params=query, timeout=PATIENCE + 60).json()
        return told
