"""Whether a cookie is the session of somebody signed in: asked before a large body is read and stored."""

from __future__ import annotations

from http.cookies import CookieError, SimpleCookie
from importlib import import_module

from django.conf import settings
from django.contrib.auth import SESSION_KEY

from magnet.database import in_database


async def is_signed_in(cookies: str) -> bool:
    """Whether the Cookie header names a session that somebody is signed in with."""
    key = session_key(cookies)
    return bool(key) and await in_database(_is_signed_in, key)


def session_key(cookies: str) -> str:
    try:
        found = SimpleCookie(cookies).get(settings.SESSION_COOKIE_NAME)
    except CookieError:
        return ""
    return found.value if found else ""


def _is_signed_in(key: str) -> bool:
    store = import_module(settings.SESSION_ENGINE).SessionStore(key)
    return store.get(SESSION_KEY) is not None
