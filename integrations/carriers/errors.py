"""Why a carrier's request is refused."""

from __future__ import annotations

from http import HTTPStatus


class RefusedError(Exception):
    """The request changes nothing. `str()` is a sentence for its sender, `status` the answer's."""

    def __init__(self, status: HTTPStatus, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status
