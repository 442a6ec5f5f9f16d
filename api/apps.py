from django.apps import AppConfig


class ApiConfig(AppConfig):
    name = "api"
    verbose_name = "API"

    def ready(self) -> None:
        from api import acting, idempotency  # noqa: PLC0415 - models are loaded only now
        from orders.signals import customers_erased, order_status_changed  # noqa: PLC0415

        order_status_changed.connect(acting.note, dispatch_uid="api.note")
        customers_erased.connect(idempotency.forget, dispatch_uid="api.forget")
