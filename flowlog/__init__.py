"""Flowlog: the project's settings, processes and project-wide commands."""

from flowlog.logs import startup

# Every process comes by here first: what was not installed is missed here.
with startup.recorded():
    from flowlog.celery import app as celery_app

__all__ = ["celery_app"]
