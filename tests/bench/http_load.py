"""A client of ids over HTTP that takes as little of the processor as it can, and a server that does nothing, to know what is the client's own.

    python -m bench.http_load ask PORT PACE SECONDS     JSON on stdout: the latencies and the client's own lateness, in seconds
    python -m bench.http_load bare                      its port on stdout; the same answer to everybody

One process and one thread for all connections, no interpreter of anybody else's. PACE in requests a second is an open loop: requests are
due at even intervals whatever became of those before, each is timed from when it was due, and the connections take turns. PACE 0 is a
closed loop: each connection asks again as soon as it was answered. How late the client itself was to send, on a connection that was free,
is told apart: that much of a latency no server can help.
"""

import gc
import json
import select
import socket
import sys
import time
from collections import deque
from dataclasses import dataclass, field

CONNECTIONS = 4
TOKEN = "bench"
REQUEST = f"GET /next?count=100 HTTP/1.1\r\nHost: ids\r\nAuthorization: Bearer {TOKEN}\r\n\r\n".encode()
ANSWER = b'{"ids":[' + b",".join(b"%d" % (10**9 + number) for number in range(100)) + b"]}"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(ANSWER)


@dataclass(slots=True)
class Connection:
    socket: socket.socket
    due: deque[float] = field(default_factory=deque)
    """When what it is to ask was due; the first is under way if `is_busy`."""
    is_busy: bool = False
    got: bytes = b""

    def send(self) -> None:
        self.socket.sendall(REQUEST)
        self.is_busy, self.got = True, b""

    def receive(self) -> bool:
        """Whether the answer is whole."""
        read = self.socket.recv(1 << 16)
        if not read:
            raise ConnectionError("the server has hung up")
        self.got += read
        head, separator, body = self.got.partition(b"\r\n\r\n")
        if not separator or len(body) < _length(head):
            return False
        if not head.startswith(b"HTTP/1.1 200"):
            raise ConnectionError(f"not an answer with ids: {head[:100]!r}")
        self.is_busy = False
        return True

    def finish(self) -> None:
        """What is under way is read to its end, and counts for nothing."""
        while self.is_busy:
            self.receive()
        self.socket.close()


def ask(port: int, pace: float, seconds: float) -> dict[str, list[float]]:
    connections = [Connection(socket.create_connection(("127.0.0.1", port), 10)) for _ in range(CONNECTIONS)]
    by_socket = {each.socket: each for each in connections}
    latencies: list[float] = []
    lateness: list[float] = []
    began = time.perf_counter()
    asked, count = 0, round(pace * seconds)
    if not pace:
        for each in connections:
            each.due.append(time.perf_counter())
            each.send()
    while len(latencies) < count if pace else time.perf_counter() - began < seconds:
        next_due = began + asked / pace if pace and asked < count else None
        wait = 10.0 if next_due is None else max(0.0, next_due - time.perf_counter())
        ready, _, _ = select.select(by_socket, (), (), wait)  # poll and epoll round up to the next millisecond
        for each in map(by_socket.__getitem__, ready):
            if each.receive():
                now = time.perf_counter()
                latencies.append(now - each.due.popleft())
                if not pace:
                    each.due.append(now)
                if each.due:
                    each.send()
        while next_due is not None and time.perf_counter() >= next_due:
            each = connections[asked % CONNECTIONS]
            each.due.append(next_due)
            if not each.is_busy:
                each.send()
                lateness.append(time.perf_counter() - next_due)
            asked += 1
            next_due = began + asked / pace if asked < count else None
    for each in connections:
        each.finish()
    return {"latencies": latencies, "lateness": lateness}


def serve_bare() -> None:
    """Answers at once whatever is asked."""
    listener = socket.create_server(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)
    poll, there = select.epoll(), {listener.fileno(): listener}
    poll.register(listener, select.EPOLLIN)
    while True:
        for number, _ in poll.poll():
            if number == listener.fileno():
                made, _ = listener.accept()
                made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                there[made.fileno()] = made
                poll.register(made, select.EPOLLIN)
            elif there[number].recv(1 << 16):
                there[number].sendall(HEAD + ANSWER)
            else:
                poll.unregister(number)
                there.pop(number).close()


def _length(head: bytes) -> int:
    _, _, rest = head.partition(b"Content-Length: ")
    return int(rest.partition(b"\r\n")[0])


if __name__ == "__main__":
    gc.disable()
    if sys.argv[1] == "bare":
        serve_bare()
    else:
        json.dump(ask(int(sys.argv[2]), float(sys.argv[3]), float(sys.argv[4])), sys.stdout)
