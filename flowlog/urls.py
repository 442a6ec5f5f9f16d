"""The project's addresses."""

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

from api.v1.urls import api as api_v1
from api.v1.urls import patterns as api_rest
from flowlog.staffpages.account import account, password_change
from flowlog.staffpages.login import CodeStep, Forgotten, ForgottenDone, NewPassword, NewPasswordDone, PasswordStep
from flowlog.staffpages.lookups import look_up
from integrations.carriers.views import connected_news, tracking_news
from integrations.inbound.views import evolution_webhook
from integrations.meta.views import meta_webhook
from integrations.shops.views import shop_news, shop_wish
from orders.views import tracking_page

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index")),
    # Before the admin's own: its log-in knows one step alone.
    path("admin/login/", PasswordStep.as_view()),
    path("admin/login/codigo/", CodeStep.as_view(), name="second_step"),
    path("admin/senha/", Forgotten.as_view(), name="admin_password_reset"),
    path("admin/senha/enviada/", ForgottenDone.as_view(), name="password_reset_done"),
    path("admin/senha/pronta/", NewPasswordDone.as_view(), name="password_reset_complete"),
    path("admin/senha/<uidb64>/<token>/", NewPassword.as_view(), name="password_reset_confirm"),
    path("admin/conta/", admin.site.admin_view(account), name="account"),
    path("admin/password_change/", admin.site.admin_view(password_change)),
    path("admin/autocomplete/", admin.site.admin_view(look_up)),
    path("admin/", admin.site.urls),
    path("webhooks/evolution/<str:instance>/", evolution_webhook, name="evolution_webhook"),
    # The gateway calls the address as it was written, and takes a redirect for a failure.
    path("webhooks/evolution/<str:instance>", evolution_webhook),
    path("webhooks/meta/<str:instance>/", meta_webhook, name="meta_webhook"),
    path("webhooks/meta/<str:instance>", meta_webhook),
    path("rastreio/", tracking_page),
    path("rastreio/<str:token>/", tracking_page, name="tracking_page"),
    path("webhooks/tracking/<str:source>/", tracking_news, name="tracking_news"),
    path("webhooks/tracking/<str:source>", tracking_news),
    path("webhooks/tracking/<str:source>/<str:token>/", connected_news, name="connected_news"),
    path("webhooks/tracking/<str:source>/<str:token>", connected_news),
    path("webhooks/orders/<str:source>/<str:token>/", shop_news, name="shop_news"),
    path("webhooks/orders/<str:source>/<str:token>", shop_news),
    path("webhooks/orders/<str:source>/<str:token>/lgpd/<str:topic>/", shop_wish, name="shop_wish"),
    path("webhooks/orders/<str:source>/<str:token>/lgpd/<str:topic>", shop_wish),
    path("api/v1/", api_v1.urls),
    path("api/", include(api_rest)),
]
