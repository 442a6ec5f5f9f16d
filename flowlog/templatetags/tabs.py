"""What a browser's tab is called: each list and each page by itself, so that six open ones can be told apart."""

from __future__ import annotations

from typing import Any

from django import template
from django.db.models import Model
from django.template import RequestContext
from django.utils.text import capfirst

register = template.Library()

SITE = "Flowlog"


@register.simple_tag(takes_context=True)
def tab_title(context: RequestContext) -> str:
    """As in “Pedido G6F5A7 · Flowlog”; of a customer the name, and no phone."""
    return " · ".join(filter(None, [*_of_page(context), SITE]))


def _of_page(context: RequestContext) -> list[str]:
    title, row = context.get("title"), context.get("original")
    if not isinstance(row, Model):
        return [str(title or "")]
    called = f"{capfirst(str(row._meta.verbose_name))} {_name(row)}"
    # The page of the row itself, or one on which something is done with it.
    is_its_own = "adminform" in context
    return [called] if is_its_own else [str(title or ""), called]


def _name(row: Any) -> str:
    return str(getattr(row, "name", "") or row)
