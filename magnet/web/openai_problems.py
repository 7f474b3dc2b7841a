"""Errors in OpenAI's shape: under /v1 callers are clients of OpenAI, which read no other."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

PATH = "/v1"
TYPES = {
    HTTPStatus.UNAUTHORIZED: "authentication_error",
    HTTPStatus.FORBIDDEN: "permission_error",
    HTTPStatus.NOT_FOUND: "not_found_error",
    HTTPStatus.TOO_MANY_REQUESTS: "rate_limit_error",
}


def speaks_openai(path: str) -> bool:
    return path == PATH or path.startswith(f"{PATH}/")


def in_openai_words(problem: Mapping[str, Any]) -> dict[str, Any]:
    """The same problem for OpenAI's clients; the status and the stable code stay ours."""
    status = int(problem["status"])
    usual = "server_error" if status >= HTTPStatus.INTERNAL_SERVER_ERROR else "invalid_request_error"
    fields = problem.get("errors")
    return {
        "error": {
            "message": problem["detail"],
            "type": TYPES.get(HTTPStatus(status), usual),
            "param": next(iter(fields), None) if isinstance(fields, Mapping) else None,
            "code": problem["code"],
            "request_id": problem["request_id"],
        }
    }
