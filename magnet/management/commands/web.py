"""`manage.py web`: answers HTTP with uvicorn."""

from __future__ import annotations

import asyncio
import gc
import select
import socket
import sys
import warnings
from argparse import ArgumentParser
from importlib import import_module
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from magnet.processes import lifeline
from magnet.processes.supervisor import Supervisor
from magnet.processes.web_program import DRAIN_SECONDS, listen, program

LAST_WORDS_SECONDS = 1


class Command(BaseCommand):
    help = "Answer HTTP: the admin, the API and the health checks."
    # `start` and the deployment's own check have made them; each process that repeats them starts later.
    requires_system_checks: tuple[str, ...] = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--host", default=settings.HOST)
        parser.add_argument("--port", type=int, default=settings.PORT)
        parser.add_argument("--workers", type=int, default=1, help="how many processes share the port")
        parser.add_argument("--fd", type=int, help="answer on this inherited socket")
        parser.add_argument("--parent", type=int, help="end when this process is gone")
        parser.add_argument("--ready", type=int, help="answer as soon as this inherited pipe holds something")

    def handle(
        self,
        *args: Any,
        host: str,
        port: int,
        workers: int,
        fd: int | None,
        parent: int | None,
        ready: int | None,
        **options: Any,
    ) -> None:
        if parent:
            lifeline.end_with(parent)
        listener = listen(host, port=port) if fd is None else socket.socket(fileno=fd)
        if workers == 1:
            serve(listener, ready=ready)
        else:
            sys.exit(Supervisor([program(listener, name=f"web {number + 1}") for number in range(workers)]).run())


def wait_for(ready: int) -> None:
    """The pipe is only looked at, never read: a web that is started again finds it as it was."""
    poll = select.poll()
    poll.register(ready, select.POLLIN)
    ((_, event),) = poll.poll()
    if not event & select.POLLIN:
        sys.exit("Whoever started this web ended before the database was ready.")


def serve(listener: socket.socket, *, ready: int | None = None) -> None:
    import uvicorn

    from magnet.web import streaming

    class Server(uvicorn.Server):  # type: ignore[misc]  # mypy does not follow uvicorn
        async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
            """Waits for answers that are being written; before it gives up, streams are told so."""
            asyncio.get_running_loop().call_later(DRAIN_SECONDS - LAST_WORDS_SECONDS, streaming.end_all)
            await super().shutdown(sockets)

    if not settings.IS_PRODUCTION:
        # There the static files come straight from the apps, and nobody misses the folder of collected ones.
        warnings.filterwarnings("ignore", message="No directory at", category=UserWarning)
    # Logging is ours (settings.LOGGING), and so is the access log.
    config = uvicorn.Config(
        "magnet.asgi:application",
        log_config=None,
        access_log=False,
        server_header=False,
        lifespan="on",
        timeout_graceful_shutdown=DRAIN_SECONDS,
        proxy_headers=True,
    )
    config.load()
    if ready is not None:
        # All addresses and what they show, which the first request would load.
        import_module(settings.ROOT_URLCONF)
        wait_for(ready)
    collect_less()
    Server(config).run(sockets=[listener])


def collect_less() -> None:
    """What was loaded stays for good, and requests leave few cycles: looking through both all the time costs more."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)
