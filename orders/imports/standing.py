"""Where an order of a spreadsheet stands already: the words that shops have for it, and the steps that lead there."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.translation import gettext as _

from orders.imports import columns
from orders.imports.columns import Values, folded
from orders.models import Order, Store
from orders.statuses import DeliveryMethod
from orders.transitions import TRANSITIONS, TransitionNotAllowed, clean_data

type Step = tuple[str, dict[str, Any]]
"""A transition and its data."""

_HANDED_OVER = {
    True: ("confirm", "ready_for_pickup", "pick_up"),
    False: ("confirm", "ship", "deliver"),
}
# As the page offers them, in Portuguese as the shops are, each with what else means the same.
_STATUSES: dict[str, tuple[str, ...]] = {
    "pendente": ("novo", "em aberto", "recebido", "a confirmar", "aguardando confirmacao", "aguardando pagamento"),
    "confirmado": ("aprovado", "em preparacao", "preparando", "em separacao"),
    "enviado": ("despachado", "postado", "em transito", "a caminho"),
    "saiu para entrega": ("em rota", "em rota de entrega"),
    "pronto para retirada": ("pronto", "aguardando retirada", "disponivel para retirada"),
    "entregue": ("concluido", "finalizado", "retirado"),
    "cancelado": (),
    "devolvido": (),
}
_PAYMENTS: dict[str, tuple[str, ...]] = {
    "pendente": ("aguardando pagamento", "aguardando", "nao pago", "nao", "em aberto"),
    "pago": ("sim", "aprovado", "recebido"),
    "reembolsado": ("estornado", "devolvido"),
}
# How it is paid, which many sheets say in that column, says nothing of whether it was.
_METHODS = (
    "pix",
    "dinheiro",
    "boleto",
    "transferencia",
    "cartao",
    "cartao de credito",
    "cartao de debito",
    "na entrega",
)
_PAYMENTS["pendente"] += _METHODS
_PAID = {"pendente": (), "pago": ("pay",), "reembolsado": ("pay", "refund")}
_MADE_WITH = (
    "%d/%m/%Y %H:%M:%S", "%d/%m/%Y %H:%M", "%d/%m/%Y", "%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%d",
)  # fmt: skip
_EARLIEST = 2000


def steps(values: Values, order: Order) -> list[Step]:
    """The steps from a new order to where it stands by its line; none for one that only came in.

    `order`, which is nowhere stored and has its delivery method and store, is brought there. Raises `ValidationError`.
    """
    status = _word(values, "status", _STATUSES)
    paid = _PAID[_word(values, "payment", _PAYMENTS)]
    code = columns.text(values, "tracking")
    names = [*paid[:1], *_way(status, pickup=order.delivery_method == DeliveryMethod.PICKUP), *paid[1:]]
    if code and "ship" not in names:
        raise ValidationError(_("A tracking code is only read of an order that was sent: look at “situação”."))
    found: list[Step] = [(name, {"tracking_code": code} if name == "ship" and code else {}) for name in names]
    for name, data in found:
        try:
            TRANSITIONS[name].apply(order, clean_data(TRANSITIONS[name], data.items()))
        except TransitionNotAllowed as refusal:
            raise ValidationError(str(refusal)) from None
    return found


def made(values: Values) -> datetime | None:
    """When the order was made, by the system's clock; None where the line does not say. Raises `ValidationError`."""
    cell: Any = values.get("made", "")
    if cell == "":
        return None
    if isinstance(cell, date):
        moment = cell if isinstance(cell, datetime) else datetime(cell.year, cell.month, cell.day)  # noqa: DTZ001
    else:
        moment = _parsed(columns.text(values, "made"))
    when = timezone.make_aware(moment)
    if when > timezone.now() or moment.year < _EARLIEST:
        raise ValidationError(
            _("“%(written)s”: an order cannot have been made then."), params={"written": f"{moment:%d/%m/%Y %H:%M}"}
        )
    return when


def unsaved(store: Store, external_id: str, **values: Any) -> Order:
    """An order that is nowhere stored, named as its line is, for `steps`."""
    order = Order(store=store, code=external_id, **values)
    order.tracking_code = ""
    return order


def _way(status: str, *, pickup: bool) -> Sequence[str]:
    handed_over = _HANDED_OVER[pickup]
    ways: dict[str, Sequence[str]] = {
        "pendente": (),
        "confirmado": ("confirm",),
        "enviado": ("confirm", "ship"),
        "saiu para entrega": ("confirm", "ship", "out_for_delivery"),
        "pronto para retirada": ("confirm", "ready_for_pickup"),
        "entregue": handed_over,
        "cancelado": ("cancel",),
        "devolvido": (*handed_over, "return_order"),
    }
    return ways[status]


def _word(values: Values, name: str, known: dict[str, tuple[str, ...]]) -> str:
    """What the cell says, in our word; the first of them where it says nothing."""
    written = columns.text(values, name)
    if not written:
        return next(iter(known))
    for word, others in known.items():
        if folded(written) in {folded(word), *others}:
            return word
    raise ValidationError(
        _("“%(column)s”: “%(written)s” is not known. Write one of: %(words)s."),
        params={"column": columns.title(name), "written": written[:30], "words": ", ".join(known)},
    )


def _parsed(written: str) -> datetime:
    for form in _MADE_WITH:
        try:
            return datetime.strptime(written.replace("T", " "), form)  # noqa: DTZ007
        except ValueError:
            continue
    raise ValidationError(
        _("“%(written)s” is not a date: write it as 31/12/2026 or 31/12/2026 14:30."), params={"written": written[:30]}
    )
