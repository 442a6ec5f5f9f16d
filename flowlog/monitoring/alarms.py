"""Telling the staff by mail when trouble begins and when it ends, each once.

A look compares the troubles there are with the `Alarm` rows, so that a look that was lost costs a moment and nothing
else. Trouble is over when it has been away for an interval of the heartbeat: one that comes and goes is one alarm.
If the worker of `default` is dead nobody looks: `/readyz` and the dead-man's switch are for that.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.core.mail import EmailMessage
from django.db import transaction
from django.db.models import Exists, Q, QuerySet
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext as _

from flowlog import heartbeats, schema
from flowlog.models import Alarm, Heartbeat
from flowlog.monitoring import backups, connected, incidents
from flowlog.monitoring.incident import Incident
from flowlog.publishing import WakeUp, publish
from flowlog.staffpages.groups import MANAGEMENT_GROUP
from flowlog.times import moment
from integrations.inbound import way_back
from integrations.models import EvolutionInstance

logger = logging.getLogger(__name__)


def look() -> None:
    """Tell of what has begun and of what is over. A mail that cannot be sent now is sent by the next look.

    Its row is locked until the mail is out: two looks do not tell the same, and what one that was killed may not have
    told the next one tells.
    """
    if _all_is_well():
        return
    present = {(incident.kind, incident.name): incident for incident in incidents.lasting_ones()}
    Alarm.objects.bulk_create(
        [Alarm(kind=one.kind, name=one.name, began_at=one.since or timezone.now()) for one in present.values()],
        ignore_conflicts=True,
    )
    for pk in list(Alarm.objects.order_by("pk").values_list("pk", flat=True)):
        with transaction.atomic():
            if alarm := Alarm.objects.select_for_update(skip_locked=True).filter(pk=pk).first():
                _judge(alarm, present.get((alarm.kind, alarm.name)))


def ask_for_a_look(**_kwargs: Any) -> None:
    """Have a worker of `default` look at once. Without a broker the next look finds the same."""
    publish([WakeUp("flowlog.tasks.look_for_trouble")], expires=settings.HEARTBEAT_INTERVAL)


def recipients() -> list[str]:
    """Who is told: `ALERT_EMAILS`, else the superusers and the group of the management, as far as they have mail."""
    if settings.ALERT_EMAILS:
        return list(settings.ALERT_EMAILS)
    people = User.objects.filter(Q(is_superuser=True) | Q(groups__name=MANAGEMENT_GROUP), is_active=True, is_staff=True)
    return sorted(set(people.exclude(email="").values_list("email", flat=True)))


def try_out() -> list[str]:
    """A mail as those that tell of trouble, which tells of none; returns to whom. Raises `OSError` if it is refused."""
    words = _("Nothing has happened: this is how Flowlog tells you when messages stop, and when they go again.")
    return _send(_("This is a test alarm"), [words, settings.SITE_URL])


def tell_of_failed_backup() -> list[str]:
    """At once, whatever keeps the looks from being made; returns to whom. Raises `OSError` if it is refused.

    Where `ALERT_EMAILS` says who is told, the database is not asked: it may be what has failed.
    """
    words = _("The copies of before are still there. See `systemctl status flowlog-backup` and logs/backup.log.")
    return _send(_("The backup of the database has failed"), [words])


def _all_is_well() -> bool:
    """Whether there is no trouble, and none to tell the end of. One query, since it is asked so often."""
    if backups.missing_since() or schema.missing():
        return False
    held = EvolutionInstance.objects.filter(held_at__isnull=False)
    troubled = (held, way_back.troubled(), *connected.troubled(), Alarm.objects.all())
    heard = _heard(heartbeats.SENDING_QUEUE).filter(Exists(_heard(heartbeats.SWEEP)))
    return heard.filter(*(~Exists(rows) for rows in troubled)).exists()


def _heard(queue: str) -> QuerySet[Heartbeat]:
    """Its sign of life, unless it is too old."""
    return Heartbeat.objects.filter(queue=queue, beat_at__gte=Now() - timedelta(seconds=heartbeats.silent_after(queue)))


def _judge(alarm: Alarm, incident: Incident | None) -> None:
    """Tell what there is to tell of this alarm, whose row is locked."""
    row = Alarm.objects.filter(pk=alarm.pk)
    if incident:
        told = alarm.told_at or (Now() if _tell_beginning(alarm, incident) else None)
        row.update(told_at=told, over_since=None)
    elif alarm.told_at is None:
        logger.warning("Alarm over: %s", alarm)
        row.delete()
    elif alarm.over_since is None:
        row.update(over_since=Now())
    elif row.filter(over_since__lte=Now() - timedelta(seconds=settings.HEARTBEAT_INTERVAL)) and _tell_end(alarm):
        row.delete()


def _tell_beginning(alarm: Alarm, incident: Incident) -> bool:
    logger.warning("Alarm: %s", alarm)
    return _mail(
        incident.headline, [f"{incident.detail} {incident.waiting()}".rstrip(), settings.SITE_URL + incident.address]
    )


def _tell_end(alarm: Alarm) -> bool:
    logger.warning("Alarm over: %s", alarm)
    words = ""
    if alarm.kind == Alarm.Kind.SILENT_WORKER:
        headline = _("The messages to the customers go out again")
    elif alarm.kind == Alarm.Kind.OLD_BACKUP:
        headline = _("The database is backed up again")
    elif alarm.kind == Alarm.Kind.SCHEMA:
        headline = _("Orders can be changed again")
    elif alarm.kind == Alarm.Kind.LATE_SWEEP:
        headline = _("Messages that wait are looked for again")
    elif alarm.kind == Alarm.Kind.WAY_BACK:
        headline = _("WhatsApp %(instance)s: the receipts come in again") % {"instance": alarm.name}
    elif alarm.kind in (Alarm.Kind.CONNECTION, Alarm.Kind.UNMAPPED):
        headline, words = connected.over(alarm)
    else:
        headline = _("WhatsApp %(instance)s is back") % {"instance": alarm.name}
    return _mail(headline, [words or _("The trouble since %(since)s is over.") % {"since": moment(alarm.began_at)}])


def _mail(headline: str, paragraphs: list[str]) -> bool:
    """Whether it was sent, or there is nobody to send it to."""
    try:
        _send(headline, paragraphs)
    except OSError as error:  # smtplib's errors are of this kind
        logger.warning("The mail to the staff could not be sent: %s", type(error).__name__)
        return False
    except Exception:  # an address that no mail can have: other alarms come after this one
        logger.exception("The mail to the staff could not be written")
        return False
    return True


def _send(headline: str, paragraphs: list[str]) -> list[str]:
    if to := recipients():
        subject = " ".join(f"Flowlog: {headline}".split())
        EmailMessage(subject, "\n\n".join(paragraphs) + "\n", to=to).send()
    return to
