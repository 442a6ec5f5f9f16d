"""The WSGI entry point: `gunicorn flowlog.wsgi`."""

import os

from django.core.wsgi import get_wsgi_application
from django.template.loader import get_template
from django.urls import get_resolver

from flowlog import schema
from flowlog.logs import startup

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "flowlog.settings")

with startup.recorded():
    application = get_wsgi_application()
    # Once for all workers, and before the first request: what it would import, and the pages that are opened most.
    get_resolver().url_patterns  # noqa: B018 - imports them
    for page in ("login", "index", "change_list", "change_form"):
        get_template(f"admin/{page}.html")
startup.tell("web")
schema.look_at_the_start()
