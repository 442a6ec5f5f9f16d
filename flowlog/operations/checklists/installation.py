"""This machine: settings, packages, disk, and what its services start."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from django.conf import settings
from django.core.checks import CRITICAL, ERROR, WARNING, CheckMessage, run_checks
from django.utils.translation import gettext as _

from flowlog.checklist import Item, failed, ok, warning
from flowlog.mail.no_mail import can_mail
from flowlog.revision import changed_by_hand, read_revision

_PIN = re.compile(r"([A-Za-z0-9._-]+)(?:\[[^]]*\])?==(\S+)")
# Debian's place for the databases; whoever has put them elsewhere is not told of that disk.
_POSTGRESQL = Path("/var/lib/postgresql")
# Django's own are in English, and name settings that nobody sets here.
_OF_PLAIN_HTTP = frozenset({"security.W004", "security.W008", "security.W012", "security.W016"})
_OF_A_WEAK_KEY = "security.W009"
_ENOUGH_BYTES, _FEW_BYTES = 2 << 30, 500 << 20


def production_settings() -> Iterator[Item]:
    """As Django's own `check --deploy` sees them, and as Flowlog does."""
    name = _("settings")
    if settings.DEBUG:
        yield failed(name, _("DEBUG is on."), _("Set DEBUG=false in .env: with it everybody sees our errors' details."))
    else:
        yield from _as_django_sees_them(name)
    yield from _left_away()


def _as_django_sees_them(name: str) -> Iterator[Item]:
    every = run_checks(include_deployment_checks=True)
    found = [message for message in every if message.level >= WARNING and not message.is_silenced()]
    # Several of Django's may be about one setting of ours.
    yield from dict.fromkeys(_in_our_words(name, message) for message in found)
    if not found:
        yield ok(name, _("Fit for production."))


def _in_our_words(name: str, message: CheckMessage) -> Item:
    if message.id in _OF_PLAIN_HTTP:
        words = _("It starts with http://: whoever is on the way reads what is typed, and takes over who is logged in.")
        return warning("SITE_URL", words, _("Set it to the https:// address. On http:// only a trial may run."))
    if message.id == _OF_A_WEAK_KEY:
        words = _("It can be guessed: then anybody can log in as anybody.")
        return warning("SECRET_KEY", words, _("Set it to what `openssl rand -base64 48` prints."))
    words = f"{message.id}: {message.msg}".partition("\n")[0]
    grave = message.level in (ERROR, CRITICAL)
    return (failed if grave else warning)(name, words, message.hint or _("See .env.example."))


def _left_away() -> Iterator[Item]:
    if not settings.EVOLUTION_WEBHOOK_SECRET:
        yield warning(
            "EVOLUTION_WEBHOOK_SECRET",
            _("Not set: nobody learns whether messages arrived, nor what customers answer."),
            _("Set it, and run `manage.py evolution set-webhook` for each instance."),
        )
    if not can_mail():
        yield warning(
            "EMAIL_URL",
            _("Not set: nobody gets a mail when messages stop."),
            _("Set it, and ALERT_EMAILS."),
        )
    if settings.NOTIFICATIONS_OVERRIDE_RECIPIENT:
        yield warning(
            "NOTIFICATIONS_OVERRIDE_RECIPIENT",
            _("Set: no customer gets a message, all go to one number."),
            _("Leave it empty in production."),
        )
    dotenv = settings.BASE_DIR / ".env"
    if dotenv.is_file() and dotenv.stat().st_mode & 0o007:
        yield failed(".env", _("Everybody on this machine can read its secrets."), "chmod o-rwx .env")


def packages() -> Iterator[Item]:
    """What is installed is what `requirements.txt` says."""
    name = _("packages")
    pins = _PIN.findall((settings.BASE_DIR / "requirements.txt").read_text())
    wrong = [f"{package} {pinned}" for package, pinned in pins if _installed(package) != pinned]
    if wrong:
        words = _("Missing, or in another version: %(packages)s.") % {"packages": ", ".join(wrong)}
        yield failed(name, words, "pip install -r requirements.txt")
    else:
        yield ok(name, _("%(number)d, as requirements.txt says.") % {"number": len(pins)})


def _installed(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def disk() -> Iterator[Item]:
    """There is room where logs are written, where the code lies and, if they are here, for backups and PostgreSQL."""
    places = (Path(settings.LOG_DIR), settings.BASE_DIR, Path(settings.BACKUP_DIR), _POSTGRESQL)
    found = {place: shutil.disk_usage(place).free for place in places if place.is_dir()}
    place, free = min(found.items(), key=lambda each: each[1])
    words = _("%(free).1f GB free at %(place)s.") % {"free": free / (1 << 30), "place": place}
    todo = _("Make room: `du -xh --max-depth=2 / | sort -h | tail`.")
    if free < _FEW_BYTES:
        yield failed(_("disk"), words, todo)
    elif free < _ENOUGH_BYTES:
        yield warning(_("disk"), words, todo)
    else:
        yield ok(_("disk"), words)


def code() -> Iterator[Item]:
    """What the services start is what is checked out here. Nothing where releases have no folders of their own."""
    root = settings.BASE_DIR
    releases = root.parent if root.parent.name == "releases" else root / "releases"
    if not (started := read_revision(releases / "current")):
        return
    name, todo = _("code"), _("Restart the services; if it stays so, logs/deploy.log says why.")
    numbers = {"started": started[:12], "here": settings.REVISION[:12]}
    if started != settings.REVISION:
        yield failed(name, _("The services start %(started)s, and not %(here)s, which is here.") % numbers, todo)
    elif changes := changed_by_hand(releases.parent):
        words = _("Changed by hand: %(files)s. It does not run: only what is committed does.")
        yield warning(name, words % {"files": ", ".join(changes[:3])}, "git status")
    else:
        yield ok(name, _("The services start %(started)s, which is here.") % numbers)
