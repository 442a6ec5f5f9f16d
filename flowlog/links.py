"""The addresses that a worker writes into messages and mails, without the pages behind them: its `ROOT_URLCONF`.

It answers nobody, and would be half as large again with all pages loaded to name a few. What is here is in
`flowlog.urls` under the same name and address: `tests/flowlog/test_roles.py` holds them together.
"""

from __future__ import annotations

from typing import Any

from django.http import Http404
from django.urls import URLPattern, include, path


def _nobody(*_args: Any, **_kwargs: Any) -> Any:
    raise Http404


def _link(route: str, name: str) -> URLPattern:
    return path(route, _nobody, name=name)


_staff = [
    _link("", "index"),
    _link("orders/order/<path:object_id>/change/", "orders_order_change"),
    _link("outgoing/endpoint/<path:object_id>/change/", "outgoing_endpoint_change"),
    _link("integrations/notificationlog/", "integrations_notificationlog_changelist"),
    _link("integrations/evolutioninstance/<path:object_id>/change/", "integrations_evolutioninstance_change"),
    _link("integrations/evolutioninstance/<int:pk>/phone/", "integrations_evolutioninstance_phone"),
    *(
        _link(f"integrations/{connection}/{route}/", f"integrations_{connection}_{page}")
        for connection in ("shopconnection", "carrierconnection")
        for route, page in (("<path:object_id>/change", "change"), ("<int:pk>/mapping", "mapping"))
    ),
]
urlpatterns = [
    _link("rastreio/<str:token>/", "tracking_page"),
    _link("admin/senha/<uidb64>/<token>/", "password_reset_confirm"),
    path("admin/", include((_staff, "admin"))),
]
