"""What a shop's system passes on about personal data (LGPD): to erase a customer's, to tell what is kept, to erase what
came from the whole shop. It is stored and answered like other news, and then carried out, also for a connection that
is switched off: who leaves a system has their customers' data erased after that.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from celery.exceptions import SoftTimeLimitExceeded
from django.db import InterfaceError, OperationalError, transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.db.models.functions import Now
from django.utils.crypto import constant_time_compare
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from flowlog.secrets_at_rest import Unreadable
from integrations.shops import SHOPS
from integrations.shops.models import REASON_LENGTH, ShopConnection, ShopNews
from integrations.shops.news import Wish
from integrations.shops.placing import storable, usable_phone
from integrations.shops.sources.reading import NotAsDescribedError
from orders.accounts import account_key
from orders.contacts import compact_document
from orders.erasure import ErasureRefusedError, erase
from orders.models import Customer, Order

logger = logging.getLogger(__name__)

type Customers = QuerySet[Customer]

ERASE, TELL, ERASE_ALL = "customers-redact", "customers-data-request", "store-redact"
TOPICS = (ERASE, TELL, ERASE_ALL)
"""What may be wished, as the end of the address says."""
# No header that came with a request is kept under this name.
_TOPIC = "Flowlog-Wish"
UNDONE = Q(headers__has_key=_TOPIC, due_at__isnull=False)
"""What is still to be carried out. Another's erasure leaves it its body, which says whose data it is about."""
Result = ShopNews.Result
# A message that is just leaving is a matter of minutes.
_RETRIES = tuple(timedelta(seconds=each) for each in (60, 300, 900, 3600, 14400, 43200, 86400))
# Whoever dies while carrying one out keeps others from it for so long.
_LEASE = timedelta(minutes=5)
_TIME_BUDGET = 10.0
_BATCH = 50
_MOST_NAMED = 10


def store(topic: str, connection: ShopConnection, body: bytes) -> None:
    """Keep the wish for the connection of the shop that it is about: an app has the same addresses for all its shops.

    Of a shop that is not connected there is nothing to erase, and nothing is kept.
    """
    owner = _owner(connection, SHOPS[connection.source].shop_of(body))
    if owner is None:
        logger.warning("A wish about personal data (%s) is of a shop that is not connected", topic)
    else:
        ShopNews.objects.create(connection=owner, headers={_TOPIC: topic}, body=body)


def is_one(news: ShopNews) -> bool:
    """Whether the news is such a wish."""
    return _TOPIC in news.headers


def process() -> None:
    """Carry out what is due, whether its connection is on or off."""
    ends = time.monotonic() + _TIME_BUDGET
    for news in due().order_by("pk").select_related("connection__store")[:_BATCH]:
        if time.monotonic() >= ends:
            return
        work_off(news)


def due() -> QuerySet[ShopNews]:
    """What is to be carried out now."""
    rows = ShopNews.objects.filter(due_at__lte=Now(), headers__has_key=_TOPIC)
    return rows.order_by("connection_id", "due_at", "pk")


def work_off(news: ShopNews) -> None:
    """Carry it out, unless somebody else does, or write down when and why it is tried again."""
    if not ShopNews.objects.filter(pk=news.pk, due_at__lte=Now()).update(due_at=Now() + _LEASE):
        return
    try:
        wish = SHOPS[news.connection.source].wish(bytes(news.body))
        _DONE[news.headers[_TOPIC]](news, wish)
    except (OperationalError, InterfaceError, SoftTimeLimitExceeded):
        ShopNews.objects.filter(pk=news.pk).update(due_at=Now())
        raise
    except ErasureRefusedError as refusal:
        _try_later(news, str(refusal))
    except NotAsDescribedError as wrong:
        _write(news, result=Result.STAFF, reason=str(wrong))
    except Exception as error:
        logger.exception("A wish about personal data %s could not be carried out", news.pk)
        _try_later(news, _("It failed (%(error)s): see the log.") % {"error": type(error).__name__})


def _owner(connection: ShopConnection, shop: str) -> ShopConnection | None:
    """The connection of that shop by the same app, which has signed for it."""
    secret = connection.reveal().get("secret", "")
    for each in ShopConnection.objects.filter(source=connection.source).order_by("pk"):
        try:
            credentials = each.reveal()
        except Unreadable:
            continue
        is_same_app = constant_time_compare(credentials.get("secret", ""), secret)
        if shop and is_same_app and credentials.get("store_id", "").strip() == shop:
            return each
    return None


def _try_later(news: ShopNews, reason: str) -> None:
    news.attempts += 1
    if news.attempts > len(_RETRIES):
        _write(news, result=Result.ERROR, reason=reason)
    else:
        _write(news, result=Result.WAITING, reason=reason, due_at=Now() + _RETRIES[news.attempts - 1])


