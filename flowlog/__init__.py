"""Flowlog: the project's settings, processes and project-wide commands."""

from flowlog.celery import app as celery_app

__all__ = ["celery_app"]
