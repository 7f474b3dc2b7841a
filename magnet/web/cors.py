"""Which web pages of other origins may call the API: those on the operator's list, with a key, never with cookies."""

from __future__ import annotations

from django.conf import settings

PATHS = ("/api/", "/v1/", "/mcp", "/schema/")
PREFLIGHT_HEADERS = {
    "Access-Control-Allow-Methods": "GET, POST, PUT, PATCH, DELETE",
    "Access-Control-Allow-Headers": (
        "Authorization, Content-Type, Idempotency-Key, If-Match, Magnet-Groups, Magnet-Person, X-API-Key, X-Request-ID"
    ),
    "Access-Control-Max-Age": "600",
}
EXPOSED = (
    "ETag, Location, Retry-After, X-Request-ID, Idempotent-Replayed, RateLimit-Limit, RateLimit-Remaining, "
    "RateLimit-Reset"
)


def applies_to(path: str) -> bool:
    return path.startswith(PATHS)


def allows(origin: str) -> bool:
    return bool(origin) and (origin in settings.CORS_ORIGINS or "*" in settings.CORS_ORIGINS)


def headers(path: str, *, origin: str) -> dict[str, str]:
    """What to add to an answer; caches must know that it depends on the origin."""
    if not settings.CORS_ORIGINS or not applies_to(path):
        return {}
    if not allows(origin):
        return {"Vary": "Origin"}
    return {"Access-Control-Allow-Origin": origin, "Access-Control-Expose-Headers": EXPOSED, "Vary": "Origin"}
