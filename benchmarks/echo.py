"""Sends every datagram back with the QR bit set: `python -m benchmarks.echo PORT`."""

from __future__ import annotations

import socket
import sys


def main() -> None:
    """Echo until the process is ended."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("127.0.0.1", int(sys.argv[1])))
    buffer = bytearray(4096)
    view = memoryview(buffer)
    while True:
        size, address = sock.recvfrom_into(buffer)
        buffer[2] |= 0x80
        sock.sendto(view[:size], address)


if __name__ == "__main__":
    main()
