"""A source that was made to be answered at once, as one that a store is connected to: with a secret of its own."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from flowlog.translations import Words
from integrations.carriers.news import Nothing, ParcelNews, Told
from integrations.carriers.updates import Status, Update
from integrations.sources import RefusedError, Source
from integrations.sources.credentials import Credential
from integrations.sources.reading import Headers


class Signed:
    """The source under this title; of what one request says the first counts."""

    CREDENTIALS = (
        Credential(
            "secret",
            gettext_lazy("Secret"),
            gettext_lazy("Any long text that nobody can guess, the same there."),
            secret=True,
            required=True,
            signs=True,
        ),
    )
    MEANINGS: Mapping[str, str] = {status.value: status.value for status in Status}

    def __init__(self, title: Words, source: Source[Update]) -> None:
        self.TITLE = title
        self._source = source

    def is_probe(self, method: str, _headers: Headers, _body: bytes) -> bool:
        """Only a look whether somebody is there."""
        return method != "POST"

    def verify(self, headers: Headers, body: bytes, credentials: Mapping[str, str]) -> None:
        """Raises `RefusedError`."""
        secret = credentials.get("secret", "")
        if not secret.strip():
            raise RefusedError(HTTPStatus.FORBIDDEN, "No secret is set.")
        self._source.verify(headers, body, secret)

    def read(self, _headers: Headers, body: bytes) -> Told:
        """What it says; its sender was answered long before."""
        try:
            updates = self._source.parse(body)
        except RefusedError as wrong:
            return Nothing(_("Not as described: %(sentence)s") % {"sentence": str(wrong)}, trouble=True)
        if not updates:
            return Nothing(_("Nothing of interest."))
        update = updates[0]
        return ParcelNews(
            word=update.status.value,
            occurred_at=update.occurred_at,
            codes=(update.tracking_code,),
            tags=(update.order,) if update.order else (),
            description=update.description,
        )
