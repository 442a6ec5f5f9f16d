"""The look-up of a related row while somebody types."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.admin.views.autocomplete import AutocompleteJsonView
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from flowlog.staffpages.stores import path_of, reach, store_id_of


class StoreNamingLookUp(AutocompleteJsonView):
    """Says of each row found whose it is, to who works for several stores."""

    def serialize_result(self, obj: Any, to_field_name: str) -> dict[str, str]:
        found = super().serialize_result(obj, to_field_name)
        names = reach(self.request.user).names
        store = names.get(store_id_of(obj, path_of(type(obj))) or 0) if len(names) > 1 else None
        return {**found, "text": f"{found['text']} · {store}"} if store else found


def look_up(request: HttpRequest) -> HttpResponseBase:
    return StoreNamingLookUp.as_view(admin_site=admin.site)(request)
