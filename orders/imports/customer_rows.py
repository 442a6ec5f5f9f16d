"""Customers from a spreadsheet, one on each line, recognised by their WhatsApp account or else by CPF or CNPJ."""

from __future__ import annotations

from dataclasses import dataclass

from django.core.exceptions import ValidationError
from django.db.models import Q
from django.utils.translation import gettext as _

from orders import consent, customers, erasure
from orders.accounts import account_key
from orders.contacts import is_storable
from orders.import_models import DataImport
from orders.imports import columns
from orders.imports.columns import CUSTOMER_COLUMNS, Values
from orders.imports.plans import Plan, Said, check_fields, check_number
from orders.models import Customer
from orders.spreadsheets import Table


@dataclass(slots=True)
class CustomerRow:
    """Someone who is to be made; or, who is known and wants no messages, told apart by `known`."""

    line: int
    name: str
    phone: str
    cpf: str
    wants: bool
    known: bool = False

    @property
    def key(self) -> str:
        return account_key(self.phone) if self.phone else self.cpf


def plan(wanted: DataImport, table: Table) -> Plan[CustomerRow]:
    """What importing the table would do. Raises `ValidationError` for a file that is none of customers."""
    matched = columns.match(table, CUSTOMER_COLUMNS)
    found: Plan[CustomerRow] = Plan.begin(matched)
    rows: dict[str, CustomerRow] = {}
    for number, values in matched.lines:
        with found.of_line(number):
            row = _row(found, wanted, number, values)
            first = rows.setdefault(row.key, row)
            if first is not row:
                words = _("The same customer as on line %(line)d: left out.") % {"line": first.line}
                found.known.append(Said(number, words))
                first.wants = first.wants and row.wants
    check_number(len(rows))
    known = _known(wanted, list(rows.values()))
    for row in rows.values():
        row.known = row.key in known
        if row.known:
            found.known.append(Said(row.line, _("%(name)s is here already.") % {"name": row.name}))
        else:
            found.look_at_phone(row.line, row.phone)
        if not (row.known and row.wants):
            found.rows.append(row)
    found.sort()
    return found


def make(wanted: DataImport, row: CustomerRow) -> bool:
    """Make the customer, unless they have come here meanwhile; whether they were made.

    Who is known stays as they are, but for the wish to get no messages, which counts.
    """
    store = wanted.store
    customer = None
    if row.phone:
        customers.lock_account(store, row.phone)
        customer = customers.locked_holder(store, row.phone)
    elif row.known:
        customer = Customer.objects.filter(store=store, cpf=row.cpf).first()
    made = customer is None
    if customer is None:
        customer = Customer.objects.create(store=store, name=row.name, phone=row.phone, cpf=row.cpf)
        erasure.recall_refusal(customer)
    if not row.wants and not customer.opted_out_at:
        who = wanted.actor.get_username() if wanted.actor else ""
        consent.opt_out([customer], _("by an import of the staff (%(user)s)") % {"user": who})
    return made


def _row(found: Plan[CustomerRow], wanted: DataImport, number: int, values: Values) -> CustomerRow:
    cpf, question = columns.document(values)
    if question and not wanted.documents:
        found.questions.append(Said(number, question))
    if question and wanted.documents == DataImport.Documents.LEAVE_OUT:
        cpf = ""
    name = " ".join(columns.text(values, "name").split())
    row = CustomerRow(number, name, columns.phone(values), cpf, columns.yes_no(values, "wants", default=True))
    if not is_storable(name):
        raise ValidationError(_("The text has characters that cannot be stored."))
    check_fields(Customer(name=row.name, phone=row.phone, cpf=row.cpf), ["store"])
    if not row.key:
        raise ValidationError(
            _("A phone, or a CPF or CNPJ, is needed: without either nobody knows whether the customer is here already.")
        )
    return row


def _known(wanted: DataImport, rows: list[CustomerRow]) -> set[str]:
    """The keys of those who are the store's customers already. One query."""
    accounts = [row.key for row in rows if row.phone]
    documents = [row.key for row in rows if not row.phone]
    theirs = Customer.objects.filter(Q(account__in=accounts) | Q(cpf__in=documents), store=wanted.store_id)
    return {key for pair in theirs.values_list("account", "cpf") for key in pair if key}
