"""Orders from a spreadsheet: one line for each item, those of one order with its number."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from orders import services
from orders.amounts import set_total
from orders.contacts import is_storable
from orders.import_models import DataImport
from orders.imports import columns, standing
from orders.imports.columns import ORDER_COLUMNS, Values
from orders.imports.plans import Plan, Said, check_fields, check_number
from orders.models import Customer, Order, OrderItem
from orders.origin import made_before, origin
from orders.spreadsheets import Table

# What is one order's, and stands on its first line; further lines repeat it or leave it empty.
_HEAD = ("name", "phone", "cpf", "method", "address", "freight", "discount", "notes", "made")
_STANDING = ("status", "payment", "tracking")
_ONE = Decimal(1)
_NOTHING = Decimal(0)


@dataclass(slots=True)
class OrderRow:
    """One order, from the line where it begins: `values` for `services.create_order`, `steps` for what came after.

    Each of its `lines` has an item, unless it is wrong.
    """

    line: int
    external_id: str
    head: Values
    lines: int = 0
    values: dict[str, Any] = field(default_factory=dict)
    items: list[dict[str, Any]] = field(default_factory=list)
    steps: list[standing.Step] = field(default_factory=list)


def plan(wanted: DataImport, table: Table) -> Plan[OrderRow]:
    """What importing the table would do. Two queries. Raises `ValidationError` for a file that is none of orders."""
    matched = columns.match(table, ORDER_COLUMNS)
    found: Plan[OrderRow] = Plan.begin(matched)
    rows: dict[str, OrderRow] = {}
    for number, values in matched.lines:
        with found.of_line(number):
            _add_line(found, rows, wanted, number, values)
    check_number(len(rows))
    there = set(_known(wanted, list(rows)))
    for row in rows.values():
        if row.external_id in there:
            found.known.append(Said(row.line, _("Order %(number)s is here already.") % {"number": row.external_id}))
        elif row.values:
            with found.of_line(row.line):
                _check(row)
                order = standing.unsaved(wanted.store, row.external_id, delivery_method=row.values["delivery_method"])
                row.steps = standing.steps(row.head, order)
                found.further += bool(row.steps)
                found.look_at_phone(row.line, row.values["customer_phone"])
                if len(row.items) == row.lines:
                    found.rows.append(row)
    found.sort()
    return found


def make(wanted: DataImport, row: OrderRow) -> bool:
    """Make the order and bring it where it stands, unless it has come here meanwhile; whether it was made.

    Of what happened elsewhere nobody is told. Raises `ValidationError`.
    """
    if made_before(wanted.store, origin(wanted.source, row.external_id, "")):
        return False
    order = services.create_order(
        store=wanted.store,
        items=row.items,
        source=wanted.source,
        external_id=row.external_id,
        external_number=_as_number(row.external_id),
        actor=wanted.actor,
        notify=wanted.notify and not row.steps,
        **row.values,
    )
    for name, data in row.steps:
        try:
            services.apply_transition(order, name, actor=wanted.actor, notify=False, **data)
        except services.TransitionNotAllowed as refusal:
            raise ValidationError(str(refusal)) from None
    return True


def _known(wanted: DataImport, ids: list[str]) -> list[str]:
    orders = Order.objects.filter(store=wanted.store_id, source=wanted.source, external_id__in=ids)
    return list(orders.values_list("external_id", flat=True))


def _add_line(
    found: Plan[OrderRow], rows: dict[str, OrderRow], wanted: DataImport, number: int, values: Values
) -> None:
    external_id = columns.text(values, "external_id")
    if not external_id:
        raise ValidationError(_("The order's number is missing: without it nobody knows whether it is here already."))
    origin(wanted.source, external_id, "")
    row = rows.get(external_id)
    if row is None:
        rows[external_id] = row = OrderRow(number, external_id, values)
        with found.of_line(number):
            row.values = _head(found, wanted, number, values)
    row.lines += 1
    _check_same(row, values)
    row.items.append(_item(values))


def _head(found: Plan[OrderRow], wanted: DataImport, number: int, values: Values) -> dict[str, Any]:
    """All that is wrong with it at once, and not one thing after the other."""
    head: dict[str, Any] = {"customer_name": columns.text(values, "name")}
    with found.of_line(number):
        head["customer_phone"] = columns.phone(values)
    with found.of_line(number):
        cpf, question = columns.document(values)
        if question and not wanted.documents:
            found.questions.append(Said(number, question))
        left_out = question and wanted.documents == DataImport.Documents.LEAVE_OUT
        head["customer_cpf"] = "" if left_out else cpf
    with found.of_line(number):
        head["delivery_method"] = columns.method(values)
    with found.of_line(number):
        head["freight"] = columns.amount(values, "freight", _NOTHING)
        head["discount"] = columns.amount(values, "discount", _NOTHING)
    with found.of_line(number):
        head["created_at"] = standing.made(values)
    head["delivery_address"], head["notes"] = columns.text(values, "address"), columns.text(values, "notes")
    return head if len(head) == len(_HEAD) else {}


def _check_same(row: OrderRow, values: Values) -> None:
    for name in (*_HEAD, *_STANDING):
        cell = values.get(name, "")
        if cell not in ("", row.head.get(name, "")):
            raise ValidationError(
                _("“%(column)s” is another than on line %(line)d, where the same order begins."),
                params={
                    "column": columns.title(name),
                    "line": row.line,
                },
            )


def _item(values: Values) -> dict[str, Any]:
    found = {
        "description": columns.text(values, "item"),
        "quantity": columns.amount(values, "quantity", _ONE),
        "unit_price": columns.amount(values, "price"),
    }
    check_fields(_as_item(found), ["order"])
    return found


def _as_item(values: dict[str, Any]) -> OrderItem:
    item = OrderItem(description=values["description"], unit_price=values["unit_price"])
    item.quantity = values["quantity"]
    return item


def _check(row: OrderRow) -> None:
    """What `create_order` would refuse, without a query. Raises `ValidationError`."""
    values = row.values
    written = [values["customer_name"], values["delivery_address"], values["notes"]]
    if not all(is_storable(text) for text in [*written, *(item["description"] for item in row.items)]):
        raise ValidationError(_("The text has characters that cannot be stored."))
    check_fields(
        Customer(name=values["customer_name"], phone=values["customer_phone"], cpf=values["customer_cpf"]), ["store"]
    )
    names = ("delivery_method", "delivery_address", "freight", "discount", "notes")
    order = Order(**{name: values[name] for name in names})
    check_fields(order, ["store", "customer"])
    set_total(order, [_as_item(item) for item in row.items])


def _as_number(external_id: str) -> str:
    longest = Order._meta.get_field("external_number").max_length or 0
    return external_id if len(external_id) <= longest else ""
