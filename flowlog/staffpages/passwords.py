"""Links by which people set their own password: for who is new, and for who has forgotten it."""

from __future__ import annotations

import logging
from datetime import timedelta

from django.conf import settings
from django.contrib.auth.models import User
from django.contrib.auth.tokens import default_token_generator
from django.core.mail import EmailMessage
from django.db.models import Q
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_encode
from django.utils.translation import gettext as _

from flowlog.mail.no_mail import can_mail
from flowlog.models import FormerAddress
from flowlog.staffpages import people

logger = logging.getLogger(__name__)

# Who asks again at once gets no second mail, and nobody's mailbox is filled by a stranger.
PAUSE = timedelta(minutes=5)


def link_of(user: User) -> str:
    """Where the person sets a new password: good once, and for `PASSWORD_RESET_TIMEOUT`."""
    uid = urlsafe_base64_encode(force_bytes(user.pk))
    path = reverse("password_reset_confirm", args=[uid, default_token_generator.make_token(user)])
    return f"{settings.SITE_URL}{path}"


def mail_invitation(user: User) -> bool:
    """Let a new person set a password; whether the mail was sent."""
    return _mail(user, _("Your access to Flowlog"), "mail/invitation.txt")


def mail_link(user: User) -> bool:
    """Let a person set a new password; whether the mail was sent."""
    return _mail(user, _("A new password for Flowlog"), "mail/new_password.txt")


def address_of(user: User) -> str:
    """Where links for the person's password go: to an address that is known to be theirs."""
    former = FormerAddress.objects.filter(user=user.pk).first()
    return former.email if former else user.email


def keep_address(user: User, address: str) -> str:
    """Somebody else gives the person, whose address this was, another one; returns where links go from now on.

    That is the address that they had themselves, however often it is changed before they say that the new one is theirs
    (`take_address`).
    """
    former, _created = FormerAddress.objects.get_or_create(user_id=user.pk, defaults={"email": address})
    if former.email == user.email:
        former.delete()
    return former.email


def take_address(user: User, address: str) -> bool:
    """The person says, logged in, that this new address is theirs; whether it is still the one that they were given."""
    deleted, _models = FormerAddress.objects.filter(user=user.pk, user__email=address).delete()
    return bool(deleted)


def mail_changed_address(user: User, former: str) -> bool:
    """Tell the person, at their former address and where they had it themselves, of their new one; whether all went."""
    subject = _("Your e-mail in Flowlog was changed")
    sent = [
        _send(subject, "mail/changed_address.txt", user, to) for to in {former, address_of(user)} - {"", user.email}
    ]
    return all(sent)


def mail_who_forgot(address: str) -> int:
    """Mail a link to each active person with this address, unless they were just mailed one; returns to how many.

    Called by a worker, so that who asks learns nothing from how long it takes.
    """
    theirs = Q(former_address=None, email__iexact=address) | Q(former_address__email__iexact=address)
    found = User.objects.filter(theirs, is_active=True, is_staff=True)
    return sum(map(_mail_link_once, found.order_by("pk")[:5]))


def _mail_link_once(user: User) -> bool:
    words = _("Asked for a new password.")
    sent = not people.noted_within(user, words, PAUSE) and mail_link(user)
    if sent:
        people.note(user, words)
    return sent


def _mail(user: User, subject: str, template: str) -> bool:
    return _send(subject, template, user, address_of(user), link=link_of(user))


def _send(subject: str, template: str, user: User, to: str, **values: str) -> bool:
    context = {
        "user": user,
        "days": timedelta(seconds=settings.PASSWORD_RESET_TIMEOUT).days,
        "site": settings.SITE_URL,
        **values,
    }
    try:
        return bool(to and can_mail() and EmailMessage(subject, render_to_string(template, context), to=[to]).send())
    except OSError as error:  # smtplib's errors are of this kind
        logger.warning("The mail with a link for a password could not be sent: %s", type(error).__name__)
        return False
