"""What keeps messages from going out, and news from coming in, in the staff's words: on every page of the admin, and by
mail."""

from __future__ import annotations

from datetime import datetime
from functools import cache
from typing import Any

from django.conf import settings
from django.db.models import Exists, Q, QuerySet
from django.urls import reverse
from django.utils.translation import gettext as _

from flowlog import heartbeats, schema
from flowlog.models import Alarm
from flowlog.monitoring import backups, connected
from flowlog.monitoring.incident import Incident
from flowlog.prepared import Statement
from flowlog.staffpages.asking import asked
from flowlog.times import moment
from integrations.gateways import registry
from integrations.inbound import way_back
from integrations.instances.connections import needs_phone, why_held
from integrations.models import EvolutionInstance


def present() -> list[Incident]:
    """All troubles there are now. One query while there is none, since every page of the admin asks."""
    statement = _whether(settings.RECEIPTS_MISSED, settings.RECEIPTS_WITHIN, *registry.that_tell_receipts())
    [(of_pulses, of_instances, *of_connections)] = statement.fetched()
    found = [*_schema(), *_silent(heartbeats.pulses_of(of_pulses))]
    if of_instances:
        found += [_held_instance(each) if each.held_at else _way_back(each) for each in _instances()]
    return [*found, *connected.present()] if any(of_connections) else found


@cache
def _whether(*_depends_on: float | str) -> Statement:
    """The pulses, whether there is trouble with an instance, and with each kind of connections.

    One statement for each of what it depends on, which changes in tests alone.
    """
    return Statement(
        lambda: asked(heartbeats.asked(), *(Exists(rows) for rows in (_instances(), *connected.troubled())))
    )


def _instances() -> QuerySet[Any]:
    return way_back.judged().filter(Q(held_at__isnull=False) | Q(deaf=True) | Q(refused=True)).order_by("held_at")


def lasting_ones() -> list[Incident]:
    """The same, without what is still awaited after the first start of the system; and an old backup."""
    heartbeats.await_first()
    pulses = heartbeats.pulses()
    awaited = {name for name in _OF_PULSES if not pulses[name].overdue}
    lasting = [
        incident for incident in present() if incident.kind not in _KINDS_OF_PULSES or incident.name not in awaited
    ]
    since = backups.missing_since()
    return [*lasting, _old_backup(since)] if since else lasting


def _schema() -> list[Incident]:
    """That the database is behind this process's code."""
    if not (missing := schema.missing()):
        return []
    return [
        Incident(
            kind=Alarm.Kind.SCHEMA,
            name="migrations",
            since=None,
            headline=_("Orders cannot be changed: the database is behind this version"),
            detail=schema.words(missing),
            address=reverse("admin:index"),
            permission="integrations.view_notificationlog",
        )
    ]


def _silent(pulses: dict[str, heartbeats.Pulse]) -> list[Incident]:
    return [words(pulses[name]) for name, words in _OF_PULSES.items() if pulses[name].silent]


def _silent_worker(pulse: heartbeats.Pulse) -> Incident:
    if pulse.host:
        detail = _("The worker that sends them has given no sign of life since %(since)s.")
    else:
        detail = _("The worker that sends them has given no sign of life yet.")
    return _without_pulse(Alarm.Kind.SILENT_WORKER, pulse, _("The messages to the customers are not going out"), detail)


def _late_sweep(pulse: heartbeats.Pulse) -> Incident:
    if pulse.host:
        detail = _("The search for them was last done to its end on %(since)s: see flowlog-beat and worker-default.")
    else:
        detail = _("The search for them was never done yet: see flowlog-beat and worker-default.")
    return _without_pulse(Alarm.Kind.LATE_SWEEP, pulse, _("Messages that wait are not looked for"), detail)


def _without_pulse(kind: str, pulse: heartbeats.Pulse, headline: str, detail: str) -> Incident:
    return Incident(
        kind=kind,
        name=pulse.queue,
        since=pulse.beat_at,
        headline=headline,
        detail=detail % {"since": moment(pulse.beat_at)},
        address=reverse("admin:integrations_notificationlog_changelist", query={"status__in": "pending,sending"}),
        permission="integrations.view_notificationlog",
    )


def _way_back(instance: Any) -> Incident:
    headline, detail = way_back.words(instance)
    return Incident(
        kind=Alarm.Kind.WAY_BACK,
        name=instance.name,
        since=instance.refused_at if instance.refused else instance.silent_since,
        headline=headline,
        detail=detail,
        address=reverse("admin:integrations_evolutioninstance_change", args=[instance.pk]),
        permission="integrations.view_evolutioninstance",
        instance_id=instance.pk,
        store_id=instance.store_id,
    )


def _old_backup(since: datetime) -> Incident:
    detail = _("There has been none since %(since)s. See `systemctl status flowlog-backup` and logs/backup.log.")
    return Incident(
        kind=Alarm.Kind.OLD_BACKUP,
        name="backup",
        since=since,
        headline=_("The database is not being backed up"),
        detail=detail % {"since": moment(since)},
        address=reverse("admin:index"),
        permission="integrations.view_notificationlog",
    )


def _held_instance(instance: EvolutionInstance) -> Incident:
    cut = needs_phone(instance)
    headline = _("WhatsApp %(instance)s is disconnected") if cut else _("WhatsApp %(instance)s is held")
    return Incident(
        kind=Alarm.Kind.HELD_INSTANCE,
        name=instance.name,
        since=instance.held_at,
        headline=headline % {"instance": instance.name},
        detail=_("Its messages wait since %(since)s. %(reason)s")
        % {"since": moment(instance.held_at), "reason": why_held(instance)},
        address=reverse("admin:integrations_evolutioninstance_change", args=[instance.pk]),
        permission="integrations.view_evolutioninstance",
        instance_id=instance.pk,
        store_id=instance.store_id,
    )


_OF_PULSES = {heartbeats.SENDING_QUEUE: _silent_worker, heartbeats.SWEEP: _late_sweep}
_KINDS_OF_PULSES = (Alarm.Kind.SILENT_WORKER, Alarm.Kind.LATE_SWEEP)
