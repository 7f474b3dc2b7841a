"""The API: one NinjaAPI, to which urls.py adds a router for each noun."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from functools import cache, wraps
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from ninja import NinjaAPI
from ninja.errors import HttpError
from ninja.errors import ValidationError as RequestDoesNotFit
from ninja.parser import Parser

from magnet.errors import UnsupportedMediaType
from magnet.web.idempotency import Run, idempotent
from magnet.web.problems import plain_json, respond_to

DESCRIPTION = """\
Send an API key in the header `Authorization: Bearer mgt_…`. Errors are Problem Details (RFC 9457) with a stable
`code`. Lists take `limit`, `offset`, `search`, `tag` and `ordering`. Writes take an `Idempotency-Key`. Endpoints that
answer questions stream server-sent events when asked with `Accept: text/event-stream`."""

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=plain_json).encode


class JsonOnly(Parser):
    def parse_body(self, request: HttpRequest) -> Any:
        kind = (request.content_type or "").lower()
        if kind and kind != "application/json" and not kind.endswith("+json"):
            raise UnsupportedMediaType(f"{kind} is not read here. Send JSON with Content-Type: application/json.")
        return json.loads(request.body)


class MagnetAPI(NinjaAPI):
    def create_response(self, request: HttpRequest, data: Any, **settings: Any) -> HttpResponse:
        """As Ninja's, with money and times as the whole product writes them."""
        response: HttpResponse = settings.get("temporal_response") or HttpResponse(status=settings.get("status") or 200)
        response.content = _encode(data).encode("utf-8", "replace")
        response["Content-Type"] = "application/json; charset=utf-8"
        return response


def json_response(data: Any, *, status: int = 200) -> HttpResponse:
    """JSON without checking it against a schema: for the answers that are asked for most."""
    body = _encode(data).encode("utf-8", "replace")
    return HttpResponse(body, status=status, content_type="application/json; charset=utf-8")


def parsed_off_the_loop(run: Run) -> Run:
    """Around every operation: a form of 100 MB is taken apart in a thread, so that other requests go on meanwhile."""

    @wraps(run)
    async def parsed(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        if request.content_type == "multipart/form-data":
            try:
                await asyncio.to_thread(lambda: request.FILES)
            except Exception as exception:  # noqa: BLE001 - respond_to() logs what nobody foresaw
                return respond_to(request, exception)
        return await run(request, *args, **kwargs)

    return parsed


api = MagnetAPI(
    title="Magnet",
    version="1",
    description=DESCRIPTION,
    urls_namespace="api",
    openapi_url=None,
    docs_url=None,
    parser=JsonOnly(),
)
# Ninja has handlers of its own for all but the first.
for _kind in (Exception, Http404, HttpError, RequestDoesNotFit):
    api.add_exception_handler(_kind, respond_to)  # type: ignore[arg-type]  # it is given exceptions only
# The last one stands outermost.
api.add_decorator(idempotent, mode="view")
api.add_decorator(parsed_off_the_loop, mode="view")


# -- The documentation, readable without a key ---------------------------------------------------------------------


@cache
def openapi_schema() -> bytes:
    schema = api.get_openapi_schema(path_prefix="/api/")
    # To ask is what most callers came for.
    schema["paths"] = dict(sorted(schema["paths"].items(), key=lambda path: not path[0].endswith("/answer")))
    for path in schema["paths"].values():
        for operation in path.values():
            operation["responses"].setdefault("default", PROBLEM_RESPONSE)
    schema["components"]["schemas"]["Problem"] = PROBLEM_SCHEMA
    return json.dumps(schema, default=plain_json).encode()


PROBLEM_RESPONSE = {
    "description": "A problem",
    "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
}
PROBLEM_SCHEMA = {
    "title": "Problem",
    "description": "Problem Details (RFC 9457). `code` is stable; `detail` says what to do.",
    "type": "object",
    "required": ["type", "title", "status", "detail", "code", "request_id", "instance"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "code": {"type": "string"},
        "request_id": {"type": "string"},
        "instance": {"type": "string"},
        "errors": {"type": "object", "additionalProperties": {"type": "array", "items": {"type": "string"}}},
    },
}


async def openapi(request: HttpRequest) -> HttpResponse:
    return HttpResponse(openapi_schema(), content_type="application/json")


def page(template: str) -> Callable[[HttpRequest], Any]:
    async def show(request: HttpRequest) -> HttpResponse:
        return render(request, template)

    return show
