"""On an order's page: which steps a program took, and by which token."""

from __future__ import annotations

from collections.abc import Sequence

from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from api.models import OrderChange
from orders.models import OrderEvent


def annotate(_request: HttpRequest, events: Sequence[OrderEvent]) -> dict[int, SafeString]:
    """An annotator for `orders.admin.timeline`, of events that were read with their `api_change__token`."""
    changes: list[OrderChange] = [event.api_change for event in events if hasattr(event, "api_change")]
    return {
        change.event_id: format_html(
            '<p class="flowlog-message"><span>{}</span></p>', _("By the API: %(name)s") % {"name": change.token.name}
        )
        for change in changes
    }
