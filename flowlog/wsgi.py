"""The WSGI entry point: `gunicorn flowlog.wsgi`."""

import os

from django.core.wsgi import get_wsgi_application

from flowlog.logs import startup

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "flowlog.settings")

with startup.recorded():
    application = get_wsgi_application()
startup.tell("web")
