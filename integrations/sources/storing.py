"""The statement that stores what a connection told: once the credentials are known, all that a webhook needs."""

from __future__ import annotations

from collections.abc import Mapping

from django.db.models import Model

from flowlog.prepared import Standalone

# What the models say of a new row, for the columns to which the database gives nothing by itself.
_NEW = {
    "connection_id": "id",
    "headers": "%(headers)s::jsonb",
    "body": "%(body)b",
    "result": "CASE WHEN is_on THEN 'received' ELSE 'off' END",
    "due_at": "CASE WHEN is_on THEN statement_timestamp() END",
    "reason": "''",
}


def storing(connections: type[Model], news: type[Model], columns: Mapping[str, str]) -> Standalone:
    """Stores `headers` (JSON) and `body`.

    It returns of the connection its id, whether it is on, and whether it was noted in the last ten seconds that it has
    told something. It stores and returns nothing unless the connection still has this `token`, this `source` and the
    credentials that are kept as `kept`, and they can be read. `columns` are those beside what all news has, as SQL
    about the connection.
    """
    new = {**_NEW, **columns}
    return Standalone(f"""
        WITH told AS (
            SELECT id, source, is_on, last_news_at FROM {connections._meta.db_table}
            WHERE token = %(token)s AND source = %(source)s AND credentials = %(kept)s AND unreadable_since IS NULL
        ), stored AS (
            INSERT INTO {news._meta.db_table} ({", ".join(new)}) SELECT {", ".join(new.values())} FROM told
        )
        SELECT id, is_on::int, coalesce(last_news_at >= statement_timestamp() - interval '10 seconds', false)::int
        FROM told
    """)  # noqa: S608 - names of the code's own
