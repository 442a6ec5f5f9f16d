from django.apps import AppConfig


class IntegrationsConfig(AppConfig):
    name = "integrations"
    # Not translated: staff and guides find it as "Admin > Integrations" in every language.
    verbose_name = "Integrations"

    def ready(self) -> None:
        from integrations.receivers import move_order  # noqa: PLC0415 - models are loaded only now
        from integrations.signals import shipment_status_changed  # noqa: PLC0415

        shipment_status_changed.connect(move_order, dispatch_uid="integrations.move_order")
