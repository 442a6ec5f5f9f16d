"""The admin's theme: title, sidebar, and what its first page shows. Read by the settings, so it imports no models."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse_lazy
from django.utils.translation import gettext_lazy as _


def _may(permission: str) -> Callable[[HttpRequest], bool]:
    """For the sidebar: whether the person has the permission."""
    return lambda request: request.user.has_perm(permission)


def _is_superuser(request: HttpRequest) -> bool:
    return bool(request.user.is_superuser)


def _entry(title: Any, icon: str, model: str) -> dict[str, Any]:
    """A line of the sidebar: the list of a model, for those who may see it."""
    app, name = model.split(".")
    return {
        "title": title,
        "icon": icon,
        "link": reverse_lazy(f"admin:{app}_{name}_changelist"),
        "permission": _may(f"{app}.view_{name}"),
    }


UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "Flowlog",
    "SITE_HEADER": "Flowlog",
    "SITE_SYMBOL": "local_shipping",
    "SITE_FAVICONS": [
        {"rel": "icon", "type": "image/svg+xml", "href": lambda _request: static("flowlog/icon.svg")},
    ],
    "SITE_URL": None,
    "SHOW_VIEW_ON_SITE": False,
    "BORDER_RADIUS": "8px",
    "STYLES": [lambda _request: static("flowlog/admin.css")],
    "SCRIPTS": [
        lambda _request: static("flowlog/once.js"),
        lambda _request: static("flowlog/stores.js"),
        lambda _request: static("flowlog/keep.js"),
        lambda _request: static("flowlog/names.js"),
    ],
    "ACCOUNT": {"navigation": [{"title": _("My access"), "link": reverse_lazy("account")}]},
    "DASHBOARD_CALLBACK": "flowlog.monitoring.dashboard.fill",
    "COLORS": {
        "primary": {
            "50": "oklch(97.1% .02 165)",
            "100": "oklch(94% .05 164)",
            "200": "oklch(89% .09 164)",
            "300": "oklch(82% .12 164)",
            "400": "oklch(74% .14 163)",
            "500": "oklch(62% .13 163)",
            "600": "oklch(52% .11 164)",
            "700": "oklch(45% .095 165)",
            "800": "oklch(38% .08 166)",
            "900": "oklch(33% .065 167)",
            "950": "oklch(23% .045 168)",
        },
    },
    "SIDEBAR": {
        "show_search": False,
        "show_all_applications": False,
        "navigation": [
            {
                "title": _("Shop"),
                "items": [
                    _entry(_("Orders"), "shopping_bag", "orders.order"),
                    {
                        "title": _("Counter"),
                        "icon": "point_of_sale",
                        "link": reverse_lazy("admin:orders_order_counter"),
                        "permission": _may("orders.change_order"),
                    },
                    _entry(_("Customers"), "group", "orders.customer"),
                    _entry(_("Stores"), "storefront", "orders.store"),
                    _entry(_("Message texts"), "edit_note", "notifications.messagetext"),
                    _entry(_("Team"), "badge", "orders.member"),
                ],
            },
            {
                # These two stay in English in every language: staff and guides find them by these names.
                "title": "Integrations",
                "separator": True,
                "items": [
                    _entry("Notification Logs", "chat", "integrations.notificationlog"),
                    {
                        **_entry(_("Answers"), "forum", "integrations.customerreply"),
                        "permission": _may("integrations.view_notificationlog"),
                    },
                    _entry(_("Instances"), "smartphone", "integrations.evolutioninstance"),
                    _entry(_("Shops' systems"), "shopping_cart", "integrations.shopconnection"),
                    _entry(_("Shops' news"), "move_to_inbox", "integrations.shopnews"),
                    _entry(_("Carriers"), "local_shipping", "integrations.carrierconnection"),
                    _entry(_("Carriers' news"), "package_2", "integrations.carriernews"),
                    _entry(_("Tokens of the API"), "key", "api.apitoken"),
                    _entry(_("Outgoing webhooks"), "outbox", "outgoing.endpoint"),
                    _entry(_("Sent events"), "send", "outgoing.outgoingevent"),
                ],
            },
            {
                "title": _("System"),
                "separator": True,
                "items": [
                    {**_entry(_("Users"), "person", "auth.user"), "permission": _is_superuser},
                    {**_entry(_("Groups"), "groups", "auth.group"), "permission": _is_superuser},
                    _entry(_("Webhooks"), "webhook", "integrations.webhookevent"),
                    _entry(_("Tasks"), "task_alt", "django_celery_results.taskresult"),
                ],
            },
        ],
    },
}
