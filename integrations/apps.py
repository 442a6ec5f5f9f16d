from django.apps import AppConfig


class IntegrationsConfig(AppConfig):
    name = "integrations"
    # Not translated: staff and guides find it as "Admin > Integrations" in every language.
    verbose_name = "Integrations"

    def ready(self) -> None:
        from integrations import erasure  # noqa: PLC0415 - models are loaded only now
        from integrations.carriers.orders import move_order  # noqa: PLC0415
        from integrations.evolution.gateway import EvolutionGateway  # noqa: PLC0415
        from integrations.evolution.servers import KIND  # noqa: PLC0415
        from integrations.gateways.registry import Kind, register  # noqa: PLC0415
        from integrations.meta.gateway import KIND as META  # noqa: PLC0415
        from integrations.meta.gateway import MetaGateway  # noqa: PLC0415
        from integrations.signals import shipment_status_changed  # noqa: PLC0415
        from orders.signals import customers_being_erased, customers_erased  # noqa: PLC0415

        register(Kind(KIND, "Evolution API", EvolutionGateway))
        register(Kind(META, "Meta (Cloud API)", MetaGateway))
        customers_being_erased.connect(erasure.delete_webhooks, dispatch_uid="integrations.delete_webhooks")
        customers_erased.connect(erasure.forget, dispatch_uid="integrations.forget")
        shipment_status_changed.connect(move_order, dispatch_uid="integrations.move_order")
