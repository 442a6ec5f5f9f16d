import atexit

from django.apps import AppConfig


class FlowlogConfig(AppConfig):
    name = "flowlog"
    verbose_name = "Flowlog"

    def ready(self) -> None:
        from flowlog.database import close_pools  # noqa: PLC0415 - models are loaded only now
        from flowlog.health.alarms import ask_for_a_look  # noqa: PLC0415
        from integrations.signals import instance_connection_changed  # noqa: PLC0415

        atexit.register(close_pools)
        instance_connection_changed.connect(ask_for_a_look, dispatch_uid="flowlog.ask_for_a_look")
