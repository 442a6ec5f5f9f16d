"""The addresses of version 1. What they do to orders is in `api.v1.work`."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from ninja import Header, Query, Router, Schema

from api import idempotency, origins
from api.acting import in_the_name_of
from api.auth import Bearer
from api.models import ApiToken
from api.problems import invalid, not_found
from api.v1 import dry, pages, told, work
from api.v1.fields import Reference, Source
from api.v1.given import CancelIn, NewOrderIn, PutOrderIn, TransitionData, TransitionIn
from api.v1.told import DryRun, MadeOut, Messages, OrderDetail, OrderOut, Orders, ProblemOut, PutOut
from api.v1.work import Put
from orders.models import Order

router = Router(tags=["Pedidos"])
Scope = ApiToken.Scope

_KEY: Any = Header(None, alias="Idempotency-Key", pattern=r"^[!-~]{1,255}$")
_DRY: Any = Query(default=False, description="1: nada muda; a resposta diz o texto que iria.")
_CODE_LENGTH = 12


def _answers(*codes: int, **of_success: Any) -> dict[int, Any]:
    """The schemas of an operation's answers: the successes, and what may go wrong anywhere besides `codes`."""
    problems = (401, 403, 404, 405, 422, 429, 500, 503, *codes)
    return {int(name[1:]): schema for name, schema in of_success.items()} | dict.fromkeys(problems, ProblemOut)


@router.get(
    "/orders",
    auth=Bearer(Scope.ORDERS_READ),
    operation_id="list_orders",
    summary="Lista pedidos",
    response=_answers(_200=Orders),
)
def list_orders(request: HttpRequest, asked: Query[pages.Filters]) -> HttpResponse:
    """Do mais novo ao mais antigo; com `updated_since`, do que mudou primeiro ao que mudou por último.

    Quem acompanha mudanças guarda `resume` e pergunta de lá da próxima vez: nada se perde, e nada vem de novo.
    """
    _know_all(request, *pages.Filters.model_fields)
    token = _token(request)
    page = pages.page_of(origins.orders_of(token), asked, token, request.path)
    return _json(Orders(orders=[_order(each) for each in page.orders], next=page.following, resume=page.resume))


@router.post(
    "/orders",
    auth=Bearer(Scope.ORDERS_WRITE),
    operation_id="create_order",
    summary="Faz um pedido",
    response=_answers(400, 409, 410, 413, 415, _201=MadeOut, _200=MadeOut | DryRun),
)
def create_order(
    request: HttpRequest, body: NewOrderIn, idempotency_key: str | None = _KEY, dry_run: bool = _DRY
) -> HttpResponse:
    """201 para o pedido novo; 200 se a loja já tem um com esta referência, que fica como está."""
    _know_all(request, "dry_run")
    token, given = _token(request), body.reference
    source, reference = (given.source, given.id) if given else ("", "")

    def make() -> Put:
        return work.make_or_find(token, body, source, reference)

    return _carry_out(request, make, key=idempotency_key, dry_run=dry_run, tell=_made)


@router.put(
    "/orders/by-reference/{source}/{reference}",
    auth=Bearer(Scope.ORDERS_WRITE),
    operation_id="put_order",
    summary="Faz o pedido, ou o leva aonde a loja diz que ele está",
    response=_answers(400, 409, 413, 415, _201=PutOut, _200=PutOut | DryRun),
)
def put_order(
    request: HttpRequest, source: Source, reference: Reference, body: PutOrderIn, dry_run: bool = _DRY
) -> HttpResponse:
    """A referência é a da loja: o mesmo pedido pode ser mandado quantas vezes for preciso.

    De um pedido que já existe muda o estado (`state`); o resto fica como está, e `differs` diz o que é diferente. Com
    `revise` mudam também itens, frete, desconto e endereço, ou nada: 409 `content-not-allowed` diz o que não muda mais.
    O que é mais velho que o último `changed_at` não conta: `result` é `late`.
    """
    _know_all(request, "dry_run")
    token = _token(request)
    if dry_run:
        return dry.rehearse(token, lambda: work.put(token, body, source, reference).order, _order_again)
    with in_the_name_of(token):
        return idempotency.once(request, token, None, lambda: _put(token, body, source, reference))


@router.get(
    "/orders/by-reference/{source}/{reference}",
    auth=Bearer(Scope.ORDERS_READ),
    operation_id="get_order_by_reference",
    summary="Mostra um pedido pela referência da loja",
    response=_answers(_200=OrderDetail),
)
def get_order_by_reference(request: HttpRequest, source: Source, reference: Reference) -> HttpResponse:
    """O mesmo que pelo código."""
    _know_all(request)
    token = _token(request)
    stored = origins.stored_source(token, source)
    return _detail(token, origins.orders_of(token).filter(source=stored, external_id=reference).first())


@router.get(
    "/orders/{code}",
    auth=Bearer(Scope.ORDERS_READ),
    operation_id="get_order",
    summary="Mostra um pedido, sua história e seus avisos",
    response=_answers(_200=OrderDetail),
)
def get_order(request: HttpRequest, code: str) -> HttpResponse:
    """Os avisos, só com a permissão `messages:read`."""
    _know_all(request)
    token = _token(request)
    return _detail(token, _find(token, code))


