"""Secrets that people enter and the database keeps: encrypted there, and shown to nobody again.

Who has a copy of the database has none of them without `CREDENTIALS_KEYS`, which only `.env` holds. The first of these
keys encrypts and all of them decrypt, so that a new one can be put before the old.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django import forms
from django.conf import settings
from django.core.exceptions import FieldError, ValidationError
from django.db import models
from django.db.models.query_utils import DeferredAttribute
from django.forms.boundfield import BoundField
from django.utils.crypto import constant_time_compare
from django.utils.translation import gettext as _

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper

    _Field = models.Field["Secret | str", "Secret"]
else:
    _Field = models.Field

HIDDEN = "***"


class NoKey(Exception):  # noqa: N818 - a state of the settings
    """A secret cannot be kept: `CREDENTIALS_KEYS` is not set."""


class Unreadable(Exception):  # noqa: N818 - a state of the secret
    """A secret that is kept cannot be read: none of `CREDENTIALS_KEYS` has encrypted it."""


class Secret:
    """A secret text, or none (false). Printed it is hidden; only `reveal` gives it.

    One that comes from the database is decrypted when it is revealed and not before, so that a row can be read
    without its key.
    """

    __slots__ = ("_plain", "_token")
    __hash__ = None  # type: ignore[assignment]  # equal to a text, but must not end as somebody's key

    def __init__(self, plain: str) -> None:
        self._plain: str | None = plain
        self._token = ""

    @classmethod
    def kept(cls, token: str) -> Self:
        """The secret that `token` has been kept as."""
        secret = cls("")
        secret._token, secret._plain = token, None if token else ""
        return secret

    def reveal(self) -> str:
        """The text itself, for the one who needs it. Raises `Unreadable`."""
        if self._plain is None:
            try:
                self._plain = _fernet().decrypt(self._token).decode()
            except (InvalidToken, NoKey):
                raise Unreadable(
                    _("A stored secret cannot be read: the key in CREDENTIALS_KEYS that encrypted it is missing.")
                ) from None
        return self._plain

    def token(self) -> str:
        """The text encrypted; the same again if it comes from the database. Raises `NoKey`."""
        if self._plain and not self._token:
            self._token = _fernet().encrypt(self._plain.encode()).decode()
        return self._token

    def __bool__(self) -> bool:
        return bool(self._plain or self._token)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, str):
            other = Secret(other)
        if not isinstance(other, Secret):
            return NotImplemented
        if not (self and other) or (self._token and self._token == other._token):
            return bool(self) == bool(other)
        try:
            return constant_time_compare(self.reveal(), other.reveal())
        except Unreadable:
            return False

    def __repr__(self) -> str:
        return HIDDEN if self else ""

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, _memo: dict[int, Any]) -> Self:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        # However it is written down, it is encrypted.
        return Secret.kept, (self.token(),)


class _Attribute(DeferredAttribute):
    """Makes a secret of each text that is assigned."""

    def __set__(self, instance: models.Model, value: object) -> None:
        instance.__dict__[self.field.attname] = Secret(value) if isinstance(value, str) else value


class EncryptedTextField(_Field):
    """A `Secret` of any length, in a text column as a Fernet token; empty if there is none.

    Forms take a new one and never show the old. Exports leave it out: it is entered again. It can be asked for by
    nothing but whether it is empty.
    """

    descriptor_class = _Attribute

    def get_internal_type(self) -> str:
        """The type of its column: a text's."""
        return "TextField"

    def from_db_value(self, value: str | None, *_: object) -> Secret | None:
        """The secret of a column's value."""
        return None if value is None else Secret.kept(value)

    def to_python(self, value: Any) -> Any:
        """The secret of a text."""
        return Secret(value) if isinstance(value, str) else value

    def get_prep_value(self, value: Any) -> Any:
        """What a row is compared with: a secret's own token. Raises `FieldError` for a text, which none could equal."""
        value = super().get_prep_value(value)
        if isinstance(value, str) and value:
            raise FieldError("Rows cannot be looked up by a secret's text.")
        return value.token() if isinstance(value, Secret) else value

    def get_db_prep_save(self, value: Any, connection: BaseDatabaseWrapper) -> Any:
        """What is written. Raises `NoKey`."""
        return super().get_db_prep_save(self.to_python(value), connection)

    def value_to_string(self, _obj: models.Model) -> str:
        """What an export has of it: nothing."""
        return ""

    def validate(self, value: Any, model_instance: models.Model | None) -> None:
        """Refuse a new one that could not be kept."""
        super().validate(value, model_instance)
        try:
            value.token()
        except NoKey as error:
            raise ValidationError(str(error), code="no_key") from None

    def formfield(self, **kwargs: Any) -> Any:
        """A field to enter it, whatever the form would have for a text."""
        from unfold.widgets import UnfoldAdminPasswordWidget  # noqa: PLC0415 - the theme, which only pages need

        return super().formfield(**{**kwargs, "form_class": SecretFormField, "widget": UnfoldAdminPasswordWidget})


class _Entered(BoundField):
    @property
    def data(self) -> Any:
        """What was entered; if nothing was, the secret stays as it is."""
        return super().data or self.initial


class SecretFormField(forms.Field):
    """Entering a secret: shown to nobody; left empty, the one that is kept stays."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.widget.attrs["autocomplete"] = "new-password"

    def get_bound_field(self, form: forms.BaseForm, field_name: str) -> BoundField:
        """Where what was entered and what is kept meet."""
        return _Entered(form, self, field_name)

    def to_python(self, value: Any) -> Any:
        """The secret, without the space that copying brings along."""
        return value if isinstance(value, Secret) else Secret((value or "").strip())


def _fernet() -> MultiFernet:
    if not settings.CREDENTIALS_KEYS:
        raise NoKey(
            _(
                "This cannot be stored safely yet: CREDENTIALS_KEYS is missing in .env. Who runs the server makes a "
                "key with `openssl rand -base64 32`, sets it and restarts the services."
            )
        )
    return MultiFernet([Fernet(key) for key in settings.CREDENTIALS_KEYS])
