"""Lists of orders, page by page: the cursor says where the last one ended, so that nothing is counted or skipped."""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated
from urllib.parse import urlencode, urljoin

from django.conf import settings
from django.db import connection
from django.db.models import F, Q, QuerySet
from django.db.models.fields.tuple_lookups import TupleGreaterThan, TupleLessThan
from django.utils.translation import gettext as _
from pydantic import Field

from api.models import ApiToken
from api.origins import stored_source
from api.problems import wrong_parameter
from api.v1.fields import Given, Moment, Reference, Source
from orders.models import Order
from orders.statuses import DeliveryStatus, OrderStatus, PaymentStatus

LARGEST, USUAL = 100, 20
_LATEST_ID = 2**63 - 1


class Filters(Given):
    """Which orders: newest first, or with `updated_since` those that changed, in the order in which they did."""

    status: OrderStatus | None = None
    payment_status: PaymentStatus | None = None
    delivery_status: DeliveryStatus | None = None
    source: Source | None = None
    reference: Reference | None = None
    updated_since: Moment | None = None
    limit: Annotated[int, Field(ge=1, le=LARGEST)] = USUAL
    cursor: Annotated[str, Field(max_length=200)] | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """Some orders with their items, the address of the next page if there is one, and that from which to go on later.

    Of what changed there is always one to go on from: nothing that changes later, or was not committed yet, is missed.
    """

    orders: list[Order]
    following: str | None
    resume: str | None


def page_of(orders: QuerySet[Order], asked: Filters, token: ApiToken, path: str) -> Page:
    """Two queries, three of what changed. Raises `Problem` for a wrong cursor."""
    by = "updated_at" if asked.updated_since else "created_at"
    orders = orders.filter(_chosen(asked, token))
    if asked.updated_since:
        orders = orders.filter(updated_at__lt=_settled())
    if asked.cursor:
        orders = orders.filter(_beyond(by, *_read(asked.cursor, by)))
    ways = (F(by).asc(), F("pk").asc()) if asked.updated_since else (F(by).desc(), F("pk").desc())
    found = list(orders.prefetch_related("items").order_by(*ways)[: asked.limit + 1])
    page = found[: asked.limit]
    cursor = _write(by, getattr(page[-1], by), page[-1].pk) if page else asked.cursor
    address = _address(asked, cursor, path)
    return Page(page, address if len(found) > len(page) else None, address if asked.updated_since else None)


def _address(asked: Filters, cursor: str | None, path: str) -> str:
    given = asked.dict(exclude_none=True, exclude={"cursor"}) | ({"cursor": cursor} if cursor else {})
    query = {name: value.isoformat() if isinstance(value, datetime) else value for name, value in given.items()}
    return f"{urljoin(settings.SITE_URL, path)}?{urlencode(query)}"


def _settled() -> datetime:
    """Before this time, by the database's clock, no order changes any more.

    A change has the time of its writing and is seen once its transaction ends, after others that began later: whoever
    had read those would go on behind it. So what is later than the beginning of any transaction that still writes
    waits for the next time. It is asked for before the orders are read.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT COALESCE(MIN(xact_start), clock_timestamp()) FROM pg_stat_activity"
            " WHERE datname = current_database() AND backend_type = 'client backend'"
            " AND backend_xid IS NOT NULL AND pid <> pg_backend_pid()"
        )
        settled: datetime = cursor.fetchone()[0]
    return settled


def _chosen(asked: Filters, token: ApiToken) -> Q:
    wanted = {
        "status": asked.status,
        "payment_status": asked.payment_status,
        "delivery_status": asked.delivery_status,
        "source": asked.source and stored_source(token, asked.source),
        "external_id": asked.reference,
        "updated_at__gte": asked.updated_since,
    }
    return Q(**{name: value for name, value in wanted.items() if value is not None})


def _beyond(by: str, moment: datetime, pk: int) -> TupleGreaterThan | TupleLessThan:
    """One comparison of both, which the index answers as it is."""
    return (TupleGreaterThan if by == "updated_at" else TupleLessThan)((F(by), F("pk")), (moment, pk))


def _write(by: str, moment: datetime, pk: int) -> str:
    return base64.urlsafe_b64encode(json.dumps([by, moment.isoformat(), pk]).encode()).decode()


def _read(cursor: str, by: str) -> tuple[datetime, int]:
    try:
        written, moment, pk = json.loads(base64.b64decode(cursor, altchars=b"-_", validate=True))
        read = datetime.fromisoformat(moment)
        if written == by and type(pk) is int and 0 < pk <= _LATEST_ID and read.tzinfo is not None:
            return read, pk
    except (binascii.Error, ValueError, TypeError, RecursionError):
        pass
    raise wrong_parameter("cursor", "cursor", _("This cursor is of no page: take “next” as it is."))
