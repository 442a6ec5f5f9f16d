"""What is to be done in each carrier's panel, step by step. One without its own has the words that fit any."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from django.utils.translation import gettext_lazy as _

from flowlog.translations import Words

_ANY: Sequence[Words] = (
    _("In the carrier's panel look for webhooks, notifications or integrations, and make a new one."),
    _("As its address (URL) paste the one above, whole."),
    _("The secret has to be the same there and here."),
)
_GUIDES: Mapping[str, Sequence[Words]] = {
    "melhorenvio": (
        _("In Melhor Envio open Integrations > Developer area, and make an app of your own for the shop."),
        _("Enter the app's secret here first; then make a webhook in the app: URL, the address above, whole."),
        _("Melhor Envio looks at once whether the address answers. Choose all events of orders."),
        _(
            "It tells only of labels that this app has bought. When you buy one, put Flowlog's order code, or the "
            "shop's number, into its tag: so the parcel finds its order by itself."
        ),
        _(
            "Labels bought on its site or by another app tell nothing: enter a token and an e-mail here, and Flowlog "
            "asks about once an hour for those whose tracking code stands on an order. The token ends after about 30 "
            "days."
        ),
    ),
    "superfrete": (
        _("In SuperFrete open Integrations, and make a webhook: URL, the address above, whole."),
        _("Copy the secret that SuperFrete shows, and enter it here."),
    ),
    "correios": (
        _("You need a contract with Correios, with the tracking API (SRO) in it."),
        _("In the CWS portal (cws.correios.com.br) make an access code for the API, and enter it here."),
        _("Enter the user of Meu Correios and the number of the posting card of the contract."),
        _("Press Test connection. From then on Flowlog asks about once an hour for the parcels that are under way."),
    ),
    "generic": (
        _("Who programs it sends each piece of news there with POST, as integrations/CARRIERS.md describes."),
        _("They sign it with the secret that is entered here."),
    ),
}


def steps(source: str) -> Sequence[Words]:
    """The steps for this source, in the order in which they are done."""
    return _GUIDES.get(source, _ANY)
