"""`{% once_key %}`: what makes a form one that is carried out once (`flowlog.staffpages.once`)."""

from __future__ import annotations

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString

from flowlog.staffpages.once import FIELD, new_key

register = template.Library()


@register.simple_tag
def once_key() -> SafeString:
    # Without the attribute a browser would write an old key into the reloaded page.
    return format_html('<input type="hidden" name="{}" value="{}" autocomplete="off">', FIELD, new_key())
