"""`manage.py dev`: the whole system in the foreground of one terminal.

One run per home (see `run.py`). What a killed run left behind is ended by the next one.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import requests

from flowlog.devtools.children import end_marked
from flowlog.devtools.console import Console
from flowlog.devtools.errors import DevError
from flowlog.devtools.outside import check_redis, ensure_database
from flowlog.devtools.ports import HOST, choose_port
from flowlog.devtools.prepare import ADMIN
from flowlog.devtools.run import end_run, only_run, tell
from flowlog.devtools.servers import EmbeddedServers
from flowlog.devtools.supervisor import READY_TIMEOUT, Interrupted, Supervisor

WEB_PORT, SANDBOX_PORT = 8000, 8085
# The default store's name, as a new database has it.
SHOP = "Minha loja"
# How many processes each has; the one of `whatsapp` counts by itself how many it needs.
WORKERS: dict[str, list[str]] = {"default": ["-c", "2"], "whatsapp": []}
INTERRUPTED = 130


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What to run. An address is one that the developer set; empty means that the system brings its own."""

    root: Path
    home: Path
    gateway_key: str
    demo: bool = False
    port: int | None = None
    sandbox_port: int | None = None
    database_url: str = ""
    redis_url: str = ""
    site_url: str = ""
    gateway_url: str = ""

    @property
    def uses_sandbox(self) -> bool:
        """A demo never speaks to a gateway that could be real."""
        return self.demo or not self.gateway_url


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where this run's parts are found."""

    web_port: int
    site: str
    gateway: str


