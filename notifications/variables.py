"""The variables of messages' texts: what each is called, which kinds of messages know it, and what stands for it.

Every value is taken literally (`notifications.marks`), but for those that are made here: links, and what has marks of
ours around it. What a snapshot lacks is empty.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.conf import settings
from django.urls import reverse
from django.utils import formats, timezone
from django.utils.translation import gettext_lazy as _

from flowlog.translations import Words
from integrations.messages.kinds import FREE_ANSWER, KINDS, PICKUP_REMINDER
from integrations.messages.snapshot import ItemPart, ParcelPart, Snapshot
from notifications import marks
from notifications.syntax import Value, fold
from orders.contacts import format_phone
from orders.names import first_name
from orders.statuses import SHIPPING_METHODS, DeliveryMethod, OrderStatus
from orders.transitions import TRANSITIONS
from orders.typed import visible
from orders.wording import quantity, spoken_moment

CODE = fold("código")
_SENT_BY = {
    DeliveryMethod.COURIER: "já está com o nosso entregador",
    DeliveryMethod.CORREIOS_PAC: "foi enviado pelos Correios (PAC)",
    DeliveryMethod.CORREIOS_SEDEX: "foi enviado pelos Correios (SEDEX)",
}
# Kinds that are told without a transition, and only of orders that go to the customer in these ways.
_METHODS: dict[str, frozenset[DeliveryMethod]] = {PICKUP_REMINDER: frozenset({DeliveryMethod.PICKUP})}


@dataclass(frozen=True, slots=True)
class Facts:
    """What a value may be made of: the kind of message, the snapshot, and how many of its items are listed."""

    event: str
    snapshot: Snapshot
    listed: int


@dataclass(frozen=True, slots=True)
class Variable:
    """One variable; `words` tell the staff what it is, `known_to` whether a kind of message has it.

    `only_asked`: it is no text of its own and stands in conditions alone.
    """

    name: str
    words: Words
    value: Callable[[Facts], Value]
    known_to: Callable[[str], bool]
    only_asked: bool = False
    may_be_empty: bool = True


def variables_of(event: str) -> list[Variable]:
    """Those that a text of this kind may name, in the order in which the staff are shown them."""
    return [variable for variable in VARIABLES.values() if variable.known_to(event)]


class Values(Mapping[str, Value]):
    """The values for one message by folded name, each made when it is asked for, once."""

    def __init__(self, facts: Facts) -> None:
        self._facts = facts
        self._made: dict[str, Value] = {}

    def __getitem__(self, name: str) -> Value:
        if name not in self._made:
            self._made[name] = VARIABLES[name].value(self._facts)
        return self._made[name]

    def __iter__(self):  # type: ignore[no-untyped-def]
        return iter(VARIABLES)

    def __len__(self) -> int:
        return len(VARIABLES)


# Which kinds know it.


def _anything(_event: str) -> bool:
    return True


def _of_an_order(event: str) -> bool:
    return event in KINDS and KINDS[event].needs_order


def methods(event: str) -> frozenset[DeliveryMethod]:
    """The ways in which the orders go to the customer of which this kind tells."""
    entry = TRANSITIONS.get(event)
    return _METHODS.get(event, entry.methods if entry else frozenset(DeliveryMethod))


def _of_one_that_is_sent(event: str) -> bool:
    return _of_an_order(event) and bool(methods(event) & SHIPPING_METHODS)


def _of_one_that_has_left(event: str) -> bool:
    entry = TRANSITIONS.get(event)
    return _of_one_that_is_sent(event) and not (entry and entry.status_from <= {OrderStatus.PENDING})


def _of_one_to_pick_up(event: str) -> bool:
    return _of_an_order(event) and DeliveryMethod.PICKUP in methods(event)


def _with_a_reason(event: str) -> bool:
    return event in TRANSITIONS and "reason" in TRANSITIONS[event].takes


def _of_an_attempt(event: str) -> bool:
    return event in {"out_for_delivery", "fail_delivery"}


# What stands for it.


def _typed(text: str) -> Value:
    return Value(marks.literal(text))


def _items(facts: Facts) -> Value:
    items = facts.snapshot.order.items
    lines = [marks.literal(_item(item)) for item in items[: facts.listed]]
    if more := len(items) - facts.listed:
        lines.append(f"… e mais {more} {'item' if more == 1 else 'itens'}" if more > 0 else "")
    return Value("\n".join(filter(None, lines)))


def _item(item: ItemPart) -> str:
    price = f" ({_money(item.unit_price)})" if item.unit_price is not None else ""
    return f"{quantity(item.quantity)}× {_line(item.description)}{price}"


def _parcels(facts: Facts) -> Value:
    """A paragraph for each, with its code and its page at the carrier."""
    return Value("\n\n".join(filter(None, map(_parcel, facts.snapshot.order.parcels))), marked=True)


def _parcel(parcel: ParcelPart) -> str:
    code = f"Código de rastreio: {marks.copyable(parcel.code)}" if parcel.code else ""
    return "\n".join(filter(None, (code, f"Rastreie por aqui: {parcel.link}" if parcel.link else "")))


def _codes(facts: Facts) -> Value:
    return Value(
        ", ".join(marks.copyable(each.code) for each in facts.snapshot.order.parcels if each.code), marked=True
    )


def _carriers_page(facts: Facts) -> Value:
    return Value(next((each.link for each in facts.snapshot.order.parcels if each.link), ""), marked=True)


def _page(facts: Facts) -> Value:
    """The customer's page of the order, at today's address of the site."""
    token = facts.snapshot.order.tracking_token
    return Value(f"{settings.SITE_URL}{reverse('tracking_page', args=[token])}" if token else "", marked=True)


def _attempt(facts: Facts) -> Value:
    """The one that the message tells of; empty for the first that sets out, which everybody takes it for."""
    done = facts.snapshot.order.delivery_attempts
    number = done + 1 if done and facts.event == "out_for_delivery" else done
    return Value(f"{number}ª" if number else "")


def _deadline(facts: Facts) -> Value:
    deadline = facts.snapshot.order.pickup_deadline
    return Value(spoken_moment(deadline, facts.snapshot.store.zone) if deadline else "")


def _signature(facts: Facts) -> Value:
    """The store's own, with the marks that it gave it, else its name."""
    store = facts.snapshot.store
    return Value(visible(store.signature).strip() or marks.marked("_", _line(store.name)), marked=True)


