"""How a bulk change in the background comes along: a page that renews itself until all orders are through, and on which
it can be stopped."""

from __future__ import annotations

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from flowlog.staffpages.base import ModelAdmin
from flowlog.staffpages.people import name_of
from orders import bulk
from orders.desk_models import BulkJob
from orders.transitions import TRANSITIONS

# More than anybody reads on one page.
SHOWN_REFUSALS = 500


def bulk_job_url(job: BulkJob) -> str:
    """Where whoever started it sees how far it has come."""
    return reverse("admin:orders_order_bulk_job", args=[job.pk])


class BulkJobViews(ModelAdmin):
    """Adds that page; it is shown to who started the job, and to who may see everything."""

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("bulk/<int:pk>/", wrap(self.bulk_job_view), name="orders_order_bulk_job"),
            path("bulk/<int:pk>/stop/", wrap(self.bulk_job_stop_view), name="orders_order_bulk_job_stop"),
            *super().get_urls(),
        ]

    def bulk_job_stop_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Stop it (POST), if the word for it was typed. What is done stays, and the other orders stay as they are."""
        job = self._job(request, pk)
        if request.method == "POST":
            word = pgettext("typed", "stop")
            if request.POST.get("word", "").strip().casefold() != word:
                self.message_user(request, _("Type “%(word)s” to stop it.") % {"word": word}, messages.ERROR)
            elif not bulk.stop(job.pk):
                self.message_user(request, _("It had ended already: nothing was stopped."), messages.WARNING)
        return HttpResponseRedirect(bulk_job_url(job))

    def _job(self, request: HttpRequest, pk: int) -> BulkJob:
        job = get_object_or_404(BulkJob.objects.select_related("actor"), pk=pk)
        theirs = request.user.is_superuser or job.actor_id == request.user.pk
        if not (theirs and self.has_view_permission(request)):
            raise PermissionDenied
        return job

    def bulk_job_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        job = self._job(request, pk)
        transition = TRANSITIONS.get(job.transition)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": transition.label if transition else _("Change of many orders"),
            "job": job,
            "left": job.total - job.position,
            "who": name_of(job.actor) if job.actor else "",
            "word": pgettext("typed", "stop"),
            "refused": len(job.refusals),
            "refusals": [reason for _code, reason in job.refusals[:SHOWN_REFUSALS]],
            "more": max(len(job.refusals) - SHOWN_REFUSALS, 0),
            "back": reverse("admin:orders_order_changelist"),
        }
        return TemplateResponse(request, "admin/orders/order/bulk_job.html", context)
