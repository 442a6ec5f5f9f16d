"""What is to be done in each shop's panel, step by step. One without its own has the words that fit any."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from django.utils.translation import gettext_lazy as _

from flowlog.translations import Words

_ANY: Sequence[Words] = (
    _("In the shop's panel look for webhooks, notifications or integrations, and make a new one."),
    _("As its address (URL) paste the one above, whole."),
    _("Choose all events of orders: created, paid, changed, cancelled."),
    _("The secret has to be the same there and here."),
)
_GUIDES: Mapping[str, Sequence[Words]] = {
    "woocommerce": (
        _("In WordPress open WooCommerce > Settings > Advanced > Webhooks and press Add webhook."),
        _("Name: Flowlog. Status: Active. Topic: Order created. Delivery URL: the address above, whole, with https."),
        _("Secret: the same that you enter here. API version: the newest. Save."),
        _("Make two more in the same way: Order updated and Order deleted."),
        _(
            "So that nothing is missed while Flowlog is updated: Settings > Advanced > REST API, Add key, with "
            "permission Read, and enter both keys and the shop's address here."
        ),
    ),
    "nuvemshop": (
        _("In Nuvemshop's partner panel make an app of your own that may read orders and customers."),
        _("There enter the address to come back to and the three about personal data (LGPD), all as they stand above."),
        _("Enter the app's number, its secret and your e-mail here, under Credentials."),
        _("Press Install in Nuvemshop, and allow it. Its webhooks of orders are registered by that."),
    ),
    "yampi": (
        _("In Yampi open Settings > Webhooks and press New webhook."),
        _("URL: the address above, whole. Events: order created, order paid, order status changed."),
        _("Save, copy the secret key that Yampi shows, and enter it here."),
    ),
    "generic": (
        _("Who programs your shop sends each change of an order there with POST, as integrations/SHOPS.md describes."),
        _("They sign it with the secret that is entered here."),
    ),
}


def steps(source: str) -> Sequence[Words]:
    """The steps for this source, in the order in which they are done."""
    return _GUIDES.get(source, _ANY)
