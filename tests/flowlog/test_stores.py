"""Whoever works for one store meets nothing of another, at whatever address and by whatever action of the admin.

The addresses, actions, filters and look-ups come from the admin itself, so that none is forgotten.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from importlib import import_module
from typing import Any

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.admin.exceptions import DisallowedModelAdminLookup
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.auth.models import Group, Permission, User
from django.db.models import ForeignKey, Model
from django.test import Client, RequestFactory
from django.urls import URLPattern, get_resolver
from django_celery_results.models import GroupResult, TaskResult

from flowlog.staffpages import stores
from flowlog.staffpages.checks import errors_of
from flowlog.staffpages.groups import MANAGEMENT_GROUP, SERVICE_GROUP
from flowlog.staffpages.stores import NO_STORE
from integrations.models import NotificationLog
from notifications.models import MessageText
from orders.models import Customer, Order, Store, StoreStaff
from orders.transitions import TRANSITIONS
from tests.shops import Shop, everything, make_shop, rows_of
from tests.staff import client_of, make_staff

pytestmark = pytest.mark.django_db

# Of nobody's store: permission alone decides, and `test_groups` says who has it.
WITHOUT_STORE: set[type[Model]] = {User, Group, TaskResult, GroupResult}
PARAMETER = re.compile(r"<(?:\w+:)?(\w+)>")
# A form's own keys and the person's name are no rows.
NOISE = re.compile(r'name="(?:csrfmiddlewaretoken|_once)" value="[^"]*"|nonce="[^"]*"')


@pytest.fixture
def mine() -> Shop:
    return make_shop("Acerola", digits="1111", tracking="AA100000005BR")


@pytest.fixture
def theirs(mine: Shop) -> Shop:
    return make_shop("Borboleta", digits="2222", tracking="AA200000008BR")


@pytest.fixture
def person(mine: Shop, theirs: Shop) -> User:
    """Who may do everything there is, but at one store alone."""
    person = make_staff("ana", group="", stores=[mine.store])
    every = Permission.objects.exclude(codename="work_in_all_stores").exclude(content_type__app_label="auth")
    person.user_permissions.set(every)
    for shop in (mine, theirs):
        for row in shop.rows.values():
            LogEntry.objects.log_actions(make_boss().pk, [row], CHANGE, f"Mudou {shop.store.name}")
    return person


def make_boss() -> User:
    boss, _created = User.objects.get_or_create(username="dono", defaults={"is_staff": True, "is_superuser": True})
    return boss


@pytest.fixture
def client(person: User) -> Client:
    return client_of(person)


def registry() -> dict[type[Model], Any]:
    return dict(admin.site._registry)


def pages() -> list[Any]:
    return [page for _model, page in registry().items() if page.get_store_path() != NO_STORE]


def listing(page: Any) -> str:
    return f"/admin/{page.opts.app_label}/{page.opts.model_name}/"


def addresses(page: Any, row: Model) -> Iterator[str]:
    """All addresses of a model's pages, with the row in each that names one."""
    for pattern in page.get_urls():
        assert isinstance(pattern, URLPattern)
        route = str(pattern.pattern)
        names = set(PARAMETER.findall(route))
        wanted = {
            "object_id": row.pk, "pk": row.pk, "name": "", "kind": "slip", "store": getattr(row, "store_id", 0),
            "event": "confirm", "version": row.pk,
        }  # fmt: skip
        assert names <= wanted.keys(), f"say here what {route} wants"
        for name in TRANSITIONS if "name" in names else ("",):
            values = wanted | {"name": name}
            yield listing(page) + re.sub(PARAMETER, "{\\1}", route).format(**values)


def traces(answer: Any, shop: Shop) -> list[str]:
    """What a page tells of a shop, wherever it led."""
    # A file comes piece by piece, and may be packed.
    body = NOISE.sub("", unescape(answer.getvalue().decode(errors="replace")))
    return [mark for mark in shop.marks if mark in body]


def posted(row: Model) -> dict[str, Any]:
    """What the forms of all pages ask for, as somebody would send it who wants them to act on the row."""
    return {
        "post": "yes", "wants_none": "yes", "chosen": [row.pk], "orders": str(row.pk), "codes": "",
        "_selected_action": [row.pk], "name": "Nome novo", "notes": "Novo", "number": "1",
    }  # fmt: skip


