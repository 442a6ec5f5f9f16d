"""What a connected carrier says of a parcel, in Flowlog's words."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

from integrations.sources import Nothing

__all__ = ["Nothing", "Parcel", "ParcelNews", "Question", "Told"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ParcelNews:
    """Something that happened to a parcel.

    `word` is the carrier's own for it: what it means the connection's mapping says. `occurred_at`, aware, is the
    carrier's clock, None if it does not say. `codes` are all that may be the parcel's tracking code, the likeliest
    first; `tags` what may be the order's code or number; `external_id` names the parcel for the carrier. Of a failed
    attempt the customer reads the `description`.
    """

    word: str
    occurred_at: datetime | None = None
    codes: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    external_id: str = ""
    tracking_url: str = ""
    description: str = ""


@dataclass(frozen=True, slots=True)
class Parcel:
    """A parcel under way of which the carrier is asked; `external_id` is empty where it has told none yet."""

    code: str
    external_id: str = ""


@dataclass(frozen=True, slots=True)
class Question:
    """What a carrier is asked at once, about these `parcels`; none, if it is only to be seen whether it lets us ask.

    `ask` gives what it tells of them, of each the oldest first. It raises `RefusedError` if the carrier does not let us
    ask; what its calls raise comes through.
    """

    parcels: tuple[Parcel, ...]
    ask: Callable[[], Iterable[ParcelNews]]


type Told = ParcelNews | Nothing
