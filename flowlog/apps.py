from django.apps import AppConfig


class FlowlogConfig(AppConfig):
    name = "flowlog"
    verbose_name = "Flowlog"
