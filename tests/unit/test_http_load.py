"""The bench's open loop: requests that were due while a server stood still count with the time that they waited."""

import socket
import threading
import time
from collections.abc import Iterator

import pytest

from bench.http_load import ANSWER, CONNECTIONS, HEAD, ask

STALL_SECONDS = 0.3


@pytest.fixture
def port() -> Iterator[int]:
    """Of a server whose every connection stands still once, at its third request."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threads = [threading.Thread(target=serve, args=(listener,)) for _ in range(CONNECTIONS)]
        for thread in threads:
            thread.start()
        yield listener.getsockname()[1]
        for thread in threads:
            thread.join(30)


def serve(listener: socket.socket) -> None:
    connection, _ = listener.accept()
    with connection:
        served = 0
        while connection.recv(1 << 16):
            if served == 2:
                time.sleep(STALL_SECONDS)
            connection.sendall(HEAD + ANSWER)
            served += 1


def test_who_had_to_wait_behind_a_server_that_stood_still_is_counted(port: int) -> None:
    told = ask(port, pace=200, seconds=1.0)
    assert len(told["latencies"]) == 200
    waited = [latency for latency in told["latencies"] if latency >= STALL_SECONDS / 3]
    assert len(waited) >= 30, "a stall of 0.3 s at 200 requests a second keeps 40 of them waiting for 0.1 s or longer"


def test_a_closed_loop_of_as_many_answers_counts_each_stall_once(port: int) -> None:
    """The control: who asks only after the answer never notices what would have been due meanwhile."""
    told = ask(port, pace=0, seconds=STALL_SECONDS * 4)
    waited = sorted(told["latencies"])[-CONNECTIONS:]
    assert all(latency >= STALL_SECONDS for latency in waited)
    assert told["lateness"] == []
