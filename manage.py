#!/usr/bin/env python
"""Django's command line. In development it brings its own PostgreSQL and Redis where none are set."""

import os
import sys
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured
from django.core.management import execute_from_command_line
from django.db import OperationalError

from flowlog.env import Env
from flowlog.logs import startup
from flowlog.translations import argparse_words

BASE_DIR = Path(__file__).resolve().parent
HOME = BASE_DIR / "var" / "dev"
# These need neither server (`dev` brings its own). Every other command gets both.
WITHOUT_SERVERS = frozenset(
    {"help", "version", "check", "compilemessages", "dev", "evolution_sandbox", "makemessages", "startapp"}
)
# Of an app that is not installed in production, and whose libraries are not.
DEVELOPMENT = frozenset({"dev", "evolution_sandbox"})
# What a shell says of a program that Ctrl-C has ended.
INTERRUPTED = 130


def check_debug(arguments: list[str]) -> None:
    """Ends in a sentence, rather than in “unknown command”, where development's commands are not to be had."""
    if DEVELOPMENT.intersection(arguments[:1]) and not Env(BASE_DIR / ".env").flag("DEBUG", default=False):
        sys.exit(f"`{arguments[0]}` is for development only: set DEBUG=true (cp .env.example .env).")


def servers_for(arguments: list[str]) -> AbstractContextManager[object]:
    """The embedded servers for one command: those whose address is not set, in development only.

    Beside a running `make run` the command takes that one's settings, unless its own environment says otherwise.
    """
    env = Env(BASE_DIR / ".env")
    command = arguments[0] if arguments else "help"
    if command.startswith("-") or command in WITHOUT_SERVERS or not env.flag("DEBUG", default=False):
        return nullcontext()
    from flowlog.devtools.run import settings_of_run  # noqa: PLC0415 - never imported in production

    for name, value in settings_of_run(HOME).items():
        os.environ.setdefault(name, value)
    postgres, valkey = not env.text("DATABASE_URL", ""), not env.text("REDIS_URL", "")
    if not (postgres or valkey):
        return nullcontext()
    from flowlog.devtools.command import embedded_servers  # noqa: PLC0415 - never imported in production

    return embedded_servers(HOME, postgres=postgres, valkey=valkey)


def main() -> None:
    """Run the command named on the command line."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "flowlog.settings")
    startup.record_uncaught()
    if not DEVELOPMENT.intersection(sys.argv[1:2]):
        # Those speak English, as all that developers read.
        argparse_words.translate()
    try:
        check_debug(sys.argv[1:])
        with servers_for(sys.argv[1:]):
            execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:
        startup.record(error)
        sys.exit(str(error))
    except OperationalError as error:
        from flowlog.database import lost_words  # noqa: PLC0415 - whatever it needs may be what is missing

        if not (words := lost_words(error)):
            raise
        startup.record(error)
        sys.exit(words)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


if __name__ == "__main__":
    main()
