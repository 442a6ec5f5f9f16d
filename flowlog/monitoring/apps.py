from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class MonitoringConfig(AppConfig):
    name = "flowlog.monitoring"
    verbose_name = _("Monitoring")

    def ready(self) -> None:
        from flowlog.monitoring.alarms import ask_for_a_look  # noqa: PLC0415 - models are loaded only now
        from integrations.signals import instance_connection_changed  # noqa: PLC0415

        instance_connection_changed.connect(ask_for_a_look, dispatch_uid="flowlog.ask_for_a_look")
