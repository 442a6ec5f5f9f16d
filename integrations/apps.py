from django.apps import AppConfig


class IntegrationsConfig(AppConfig):
    name = "integrations"
    # Not translated: staff and guides find it as "Admin > Integrations" in every language.
    verbose_name = "Integrations"
