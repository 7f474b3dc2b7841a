"""Errors as Problem Details (RFC 9457): whatever goes wrong, callers read one shape with a code and a request id."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, is_dataclass
from datetime import datetime
from decimal import Decimal
from http import HTTPStatus
from typing import Any

import structlog
from django.conf import settings
from django.core.exceptions import (
    BadRequest,
    ObjectDoesNotExist,
    PermissionDenied,
    RequestDataTooBig,
    SuspiciousOperation,
    TooManyFilesSent,
    ValidationError,
)
from django.core.serializers.json import DjangoJSONEncoder
from django.db import DatabaseError, DataError, IntegrityError, InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from django.http.multipartparser import MultiPartParserError
from django.http.request import RawPostDataException, UnreadablePostError
from django.views import defaults
from ninja.errors import HttpError
from ninja.errors import ValidationError as RequestDoesNotFit

from magnet.callers import current_caller
from magnet.configuration import messages_by_field
from magnet.errors import (
    Conflict,
    DatabaseUnavailable,
    InvalidInput,
    MagnetError,
    MalformedRequest,
    MethodNotAllowed,
    NotAllowed,
    NotFound,
    NotSignedIn,
    TooLarge,
)
from magnet.shape_faults import sentence
from magnet.web.openai_problems import in_openai_words, speaks_openai

log = structlog.get_logger(__name__)

CONTENT_TYPE = "application/problem+json"
# Under these paths programs listen, not people with browsers.
MACHINE_PATHS = ("/api", "/v1", "/mcp", "/schema", "/health")


def problem(error: MagnetError, *, instance: str = "", request_id: str = "") -> dict[str, Any]:
    """The Problem Details of `error`; `instance` is the path that was asked for."""
    wait = seconds_to_wait(error)
    return {
        "type": f"urn:magnet:problem:{error.code}",
        "title": error.title,
        "status": error.status,
        "detail": error.detail,
        "code": error.code,
        "request_id": request_id or current_caller().request_id,
        "instance": instance,
        # Also here, because an error inside a stream has no header of its own.
        **({} if wait is None else {"retry_after_seconds": wait}),
        **error.extra,
    }


def seconds_to_wait(error: MagnetError) -> int | None:
    """After how many whole seconds it is worth another try, where that is known."""
    return None if error.retry_after_seconds is None else max(1, math.ceil(error.retry_after_seconds))


def problem_headers(error: MagnetError, *, instance: str = "") -> dict[str, str]:
    headers = {"Content-Type": "application/json" if speaks_openai(instance) else CONTENT_TYPE}
    if (wait := seconds_to_wait(error)) is not None:
        headers["Retry-After"] = str(wait)
    if isinstance(error, NotSignedIn):
        headers["WWW-Authenticate"] = 'Bearer realm="Magnet"'
    return headers


def problem_body(error: MagnetError, *, instance: str = "", request_id: str = "") -> bytes:
    said = problem(error, instance=instance, request_id=request_id)
    if speaks_openai(instance):
        said = in_openai_words(said)
    # What a caller sent may stand in it, half a character as well.
    return json.dumps(said, ensure_ascii=False, default=plain_json).encode("utf-8", "replace")


def problem_response(error: MagnetError, request: HttpRequest) -> HttpResponse:
    body = problem_body(error, instance=request.path, request_id=getattr(request, "request_id", ""))
    response = HttpResponse(body, status=error.status, headers=problem_headers(error, instance=request.path))
    # Our access log tells it already.
    response._has_been_logged = True  # type: ignore[attr-defined]
    return response


def respond_to(request: HttpRequest, exception: Exception) -> HttpResponse:
    """The answer to any exception. What nobody foresaw is logged whole and told without its details."""
    error = translated(exception)
    if error is None:
        log.error("request_failed", path=request.path, exc_info=exception)
        error = MagnetError("Something went wrong on our side. Try again, and name the request id if it stays so.")
    elif error.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        log.warning("request_refused", path=request.path, code=error.code, detail=error.detail)
    return problem_response(error, request)


def translated(exception: Exception) -> MagnetError | None:
    """The error of ours that says the same as an exception of a library; None for a fault of our own."""
    if isinstance(exception, MagnetError):
        return exception
    if isinstance(exception, RequestDoesNotFit):
        return InvalidInput.in_fields(_by_field(exception.errors))
    if isinstance(exception, ValidationError):
        return InvalidInput.in_fields(messages_by_field(exception))
    if isinstance(exception, HttpError):
        return _of_status(exception)
    if isinstance(exception, DatabaseError | InterfaceError):
        return _of_database(exception)
    return next((make(exception) for kind, make in _FOREIGN.items() if isinstance(exception, kind)), None)


def _not_found(exception: Exception) -> MagnetError:
    return NotFound("There is nothing at this address. Paths have no slash at their end; see /schema/swagger.")


def _unreadable(exception: Exception) -> MagnetError:
    return MalformedRequest(f"The request cannot be read: {exception}")


# In this order: the first that fits counts.
_FOREIGN: Mapping[type[Exception], Any] = {
    Http404: _not_found,
    ObjectDoesNotExist: lambda exception: NotFound(str(exception)),
    PermissionDenied: lambda exception: NotAllowed(str(exception)),
    RequestDataTooBig: lambda exception: TooLarge("The body of this request is too large."),
    TooManyFilesSent: lambda exception: TooLarge(
        f"Send at most {settings.DATA_UPLOAD_MAX_NUMBER_FILES} files at once."
    ),
    SuspiciousOperation: _unreadable,
    BadRequest: _unreadable,
    UnreadablePostError: _unreadable,
    MultiPartParserError: _unreadable,
    RawPostDataException: _unreadable,
}


def _by_field(errors: list[dict[str, Any]]) -> dict[str, list[str]]:
    """Pydantic's list as messages by field: "documents.3.remote_id" without the names of our arguments."""
    fields: dict[str, list[str]] = {}
    for error in errors:
        place, *rest = error.get("loc", ("",))
        # In a body, the second name is that of the endpoint's argument.
        named = rest[1:] if place in {"body", "form", "file"} and len(rest) > 1 else rest
        fields.setdefault(".".join(map(str, named or (place,))), []).append(sentence(error))
    return fields


