"""What a web process opens when it starts and gives back when it ends; Django knows no such moments."""

from __future__ import annotations

import asyncio
import contextvars
from contextlib import suppress

import structlog
from django.conf import settings
from django.db import DatabaseError
from django.utils.module_loading import import_string

from magnet import database, gateway, limits, plugins, tracing
from magnet.web import warm_up
from magnet.web.entrance import ASGIApp, Receive, Scope, Send

log = structlog.get_logger(__name__)


class Lifespan:
    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.background: list[asyncio.Task[None]] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan":
            await self.app(scope, receive, send)
            return
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                await asyncio.to_thread(plugins.start)
                self.open()
                await send({"type": "lifespan.startup.complete"})
            elif message["type"] == "lifespan.shutdown":
                await self.close()
                await send({"type": "lifespan.shutdown.complete"})
                return

    def open(self) -> None:
        loop = asyncio.get_running_loop()
        # In contexts of their own: they belong to no request.
        self.background = [
            loop.create_task(work, context=contextvars.Context())
            for work in (database.listen_for_changes(), warm_up.warm_up())
        ]
        log.info("web_started", port=settings.PORT)

    async def close(self) -> None:
        for task in self.background:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        for drain in map(import_string, settings.DRAINED_AT_THE_END):
            await drain()
        await gateway.close_all()
        await self.give_back_limits()
        await database.close_raw_pool()
        for close in map(import_string, settings.CLOSED_AT_THE_END):
            await asyncio.to_thread(close)
        await asyncio.to_thread(tracing.flush)
        await asyncio.to_thread(plugins.stop)

    async def give_back_limits(self) -> None:
        try:
            await limits.give_back()
        except DatabaseError as error:
            # The leases run out by themselves.
            log.warning("limits_not_given_back", error=str(error))
