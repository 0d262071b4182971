"""Who speaks HTTP in the clear to a server that speaks TLS alone is told so, and given nothing."""

import json
import socket

HANDSHAKE = b"\x16"
"""The first byte of every TLS connection (RFC 8446, 5.1: a record of type handshake); no method of HTTP begins with it."""
MOST_READ = 1 << 16
REASON = (
    "this server speaks HTTPS alone: ask https://, with the authority of the binding (entry ca.crt). A token that was sent without TLS "
    "may have been read on its way: have another one made"
)


def peek(connection: socket.socket) -> bytes:
    """The first byte, which stays to be read; none where the client has left. Waits for as long as the connection's timeout."""
    return connection.recv(1, socket.MSG_PEEK)


def refuse_plain(connection: socket.socket) -> None:
    """What the client sent is read first: a connection that is closed with bytes unread takes the answer with it."""
    connection.recv(MOST_READ)
    body = json.dumps({"error": REASON, "is_safe_to_retry": False}).encode()
    head = f"HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    connection.sendall(head.encode() + body)