def _vehicle(facts: Facts) -> Value:
    return Value("🛵" if facts.snapshot.order.delivery_method == DeliveryMethod.COURIER else "🚚")


def _sent_by(facts: Facts) -> Value:
    method = facts.snapshot.order.delivery_method
    return Value(next((words for each, words in _SENT_BY.items() if each == method), "foi enviado pela transportadora"))


def _line(text: str) -> str:
    return " ".join(text.split())


def _sentence(text: str) -> str:
    """The line with a full stop, unless it ends in a sign of its own or in what is there to be copied."""
    line = _line(text)
    return line if not line or line[-1] in ".!?…" or marks.ends_in_code(line) else f"{line}."


def _money(amount: Decimal) -> str:
    """With a plain space, unlike the pages: a message is copied, and pasted where a hard one is no space."""
    return f"R$ {formats.number_format(amount, decimal_pos=2, use_l10n=True, force_grouping=True)}"


def _charge(amount: Decimal) -> Value:
    """Empty for none."""
    return Value(_money(amount) if amount else "")


def _to_the_second(moment: datetime | None) -> str:
    return formats.date_format(timezone.localtime(moment), "d/m/Y H:i:s") if moment else ""


_TABLE = (
    Variable(
        "nome",
        _("The customer's first name"),
        lambda facts: _typed(first_name(facts.snapshot.customer.name)),
        lambda event: event != "test",
    ),
    Variable(
        "código", _("The order's code"), lambda facts: _typed(facts.snapshot.order.code), _of_an_order,
        may_be_empty=False,
    ),
    Variable("itens", _("What was ordered, one line each"), _items, _of_an_order, may_be_empty=False),
    Variable(
        "total",
        _("What the order comes to"),
        lambda facts: Value(_money(facts.snapshot.order.total or Decimal(0))),
        _of_an_order,
        may_be_empty=False,
    ),
    Variable("frete", _("The freight"), lambda facts: _charge(facts.snapshot.order.freight), _of_an_order),
    Variable("desconto", _("The discount"), lambda facts: _charge(facts.snapshot.order.discount), _of_an_order),
    Variable(
        "pago",
        _("The order was paid"),
        lambda facts: Value("sim" if facts.snapshot.order.payment_status == "paid" else ""),
        _of_an_order,
        only_asked=True,
    ),
    Variable(
        "retirada na loja",
        _("The order is picked up at the store"),
        lambda facts: Value("sim" if facts.snapshot.order.delivery_method == DeliveryMethod.PICKUP else ""),
        lambda event: _of_one_that_is_sent(event) and _of_one_to_pick_up(event),
        only_asked=True,
    ),
    Variable(
        "texto",
        _("What a person of the shop has written"),
        # With the marks that they mean it to have.
        lambda facts: Value(visible(facts.snapshot.text), marked=True),
        lambda event: event == FREE_ANSWER,
        may_be_empty=False,
    ),
    Variable(
        "motivo",
        _("The reason that was typed"),
        lambda facts: _typed(_sentence(facts.snapshot.reason)),
        _with_a_reason,
    ),
    Variable(
        "envio", _("How it was sent, such as “foi enviado pelos Correios (PAC)”"), _sent_by, _of_one_that_has_left,
        may_be_empty=False,
    ),
    Variable("rastreios", _("Code and link of each parcel, in lines of their own"), _parcels, _of_one_that_has_left),
    Variable("código de rastreio", _("Only the tracking codes, in bold"), _codes, _of_one_that_has_left),
    Variable("link de rastreio", _("Only the carrier's page"), _carriers_page, _of_one_that_has_left),
    Variable("tentativa", _("Which attempt to deliver it is, such as “2ª”"), _attempt, _of_an_attempt),
    Variable("veículo", _("🛵 for a courier, else 🚚"), _vehicle, _of_one_that_has_left, may_be_empty=False),
    Variable(
        "endereço de entrega",
        _("Where it is delivered"),
        lambda facts: _typed(_line(facts.snapshot.order.delivery_address)),
        _of_one_that_is_sent,
    ),
    Variable(
        "código de retirada",
        _("What the customer shows at the counter"),
        lambda facts: _typed(facts.snapshot.order.pickup_code),
        _of_one_to_pick_up,
    ),
    Variable("prazo", _("Until when to pick it up"), _deadline, _of_one_to_pick_up),
    Variable("página do pedido", _("The link to the order's page"), _page, _of_an_order),
    Variable("loja", _("The store's name"), lambda facts: _typed(_line(facts.snapshot.store.name)), _anything),
    Variable(
        "endereço da loja",
        _("The store's pickup address"),
        lambda facts: _typed(_line(facts.snapshot.store.pickup_address)),
        _anything,
    ),
    Variable(
        "telefone da loja",
        _("The store's contact phone"),
        lambda facts: Value(format_phone(facts.snapshot.store.phone)),
        _anything,
    ),
    Variable(
        "horário",
        _("The store's opening hours"),
        lambda facts: _typed(_line(facts.snapshot.store.opening_hours)),
        _anything,
    ),
    Variable("assinatura", _("The store's signature, else its name in italics"), _signature, _anything),
    Variable(
        "data e hora",
        _("When it happened"),
        lambda facts: Value(_to_the_second(facts.snapshot.occurred_at)),
        _anything,
        may_be_empty=False,
    ),
)  # fmt: skip
VARIABLES: dict[str, Variable] = {fold(variable.name): variable for variable in _TABLE}
