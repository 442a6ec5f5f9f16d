"""`manage.py dev`: run the whole system, for development."""

from __future__ import annotations

import sys
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from flowlog.env import Env


class Command(BaseCommand):
    help = "Run the whole system for development: servers, sandbox gateway, web, workers, beat, a first order."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--demo", "--once", action="store_true", help="take demo orders through their life, show them, and stop"
        )
        parser.add_argument("--reset", action="store_true", help="delete this checkout's development data, and stop")
        parser.add_argument("--stop", action="store_true", help="end the one that runs in this checkout")
        parser.add_argument("--port", help="web port (default: 8000, or the next free one)")
        parser.add_argument("--sandbox-port", help="sandbox port (default: 8085, or the next free one)")

    def handle(self, *_args: Any, **options: Any) -> None:
        try:
            # The development requirements may not be installed.
            from flowlog.devtools.console import Console  # noqa: PLC0415
            from flowlog.devtools.errors import DevError  # noqa: PLC0415
            from flowlog.devtools.ports import parse_port  # noqa: PLC0415
            from flowlog.devtools.system import Options, System  # noqa: PLC0415
        except ImportError as error:
            raise CommandError(f"{error.name} is missing: pip install -r requirements-run.txt.") from None

        web, sandbox = options["port"], options["sandbox_port"]
        try:
            port = parse_port(web, "the web server") if web is not None else None
            sandbox_port = parse_port(sandbox, "the sandbox and its phones") if sandbox is not None else None
        except DevError as error:
            sys.exit(str(error))
        env = Env(settings.BASE_DIR / ".env")
        chosen = Options(
            root=settings.BASE_DIR,
            home=settings.BASE_DIR / "var" / "dev",
            demo=options["demo"],
            port=port,
            sandbox_port=sandbox_port,
            database_url=env.text("DATABASE_URL", ""),
            redis_url=env.text("REDIS_URL", ""),
            site_url=env.text("SITE_URL", ""),
            gateway_url=env.text("EVOLUTION_API_URL", ""),
            gateway_key=settings.EVOLUTION_API_KEY,
        )
        system = System(chosen, Console(sys.stdout))
        if options["stop"]:
            sys.exit(system.stop())
        sys.exit(system.reset() if options["reset"] else system.run())
