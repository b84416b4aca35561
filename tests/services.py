"""The servers that some tests need: they run where these answer on their standard ports."""

from __future__ import annotations

import socket

import pytest

POSTGRESQL = "postgres://postgres@127.0.0.1:5432"
REDIS = "redis://127.0.0.1:6379"
RABBITMQ = "amqp://guest:guest@127.0.0.1:5672//"


def answers(port: int) -> bool:
    """Say whether something listens on a local port."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


needs_postgresql = pytest.mark.skipif(
    not answers(5432), reason="no PostgreSQL answers on 127.0.0.1:5432"
)
needs_redis = pytest.mark.skipif(not answers(6379), reason="no Redis answers on 127.0.0.1:6379")
needs_rabbitmq = pytest.mark.skipif(
    not answers(5672), reason="no RabbitMQ answers on 127.0.0.1:5672"
)
