"""The project's addresses."""

from django.contrib import admin
from django.urls import path
from django.views.generic import RedirectView

from integrations.carriers.views import tracking_news
from integrations.inbound.meta_views import meta_webhook
from integrations.inbound.views import evolution_webhook
from orders.views import tracking_page

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index")),
    path("admin/", admin.site.urls),
    path("webhooks/evolution/<str:instance>/", evolution_webhook, name="evolution_webhook"),
    # The gateway calls the address as it was written, and takes a redirect for a failure.
    path("webhooks/evolution/<str:instance>", evolution_webhook),
    path("webhooks/meta/<str:instance>/", meta_webhook, name="meta_webhook"),
    path("webhooks/meta/<str:instance>", meta_webhook),
    path("rastreio/", tracking_page),
    path("rastreio/<str:token>/", tracking_page, name="tracking_page"),
    path("webhooks/tracking/<str:source>/", tracking_news, name="tracking_news"),
]
