"""A client of the Evolution API that meets what it is to meet."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from integrations.evolution.client import EvolutionClient
from integrations.gateways import GatewayError, Outcome
from tests.integrations.raw_server import Connection, raw_server

PERMANENT, RETRYABLE, INSTANCE_DOWN, UNKNOWN = Outcome
NUMBER = "+5511987654321"
KEY = "a-secret-key-0123456789"
TEXT = "Seu pedido *PK7-M3Q* foi confirmado"


def connect(
    url: str, *, read_timeout: float = 5, connect_timeout: float = 5, clock: Any = time.monotonic
) -> EvolutionClient:
    return EvolutionClient(url, KEY, connect_timeout=connect_timeout, read_timeout=read_timeout, clock=clock)


def failure(client: EvolutionClient) -> GatewayError:
    with pytest.raises(GatewayError) as caught:
        client.send_text("loja", NUMBER, TEXT)
    return caught.value


def failure_of(talk: Callable[[Connection], None], *, read_timeout: float = 5, scheme: str = "http") -> GatewayError:
    with raw_server(talk) as server:
        client = connect(server.url.replace("http", scheme, 1), read_timeout=read_timeout, connect_timeout=1)
        return failure(client)


def read_then_reset(connection: Connection) -> None:
    connection.request()
    connection.reset()
