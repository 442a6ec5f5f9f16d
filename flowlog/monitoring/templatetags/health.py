"""The banner on every page of the admin."""

from __future__ import annotations

from typing import Any

from django import template
from django.template import RequestContext

from flowlog.monitoring import incidents
from flowlog.staffpages.stores import stores_of

register = template.Library()


@register.inclusion_tag("flowlog/banner.html", takes_context=True)
def health_banner(context: RequestContext) -> dict[str, Any]:
    """What keeps messages from going out and news from coming in, for those who may see the log. Three queries while
    there is nothing."""
    user = context["request"].user
    if not user.has_perm("integrations.view_notificationlog"):
        return {"incidents": []}
    present = incidents.present()
    stores = stores_of(user) if present else None
    return {
        "incidents": [
            (incident, incident.waiting(stores), incident.address if user.has_perm(incident.permission) else "")
            for incident in present
            if stores is None or incident.store_id is None or incident.store_id in stores
        ]
    }
