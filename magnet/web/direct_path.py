"""Django's ASGI application with a short way for requests with a key.

Such a request borrows no thread and no connection of its own (units of work do that), so what Django does around
each request to look after both — signals, a thread for each request — is left out. It costs more than the view.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing, suppress
from typing import Any, cast

from django.core.exceptions import RequestAborted
from django.core.handlers.asgi import ASGIHandler, get_script_prefix
from django.http.response import HttpResponseBase
from django.urls import set_script_prefix

from magnet.web.entrance import Receive, Scope, Send


class DirectPath(ASGIHandler):
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope.get("magnet.caller") is None:
            await super().__call__(scope, receive, send)
            return
        try:
            body = await self.read_body(receive)
        except RequestAborted:
            return
        try:
            await self.answer_while_there(scope, receive, send, body=body)
        finally:
            body.close()

    async def answer_while_there(self, scope: Scope, receive: Receive, send: Send, *, body: Any) -> None:
        """Answer; when the client leaves, cancel whatever is still at work."""
        answering = asyncio.create_task(self.answer(scope, send, body=body))
        leaving = asyncio.create_task(_until_left(receive))
        try:
            await asyncio.wait({answering, leaving}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            leaving.cancel()
            answering.cancel()
            with suppress(asyncio.CancelledError):
                await answering

    async def answer(self, scope: Scope, send: Send, *, body: Any) -> None:
        set_script_prefix(get_script_prefix(scope))
        request, unreadable = self.create_request(scope, body)
        if request is None:
            await self.send_response(cast(HttpResponseBase, unreadable), send)
            return
        try:
            # Not get_response_async(): it takes a thread to log what our access log tells.
            await self.send_answer(await self._middleware_chain(request), send)  # type: ignore[attr-defined] # untyped
        finally:
            request.close()

    async def send_answer(self, response: Any, send: Send) -> None:
        if not (response.streaming and response.is_async):
            await self.send_response(response, send)
            return
        # Closed here and now: left to the garbage collector, it would keep its upstream call open for a while.
        async with aclosing(response._iterator):
            await self.send_response(response, send)


async def _until_left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
