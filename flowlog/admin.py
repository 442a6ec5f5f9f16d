"""Users, groups and background tasks in the admin."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group, Permission, User
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy
from django_celery_results.models import GroupResult, TaskResult
from django_otp.plugins.otp_static.models import StaticDevice
from django_otp.plugins.otp_totp.models import TOTPDevice
from unfold.contrib.filters.admin import DropdownFilter
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from flowlog.staffpages import checks, passwords  # noqa: F401 - the checks are registered by being here
from flowlog.staffpages.base import ModelAdmin, UncountedAdmin, label_column
from flowlog.staffpages.permissions import PermissionsField
from flowlog.staffpages.stores import NO_STORE
from flowlog.times import moment
from flowlog.translations import Words

admin.site.index_title = _("Overview")

for model in (User, Group, TaskResult, GroupResult, TOTPDevice, StaticDevice):
    admin.site.unregister(model)


class SuperusersOnly(ModelAdmin):
    """Raw accounts: whoever may change one may make of it what they like. The shop's people are on the Team page."""

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.related_model is Permission:
            kwargs["form_class"] = PermissionsField
        return super().formfield_for_manytomany(db_field, request, **kwargs)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.is_active and request.user.is_superuser)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return self.has_module_permission(request)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002
        return self.has_module_permission(request)

    has_change_permission = has_delete_permission = has_view_permission


@admin.register(User)
class UserAdmin(DjangoUserAdmin, SuperusersOnly):
    when_empty = _("The shop's people are on the page of the team; here are accounts as they are.")
    store_path = NO_STORE
    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        """Who may set anybody's password says whose an address is: no former one stands beside it."""
        super().save_model(request, obj, form, change)
        if "email" in form.changed_data:
            passwords.take_address(obj, obj.email)


@admin.register(Group)
class GroupAdmin(DjangoGroupAdmin, SuperusersOnly):
    when_empty = _("A group says what its people may do. Those that Flowlog needs are made by its installation.")
    store_path = NO_STORE


_TASK_STATES: dict[str, Words] = {
    "PENDING": pgettext_lazy("task", "waits"),
    "STARTED": pgettext_lazy("task", "at work"),
    "RETRY": pgettext_lazy("task", "tried again"),
    "SUCCESS": pgettext_lazy("task", "done"),
    "FAILURE": pgettext_lazy("task", "failed"),
    "REVOKED": pgettext_lazy("task", "called off"),
}


class TaskStateFilter(DropdownFilter):  # type: ignore[misc]
    title = _("status")
    parameter_name = "status"

    def lookups(self, _request: HttpRequest, _model_admin: Any) -> list[tuple[str, Words]]:
        return list(_TASK_STATES.items())

    def queryset(self, _request: HttpRequest, queryset: QuerySet[TaskResult]) -> QuerySet[TaskResult]:
        return queryset.filter(status=self.value()) if self.value() in _TASK_STATES else queryset


def _task_name(task: Any) -> str:
    """Its own is `<Task: 5d2… (SUCCESS)>`, which no tab and no way up can show to anybody."""
    return str(task.task_name or task.task_id)


TaskResult.__str__ = _task_name  # type: ignore[method-assign]


@admin.register(TaskResult)
class TaskResultAdmin(UncountedAdmin):
    when_empty = _(
        "What the workers did stands here for some days. Nothing here means that none has come to an end yet."
    )
    store_path = NO_STORE
    list_display = ("status_label", "task_name", "worker", "created", "done", "task_id")
    list_display_links = ("status_label", "task_name")
    list_filter = (TaskStateFilter, "date_done")
    list_filter_submit = True
    list_per_page = 50
    search_fields = ("task_id__exact", "task_name")
    sortable_by = ()

    @label_column({"SUCCESS": "success", "FAILURE": "danger", "RETRY": "warning"}, description=_("status"))
    def status_label(self, task: TaskResult) -> tuple[str, str]:
        return task.status, _TASK_STATES.get(task.status, task.status)

    @admin.display(description=_("created"))
    def created(self, task: TaskResult) -> str:
        return moment(task.date_created)  # type: ignore[attr-defined]

    @admin.display(description=_("done"))
    def done(self, task: TaskResult) -> str:
        return moment(task.date_done)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:  # noqa: ARG002
        return (
            "task_id", "task_name", "status_label", "worker", "date_created", "date_started", "date_done", "task_args",
            "task_kwargs", "result", "traceback",
        )  # fmt: skip
