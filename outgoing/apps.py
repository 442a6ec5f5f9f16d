from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class OutgoingConfig(AppConfig):
    name = "outgoing"
    verbose_name = _("Outgoing webhooks")

    def ready(self) -> None:
        from flowlog import due  # noqa: PLC0415 - models are loaded only now
        from orders.signals import customer_data_asked, customers_erased  # noqa: PLC0415
        from outgoing import customers, delivery  # noqa: PLC0415

        customers_erased.connect(customers.forget, dispatch_uid="outgoing.forget")
        customer_data_asked.connect(customers.disclose, dispatch_uid="outgoing.disclose")
        due.register("outgoing.tasks.sweep", delivery.unfinished)
