from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class NotificationsConfig(AppConfig):
    name = "notifications"
    verbose_name = _("Notifications")

    def ready(self) -> None:
        from celery.signals import celeryd_init  # noqa: PLC0415

        from integrations.signals import customer_consent_changed  # noqa: PLC0415 - models are loaded only now
        from notifications.capacity import size_the_pool  # noqa: PLC0415
        from notifications.receivers import cancel_unsent, confirm_consent, tell_customers  # noqa: PLC0415
        from orders.signals import customers_erased, order_status_changed  # noqa: PLC0415

        order_status_changed.connect(tell_customers, dispatch_uid="notifications.tell_customers")
        customer_consent_changed.connect(confirm_consent, dispatch_uid="notifications.confirm_consent")
        celeryd_init.connect(size_the_pool, dispatch_uid="notifications.size_the_pool")
        customers_erased.connect(cancel_unsent, dispatch_uid="notifications.cancel_unsent")
