"""The addresses of all pages of the staff, each with a name for its picture."""

from __future__ import annotations

from collections.abc import Iterator

from django.contrib import admin
from django.contrib.auth.models import User
from django.test import RequestFactory
from django.urls import reverse

from integrations.models import CustomerReply, EvolutionInstance
from orders.models import Order, Store
from outgoing.models import Endpoint
from tests.browser.shop import Shop

ORDERS, LOG = "/admin/orders/order/", "/admin/integrations/notificationlog/"


def every_page(person: User) -> Iterator[tuple[str, str]]:
    """Those of the models of the admin, and the first ones, which the person may see."""
    request = RequestFactory().get("/")
    request.user = person
    yield "/admin/", "inicio"
    yield "/admin/password_change/", "senha"
    for model, model_admin in admin.site._registry.items():
        name = f"{model._meta.app_label}_{model._meta.model_name}"
        yield reverse(f"admin:{name}_changelist"), f"{name}-lista"
        latest = model._default_manager.order_by("-pk").first()
        assert latest, f"There is no {name} to look at."
        yield reverse(f"admin:{name}_change", args=[latest.pk]), f"{name}-pagina"
        if model_admin.has_add_permission(request):
            yield reverse(f"admin:{name}_history", args=[latest.pk]), f"{name}-historico"
            yield reverse(f"admin:{name}_add"), f"{name}-novo"
        if model_admin.has_delete_permission(request, latest):
            yield reverse(f"admin:{name}_delete", args=[latest.pk]), f"{name}-apagar"


def pages_of_work(shop: Shop) -> Iterator[tuple[str, str]]:
    """What is done on pages of its own: the counter, imports, texts, answers, the phone, all that is asked first."""
    maria, new = shop.orders["Maria"], shop.orders["Letícia"]
    yield "/admin/conta/", "conta"
    yield f"{ORDERS}{maria.pk}/change/", "pedido-com-historia"
    yield f"{ORDERS}counter/?q={maria.code}", "balcao"
    for kind in ("slip", "label"):
        yield f"{ORDERS}print/{kind}/?ids={maria.pk}", f"impresso-{kind}"
    for name in ("confirm", "cancel"):
        yield f"{ORDERS}{new.pk}/transition/{name}/", f"pedido-{name}"
    for model in ("order", "customer"):
        yield f"/admin/orders/{model}/import/", f"importar-{model}"
    yield f"/admin/orders/customer/{maria.customer_id}/erase/", "cliente-apagar-dados"
    yield f"/admin/notifications/messagetext/{Store.get_default().pk}/refund/", "texto"
    yield f"/admin/integrations/customerreply/{CustomerReply.objects.latest('pk').pk}/answer/", "resposta-responder"
    for page in ("resend", "dismiss"):
        yield f"{LOG}{shop.latest('Gabriel').pk}/{page}/", f"mensagem-{page}"
    yield f"{LOG}{shop.latest('Letícia').pk}/cancel/", "mensagem-cancel"
    for page in ("test", "phone", "webhook", "logout"):
        yield (
            f"/admin/integrations/evolutioninstance/{EvolutionInstance.objects.get(name='flowlog').pk}/{page}/",
            f"whatsapp-{page}",
        )
    for page in ("rotate", "replay"):
        yield f"/admin/outgoing/endpoint/{Endpoint.objects.latest('pk').pk}/{page}/", f"webhook-{page}"


def pages_of_strangers(order: Order) -> Iterator[tuple[str, str]]:
    """What is seen without a log-in."""
    yield "/admin/login/", "entrar"
    yield "/admin/senha/", "senha-esquecida"
    yield "/admin/senha/enviada/", "senha-enviada"
    yield f"/rastreio/{order.tracking_token}/", "rastreio"
    yield "/rastreio/nenhum/", "rastreio-nenhum"