@router.get(
    "/orders/{code}/messages",
    auth=Bearer(Scope.MESSAGES_READ),
    operation_id="list_messages",
    summary="Mostra os avisos de um pedido",
    response=_answers(_200=Messages),
)
def list_messages(request: HttpRequest, code: str) -> HttpResponse:
    """Do primeiro ao último, com o que foi feito de cada um."""
    _know_all(request)
    return _json(Messages(messages=told.messages(_find(_token(request), code))))


@router.post(
    "/orders/{code}/transitions",
    auth=Bearer(Scope.TRANSITIONS),
    operation_id="take_transition",
    summary="Leva um pedido um passo adiante",
    response=_answers(400, 409, 410, 413, 415, _200=OrderOut | DryRun),
)
def take_transition(
    request: HttpRequest, code: str, body: TransitionIn, idempotency_key: str | None = _KEY, dry_run: bool = _DRY
) -> HttpResponse:
    """409 `transition-not-allowed` diz o que impede o passo, e em `possible` os que o pedido aceita agora."""
    _know_all(request, "dry_run")
    token = _token(request)

    def take() -> Put:
        order = _find(token, code)
        work.transition(order, body)
        return Put(order, "applied")

    return _carry_out(request, take, key=idempotency_key, dry_run=dry_run)


@router.post(
    "/orders/{code}/cancel",
    auth=Bearer(Scope.TRANSITIONS),
    operation_id="cancel_order",
    summary="Cancela um pedido",
    response=_answers(400, 409, 410, 413, 415, _200=OrderOut | DryRun),
)
def cancel_order(
    request: HttpRequest, code: str, body: CancelIn, idempotency_key: str | None = _KEY, dry_run: bool = _DRY
) -> HttpResponse:
    """O mesmo que o passo `cancel`."""
    step = TransitionIn(name="cancel", data=TransitionData(reason=body.reason), notify=body.notify)
    answer: HttpResponse = take_transition(request, code, step, idempotency_key, dry_run)
    return answer


def _token(request: HttpRequest) -> ApiToken:
    return request.auth  # type: ignore[attr-defined,no-any-return]


def _know_all(request: HttpRequest, *names: str) -> None:
    """Refuse what is asked for and nobody knows: a filter with a typing error would find everything."""
    if strange := sorted(request.GET.keys() - set(names)):
        words = _("There is no such parameter.")
        raise invalid([{"parameter": name, "code": "unknown", "message": words} for name in strange])


def _find(token: ApiToken, code: str) -> Order:
    if not (code.isascii() and code.isalnum() and len(code) <= _CODE_LENGTH):
        raise not_found()
    order = origins.orders_of(token).filter(code=code.upper()).first()
    if order is None:
        raise not_found()
    return order


def _carry_out(
    request: HttpRequest,
    do: Callable[[], Put],
    *,
    key: str | None,
    dry_run: bool,
    tell: Callable[[Put], OrderOut] = lambda done: _order_again(done.order),
) -> HttpResponse:
    token = _token(request)
    if dry_run:
        return dry.rehearse(token, lambda: do().order, _order_again)

    def work_and_tell() -> tuple[HttpResponse, Order]:
        done = do()
        return _json(tell(done), _status(done)), done.order

    with in_the_name_of(token):
        return idempotency.once(request, token, key, work_and_tell)


def _put(token: ApiToken, body: PutOrderIn, source: str, reference: str) -> tuple[HttpResponse, Order]:
    done = work.put(token, body, source, reference)
    order = _again(done.order)
    differs = [] if done.result == "created" else work.differences(order, body)
    answer = PutOut(**told.order_values(order), result=done.result, reason=done.reason, differs=differs)  # type: ignore[arg-type]
    return _json(answer, _status(done)), order


def _made(done: Put) -> MadeOut:
    return MadeOut(**told.order_values(_again(done.order)), reason=done.reason)


def _status(done: Put) -> HTTPStatus:
    return HTTPStatus.CREATED if done.result == "created" else HTTPStatus.OK


def _detail(token: ApiToken, order: Order | None) -> HttpResponse:
    if order is None:
        raise not_found()
    messages = told.messages(order) if Scope.MESSAGES_READ in token.scopes else None
    return _json(OrderDetail(**told.order_values(order), timeline=told.timeline(order), messages=messages))


def _again(order: Order) -> Order:
    """The order as the database has it by now."""
    return Order.objects.select_related("store", "customer").prefetch_related("items").get(pk=order.pk)


def _order(order: Order) -> OrderOut:
    return OrderOut(**told.order_values(order))


def _order_again(order: Order) -> OrderOut:
    return _order(_again(order))


def _json(told_: Schema, status: HTTPStatus = HTTPStatus.OK) -> HttpResponse:
    return HttpResponse(told_.model_dump_json(), status=status, content_type="application/json")
