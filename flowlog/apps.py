from django.apps import AppConfig


class FlowlogConfig(AppConfig):
    name = "flowlog"
    verbose_name = "Flowlog"

    def ready(self) -> None:
        from flowlog.health.alarms import ask_for_a_look  # noqa: PLC0415 - models are loaded only now
        from integrations.signals import instance_connection_changed  # noqa: PLC0415

        instance_connection_changed.connect(ask_for_a_look, dispatch_uid="flowlog.ask_for_a_look")
