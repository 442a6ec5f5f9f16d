"""How many requests a token may make: a bucket in the database, for all web processes together."""

from __future__ import annotations

import math
from dataclasses import dataclass

from django.conf import settings
from django.db import connection

from api.models import ApiToken

WINDOW = 60

# Refused requests write nothing. The clock is the statement's, so that a request that waited is judged by now.
_TAKE = """
    INSERT INTO api_ratebucket AS bucket (token_id, level, at) VALUES (%(token)s, %(most)s - 1.0, clock_timestamp())
    ON CONFLICT (token_id) DO UPDATE SET
        level = LEAST(%(most)s, bucket.level + EXTRACT(EPOCH FROM excluded.at - bucket.at) * %(rate)s) - 1,
        at = excluded.at
    WHERE LEAST(%(most)s, bucket.level + EXTRACT(EPOCH FROM excluded.at - bucket.at) * %(rate)s) >= 1
    RETURNING level
"""
_LEFT = """
    SELECT LEAST(%(most)s, level + EXTRACT(EPOCH FROM clock_timestamp() - at) * %(rate)s)
    FROM api_ratebucket WHERE token_id = %(token)s
"""


@dataclass(frozen=True, slots=True)
class Allowance:
    """Whether the request is within the limit, and what is left."""

    allowed: bool
    level: float

    @property
    def retry_after(self) -> int:
        """Seconds until the next request is."""
        return max(1, math.ceil((1 - self.level) * WINDOW / settings.API_REQUESTS_PER_MINUTE))

    def headers(self) -> dict[str, str]:
        """What every answer says of it."""
        most = settings.API_REQUESTS_PER_MINUTE
        full_in = math.ceil((most - self.level) * WINDOW / most)
        return {
            "RateLimit-Policy": f'"token";q={most};w={WINDOW}',
            "RateLimit": f'"token";r={max(0, math.floor(self.level))};t={full_in}',
        }


def take(token: ApiToken) -> Allowance:
    """Count one request. One statement, two if it is one too many."""
    most = settings.API_REQUESTS_PER_MINUTE
    values = {"token": token.pk, "most": float(most), "rate": most / WINDOW}
    with connection.cursor() as cursor:
        cursor.execute(_TAKE, values)
        if row := cursor.fetchone():
            return Allowance(allowed=True, level=row[0])
        cursor.execute(_LEFT, values)
        return Allowance(allowed=False, level=float(cursor.fetchone()[0]))
