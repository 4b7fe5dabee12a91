"""A port that is known before its server starts stays its own."""

import socket
import sys
from pathlib import Path

import pytest
import redis

from deploy.embedded import EmbeddedRedis, HeldPort

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a port is not held")


@on_linux
def test_a_port_that_is_held_is_given_to_nobody_but_its_server() -> None:
    held = HeldPort()
    with socket.socket() as stranger, pytest.raises(OSError, match="in use"):
        stranger.bind(("127.0.0.1", held.number))

    with socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind(("127.0.0.1", held.number))
        server.listen()
        with socket.create_connection(server.getsockname()):
            server.accept()[0].close()

    held.let_go()


def test_a_redis_by_port_answers_there_again_after_a_restart(tmp_path: Path) -> None:
    server = EmbeddedRedis(tmp_path, by_port=True)
    for _ in range(2):
        server.start()
        with redis.Redis.from_url(server.url) as client:
            assert client.ping()
        server.stop()

    assert server.url == f"redis://127.0.0.1:{server.port}/0"
