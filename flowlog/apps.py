import atexit

from django.apps import AppConfig


class FlowlogConfig(AppConfig):
    name = "flowlog"
    verbose_name = "Flowlog"

    def ready(self) -> None:
        from flowlog.database import close_pools  # noqa: PLC0415 - models are loaded only now
        from flowlog.staffpages import sessions  # noqa: F401, PLC0415

        atexit.register(close_pools)
