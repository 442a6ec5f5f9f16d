"""The banner on every page of the admin."""

from __future__ import annotations

from typing import Any

from django import template
from django.template import RequestContext

from flowlog.monitoring import incidents
from flowlog.monitoring.incident import waiting_for
from flowlog.staffpages.stores import stores_of

register = template.Library()

# More would fill a phone's screen.
MOST = 3


@register.inclusion_tag("flowlog/banner.html", takes_context=True)
def health_banner(context: RequestContext) -> dict[str, Any]:
    """What keeps messages from going out and news from coming in, for those who may see the log: the first few, and how
    many more there are. One query while there is nothing."""
    user = context["request"].user
    if not user.has_perm("integrations.view_notificationlog"):
        return {"incidents": []}
    present = incidents.present()
    stores = stores_of(user) if present else None
    own = [each for each in present if stores is None or each.store_id is None or each.store_id in stores]
    shown = own[:MOST]
    return {
        "incidents": [
            (incident, waiting, incident.address if user.has_perm(incident.permission) else "")
            for incident, waiting in zip(shown, waiting_for(shown, stores), strict=True)
        ],
        "more": len(own[MOST:]),
    }
