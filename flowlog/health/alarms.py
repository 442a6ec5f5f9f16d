"""Telling the staff by mail when trouble begins and when it ends, each once.

A look compares the troubles there are with the `Alarm` rows, so that a look that was lost costs a minute and nothing
else. If the worker of `default` is dead nobody looks: `/readyz` and the dead-man's switch are for that.
"""

from __future__ import annotations

import logging
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.core.mail import EmailMessage
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext as _

from flowlog.health import troubles
from flowlog.health.troubles import Trouble
from flowlog.health.words import moment
from flowlog.management.commands.bootstrap import MANAGEMENT_GROUP
from flowlog.models import Alarm
from flowlog.publishing import WakeUp, publish

logger = logging.getLogger(__name__)


def look() -> None:
    """Tell of what has begun and of what is over. A mail that cannot be sent now is sent by the next look."""
    present = {(trouble.kind, trouble.name): trouble for trouble in troubles.lasting_ones()}
    Alarm.objects.bulk_create(
        [Alarm(kind=one.kind, name=one.name, began_at=one.since or timezone.now()) for one in present.values()],
        ignore_conflicts=True,
    )
    for alarm in Alarm.objects.order_by("pk"):
        if trouble := present.get((alarm.kind, alarm.name)):
            _tell_beginning(alarm, trouble)
        else:
            _tell_end(alarm)


def ask_for_a_look(**_kwargs: Any) -> None:
    """Have a worker of `default` look at once. Without a broker the next minute's look finds the same."""
    publish([WakeUp("flowlog.tasks.look_for_trouble")], expires=settings.HEARTBEAT_INTERVAL)


def recipients() -> list[str]:
    """Who is told: `ALERT_EMAILS`, else the superusers and the group of the management, as far as they have mail."""
    if settings.ALERT_EMAILS:
        return list(settings.ALERT_EMAILS)
    people = User.objects.filter(Q(is_superuser=True) | Q(groups__name=MANAGEMENT_GROUP), is_active=True, is_staff=True)
    return sorted(set(people.exclude(email="").values_list("email", flat=True)))


def _tell_beginning(alarm: Alarm, trouble: Trouble) -> None:
    if not Alarm.objects.filter(pk=alarm.pk, told_at__isnull=True).update(told_at=Now()):
        return
    logger.warning("Alarm: %s", alarm)
    told = _mail(trouble.headline, [f"{trouble.detail} {trouble.waiting()}", settings.SITE_URL + trouble.address])
    if not told:
        Alarm.objects.filter(pk=alarm.pk).update(told_at=None)


def _tell_end(alarm: Alarm) -> None:
    if not Alarm.objects.filter(pk=alarm.pk).delete()[0]:
        return
    logger.warning("Alarm over: %s", alarm)
    if alarm.told_at is None:
        return
    if alarm.kind == Alarm.Kind.SILENT_WORKER:
        headline = _("The messages to the customers go out again")
    else:
        headline = _("WhatsApp %(instance)s is back") % {"instance": alarm.name}
    if not _mail(headline, [_("The trouble since %(since)s is over.") % {"since": moment(alarm.began_at)}]):
        Alarm.objects.bulk_create([alarm], ignore_conflicts=True)


def _mail(headline: str, paragraphs: list[str]) -> bool:
    """Whether it was sent, or there is nobody to send it to."""
    to = recipients()
    try:
        if to:
            subject = " ".join(f"Flowlog: {headline}".split())
            EmailMessage(subject, "\n\n".join(paragraphs) + "\n", to=to).send()
    except OSError as error:  # smtplib's errors are of this kind
        logger.warning("The mail to the staff could not be sent: %s", type(error).__name__)
        return False
    return True
