from django.apps import AppConfig


class IntegrationsConfig(AppConfig):
    name = "integrations"
    # Not translated: staff and guides find it as "Admin > Integrations" in every language.
    verbose_name = "Integrations"

    def ready(self) -> None:
        from flowlog import due  # noqa: PLC0415 - models are loaded only now
        from integrations import disclosure, erasure  # noqa: PLC0415
        from integrations.carriers import intake as carriers  # noqa: PLC0415
        from integrations.evolution.gateway import EvolutionGateway  # noqa: PLC0415
        from integrations.evolution.guide import EvolutionGuide  # noqa: PLC0415
        from integrations.evolution.reader import EvolutionReader  # noqa: PLC0415
        from integrations.evolution.servers import KIND  # noqa: PLC0415
        from integrations.gateways.registry import Kind, register  # noqa: PLC0415
        from integrations.inbound import intake as webhooks  # noqa: PLC0415
        from integrations.messages.kinds import KINDS  # noqa: PLC0415
        from integrations.meta.gateway import KIND as META  # noqa: PLC0415
        from integrations.meta.gateway import MetaGateway  # noqa: PLC0415
        from integrations.meta.guide import MetaGuide  # noqa: PLC0415
        from integrations.meta.reader import MetaReader  # noqa: PLC0415
        from integrations.shops import intake as shops  # noqa: PLC0415
        from integrations.shops import wishes  # noqa: PLC0415
        from orders import news  # noqa: PLC0415
        from orders.signals import (  # noqa: PLC0415
            customer_data_asked,
            customers_being_erased,
            customers_erased,
        )

        register(Kind(KIND, "Evolution API", EvolutionGateway, EvolutionGuide(), EvolutionReader()))
        register(Kind(META, "Meta (Cloud API)", MetaGateway, MetaGuide(), MetaReader()))
        customers_being_erased.connect(erasure.delete_webhooks, dispatch_uid="integrations.delete_webhooks")
        customers_erased.connect(erasure.forget, dispatch_uid="integrations.forget")
        customer_data_asked.connect(disclosure.disclose, dispatch_uid="integrations.disclose")
        due.register("integrations.tasks.work_off_webhooks", webhooks.due)
        due.register("integrations.tasks.work_off_shop_news", shops.due)
        due.register("integrations.tasks.work_off_shop_news", wishes.due)
        due.register("integrations.tasks.work_off_carrier_news", carriers.due)
        for kind in KINDS.values():
            if kind.occasion:
                news.register(kind.name, kind.words)
