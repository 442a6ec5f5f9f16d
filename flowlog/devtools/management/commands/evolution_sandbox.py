"""`manage.py evolution_sandbox`: the stand-in for the Evolution API, in the foreground until it is stopped."""

from __future__ import annotations

import signal
from argparse import ArgumentParser
from pathlib import Path
from typing import Any, override
from zoneinfo import ZoneInfo

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from flowlog.devtools.sandbox.connection import connect, disconnect
from flowlog.devtools.sandbox.options import Options, Version
from flowlog.devtools.sandbox.pages import Pages
from flowlog.devtools.sandbox.server import SandboxServer
from flowlog.devtools.sandbox.state import Instance, Sandbox


class Command(BaseCommand):
    """Serves until SIGINT or SIGTERM. The first line of output holds the address."""

    help = "Run a stand-in for the Evolution API, with pages that show each customer's phone. Development only."
    requires_system_checks = ()

    @override
    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--host", default="127.0.0.1", help="a loopback address")
        parser.add_argument("--port", type=int, default=8085, help="0 takes a free one")
        parser.add_argument("--api-key", default=settings.EVOLUTION_API_KEY, help="default: EVOLUTION_API_KEY")
        parser.add_argument(
            "--create",
            action="append",
            metavar="NAME",
            help="a connected instance; repeatable; default: EVOLUTION_INSTANCE",
        )
        parser.add_argument(
            "--plays", choices=[each.value for each in Version], default="2.3.7", help="the gateway's release"
        )
        parser.add_argument("--shop", default="", help="the shop's name on the phones; default: the instance's")
        parser.add_argument("--data", type=Path, metavar="FILE", help="keep the messages in this file")
        parser.add_argument("--latency", type=float, default=0, metavar="MS", help="how long each answer takes")
        parser.add_argument("--error-rate", type=float, default=0, metavar="P", help="share of sends that fail, 0 to 1")
        parser.add_argument("--hang", type=float, default=40, metavar="S", help="how long a hanging send hangs")
        parser.add_argument("--disconnected", action="store_true", help="start with the instances disconnected")
        parser.add_argument("--forget", action="store_true", help="like a gateway that does not store messages")

    @override
    def handle(self, *args: Any, **options: Any) -> None:
        server = _server(options)
        # So that SIGTERM, too, ends the loop below in order.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        self.stdout.write(f"Evolution API sandbox: {server.url}")
        self.stdout.write(f"Customers' phones:     {server.url}/phone")
        self.stdout.flush()
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            self.stdout.write("Sandbox stopped.")
        finally:
            server.sandbox.stopped.set()
            server.server_close()


def _server(options: dict[str, Any]) -> SandboxServer:
    """A server bound to its address; raises `CommandError` if it cannot be had."""
    if not 0 <= options["error_rate"] <= 1:
        raise CommandError("--error-rate must be between 0 and 1.")
    behaviour = Options(
        version=Version(options["plays"]),
        latency_ms=max(options["latency"], 0),
        error_rate=options["error_rate"],
        hang_seconds=max(options["hang"], 0),
        keep_messages=not options["forget"],
    )
    sandbox = Sandbox(options["api_key"], options=behaviour, data=options["data"])
    for name in options["create"] or filter(None, [settings.EVOLUTION_INSTANCE]):
        instance = Instance(name)
        sandbox.add(instance)
        connect(sandbox, instance)
        if options["disconnected"]:
            disconnect(sandbox, instance)
    pages = Pages(ZoneInfo(settings.TIME_ZONE), options["shop"])
    try:
        return SandboxServer(options["host"], options["port"], sandbox, pages, log=options["verbosity"] > 1)
    except (OSError, OverflowError, ValueError) as error:
        raise CommandError(f"The sandbox cannot listen on {options['host']}:{options['port']}: {error}") from error
