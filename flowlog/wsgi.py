"""The WSGI entry point: `gunicorn flowlog.wsgi`."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "flowlog.settings")

application = get_wsgi_application()
