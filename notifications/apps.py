from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class NotificationsConfig(AppConfig):
    name = "notifications"
    verbose_name = _("Notifications")

    def ready(self) -> None:
        from celery.signals import celeryd_init  # noqa: PLC0415

        from integrations.signals import customer_consent_changed  # noqa: PLC0415 - models are loaded only now
        from notifications import hours  # noqa: PLC0415
        from notifications.capacity import size_the_pool  # noqa: PLC0415
        from notifications.receivers import (  # noqa: PLC0415
            cancel_unsent,
            confirm_consent,
            tell_customers,
            tell_of_creation,
            told_of,
        )
        from notifications.undoing import cancel_news, told_already  # noqa: PLC0415
        from orders.signals import (  # noqa: PLC0415
            creation_untold,
            customers_erased,
            order_status_changed,
            quiet_hours_changed,
            steps_being_undone,
            steps_undone,
            told_asked,
        )

        order_status_changed.connect(tell_customers, dispatch_uid="notifications.tell_customers")
        creation_untold.connect(tell_of_creation, dispatch_uid="notifications.tell_of_creation")
        told_asked.connect(told_of, dispatch_uid="notifications.told_of")
        customer_consent_changed.connect(confirm_consent, dispatch_uid="notifications.confirm_consent")
        celeryd_init.connect(size_the_pool, dispatch_uid="notifications.size_the_pool")
        steps_being_undone.connect(told_already, dispatch_uid="notifications.told_already")
        steps_undone.connect(cancel_news, dispatch_uid="notifications.cancel_news")
        quiet_hours_changed.connect(hours.quiet_hours_changed, dispatch_uid="notifications.quiet_hours_changed")
        customers_erased.connect(cancel_unsent, dispatch_uid="notifications.cancel_unsent")