def test_every_page_says_whose_its_rows_are() -> None:
    assert [error for page in admin.site._registry.values() for error in errors_of(page)] == []
    without = {model for model, page in registry().items() if page.get_store_path() == NO_STORE}
    assert without <= WITHOUT_STORE


def test_a_page_that_does_not_say_so_lets_no_process_start() -> None:
    class Silent(type(admin.site._registry[Order])):  # type: ignore[misc]
        store_path = None

    assert [error.id for error in errors_of(Silent(LogEntry, admin.site))] == ["flowlog.E002"]
    assert [error.id for error in errors_of(admin.ModelAdmin(Order, admin.site))] == ["flowlog.E001"]


def test_no_address_shows_or_changes_a_row_of_another_store(client: Client, mine: Shop, theirs: Shop) -> None:
    before, entries = everything(), LogEntry.objects.exclude(object_id=None).count()
    seen = []
    for page in pages():
        row = theirs.rows[page.model]
        for address in addresses(page, row):
            for answer in (client.get(address), client.post(address, posted(row))):
                seen.append(address)
                assert answer.status_code in {200, 302, 403, 404, 405}, address
                assert (address, traces(answer, theirs)) == (address, [])
        # What the redirects had to say.
        assert traces(client.get("/admin/"), theirs) == []
    assert everything() == before
    # That something of the own store was exported is of no row.
    assert LogEntry.objects.exclude(object_id=None).count() == entries
    # Orders alone have an address for each transition, and one for many.
    assert len(seen) > 3 * len(TRANSITIONS)


def test_the_same_addresses_show_the_rows_of_the_own_store(client: Client, mine: Shop) -> None:
    for page in pages():
        row = mine.rows[page.model]
        assert client.get(f"{listing(page)}{row.pk}/change/", follow=True).status_code == 200, page
        # Its page has its own history.
        if page.model is not MessageText:
            assert client.get(f"{listing(page)}{row.pk}/history/").status_code == 200, page
        assert traces(client.get(listing(page)), mine) != [], page


def test_no_list_filter_or_search_finds_a_row_of_another_store(client: Client, mine: Shop, theirs: Shop) -> None:
    for page in pages():
        shown = client.get(listing(page))
        assert (page, traces(shown, theirs)) == (page, [])
        row = theirs.rows[page.model]
        if page.model is MessageText:
            assert client.get(listing(page), {"store": theirs.store.pk}).status_code == 404
            continue
        for question in questions(shown.context["cl"], theirs):
            request = RequestFactory().get(listing(page), question)
            request.user = shown.wsgi_request.user
            try:
                found = page.get_changelist_instance(request).get_queryset(request)
            except (IncorrectLookupParameters, DisallowedModelAdminLookup):
                continue
            assert (page, question, row in found) == (page, question, False)


def questions(listed: Any, shop: Shop) -> Iterator[dict[str, Any]]:
    """All that a list can be asked in its address: by each of its filters, by search, by relations."""
    yield {"all": ""}
    yield from ({"q": term} for term in (*shop.marks, "Cliente", f"1198765{shop.marks[2]}"))
    yield from ({f"{each}__exact": shop.store.pk} for each in ("store", "order__store", "customer__store"))
    yield from ({"of_store": shop.store.pk}, {"customer__id__exact": shop.order.customer_id})
    for spec in listed.filter_specs:
        for name in spec.expected_parameters():
            yield from ({name: value} for value, *_words in getattr(spec, "lookup_choices", ()))


def test_no_action_of_a_list_takes_a_row_of_another_store(client: Client, mine: Shop, theirs: Shop) -> None:
    before, done = rows_of(theirs), set()
    for page in pages():
        request = client.get(listing(page)).wsgi_request
        for name in page.get_actions(request):
            form = {**posted(theirs.rows[page.model]), "action": name, "index": 0}
            for values in (form, {**form, "select_across": "1", "_selected_action": [mine.rows[page.model].pk]}):
                answer = client.post(
                    listing(page), {**values, "post": "" if values is not form else "yes"}, follow=True
                )
                assert (name, traces(answer, theirs)) == (name, [])
            done.add(name)
    assert rows_of(theirs) == before
    assert {"cancel_chosen", "mark_handled", "transition_confirm"} <= done


