#!/usr/bin/env python
"""Django's command line. In development it brings its own PostgreSQL and Redis where none are set."""

import os
import pwd
import sys
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

BASE_DIR = Path(__file__).resolve().parent
# What says what is wrong must say so whatever it is.
DIAGNOSIS = sys.argv[1:2] == ["doctor"]


def say_what_is_missing(error: Exception) -> None:
    """`doctor`, where the libraries are not: in the words themselves, for what translates them is among what misses."""
    python = BASE_DIR / ".venv" / "bin" / "python"
    if not python.exists():
        words = f"✘ Python: não há ambiente em {BASE_DIR}/.venv.\n    → sudo /root/flowlog/deploy/install.sh"
    elif Path(sys.prefix).resolve() != (BASE_DIR / ".venv").resolve():
        words = f"✘ Python: {sys.executable} não é o do Flowlog.\n    → {python} manage.py doctor"
    else:
        words = f"✘ pacotes: {error}.\n    → {python} -m pip install -r {BASE_DIR}/requirements.txt"
    sys.stdout.write(f"{words}\n")
    sys.exit(1)


def step_down() -> None:
    """Root gives way to the services' user where it has installed them: what it wrote, they could not write to."""
    dotenv = BASE_DIR / ".env"
    if os.geteuid() != 0 or not dotenv.is_file():
        return
    owner, settings = BASE_DIR.stat(), dotenv.stat()
    if not owner.st_uid or (settings.st_uid, settings.st_gid) != (0, owner.st_gid):
        return
    user = pwd.getpwuid(owner.st_uid)
    os.initgroups(user.pw_name, user.pw_gid)
    os.setgid(user.pw_gid)
    os.setuid(user.pw_uid)
    os.environ |= {"HOME": user.pw_dir, "USER": user.pw_name, "LOGNAME": user.pw_name}
    if not os.access(".", os.X_OK):
        os.chdir(BASE_DIR)
    sys.stderr.write(f"manage.py: como {user.pw_name}, e não como root.\n")


# Before anything is imported, which writes what it has compiled.
if __name__ == "__main__":
    step_down()

try:
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line
    from django.db import OperationalError

    from flowlog.env import Env
    from flowlog.logs import startup
    from flowlog.translations import argparse_words
except (ImportError, SyntaxError) as missing:
    if not DIAGNOSIS:
        raise
    say_what_is_missing(missing)

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
    except Exception as error:  # noqa: BLE001 - all are raised again, or told
        if DIAGNOSIS:
            from flowlog.operations.checklists import unloaded  # noqa: PLC0415 - loads what may be broken

            unloaded.diagnose(error)
        end(error)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


def end(error: Exception) -> None:
    """In a sentence where there is one for a person, else by the error itself; either is kept in the log."""
    if isinstance(error, ImproperlyConfigured):
        startup.record(error)
        sys.exit(str(error))
    if isinstance(error, OperationalError):
        from flowlog.database import lost_words  # noqa: PLC0415 - whatever it needs may be what is missing

        if words := lost_words(error):
            startup.record(error)
            sys.exit(words)
    raise error


if __name__ == "__main__":
    main()