def _of_status(exception: HttpError) -> MagnetError:
    cause = exception.__cause__
    if isinstance(cause, MagnetError):
        return cause
    if exception.status_code == HTTPStatus.UNAUTHORIZED:
        return NotSignedIn("Send an API key in the header Authorization: Bearer mgt_….")
    if isinstance(cause, RecursionError):
        return MalformedRequest("The body is nested too deeply.")
    return MalformedRequest(f"The body is not valid JSON: {cause or exception}")


def _of_database(exception: Exception) -> MagnetError | None:
    if isinstance(exception, IntegrityError):
        return Conflict(f"The database refused this: {_constraint(exception)}.")
    if isinstance(exception, DataError):
        return InvalidInput(f"A value cannot be stored: {str(exception).splitlines()[0]}")
    if isinstance(exception, OperationalError | InterfaceError):
        return DatabaseUnavailable("The database does not answer. Try again in a moment.", retry_after_seconds=5)
    return None


def _constraint(exception: Exception) -> str:
    """The rule that was broken; our constraints are named as sentences."""
    diagnosis = getattr(exception.__cause__, "diag", None)
    return str(getattr(diagnosis, "constraint_name", None) or "a rule was broken").replace("_", " ")


def plain_json(value: Any) -> Any:
    """What json does not know by itself: money without exponents, times with Z, dataclasses, lazy texts."""
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, set | frozenset):
        return sorted(value)
    return DjangoJSONEncoder().default(value)


# -- What Django's own errors look like (see urls.py) ------------------------------------------------------------


def is_for_machines(request: HttpRequest) -> bool:
    return any(request.path == path or request.path.startswith(f"{path}/") for path in MACHINE_PATHS)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    if is_for_machines(request):
        return respond_to(request, translated(exception) or MalformedRequest())
    return defaults.bad_request(request, exception)


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    if is_for_machines(request):
        return respond_to(request, NotAllowed(str(exception)))
    return defaults.permission_denied(request, exception)


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    if is_for_machines(request):
        return respond_to(request, Http404())
    return defaults.page_not_found(request, exception)


def server_error(request: HttpRequest) -> HttpResponse:
    if is_for_machines(request):
        return problem_response(MagnetError("Something went wrong on our side. Try again."), request)
    return defaults.server_error(request)


def method_not_allowed(request: HttpRequest, *, allowed: str) -> HttpResponse:
    methods = ", ".join(sorted(method.strip() for method in allowed.split(",")))
    error = MethodNotAllowed(f"{request.method} is not possible here. Use {methods}.", allowed=methods.split(", "))
    response = problem_response(error, request)
    response["Allow"] = methods
    return response
