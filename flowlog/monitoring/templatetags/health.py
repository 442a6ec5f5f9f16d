"""The banner on every page of the admin."""

from __future__ import annotations

from typing import Any

from django import template
from django.template import RequestContext

from flowlog.monitoring import troubles

register = template.Library()


@register.inclusion_tag("flowlog/banner.html", takes_context=True)
def health_banner(context: RequestContext) -> dict[str, Any]:
    """What keeps messages from going out, for those who may see the log. Two queries while there is nothing."""
    user = context["request"].user
    if not user.has_perm("integrations.view_notificationlog"):
        return {"troubles": []}
    return {
        "troubles": [
            (trouble, trouble.waiting(), trouble.address if user.has_perm(trouble.permission) else "")
            for trouble in troubles.present()
        ]
    }
