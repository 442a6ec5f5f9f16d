"""A form is carried out once, however often its button is pressed.

Every form of the admin that does something carries a key of its own. The first POST with it stores the key in the
transaction of what it does; whoever comes later is answered as the first one was, and whoever comes meanwhile waits in
the unique index until the first is through.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate

from django.contrib import messages
from django.contrib.messages import get_messages
from django.contrib.messages.storage.base import Message
from django.db import models, transaction
from django.db.models import F, Func
from django.db.models.functions import Now
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.utils.safestring import SafeData, mark_safe
from django.utils.translation import gettext as _

FIELD = "_once"
# Which button was pressed is no other wish; the others say nothing of it.
_IGNORED = frozenset({FIELD, "csrfmiddlewaretoken", "_save", "_continue", "_addanother"})
_POPUP = "popup_response_data"

# A message with this tag is shown once and kept nowhere: a link for a password, for example.
UNKEPT = "unkept"

type View[**P] = Callable[P, HttpResponse]
type Answer = dict[str, Any]


class UsedForm(models.Model):
    """That a form was carried out, and what its person was answered. Neither its key nor its content can be read."""

    key = models.CharField(max_length=64, primary_key=True)
    content = models.CharField(max_length=64)
    answer = models.JSONField(default=dict)
    used_at = models.DateTimeField(db_default=Now())

    class Meta:
        app_label = "orders"  # where its table was made; the models of that app load this one
        indexes = (models.Index(fields=["used_at"], name="used_form_oldest_first"),)

    def __str__(self) -> str:
        return f"{self.key[:8]}… @ {self.used_at:%Y-%m-%d %H:%M:%S}"


def new_key() -> str:
    """What a form shown now is known by."""
    return secrets.token_urlsafe(16)


def once[S, **P](view: View[Concatenate[S, HttpRequest, P]]) -> View[Concatenate[S, HttpRequest, P]]:
    """Let a view of the admin carry out each form once.

    It runs in one transaction with the storing of the key. If it does not end in a redirect without an error (or in
    the closing of a pop-up), the form may be sent again.
    """

    @wraps(view)
    def guarded(self: S, request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        key = request.POST.get(FIELD) if request.method == "POST" else None
        if not key:
            return view(self, request, *args, **kwargs)
        with transaction.atomic():
            form, is_first = UsedForm.objects.get_or_create(
                key=_digest(key, f"{request.user.pk} {request.path}"), defaults={"content": _content(request, key)}
            )
            if not is_first:
                return _repeated(request, form, changed=form.content != _content(request, key))
            said = get_messages(request)
            before = len(said)
            response = view(self, request, *args, **kwargs)
            form.answer = _answer(response, _read(said)[before:])
            if form.answer:
                form.save(update_fields=["answer"])
            else:
                form.delete()
        return response

    return guarded


def forget_answers() -> None:
    """Forget what people were told of the forms they sent, which may name anybody. What was done once stays done once.

    The repeat of a pop-up's form, which is closed with the name of what it made, is no longer known as one.
    """
    UsedForm.objects.filter(answer__has_key=_POPUP).delete()
    nothing_told = Func(F("answer"), template="jsonb_set(%(expressions)s, '{messages}', '[]')")
    UsedForm.objects.update(answer=nothing_told)


def _digest(key: str, text: str) -> str:
    return hmac.digest(key.encode(errors="replace"), text.encode(errors="replace"), hashlib.sha256).hex()


def _content(request: HttpRequest, key: str) -> str:
    fields = sorted((name, values) for name, values in request.POST.lists() if name not in _IGNORED)
    return _digest(key, repr(fields))


def _read(storage: Any) -> list[Message]:
    """The messages that wait to be shown, and still do afterwards."""
    used = storage.used
    waiting = list(storage)
    storage.used = used
    return waiting


def _answer(response: HttpResponse, said: list[Message]) -> Answer:
    """What the same form is answered from now on; empty if it was not carried out."""
    if any(message.level >= messages.ERROR for message in said):
        return {}
    answer: Answer = {
        "messages": [
            [each.level, str(each.message), each.extra_tags, isinstance(each.message, SafeData)]
            for each in said
            if each.extra_tags != UNKEPT
        ]
    }
    if isinstance(response, HttpResponseRedirect):
        return answer | {"location": response.url}
    if isinstance(response, TemplateResponse) and _POPUP in (response.context_data or {}):
        return answer | {_POPUP: response.context_data[_POPUP]}  # type: ignore[index]
    return {}


def _repeated(request: HttpRequest, form: UsedForm, *, changed: bool) -> HttpResponse:
    answer: Answer = form.answer
    for level, text, tags, is_safe in answer["messages"]:
        # As our own code wrote it the first time.
        messages.add_message(request, level, mark_safe(text) if is_safe else text, tags)  # noqa: S308
    if changed:
        words = _("This form had been sent before. What you changed in it since was not saved: look at what there is.")
        messages.warning(request, words)
    if _POPUP in answer:
        return TemplateResponse(request, "admin/popup_response.html", {_POPUP: answer[_POPUP]})
    return HttpResponseRedirect(answer["location"])
