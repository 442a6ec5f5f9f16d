"""The project's addresses."""

from django.contrib import admin
from django.urls import path
from django.views.generic import RedirectView

from integrations.inbound.views import evolution_webhook

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index")),
    path("admin/", admin.site.urls),
    path("webhooks/evolution/<str:instance>/", evolution_webhook, name="evolution_webhook"),
    # The gateway calls the address as it was written, and takes a redirect for a failure.
    path("webhooks/evolution/<str:instance>", evolution_webhook),
]
