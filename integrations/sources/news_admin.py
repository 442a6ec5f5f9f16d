"""What connected systems told, in the admin: what the lists of it have in common."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from django.contrib import admin, messages
from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from unfold.contrib.filters.admin import DropdownFilter

from flowlog.staffpages.base import UncountedAdmin
from flowlog.times import moment
from flowlog.translations import Words
from integrations.inbound.wakeups import Waker


class NewsAdmin(UncountedAdmin):
    """What was sent has names and numbers of customers: only who may read it sees it as it is.

    A room adds what of it needs a person, how rows are worked off anew, and the permissions for both.
    """

    need_a_person: Callable[[], QuerySet[Any]]
    again: Callable[[QuerySet[Any]], int]
    waker: ClassVar[Waker]
    may_read: ClassVar[str]
    may_apply: ClassVar[str]
    shown: ClassVar[tuple[str, ...]]

    list_filter_submit = True
    list_per_page = 50
    sortable_by = ()
    actions = ("apply_again", "mark_seen")

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:  # noqa: ARG002
        return (*self.shown, "body_written") if request.user.has_perm(self.may_read) else self.shown

    get_readonly_fields = get_fields

    def has_apply_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm(self.may_apply))

    @admin.action(permissions=["apply"], description=gettext_lazy("Apply again"))
    def apply_again(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """With what the statuses mean now. What the order has come to since is not undone."""
        chosen = list(queryset.order_by().values_list("pk", flat=True))
        number = self.again(self.model.objects.filter(pk__in=chosen))
        transaction.on_commit(self.waker.wake, robust=True)
        words = ngettext("%(number)d is looked at again.", "%(number)d are looked at again.", number)
        self.message_user(request, words % {"number": number}, messages.SUCCESS if number else messages.WARNING)
        if number < len(chosen):
            self.message_user(request, self.not_again_words(), messages.WARNING)

    def not_again_words(self) -> str:
        """Why some are not looked at again."""
        return _("What was sent is not kept any more of the others.")

    @admin.action(permissions=["apply"], description=gettext_lazy("Mark as seen to"))
    def mark_seen(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """The first page does not ask for them any more."""
        chosen = list(queryset.order_by().values_list("pk", flat=True))
        number = self.model.objects.filter(pk__in=chosen, seen_at__isnull=True).update(seen_at=Now())
        words = ngettext("%(number)d marked as seen to.", "%(number)d marked as seen to.", number)
        self.message_user(request, words % {"number": number}, messages.SUCCESS)

    @admin.display(description=gettext_lazy("received"))
    def received(self, news: Any) -> str:
        return moment(news.received_at)

    @admin.display(description=gettext_lazy("next try"))
    def next_try(self, news: Any) -> str:
        return moment(news.due_at)

    @admin.display(description=gettext_lazy("order"))
    def order_link(self, news: Any) -> SafeString | str:
        if news.order is None:
            return ""
        return format_html('<a class="text-link" href="{}">{}</a>', news.order.get_admin_url(), news.order.code)

    @admin.display(description=gettext_lazy("as it was sent"))
    def body_written(self, news: Any) -> SafeString | str:
        if not news.body:
            return _("not kept any more")
        headers = "\n".join(f"{name}: {value}" for name, value in news.headers.items())
        text = bytes(news.body).decode(errors="replace")
        return format_html('<pre class="flowlog-code">{}\n\n{}</pre>', headers, text)


class NeedsFilter(DropdownFilter):  # type: ignore[misc]
    """What waits for a person, as the first page counts it."""

    title = gettext_lazy("needs a person")
    parameter_name = "needs"

    def __init__(self, request: HttpRequest, params: Any, model: Any, model_admin: Any) -> None:
        super().__init__(request, params, model, model_admin)
        self._need_a_person = model_admin.need_a_person

    def lookups(self, _request: HttpRequest, _model_admin: Any) -> Sequence[tuple[str, Words]]:
        return [("1", gettext_lazy("Yes"))]

    def queryset(self, _request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(pk__in=self._need_a_person().values("pk")) if self.value() else queryset
