"""The web server with the floors' addresses beside its own: one that only says 200, and a customer's page as it is
without the throttle and the database.

The first has two addresses. One is among the webhooks', and so reached as they are, past the middlewares for browsers:
what they cost more than it is what is done with a webhook. The other is reached as any view of the site.
"""

from __future__ import annotations

from functools import cache

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.urls import include, path
from django.views.decorators.csp import csp_override
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST, require_safe

from flowlog.wsgi import application
from orders import views
from orders.models import Order

__all__ = ["application"]


@csrf_exempt
@require_POST
def say_ok(_request: HttpRequest) -> HttpResponse:
    return HttpResponse()


@csrf_exempt
@csp_override(views._POLICY)
@require_safe
def page(request: HttpRequest) -> HttpResponse:
    return views._page(request, "orders/public/order.html", views._order_context(_order()))


@cache
def _order() -> Order:
    """The first one with its timeline and its items, read once: what is made of them is made for each page."""
    order = views._read(Order.objects.earliest("pk").tracking_token)
    assert order
    return order


urlpatterns = [
    path("floor/page", page),
    path("webhooks/floor/", say_ok),
    path("floor/", say_ok),
    path("", include("flowlog.urls")),
]
settings.ROOT_URLCONF = __name__
