"""The web as a program that others start and keep: its socket, and its command."""

from __future__ import annotations

import os
import socket
import sys

from django.conf import settings
from django.core.management.base import CommandError

from magnet.processes.supervisor import Program

# Answers that are being written are finished; a stream that takes longer is cut, and says so.
DRAIN_SECONDS = 8


def listen(host: str, *, port: int) -> socket.socket:
    """The socket on which the web answers; raises CommandError where the port is taken."""
    try:
        return socket.create_server((host, port), family=family_of(host), backlog=2048)
    except (OSError, OverflowError) as error:
        raise CommandError(
            f"Magnet cannot answer on {host}:{port} ({error}). "
            "Stop what runs there, or choose another port: PORT=8001 make run"
        ) from error


def family_of(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def program(listener: socket.socket, *, name: str = "web", ready: int | None = None) -> Program:
    """The web as a program that ends with this process and answers on a socket of ours.

    The socket stays open while the program is started again, so callers wait instead of being refused. With `ready`,
    the reading end of a pipe, it loads and then waits until something was written there.
    """
    manage, inherited = str(settings.BASE_DIR / "manage.py"), listener.fileno()
    command = [sys.executable, manage, "web", "--fd", str(inherited), "--parent", str(os.getpid())]
    descriptors = [inherited]
    if ready is not None:
        command += ["--ready", str(ready)]
        descriptors.append(ready)
    return Program(name, command, descriptors=descriptors, stop_seconds=DRAIN_SECONDS + 4)
