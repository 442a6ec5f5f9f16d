"""The services as systemd has them: what is to run on this machine runs."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping

from django.utils.translation import gettext as _

from flowlog.checklist import Item, failed, ok, warning

_WORKER, _BEAT, _BACKUP = "flowlog-worker-default.service", "flowlog-beat.service", "flowlog-backup.service"
_UNITS = (
    "flowlog-web.socket", "flowlog-web.service", _WORKER, "flowlog-worker-whatsapp.service", _BEAT,
    "flowlog-backup.timer", _BACKUP,
)  # fmt: skip
_ASKED_FOR = "Id,LoadState,ActiveState,SubState,UnitFileState,NeedDaemonReload"
_TIMEOUT = 5

# What systemd says of a unit, by its own names.
type _Unit = Mapping[str, str]


def units() -> Iterator[Item]:
    """Each unit that this machine is to run does; nothing where Flowlog is not run by systemd."""
    found = {unit["Id"]: unit for unit in _shown() if unit.get("LoadState") not in {"not-found", "masked"}}
    wanted = [unit for name, unit in found.items() if name == _BACKUP or _is_to_run(unit, found)]
    amiss = [item for unit in wanted if (item := _amiss(unit))]
    if wanted and not amiss:
        yield ok("systemd", _("What is to run on this machine runs: %(number)d units.") % {"number": len(wanted)})
    yield from amiss


def _shown() -> list[_Unit]:
    command = ["systemctl", "show", f"--property={_ASKED_FOR}", *_UNITS]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=_TIMEOUT)  # noqa: S603
    except (OSError, subprocess.SubprocessError):  # no systemd here, or it runs nothing
        return []
    return [dict(line.split("=", 1) for line in block.splitlines()) for block in done.stdout.strip().split("\n\n")]


def _is_to_run(unit: _Unit, found: Mapping[str, _Unit]) -> bool:
    """Whether it is switched on, or runs, here; the clock goes with its worker."""
    if unit["Id"] == _BEAT:
        return _WORKER in found and _is_to_run(found[_WORKER], found)
    return unit.get("UnitFileState") == "enabled" or unit.get("ActiveState") not in {"inactive", "failed"}


def _amiss(unit: _Unit) -> Item | None:
    name, state = unit["Id"].removesuffix(".service"), unit.get("ActiveState")
    if state == "failed" or unit.get("SubState") == "auto-restart":
        log = "logs/backup.log" if unit["Id"] == _BACKUP else "logs/django.log"
        todo = _("`sudo journalctl -u %(unit)s -n 50` and `tail %(log)s` say why.") % {"unit": name, "log": log}
        return failed(name, _("It has failed.") if state == "failed" else _("It cannot start."), todo)
    if state == "inactive" and unit["Id"] != _BACKUP:
        return failed(name, _("It is stopped."), f"sudo systemctl start {name}")
    if unit.get("NeedDaemonReload") == "yes":
        return warning(name, _("Its file has changed since systemd read it."), "sudo systemctl daemon-reload")
    return None