def test_what_was_chosen_by_hand_is_not_taken_by_the_pages_that_ask(client: Client, mine: Shop, theirs: Shop) -> None:
    """The second step of a bulk change carries the rows' ids, which anybody may write."""
    before = everything()
    for name in TRANSITIONS:
        values = {"orders": f"{theirs.order.pk}", "codes": f"{theirs.order.code};AA200000008BR", "notify": "on"}
        answer = client.post(f"/admin/orders/order/transition/{name}/", values, follow=True)
        body = answer.content.decode().replace(values["codes"], "")
        assert (name, [mark for mark in theirs.marks if mark in body and mark not in values["codes"]]) == (name, [])
    client.post("/admin/integrations/notificationlog/cancel/", {"chosen": [theirs.rows[NotificationLog].pk]})
    assert everything() == before


def test_no_form_offers_or_takes_a_row_of_another_store(client: Client, mine: Shop, theirs: Shop) -> None:
    before = everything()
    for page in pages():
        for address in (f"{listing(page)}add/", f"{listing(page)}{mine.rows[page.model].pk}/change/"):
            shown = client.get(address)
            if shown.status_code != 200 or "adminform" not in shown.context:
                continue
            assert (address, traces(shown, theirs)) == (address, [])
            form = shown.context["adminform"].form
            wanted = {
                field.name: theirs.rows[field.related_model].pk
                for field in page.model._meta.get_fields()
                if isinstance(field, ForeignKey) and field.name in form.fields and field.related_model in theirs.rows
            }
            for name in wanted:
                assert theirs.rows[page.model._meta.get_field(name).related_model] not in form.fields[name].queryset
            values = {name: bound.value() or "" for name, bound in ((b.name, b) for b in form)}
            client.post(address, {**values, **wanted})
    assert everything() == before


def test_a_look_up_offers_no_row_of_another_store(client: Client, mine: Shop, theirs: Shop) -> None:
    for page in pages():
        for field in page.get_autocomplete_fields(None):
            asked = {"app_label": page.opts.app_label, "model_name": page.opts.model_name, "field_name": field}
            for term in ("", "Cliente", *theirs.marks):
                answer = client.get("/admin/autocomplete/", {**asked, "term": term})
                assert answer.status_code == 200
                assert traces(answer, theirs) == []
            assert traces(client.get("/admin/autocomplete/", {**asked, "term": mine.store.name[5:]}), mine) != []


def test_the_pages_of_no_model_show_nothing_of_another_store(client: Client, mine: Shop, theirs: Shop) -> None:
    routes = [str(pattern.pattern) for pattern in get_resolver().url_patterns]
    assert "admin/" in routes
    for address in ("", "orders/", "integrations/", "search/?s=borboleta", "search/?s=cliente", "password_change/"):
        assert traces(client.get(f"/admin/{address}", follow=True), theirs) == []
    home = client.get("/admin/")
    assert [tile["count"] for tile in home.context["tiles"]][:2] == [1, "1"]
    assert [name for name, _label in home.context["instances"]] == ["zap-Acerola"]
    # The banner of what is held names the own number, and counts its messages.
    assert "zap-Acerola" in home.content.decode()


@pytest.mark.parametrize("group", [SERVICE_GROUP, MANAGEMENT_GROUP])
def test_people_of_the_groups_are_kept_to_their_store(mine: Shop, theirs: Shop, group: str) -> None:
    client = client_of(make_staff("bia", group, stores=[mine.store]))
    for page in pages():
        row = theirs.rows[page.model]
        for address in (listing(page), f"{listing(page)}{row.pk}/change/", f"{listing(page)}{row.pk}/history/"):
            assert (address, traces(client.get(address, follow=True), theirs)) == (address, [])


def test_who_works_for_no_store_sees_nothing(mine: Shop) -> None:
    client = client_of(make_staff("bia", stores=[]))
    for page in pages():
        assert traces(client.get(listing(page), follow=True), mine) == []


