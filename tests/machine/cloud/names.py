"""A name server that gives every name the same IPv4 address."""

import socket

from tests.machine.cloud.folder import Folder

_HEADER_BYTES = 12
# The name of the question; type A, class IN; 5 s to live; 4 bytes.
_RECORD = b"\xc0\x0c\0\1\0\1\0\0\0\5\0\4"


def serve(folder: Folder, address: str) -> None:
    """Answer for ever at 127.0.0.1; be silent while there is a fault `dns`."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 53))
        while True:
            asked, sender = server.recvfrom(4096)
            if not folder.fault_of("dns"):
                server.sendto(answer(asked, address), sender)


def answer(asked: bytes, address: str) -> bytes:
    """Return the response to a query; without a record, unless the query is for an IPv4 address."""
    end = asked.index(b"\0", _HEADER_BYTES) + 5
    question, kind = asked[_HEADER_BYTES:end], asked[end - 4 : end - 2]
    record = _RECORD + socket.inet_aton(address) if kind == b"\0\1" else b""
    counts = b"\0\1" + (b"\0\1" if record else b"\0\0") + b"\0\0\0\0"
    return asked[:2] + b"\x81\x80" + counts + question + record
