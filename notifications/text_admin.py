"""Where a shop writes its own messages: the list of kinds, and for each its text, looked at as the customer will."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect, JsonResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _

from flowlog.staffpages.base import ModelAdmin, person
from flowlog.staffpages.once import FIELD, once
from flowlog.staffpages.stores import within
from integrations.messages.kinds import FREE_ANSWER, KINDS, TEST, kind_words
from notifications import outbox, own_texts, samples, text_pages, texts
from notifications.models import MessageText
from notifications.text_forms import MOST_TYPED, TextForm
from notifications.trial_page import TOO_MANY_TESTS, too_many_tests
from orders.contacts import format_phone
from orders.models import Order, Store

SHOWN_VERSIONS = 30
# Of all kinds but the one that says that a message arrived, which no customer gets.
# What a person writes has no text of its own.
EDITABLE = tuple(event for event in KINDS if event not in {TEST, FREE_ANSWER})


@admin.register(MessageText)
class TextAdmin(ModelAdmin):
    """Seen with `view_messagetext`, written with `change_messagetext`; a kind is switched with `change_store`."""

    def get_urls(self) -> list[URLPattern]:
        own = "notifications_messagetext"
        pages = (
            ("", self.list_view, "changelist"),
            ("<int:pk>/change/", self.version_view, "change"),
            ("approve/<int:store>/", self.approve_view, "approve"),
            ("<int:store>/<str:event>/", self.edit_view, "edit"),
            ("<int:store>/<str:event>/preview/", self.preview_view, "preview"),
            ("<int:store>/<str:event>/default/", self.default_view, "default"),
            ("<int:store>/<str:event>/restore/<int:version>/", self.restore_view, "restore"),
            ("<int:store>/<str:event>/switch/", self.switch_view, "switch"),
        )
        return [path(route, self.admin_site.admin_view(view), name=f"{own}_{name}") for route, view, name in pages]

    def has_add_permission(self, request: HttpRequest) -> bool:  # noqa: ARG002
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002
        """Never: what was once said stays known."""
        return False

    def stores(self, request: HttpRequest) -> QuerySet[Store]:
        """Those whose texts the person may see: every page here begins with one of them."""
        return within(Store.objects.order_by("-is_default", "name", "pk"), request.user)

    # -- The list -----------------------------------------------------------------------------

    def list_view(self, request: HttpRequest) -> HttpResponse:
        """All kinds of one store: whose words they are in, how they begin, and whether they are told."""
        self._require_view(request)
        stores = list(self.stores(request))
        asked = request.GET.get("store", "")
        chosen = next((store for store in stores if str(store.pk) == asked), stores[0] if stores else None)
        if chosen is None or (asked and str(chosen.pk) != asked):
            raise Http404
        newest = own_texts.current(chosen)
        values = {
            "title": _("Message texts"),
            "stores": stores,
            "store": chosen,
            "kinds": [text_pages.listed_kind(chosen, event, newest.get(event)) for event in EDITABLE],
            "may_switch": self._may_switch(request),
            "may_approve": not newest and self.has_change_permission(request),
        }
        return self._page(request, "admin/notifications/texts.html", values)

    @once
    def approve_view(self, request: HttpRequest, store: int) -> HttpResponse:
        """Leave all texts as they are, knowingly (POST): a shop that is new here is not asked to look any more."""
        shop = self._to_be_changed(request, store, "create")
        if request.method == "POST" and (version := own_texts.approve(shop, actor=person(request))):
            done = _("The texts stay as Flowlog writes them. You can change each of them at any time.")
            self.log_change(request, version, done)
            self.message_user(request, done, messages.SUCCESS)
        return HttpResponseRedirect(f"{reverse('admin:notifications_messagetext_changelist')}?store={shop.pk}")

    @once
    def switch_view(self, request: HttpRequest, store: int, event: str) -> HttpResponse:
        """Tell customers this kind of news, or no longer (POST)."""
        self._require_view(request)
        if not self._may_switch(request):
            raise PermissionDenied
        shop = self._store(request, store, event)
        if not KINDS[event].needs_order:
            raise Http404
        back = HttpResponseRedirect(f"{reverse('admin:notifications_messagetext_changelist')}?store={shop.pk}")
        if request.method != "POST":
            return back
        on = request.POST.get("on") == "1"
        if own_texts.switch(shop, event, on=on):
            kind = {"kind": kind_words(event)}
            done = _("“%(kind)s” is told again.") if on else _("“%(kind)s” is not told any more.")
            self.log_change(request, shop, done % kind)
            self.message_user(request, done % kind, messages.SUCCESS)
        return back

    # -- One text ------------------------------------------------------------------------------

    @once
    def edit_view(self, request: HttpRequest, store: int, event: str) -> HttpResponse:
        """The editor (GET); saves the text, or sends it to a number as a test (POST)."""
        self._require_view(request)
        shop = self._store(request, store, event)
        newest = own_texts.current(shop, [event]).get(event)
        seen = newest.pk if newest else 0
        if request.method != "POST":
            written = newest.text if newest and newest.text else texts.default(event)
            initial = {"text": written, "seen": seen, "phone": shop.phone}
            return self._editor(request, TextForm(shop, event, initial=initial, newest=seen), newest)
        if not self.has_change_permission(request):
            raise PermissionDenied
        form = TextForm(shop, event, request.POST, newest=seen)
        if form.is_valid() and not form.is_test:
            self._write(request, shop, event, form.cleaned_data["text"])
            return HttpResponseRedirect(text_pages.address("edit", shop, event))
        if form.is_valid():
            self._test(request, shop, event, form)
        if form.changed_meanwhile:
            form.data = request.POST.copy()
            form.data["seen"] = str(seen)
        return self._editor(request, form, newest)

    @once
    def default_view(self, request: HttpRequest, store: int, event: str) -> HttpResponse:
        """Say it in our words again (POST)."""
        shop = self._to_be_changed(request, store, event)
        if request.method == "POST":
            self._write(request, shop, event, "")
        return HttpResponseRedirect(text_pages.address("edit", shop, event))

    @once
    def restore_view(self, request: HttpRequest, store: int, event: str, version: int) -> HttpResponse:
        """Say it again as it was said in a former version (POST), if it can still be said so."""
        shop = self._to_be_changed(request, store, event)
        former = get_object_or_404(own_texts.history(shop, event), pk=version)
        if request.method == "POST":
            found = own_texts.mistakes(event, former.text) if former.text else []
            for mistake in found:
                self.message_user(request, mistake.words, messages.ERROR)
            if not found:
                self._write(request, shop, event, former.text)
        return HttpResponseRedirect(text_pages.address("edit", shop, event))

    def version_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Where the lists of what was done lead: to the text of which it was a version."""
        self._require_view(request)
        version = get_object_or_404(MessageText.objects.filter(store__in=self.stores(request)), pk=pk)
        return HttpResponseRedirect(text_pages.address("edit", version.store, version.event))

    def preview_view(self, request: HttpRequest, store: int, event: str) -> HttpResponse:
        """What is wrong with a text, and how it would read (POST), as JSON. Saves nothing."""
        self._require_view(request)
        shop = self._store(request, store, event)
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        text = own_texts.same_line_ends(request.POST.get("text", "")[:MOST_TYPED])
        found = own_texts.mistakes(event, text)
        shown = None if found else [text_pages.sample(*each) for each in self._samples(request, shop, event, text)]
        return JsonResponse({
            "mistakes": [text_pages.placed(text, each) for each in found],
            "samples": shown,
        })  # fmt: skip

    # -- Parts ---------------------------------------------------------------------------------

    def _editor(self, request: HttpRequest, form: TextForm, newest: MessageText | None) -> HttpResponse:
        shop, event = form.store, form.event
        text = own_texts.same_line_ends(str(form["text"].value() or ""))
        read = form.mistakes or len(text) > MOST_TYPED or own_texts.mistakes(event, text)
        usable = "" if read else text
        may_change = self.has_change_permission(request)
        orders = self._orders(request, shop, event)
        values = {
            "title": kind_words(event),
            "form": form,
            "store": shop,
            "event": event,
            "newest": newest,
            "is_own": bool(newest and newest.text),
            "told": not KINDS[event].needs_order or event not in shop.silent_transitions,
            "may_change": may_change,
            "mistakes": [text_pages.placed(text, each) for each in form.mistakes],
            "variables": list(text_pages.offered_variables(shop, event)),
            "chosen": order.pk if (order := text_pages.chosen_order(request, orders)) else None,
            "orders": [(order, text_pages.choice(order)) for order in orders],
            "samples": [text_pages.sample(*each) for each in self._samples(request, shop, event, usable, orders)],
            "queued": text_pages.queued(shop, event),
            "versions": [text_pages.version(each) for each in own_texts.history(shop, event)[:SHOWN_VERSIONS]],
            "default": texts.default(event),
            "default_address": text_pages.address("default", shop, event),
            "preview_address": text_pages.address("preview", shop, event),
            "back": f"{reverse('admin:notifications_messagetext_changelist')}?store={shop.pk}",
        }
        return self._page(request, "admin/notifications/text.html", values)

    def _orders(self, request: HttpRequest, shop: Store, event: str) -> Sequence[Order]:
        """Those on which the text may be looked at: none for who may see no orders."""
        return samples.orders_for(shop, event) if request.user.has_perm("orders.view_order") else []

    def _samples(
        self, request: HttpRequest, shop: Store, event: str, text: str, orders: Sequence[Order] | None = None
    ) -> Iterator[tuple[str, str, str]]:
        """Name, title and text of what a text is looked at on: a real order, or one made up, and the hardest."""
        orders = self._orders(request, shop, event) if orders is None else orders
        order = text_pages.chosen_order(request, orders)
        if order:
            title = _("Order %(code)s") % {"code": order.code}
            yield "real", title, texts.render(event, samples.of_order(event, order), text)
        else:
            yield "real", _("An example"), texts.render(event, samples.example(shop, event), text)
        title = _("The hardest case: long name, many items, nothing optional")
        yield "hardest", title, texts.render(event, samples.hardest(shop, event), text)

    def _write(self, request: HttpRequest, shop: Store, event: str, text: str) -> None:
        version = own_texts.write(shop, event, text, actor=person(request))
        if version is None:
            self.message_user(request, _("The text was like this already: nothing has changed."), messages.INFO)
            return
        done = _("Text saved.") if version.text else _("Back to the default text.")
        self.log_change(request, version, done)
        self.message_user(request, " ".join(filter(None, (done, text_pages.queued(shop, event)))), messages.SUCCESS)

    def _test(self, request: HttpRequest, shop: Store, event: str, form: TextForm) -> None:
        instance = outbox.instance_of(shop)
        if instance is None:
            form.add_error("phone", _("The store has no WhatsApp number to send from yet."))
            return
        if too_many_tests(request, instance):
            form.add_error("phone", TOO_MANY_TESTS)
            return
        _name, _title, text = next(self._samples(request, shop, event, form.cleaned_data["text"]))
        phone = form.cleaned_data["phone"]
        # One form, one message, however often it is sent.
        mark = hashlib.sha256(f"{request.POST.get(FIELD)} {phone} {text}".encode()).hexdigest()[:32]
        row, is_new = outbox.add_text_test(instance, phone, text, mark=mark)
        words = _("A test is on its way to %(phone)s.") % {"phone": format_phone(row.recipient)}
        self.message_user(request, words, messages.SUCCESS)
        if is_new:
            self.log_change(request, shop, _("Test of the text “%(kind)s”.") % {"kind": kind_words(event)})

    def _to_be_changed(self, request: HttpRequest, store: int, event: str) -> Store:
        self._require_view(request)
        if not self.has_change_permission(request):
            raise PermissionDenied
        return self._store(request, store, event)

    def _store(self, request: HttpRequest, store: int, event: str) -> Store:
        if event not in EDITABLE:
            raise Http404
        return get_object_or_404(self.stores(request), pk=store)

    def _require_view(self, request: HttpRequest) -> None:
        if not self.has_view_permission(request):
            raise PermissionDenied

    def _may_switch(self, request: HttpRequest) -> bool:
        return request.user.has_perm("orders.change_store")

    def _page(self, request: HttpRequest, template: str, values: dict[str, Any]) -> HttpResponse:
        context = {**self.admin_site.each_context(request), "opts": self.opts, **values}
        return TemplateResponse(request, template, context)
