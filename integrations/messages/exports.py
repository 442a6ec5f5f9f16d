"""What an exported spreadsheet of messages says of each."""

from __future__ import annotations

from collections.abc import Sequence

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from integrations.messages.kinds import kind_words
from integrations.messages.log import NotificationLog
from orders.contacts import format_phone
from orders.exports import ExportColumn, local


def _customer(row: NotificationLog) -> str:
    return _("erased") if row.anonymised_at else row.parsed_snapshot.customer.name


def _recipient(row: NotificationLog) -> str:
    return _("erased") if row.anonymised_at else format_phone(row.recipient)


MESSAGES: Sequence[ExportColumn] = (
    ExportColumn(gettext_lazy("created"), lambda row: local(row.created_at)),
    ExportColumn(gettext_lazy("event"), lambda row: str(kind_words(row.event))),
    ExportColumn(gettext_lazy("order"), lambda row: row.snapshot_order_code),
    ExportColumn(gettext_lazy("customer"), _customer),
    ExportColumn(gettext_lazy("recipient"), _recipient),
    ExportColumn(gettext_lazy("status"), lambda row: row.get_status_display()),
    ExportColumn(gettext_lazy("receipt"), lambda row: row.get_receipt_display() if row.sent_at else ""),
    ExportColumn(gettext_lazy("sent"), lambda row: local(row.sent_at)),
    ExportColumn(gettext_lazy("delivered"), lambda row: local(row.delivered_at)),
    ExportColumn(gettext_lazy("read"), lambda row: local(row.read_at)),
    ExportColumn(gettext_lazy("what happened"), lambda row: row.error_message),
    ExportColumn(gettext_lazy("message"), lambda row: row.message),
)
