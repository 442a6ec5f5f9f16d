"""`manage.py doctor` where the settings or the code cannot be loaded: which of them it is, and what to type.

It runs in a process of its own, since half-loaded settings and apps cannot be taken back: with settings that read
nothing, without apps, and so with the checks alone that need neither.
"""

from __future__ import annotations

import errno
import json
import logging
import os
import pwd
import re
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import django
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.utils.translation import gettext as _

from flowlog.checklist import Check, Item, failed, run
from flowlog.translations import compile_catalogs

BASE_DIR = Path(__file__).resolve().parents[3]
_DOTENV = BASE_DIR / ".env"
# What carries the cause from the process that met it to the one that tells of it.
_CAUSE = "FLOWLOG_DOCTOR_CAUSE"


def diagnose(error: BaseException) -> NoReturn:
    """Become the process that tells of this error; the command line stays."""
    os.environ[_CAUSE] = json.dumps(_cause(error))
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-m", __name__, *sys.argv[1:]])  # noqa: S606 - our own program


def _cause(error: BaseException) -> dict[str, Any]:
    """What it is, in values that another process can read."""
    if isinstance(error, ImproperlyConfigured):
        return {"kind": "setting", "words": str(error)}
    each: BaseException | None = error
    while each:
        if isinstance(each, OSError) and each.filename:
            return {"kind": "file", "file": str(each.filename), "words": str(each.strerror), "errno": each.errno}
        each = each.__cause__ or each.__context__
    return {"kind": "code", "words": f"{type(error).__name__}: {error}"}


def main() -> None:
    """Tell of the cause that the environment carries."""
    cause = json.loads(os.environ.pop(_CAUSE))
    logging.getLogger().addHandler(logging.NullHandler())
    settings.configure(
        BASE_DIR=BASE_DIR,
        LOG_DIR=str(BASE_DIR / "logs"),
        BACKUP_DIR="/var/backups/flowlog",
        LANGUAGE_CODE="pt-br",
        LOCALE_PATHS=[_catalogs()],
        TIME_ZONE="America/Sao_Paulo",
        USE_TZ=True,
        LOGGING_CONFIG=None,
    )
    django.setup()
    from flowlog.operations.management.commands import doctor  # noqa: PLC0415 - speaks as soon as it is imported

    class Unloaded(doctor.Command):
        def items(self, **_options: Any) -> Iterator[Item]:
            return items(cause)

        def standing(self) -> list[str]:
            return []

    Unloaded().run_from_argv(["manage.py", *sys.argv[1:]])


def items(cause: Mapping[str, Any]) -> Iterator[Item]:
    """The cause, and what can be looked at all the same."""
    from flowlog.operations.checklists import installation  # noqa: PLC0415 - needs settings
    from flowlog.operations.checklists.units import units  # noqa: PLC0415 - needs settings

    checks: tuple[tuple[str, Check], ...] = (
        ("cause", partial(_told, cause)),
        (".env", partial(_dotenv, cause)),
        ("packages", installation.packages),
        ("disk", installation.disk),
        ("units", units),
    )
    yield from run(checks)


def _told(cause: Mapping[str, Any]) -> Iterator[Item]:
    words = cause["words"]
    if cause["kind"] == "setting":
        yield _setting(words)
    elif cause["kind"] == "file":
        yield _file(Path(cause["file"]), words, cause["errno"])
    else:
        todo = _(
            "`pip install -r requirements.txt`; if that does not help: "
            "`sudo -u %(owner)s %(folder)s/deploy/rollback.sh`."
        )
        yield failed(
            _("code"),
            _("It cannot be loaded: %(error)s") % {"error": words},
            todo % {"folder": BASE_DIR, "owner": BASE_DIR.owner()},
        )


def _setting(words: str) -> Item:
    todo = _(
        "Mend it in %(file)s, then `sudo systemctl restart flowlog-web flowlog-worker-default flowlog-worker-whatsapp`."
    ) % {"file": _DOTENV}
    name = re.search(r"\b[A-Z][A-Z0-9_]{4,}\b", words)
    if name and name[0] in os.environ:
        todo = _("`unset %(name)s` in this shell, where it is set: that wins over .env.") % {"name": name[0]}
    return failed(_("settings"), words, todo)


def _file(file: Path, reason: str, number: int) -> Item:
    """A file or folder that this user may not use, mostly since another one has made it."""
    owner = BASE_DIR.owner()
    if number not in (errno.EACCES, errno.EPERM):
        todo = _("See the disk, and whether the file is what it should be.")
    elif os.geteuid() != pwd.getpwnam(owner).pw_uid:
        todo = f"cd {BASE_DIR} && sudo -u {owner} .venv/bin/python manage.py doctor"
    elif file == _DOTENV:
        todo = f"sudo chown root:{owner} {file} && sudo chmod 640 {file}"
    else:
        todo = f"sudo chown -R {owner}: {file}"
    user = pwd.getpwuid(os.geteuid()).pw_name
    return failed(str(file), _("%(user)s cannot use it: %(reason)s.") % {"user": user, "reason": reason}, todo)


def _dotenv(cause: Mapping[str, Any]) -> Iterator[Item]:
    """Whether it is there, and is text."""
    if not _DOTENV.is_file():
        if cause["kind"] == "setting":
            todo = _("Put your copy there: `sudo install -m 640 -g %(group)s COPY %(file)s`.")
            yield failed(".env", _("There is none."), todo % {"group": BASE_DIR.group(), "file": _DOTENV})
        return
    with suppress(PermissionError):
        text = _DOTENV.read_bytes()
        try:
            text.decode()
        except UnicodeDecodeError as error:
            line = text[: error.start].count(b"\n") + 1
            words = _("Line %(line)d is no UTF-8 text.") % {"line": line}
            yield failed(".env", words, _("Type that line anew: `sudo nano %(file)s`.") % {"file": _DOTENV})


def _catalogs() -> str:
    """Where the translations are; the usual place may not be writable, nor need it be."""
    for folder in (BASE_DIR / "var" / "locale", Path(tempfile.gettempdir()) / f"flowlog-locale-{os.geteuid()}"):
        with suppress(OSError):
            compile_catalogs(BASE_DIR / "locale", folder)
            return str(folder)
    return ""


if __name__ == "__main__":
    main()
