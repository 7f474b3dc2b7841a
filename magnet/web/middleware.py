"""What Django adds around a view: the caller for everything below, and a short way for requests with a key.

Django's own middleware cost more than an endpoint and serve browsers: a request with a key needs none of them.
"""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable

import structlog
from asgiref.sync import iscoroutinefunction, sync_to_async
from django.http import HttpRequest, HttpResponseNotAllowed
from django.http.response import HttpResponseBase
from django.urls import resolve
from django.utils.decorators import async_only_middleware

from magnet.callers import Caller, bind_caller
from magnet.errors import MagnetError
from magnet.web import auth
from magnet.web.entrance import CLOSED
from magnet.web.problems import is_for_machines, method_not_allowed, problem_response, respond_to

View = Callable[[HttpRequest], Awaitable[HttpResponseBase]]


@async_only_middleware
def front_door(get_response: View) -> View:
    """Stands first: requests with a key go straight to their view, all others through the rest."""

    async def answer(request: HttpRequest) -> HttpResponseBase:
        scope = getattr(request, "scope", {})
        request_id = scope.get("magnet.request_id") or uuid.uuid4().hex
        request.request_id = request_id  # type: ignore[attr-defined]
        structlog.contextvars.bind_contextvars(request_id=request_id)
        try:
            has_key = await bind_key(request, scope.get("magnet.caller"))
        except MagnetError as refusal:
            return problem_response(refusal, request)
        response = await (straight(request) if has_key else get_response(request))
        if isinstance(response, HttpResponseNotAllowed) and is_for_machines(request):
            return method_not_allowed(request, allowed=response["Allow"])
        return response

    return answer


async def bind_key(request: HttpRequest, caller: Caller | None) -> bool:
    """Bind the caller that the entrance found; without the entrance (Django's test client) look for a key here."""
    if caller is None and CLOSED.match(request.path):
        headers = {name.lower(): value for name, value in request.headers.items()}
        key = auth.key_in(headers)
        caller = await auth.caller_with_key(key, headers) if key else None
    if caller is None:
        return False
    auth.bind(request, caller)
    return True


async def straight(request: HttpRequest) -> HttpResponseBase:
    try:
        match = resolve(request.path_info)
        request.resolver_match = match
        view = match.func if iscoroutinefunction(match.func) else sync_to_async(match.func)
        return await view(request, *match.args, **match.kwargs)  # type: ignore[no-any-return]
    except Exception as exception:  # noqa: BLE001 - respond_to() logs what nobody foresaw
        return respond_to(request, exception)


@async_only_middleware
def bind_person(get_response: View) -> View:
    """Stands last: the pages of the admin act as the person signed in. The API binds its callers itself."""

    async def answer(request: HttpRequest) -> HttpResponseBase:
        if not is_for_machines(request):
            caller = await sync_to_async(signed_in)(request)
            if caller is not None:
                bind_caller(caller)
        return await get_response(request)

    return answer


def signed_in(request: HttpRequest) -> Caller | None:
    return auth.caller_for(request.user) if request.user.is_authenticated else None
