from django.apps import AppConfig
from django.conf import settings


class FlowlogConfig(AppConfig):
    name = "flowlog"
    verbose_name = "Flowlog"

    def ready(self) -> None:
        from flowlog.translations import compile_catalogs  # noqa: PLC0415 - needs nothing before the apps are there

        compile_catalogs(settings.BASE_DIR / "locale", settings.COMPILED_LOCALE_DIR)