def test_who_works_for_all_stores_sees_also_what_is_of_none(mine: Shop) -> None:
    """As in every shop with a single store."""
    person = make_staff("bia", stores=Store.objects.all())
    assert stores.stores_of(person) is None
    Store.objects.create(name="Nova")
    assert stores.stores_of(User.objects.get(pk=person.pk)) == frozenset({mine.store.pk, Store.get_default().pk})


def test_permission_for_all_stores_needs_no_membership(mine: Shop, theirs: Shop) -> None:
    person = make_staff("bia", stores=[])
    person.user_permissions.add(Permission.objects.get(codename="work_in_all_stores"))
    assert stores.stores_of(User.objects.get(pk=person.pk)) is None
    person.is_active = False
    person.save()
    assert stores.stores_of(User.objects.get(pk=person.pk)) == frozenset()


def test_lists_name_the_store_only_to_who_works_for_several(mine: Shop, theirs: Shop) -> None:
    one = client_of(make_staff("um", MANAGEMENT_GROUP, stores=[mine.store]))
    both = client_of(make_staff("dois", MANAGEMENT_GROUP, stores=[mine.store, theirs.store]))
    for address in ("/admin/orders/order/", "/admin/orders/customer/", "/admin/integrations/notificationlog/"):
        assert "field-store_name" not in one.get(address).content.decode()
        shown = both.get(address)
        assert "field-store_name" in shown.content.decode()
        assert {row.its_store_name for row in shown.context["cl"].result_list} == {"Loja Acerola", "Loja Borboleta"}
        chosen = both.get(f"{address}?of_store={theirs.store.pk}").context["cl"].result_list
        assert {row.its_store_name for row in chosen} == {"Loja Borboleta"}


def test_who_adds_a_store_works_for_it(mine: Shop) -> None:
    boss = make_staff("bia", MANAGEMENT_GROUP, stores=[mine.store])
    values = {"name": "Filial", "pickup_days": "7", "pickup_until": "18:00", "on_unknown_outcome": "resend"}
    assert client_of(boss).post("/admin/orders/store/add/", values).status_code == 302
    assert StoreStaff.objects.filter(user=boss, store__name="Filial").exists()


def test_a_new_order_begins_with_the_store_of_who_adds_it(mine: Shop, theirs: Shop) -> None:
    shown = client_of(make_staff("bia", stores=[theirs.store])).get("/admin/orders/order/add/")
    assert shown.context["adminform"].form.initial["store"] == theirs.store.pk
    assert list(shown.context["adminform"].form.fields["customer"].queryset) == [
        Customer.objects.get(store=theirs.store)
    ]


def test_a_look_up_names_the_store_only_to_who_works_for_several(mine: Shop, theirs: Shop) -> None:
    asked = {"app_label": "orders", "model_name": "order", "field_name": "customer", "term": "Cliente Acerola"}
    found = []
    for name, of_stores in (("um", [mine.store]), ("dois", [mine.store, theirs.store])):
        client = client_of(make_staff(name, stores=of_stores))
        found += [row["text"] for row in client.get("/admin/autocomplete/", asked).json()["results"]]
    shown = "Cliente Acerola · (11) 98765-1111"
    assert found == [shown, f"{shown} · Loja Acerola"]


def test_another_customer_begins_with_the_store_of_the_order(mine: Shop, theirs: Shop) -> None:
    client = client_of(make_staff("dois", stores=[mine.store, theirs.store]))
    shown = client.get(f"/admin/orders/customer/add/?_popup=1&store={theirs.store.pk}")
    assert str(shown.context["adminform"].form.initial["store"]) == str(theirs.store.pk)


def test_whoever_could_log_in_keeps_all_stores(mine: Shop, theirs: Shop) -> None:
    ana, outsider = make_staff(stores=[]), User.objects.create_user("cliente")
    fill = import_module("orders.migrations.0024_staff_keep_their_stores").staff_of_all_stores
    for _ in range(2):
        fill(apps, None)
    assert set(ana.memberships.values_list("store", flat=True)) == set(Store.objects.values_list("pk", flat=True))
    assert not outsider.memberships.exists()
    assert stores.stores_of(User.objects.get(pk=ana.pk)) is None
