"""What keeps messages from going out, in the staff's words: on every page of the admin, and by mail."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.urls import reverse
from django.utils.translation import gettext as _

from flowlog.health import backups, figures, heartbeats
from flowlog.health.words import messages_wait, moment
from flowlog.models import Alarm
from integrations.models import EvolutionInstance


@dataclass(frozen=True, slots=True)
class Trouble:
    """One thing that keeps messages back, and since when. `address` is the page of the admin to look at next."""

    kind: str
    name: str
    since: datetime | None
    headline: str
    detail: str
    address: str
    permission: str
    instance_id: int | None = None

    def waiting(self) -> str:
        """How many messages wait for its end; nothing of what keeps none back. One query."""
        if self.kind == Alarm.Kind.OLD_BACKUP:
            return ""
        of = {"instance": self.instance_id} if self.instance_id else {}
        return messages_wait(figures.waiting(**of), figures.COUNTED)


def present() -> list[Trouble]:
    """All troubles there are now. Two queries."""
    pulse = heartbeats.pulses()[heartbeats.SENDING_QUEUE]
    silent = [_silent_worker(pulse)] if pulse.silent else []
    return silent + [_held_instance(instance) for instance in figures.held_instances()]


def lasting_ones() -> list[Trouble]:
    """The same, without a worker that is still awaited after the first start of the system; and an old backup."""
    heartbeats.await_first()
    starting = heartbeats.pulses()[heartbeats.SENDING_QUEUE]
    lasting = [trouble for trouble in present() if trouble.kind != Alarm.Kind.SILENT_WORKER or starting.overdue]
    since = backups.missing_since()
    return [*lasting, _old_backup(since)] if since else lasting


def _silent_worker(pulse: heartbeats.Pulse) -> Trouble:
    if pulse.host:
        detail = _("The worker that sends them has given no sign of life since %(since)s.")
    else:
        detail = _("The worker that sends them has given no sign of life yet.")
    return Trouble(
        kind=Alarm.Kind.SILENT_WORKER,
        name=pulse.queue,
        since=pulse.beat_at,
        headline=_("The messages to the customers are not going out"),
        detail=detail % {"since": moment(pulse.beat_at)},
        address=reverse("admin:integrations_notificationlog_changelist", query={"status__in": "pending,sending"}),
        permission="integrations.view_notificationlog",
    )


def _old_backup(since: datetime) -> Trouble:
    detail = _("There has been none since %(since)s. See `systemctl status flowlog-backup` and logs/backup.log.")
    return Trouble(
        kind=Alarm.Kind.OLD_BACKUP,
        name="backup",
        since=since,
        headline=_("The database is not being backed up"),
        detail=detail % {"since": moment(since)},
        address=reverse("admin:index"),
        permission="integrations.view_notificationlog",
    )


def _held_instance(instance: EvolutionInstance) -> Trouble:
    return Trouble(
        kind=Alarm.Kind.HELD_INSTANCE,
        name=instance.name,
        since=instance.held_at,
        headline=_("WhatsApp %(instance)s is held") % {"instance": instance.name},
        detail=_("Its messages wait since %(since)s. %(reason)s")
        % {"since": moment(instance.held_at), "reason": instance.held_reason},
        address=reverse("admin:integrations_evolutioninstance_change", args=[instance.pk]),
        permission="integrations.view_evolutioninstance",
        instance_id=instance.pk,
    )
