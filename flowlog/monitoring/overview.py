"""How the messages stand, on one screen: for `manage.py notifications status`."""

from __future__ import annotations

from collections import Counter
from typing import Any

from django.db.models import QuerySet
from django.utils.translation import gettext as _

from flowlog import heartbeats
from flowlog.monitoring import figures
from flowlog.monitoring.words import oldest_is_due
from flowlog.times import lasting, moment
from integrations.inbound import way_back
from integrations.instances.connections import why_held
from integrations.models import NotificationLog, WebhookTally

Status = NotificationLog.Status


def as_data() -> dict[str, Any]:
    """Everything, as JSON types."""
    sweep = heartbeats.pulses()[heartbeats.SWEEP]
    return {
        "messages": figures.unfinished(),
        "last_day": _last_day(),
        "oldest_due_seconds": figures.oldest_due(),
        "stalled": figures.stalled(),
        "heartbeats": {
            pulse.queue: {"age_seconds": pulse.age if pulse.host else None, "host": pulse.host, "silent": pulse.silent}
            for pulse in heartbeats.pulses().values()
            if pulse.queue != heartbeats.SWEEP
        },
        "sweep_age_seconds": sweep.age if sweep.host else None,
        "instances": [
            {
                "name": instance.name,
                "state": instance.state,
                "held_since": instance.held_at.isoformat() if instance.held_at else None,
                "held_code": instance.held_code,
                "held_reason": instance.held_reason,
                "receipts_missing": instance.deaf,
                "webhooks_refused": instance.refused,
            }
            for instance in way_back.judged()
        ],
        "webhooks": list(_tallies().values("source", "name", "status", "number")),
    }


def as_lines() -> list[str]:
    """The same for people."""
    tallies = list(_tallies())
    return [
        _("Messages"),
        f"  {_counted(figures.unfinished())}. {oldest_is_due(figures.oldest_due())}",
        f"  {_('In the last 24 hours')}: {_counted(_last_day())}.",
        _("Workers"),
        *(f"  {pulse.queue}: {_pulse(pulse)}" for pulse in heartbeats.pulses().values()),
        _("Instances"),
        *(f"  {instance.name}: {_instance(instance)}" for instance in way_back.judged()),
        *([_("Webhooks"), *(f"  {_tally(tally)}" for tally in tallies)] if tallies else []),
    ]


def _last_day() -> dict[str, int]:
    """The messages created in the last 24 hours, by status."""
    found: Counter[str] = Counter()
    for status, _event, number in figures.of_last_day():
        found[status] += number
    return {str(status): found[status] for status in Status}


def _counted(numbers: dict[str, int]) -> str:
    return ", ".join(f"{Status(status).label} {number}" for status, number in numbers.items())


def _pulse(pulse: heartbeats.Pulse) -> str:
    if not pulse.host or pulse.age is None:
        never = _("It was never done.") if pulse.queue == heartbeats.SWEEP else ""
        return never or _("No worker has ever consumed this queue.")
    words = _("last sign of life %(lasting)s ago (%(host)s)") % {"lasting": lasting(pulse.age), "host": pulse.host}
    return f"{_('SILENT')}, {words}" if pulse.silent else words


def _tallies() -> QuerySet[WebhookTally]:
    return WebhookTally.objects.order_by("source", "name", "status")


def _tally(tally: WebhookTally) -> str:
    words = _("%(whose)s: %(number)d answered with %(status)d, the last %(when)s")
    return words % {
        "whose": f"{tally.told_by} {tally.name or '?'}",
        "number": tally.number,
        "status": tally.status,
        "when": moment(tally.last_at),
    }


def _instance(instance: Any) -> str:
    if instance.deaf or instance.refused:
        return ". ".join(way_back.words(instance))
    if not instance.held_at:
        return ". ".join(filter(None, [instance.get_state_display(), way_back.hint(instance)]))
    return _("HELD since %(since)s. %(reason)s") % {
        "since": moment(instance.held_at),
        "reason": why_held(instance),
    }
