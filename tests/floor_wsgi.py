"""The web server with one more address for the benchmark, which only says 200: the floor of what taking in costs."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.urls import include, path
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from flowlog.wsgi import application

__all__ = ["application"]


@csrf_exempt
@require_POST
def say_ok(request: HttpRequest, instance: str) -> HttpResponse:
    return HttpResponse()


urlpatterns = [path("floor/<str:instance>/", say_ok), path("", include("flowlog.urls"))]
settings.ROOT_URLCONF = __name__
