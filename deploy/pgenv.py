#!/usr/bin/env python3
"""Prints what libpq's programs need to reach the database of DATABASE_URL: `NAME=value`, each ended by a NUL.

The address comes from the environment or from `.env` in the current folder, as for Flowlog itself. Ends with 1 and a
sentence if there is none, or none of PostgreSQL's.
"""

import sys
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

from decouple import Config, RepositoryEmpty, RepositoryEnv

# The parameters of an address that libpq's programs read from the environment too.
PARAMETERS = {
    "sslmode": "PGSSLMODE",
    "sslrootcert": "PGSSLROOTCERT",
    "sslcert": "PGSSLCERT",
    "sslkey": "PGSSLKEY",
    "channel_binding": "PGCHANNELBINDING",
    "options": "PGOPTIONS",
    "host": "PGHOST",
}


def variables(address: str) -> dict[str, str]:
    """The variables for an address. Raises `ValueError` if it is none of PostgreSQL's."""
    parts = urlsplit(address)
    database = unquote(parts.path.lstrip("/"))
    if parts.scheme not in {"postgres", "postgresql"} or not database:
        raise ValueError("DATABASE_URL deve ser como postgresql://usuario:senha@servidor:5432/banco.")
    host = unquote(parts.netloc.rpartition("@")[2].partition(":")[0]) if "%" in parts.netloc else parts.hostname
    found = {
        "PGHOST": host or "",
        "PGPORT": str(parts.port or 5432),
        "PGUSER": unquote(parts.username or ""),
        "PGPASSWORD": unquote(parts.password or ""),
        "PGDATABASE": database,
    }
    found |= {PARAMETERS[name]: value for name, value in parse_qsl(parts.query) if name in PARAMETERS}
    return {name: value for name, value in found.items() if value}


def main() -> None:
    dotenv = Path(".env")
    config = Config(RepositoryEnv(str(dotenv)) if dotenv.is_file() else RepositoryEmpty())
    try:
        found = variables(str(config("DATABASE_URL", default="")).strip())
    except ValueError as error:
        sys.exit(f"ERRO: {error}")
    for name, value in found.items():
        sys.stdout.write(f"{name}={value}\0")


if __name__ == "__main__":
    main()