class System:
    """One run of the whole system."""

    def __init__(self, options: Options, console: Console) -> None:
        self._options = options
        self._console = console
        self._supervisor = Supervisor(options.home, options.root)
        self._embedded = EmbeddedServers(options.home, postgres=not options.database_url, valkey=not options.redis_url)

    def run(self) -> int:
        """Start, stay until asked to stop (a demo: until it is over), stop everything. Returns the exit code."""
        self._supervisor.listen_for_stop()
        try:
            with self._alone() as addresses:
                try:
                    self._start_servers()
                    return self._work(addresses)
                finally:
                    self._console.line("\nStopping …")
                    self._supervisor.end()
                    self._embedded.stop()
        except Interrupted:
            return INTERRUPTED if self._options.demo else 0
        except DevError as error:
            self._console.line(f"\n{error}")
            return 1

    def stop(self) -> int:
        """End the run of this home, from beside it, and what a killed one left behind. Returns the exit code."""
        home = self._options.home
        try:
            self._embedded.create_home()
            ended = end_run(home)
            with only_run(home):
                left = end_marked(home)
                EmbeddedServers(home).stop_left_behind()
        except DevError as error:
            self._console.line(str(error))
            return 1
        if left:
            self._console.line("Ended what a killed run had left behind.")
        self._console.line("Flowlog has stopped." if ended or left else "Flowlog does not run in this checkout.")
        return 0

    def reset(self) -> int:
        """Delete the home with all its data, unless it is in use. Returns the exit code."""
        try:
            with self._alone(), self._console.step(f"Deleting {self._options.home}"):
                EmbeddedServers(self._options.home).remove()
        except DevError as error:
            self._console.line(f"\n{error}")
            return 1
        return 0

    @contextmanager
    def _alone(self) -> Iterator[Addresses]:
        """Be the only run of this home, and say where. Raises `DevError` if there is another one."""
        home = self._options.home
        self._embedded.create_home()
        (home / "logs").mkdir(exist_ok=True)
        with only_run(home) as lock:
            if count := end_marked(home):
                self._console.line(f"Ended {count} processes that an earlier run had left behind.")
            addresses = self._choose_addresses()
            tell(lock, self._settings(addresses))
            yield addresses

    def _choose_addresses(self) -> Addresses:
        options = self._options
        web = self._choose_port("the web server", WEB_PORT, options.port)
        site = options.site_url or f"http://{HOST}:{web}"
        if not options.uses_sandbox:
            return Addresses(web, site, options.gateway_url)
        sandbox = self._choose_port("the sandbox", SANDBOX_PORT, options.sandbox_port, frozenset({web}))
        return Addresses(web, site, f"http://{HOST}:{sandbox}")

    def _choose_port(self, what: str, default: int, wanted: int | None, taken: frozenset[int] = frozenset()) -> int:
        port = choose_port(default, wanted, taken=taken)
        if wanted is None and port != default:
            self._console.line(f"Port {default} is busy: {what} uses {port}.")
        return port

    def _start_servers(self) -> None:
        options = self._options
        if options.database_url and ensure_database(options.database_url):
            self._console.line("The database of DATABASE_URL was missing: created.")
        if options.redis_url:
            check_redis(options.redis_url)
        self._embedded.start(self._console.step)
        self._supervisor.watch(self._embedded.servers())

    def _work(self, addresses: Addresses) -> int:
        environment = self._environment(addresses)
        if self._options.uses_sandbox:
            self._start_sandbox(addresses.gateway, environment)
        # Not the site's address: that one may lead around outside, through a proxy.
        hook = [f"--webhook-of=http://{HOST}:{addresses.web_port}"] if self._options.uses_sandbox else []
        prepared = self._supervisor.run("prepare", ["-m", "flowlog.devtools.prepare", *hook], environment)
        if prepared.exit_code():
            raise prepared.death()
        self._start_processes(addresses.web_port, environment)
        if self._options.uses_sandbox:
            arguments = [] if self._options.demo else ["--first-time-only"]
            demo = self._supervisor.run("demo", ["-m", "flowlog.devtools.demo", *arguments], environment)
            if self._options.demo:
                return demo.exit_code() or 0
        self._show(addresses)
        self._supervisor.wait(lambda: False)
        return 0

    def _environment(self, addresses: Addresses) -> dict[str, str]:
        """What the processes find in their environment. It hides what `.env` says of the same names."""
        return {
            **os.environ,
            "DEBUG": "true",
            "DATABASE_URL": self._embedded.database_url,
            "REDIS_URL": self._embedded.redis_url,
            **self._settings(addresses),
            "PYTHONUNBUFFERED": "1",
        }

    def _settings(self, addresses: Addresses) -> dict[str, str]:
        """What this run decides, or was told, for its processes and for those that join it."""
        options = self._options
        servers = {"DATABASE_URL": options.database_url, "REDIS_URL": options.redis_url}
        return {
            "SITE_URL": addresses.site,
            "EVOLUTION_API_URL": addresses.gateway,
            "EVOLUTION_API_KEY": options.gateway_key,
            # The embedded ones are found by everyone, and stay for whoever uses them.
            **{name: url for name, url in servers.items() if url},
            **({"NOTIFICATIONS_OVERRIDE_RECIPIENT": ""} if options.demo else {}),
        }

    def _start_sandbox(self, url: str, environment: dict[str, str]) -> None:
        port = url.rpartition(":")[2]
        command = ["manage.py", "evolution_sandbox", "--port", port, "--shop", SHOP]
        command += ["--api-key", self._options.gateway_key]
        with self._console.step(f"Sandbox gateway on port {port}"):
            self._supervisor.start(
                "sandbox", [*command, "--data", str(self._options.home / "sandbox.json")], environment
            )
            self._supervisor.wait(lambda: _answers(url), what="The sandbox gateway", timeout=READY_TIMEOUT)

    def _start_processes(self, web_port: int, environment: dict[str, str]) -> None:
        # All at once: each of them takes seconds to load.
        start = self._supervisor.start
        reload = ["--noreload"] if self._options.demo else []
        start("web", ["manage.py", "runserver", f"{HOST}:{web_port}", *reload], environment)
        for name, arguments in celery_arguments().items():
            start(name, ["-m", "celery", "-A", "flowlog", *arguments], environment)
        with self._console.step(f"Web server on port {web_port}"):
            url = f"http://{HOST}:{web_port}/admin/login/"
            self._supervisor.wait(lambda: _answers(url), what="The web server", timeout=READY_TIMEOUT)
        with self._console.step("Workers and beat"):
            self._supervisor.wait(_workers_answer, what="A worker", timeout=READY_TIMEOUT)

    def _show(self, addresses: Addresses) -> None:
        lines = [("Admin", f"{addresses.site}/admin/   {ADMIN} / {ADMIN}")]
        if self._options.uses_sandbox:
            lines.append(("Phones", f"{addresses.gateway}/phone   what the customers see, and answer"))
            lines.append(("Shop", f"{addresses.gateway}/phone/shop   buttons: an order comes in by itself"))
        lines.append(("Logs", str(self._options.home / "logs")))
        self._console.line("\nFlowlog is running. Ctrl-C stops it, and so does `make stop` beside it.\n")
        for name, where in lines:
            self._console.line(f"  {name:<7} {where}")


def celery_arguments() -> dict[str, list[str]]:
    """What `celery -A flowlog` is given for each process, by its name. The units of production say the same."""
    level, quiet = ["-l", "INFO"], ["--without-gossip", "--without-heartbeat", "--without-mingle"]
    workers = {
        f"worker-{queue}": ["worker", "-Q", queue, *size, "-n", f"{queue}@%h", *level, *quiet]
        for queue, size in WORKERS.items()
    }
    return {**workers, "beat": ["beat", *level]}


def _answers(url: str) -> bool:
    """Whether a web server speaks there, whatever it says."""
    try:
        requests.get(url, timeout=2)
    except requests.RequestException:
        return False
    return True


def _workers_answer() -> bool:
    """Whether all workers take part in Celery's remote control, which they do once they consume."""
    from flowlog.celery import app  # noqa: PLC0415 - loads the settings

    nodes = {f"{queue}@{socket.gethostname()}" for queue in WORKERS}
    replies = app.control.ping(destination=sorted(nodes), timeout=0.5) or []
    return nodes <= {node for reply in replies for node in reply}
