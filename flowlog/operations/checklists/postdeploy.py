"""After a deploy: does the new code run everywhere, and do messages go out?"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import requests
from django.conf import settings
from django.utils.translation import gettext as _

from flowlog.checklist import Check, Item, failed, ok, warning
from flowlog.logs.config import MAIN
from flowlog.logs.formats import written_at
from flowlog.operations.checklists import installation, trial, workers
from flowlog.operations.checklists.predeploy import pending_migrations

_TAIL = 4 << 20
_BROKEN = re.compile(r"\b(?:ImportError|ModuleNotFoundError|SyntaxError|ImproperlyConfigured)\b|flowlog\.startup")
_SHOWN = 3
# A process that cannot start says so some time before those that can have counted their first seconds.
_BEFORE_THE_WORKERS = timedelta(minutes=2)
WITHOUT_WORKERS = timedelta(minutes=10)


def restarted_at() -> datetime:
    """When the processes were restarted, as the workers of this revision tell."""
    uptimes = [node.uptime for node in workers.running() if node.revision == settings.REVISION]
    now = datetime.now(UTC)
    return now - timedelta(seconds=max(uptimes)) - _BEFORE_THE_WORKERS if uptimes else now - WITHOUT_WORKERS


def log_has_no_import_errors(since: datetime | None = None) -> Iterator[Item]:
    """No process has written since the restart that it could not be imported or configured."""
    since = since or restarted_at()
    log = Path(settings.LOG_DIR) / f"{MAIN}.log"
    name = "logs/django.log"
    found = [line for line in _end_of(log) if _BROKEN.search(line) and (written_at(line) or since) >= since]
    moment = f"{since.astimezone():%d/%m %H:%M:%S}"
    if found:
        words = _("%(number)d import errors since %(moment)s:") % {"number": len(found), "moment": moment}
        yield failed(name, "\n    ".join([words, *found[-_SHOWN:]]), _("Mend the installation, or roll back."))
    else:
        yield ok(name, _("No import error since %(moment)s.") % {"moment": moment})


def _end_of(log: Path) -> list[str]:
    if not log.is_file():
        return []
    with log.open("rb") as file:
        file.seek(max(log.stat().st_size - _TAIL, 0))
        return file.read().decode(errors="replace").splitlines()


def web() -> Iterator[Item]:
    """The site answers under its address."""
    address = f"{settings.SITE_URL}/healthz"
    try:
        answer = requests.get(address, timeout=(5, 10), allow_redirects=False)
    except requests.RequestException as error:
        if "CERTIFICATE_VERIFY_FAILED" in str(error):
            words = _("The certificate of %(address)s is not trusted: it is the provisional one, or no longer valid.")
            yield warning("web", words % {"address": address}, _("See “Certificado” in DEPLOY.md."))
            return
        words = _("%(address)s does not answer (%(error)s).") % {"address": address, "error": type(error).__name__}
        yield warning("web", words, _("Open it from elsewhere: some networks cannot reach their own address."))
        return
    if answer.ok:
        yield ok("web", _("%(address)s answers.") % {"address": address})
    else:
        words = _("%(address)s answers with %(status)d.") % {"address": address, "status": answer.status_code}
        yield failed("web", words, "sudo systemctl status flowlog-web")


def checks(
    *, phone: str, timeout: float, since: datetime | None, own: frozenset[str] | None = None
) -> Sequence[tuple[str, Check]]:
    """The checklist; without a `phone` nothing is sent. `own` are the queues that this machine serves, None for all."""
    watch = workers.BeatWatch()
    return (
        ("code", installation.code),
        ("workers", partial(workers.consumed_by_this_revision, timeout, own)),
        ("beat", watch.begin),
        ("log", partial(log_has_no_import_errors, since)),
        ("migrations", pending_migrations),
        ("web", web),
        ("trial", partial(trial.send, phone, timeout, own) if phone else trial.rehearse),
        ("beat", partial(watch.end, settings.NOTIFICATIONS.sweep_interval + timeout)),
    )