@transaction.atomic
def _erase(news: ShopNews, wish: Wish) -> None:
    """All of them or nobody: what was sent goes with the first."""
    number = sum(map(_erase_one, _of(news.connection, wish).values_list("pk", flat=True)))
    words = ngettext(
        "As the shop's system passed on (LGPD), the data of %(number)d customer are erased.",
        "As the shop's system passed on (LGPD), the data of %(number)d customers are erased.",
        number,
    )
    nothing = _("Nothing is kept of the customer whose data are to be erased (LGPD).")
    _end(news, Result.APPLIED if number else Result.NOTHING_NEW, words % {"number": number} if number else nothing)


def _tell(news: ShopNews, wish: Wish) -> None:
    """The file is handed out by a person: nobody else knows who asks."""
    orders = Order.objects.filter(customer__in=_of(news.connection, wish)).order_by("pk")
    named = list(orders[:_MOST_NAMED])
    if not named:
        _end(news, Result.NOTHING_NEW, _("Nothing is kept of the customer who asks what is (LGPD)."))
        return
    news.order = named[0]
    words = _(
        "A customer asks what is kept about them (LGPD; within 15 days): on the customer's page take the file, and "
        "send it to them. Their orders: %(orders)s."
    )
    _write(news, result=Result.STAFF, reason=words % {"orders": ", ".join(order.code for order in named)})


def _erase_all(news: ShopNews, _wish: Wish) -> None:
    """A few at a time. Who has other orders at the store as well is left to a person; and nothing comes in any more."""
    connection = news.connection
    here = Order.objects.filter(customer=OuterRef("pk"))
    elsewhere = Exists(here.exclude(source=connection.source))
    everyone = _known(connection).filter(Exists(here.filter(source=connection.source)))
    left = list(everyone.exclude(elsewhere).order_by("pk").values_list("pk", flat=True)[:_BATCH])
    refused = None
    for pk in left:
        try:
            _erase_one(pk)
        except ErasureRefusedError as refusal:
            refused = refusal
    if refused:
        raise refused
    if left:
        _write(news, result=Result.WAITING, reason=_("Being erased, a few at a time."), due_at=Now())
        return
    _leave(news)
    number = everyone.count()
    words = ngettext(
        "All that came from the shop alone is erased (LGPD). %(number)d customer has other orders here: see to it.",
        "All that came from the shop alone is erased (LGPD). %(number)d customers have other orders here: see to it.",
        number,
    )
    done = _("All that came from the shop is erased (LGPD), and its connection is switched off.")
    _end(news, Result.STAFF if number else Result.APPLIED, words % {"number": number} if number else done)


def _leave(news: ShopNews) -> None:
    """Forget what the shop sent and its token; its secret still tells whose wishes are authentic."""
    told = ShopNews.objects.filter(connection=news.connection).exclude(headers__has_key=_TOPIC)
    told.exclude(body=b"").update(body=b"", headers={}, due_at=None)
    with transaction.atomic():
        row = ShopConnection.objects.select_for_update().get(pk=news.connection_id)
        row.keep({name: text for name, text in row.reveal().items() if name != "token"})
        row.is_on = False
        row.save(update_fields=["credentials", "is_on"])


def _erase_one(pk: int) -> bool:
    """Whether there was somebody to erase: the same account may have been erased with another of its rows."""
    customer = Customer.objects.filter(pk=pk, erased_at=None).select_related("store").first()
    if customer:
        erase(customer)
    return customer is not None


def _known(connection: ShopConnection) -> Customers:
    return Customer.objects.filter(store=connection.store_id, erased_at=None)


def _of(connection: ShopConnection, wish: Wish) -> Customers:
    """Who placed the orders; without any that is known, who ordered in the shop with this phone or document."""
    placed = Order.objects.filter(customer=OuterRef("pk"), source=connection.source)
    buyers = _known(connection).order_by("pk")
    named = buyers.filter(Exists(placed.filter(external_id__in=[*map(storable, wish.orders)])))
    if named.exists():
        return named
    same = Q(pk__in=[])
    if phone := usable_phone(storable(wish.phone)):
        same |= Q(account=account_key(phone))
    if document := compact_document(storable(wish.document)):
        same |= Q(cpf=document)
    return buyers.filter(same, Exists(placed))


def _end(news: ShopNews, result: str, reason: str) -> None:
    """It is done, and what was sent is forgotten: it names the person."""
    _write(news, result=result, reason=reason, body=b"")


def _write(news: ShopNews, **values: Any) -> None:
    """Write down what became of it; unless `due_at` is among the values it is done.

    No erasure has taken it off the list meanwhile, as it does with other news: it is not done yet.
    """
    values = {"due_at": None} | values
    for name, value in values.items():
        setattr(news, name, value)
    news.reason = news.reason[:REASON_LENGTH]
    news.save(update_fields=["order", "attempts", *values])
    logger.info("A wish about personal data %s: %s", news.pk, news.result)


_DONE: Mapping[str, Callable[[ShopNews, Wish], Any]] = {ERASE: _erase, TELL: _tell, ERASE_ALL: _erase_all}
