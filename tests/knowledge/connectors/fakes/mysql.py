"""A server that speaks enough of MySQL's protocol to be asked one query, as of November 2026:
https://dev.mysql.com/doc/dev/mysql-server/latest/PAGE_PROTOCOL.html (handshake v10, OK, ERR and text result sets)."""

from __future__ import annotations

import socket
import struct
import threading
from contextlib import suppress

CAPABILITIES = 0x0008_A20D  # protocol 4.1, database, transactions, secure connection, plugin authentication
EOF = b"\xfe\x00\x00\x02\x00"
OK = b"\x00\x00\x00\x02\x00\x00\x00"


class FakeMySQL:
    """Answers each SELECT with `rows` of the columns `names`; refuses statements that hold a word of `errors`."""

    def __init__(self, names: list[str], rows: list[list[str]]) -> None:
        self.names, self.rows = names, rows
        self.errors: dict[str, tuple[int, str]] = {}
        self.statements: list[str] = []
        self.server = socket.create_server(("127.0.0.1", 0))
        self.port = self.server.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self.server.accept()
                with client, suppress(ConnectionError):
                    Session(self, client).talk()

    def close(self) -> None:
        self.server.close()


class Session:
    def __init__(self, server: FakeMySQL, client: socket.socket) -> None:
        self.server, self.stream, self.number = server, client.makefile("rwb"), 0

    def talk(self) -> None:
        low, high = struct.pack("<H", CAPABILITIES & 0xFFFF), struct.pack("<H", CAPABILITIES >> 16)
        start = b"\x0a8.4.0\x00" + struct.pack("<I", 1) + b"a" * 8 + b"\x00" + low + b"\x2d\x02\x00" + high
        self.send(start + bytes([21]) + bytes(10) + b"b" * 12 + b"\x00mysql_native_password\x00")
        self.receive()
        self.send(OK)
        while command := self.receive():
            if command[0] == 1:
                return
            self.answer(command[1:].decode())

    def answer(self, statement: str) -> None:
        self.server.statements.append(statement)
        for word, (code, message) in self.server.errors.items():
            if word in statement:
                self.send(b"\xff" + struct.pack("<H", code) + b"#HY000" + message.encode())
                return
        if not statement.lower().startswith("select"):
            self.send(OK)
            return
        self.send(bytes([len(self.server.names)]))
        for name in self.server.names:
            parts = ("def", "crm", "t", "t", name, name)
            self.send(b"".join(map(text, parts)) + b"\x0c\x2d\x00" + struct.pack("<IBHB", 1024, 253, 0, 0) + bytes(2))
        self.send(EOF)
        for row in self.server.rows:
            self.send(b"".join(map(text, row)))
        self.send(EOF)

    def send(self, payload: bytes) -> None:
        self.stream.write(struct.pack("<I", len(payload))[:3] + bytes([self.number % 256]) + payload)
        self.stream.flush()
        self.number += 1

    def receive(self) -> bytes:
        head = self.stream.read(4)
        if len(head) < 4:
            return b""
        self.number = head[3] + 1
        return self.stream.read(int.from_bytes(head[:3], "little"))


def text(value: str) -> bytes:
    said = value.encode()
    return bytes([len(said)]) + said
