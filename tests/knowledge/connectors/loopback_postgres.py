"""The tests' PostgreSQL, which listens on a socket file only, at a port of the loopback, as a customer's would."""

from __future__ import annotations

import select
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import quote

from django.db import connection


@contextmanager
def at_the_loopback() -> Iterator[str]:
    """The address of the very database of this test."""
    settings = connection.get_connection_params()
    if not str(settings.get("host", "")).startswith("/"):
        yield f"postgresql://{settings['host']}:{settings.get('port') or 5432}/{quote(settings['dbname'])}"
        return
    with socket.create_server(("127.0.0.1", 0)) as server:
        target = f"{settings['host']}/.s.PGSQL.{settings.get('port') or 5432}"
        threading.Thread(target=_serve, args=(server, target), daemon=True).start()
        yield f"postgresql://127.0.0.1:{server.getsockname()[1]}/{quote(settings['dbname'])}"
        server.shutdown(socket.SHUT_RDWR)


def _serve(server: socket.socket, target: str) -> None:
    with suppress(OSError):
        while True:
            client, _ = server.accept()
            threading.Thread(target=_connect, args=(client, target), daemon=True).start()


def _connect(client: socket.socket, target: str) -> None:
    with suppress(OSError), client, socket.socket(socket.AF_UNIX) as there:
        there.connect(target)
        while True:
            for end in select.select([client, there], [], [])[0]:
                sent = end.recv(65536)
                if not sent:
                    return
                (there if end is client else client).sendall(sent)
