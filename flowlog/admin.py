"""Users, groups and background tasks in the admin."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group, User
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from django_celery_results.models import GroupResult, TaskResult
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm
from unfold.paginator import InfinitePaginator

from flowlog.staffpages.base import ModelAdmin, ReadOnlyAdmin, label_column
from flowlog.times import moment

admin.site.index_title = _("Overview")

for model in (User, Group, TaskResult, GroupResult):
    admin.site.unregister(model)


@admin.register(User)
class UserAdmin(DjangoUserAdmin, ModelAdmin):
    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm


@admin.register(Group)
class GroupAdmin(DjangoGroupAdmin, ModelAdmin):
    pass


@admin.register(TaskResult)
class TaskResultAdmin(ReadOnlyAdmin):
    list_display = ("status_label", "task_name", "worker", "created", "done", "task_id")
    list_display_links = ("status_label", "task_name")
    list_filter = (("status", ChoicesDropdownFilter), "date_done")
    list_filter_submit = True
    list_per_page = 50
    paginator = InfinitePaginator
    show_full_result_count = False
    search_fields = ("task_id__exact", "task_name")
    sortable_by = ()

    @label_column({"SUCCESS": "success", "FAILURE": "danger", "RETRY": "warning"}, description=_("status"))
    def status_label(self, task: TaskResult) -> tuple[str, str]:
        return task.status, task.status

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
