"""Secrets at rest: encrypted with the newest key of MAGNET_ENCRYPTION_KEYS, readable with every one of them."""

from __future__ import annotations

import base64
import hashlib
import json
from functools import cache
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings

from magnet.errors import NotConfigured


@cache
def _fernet(keys: tuple[str, ...]) -> MultiFernet:
    digests = (hashlib.sha256(key.encode()).digest() for key in keys)
    return MultiFernet([Fernet(base64.urlsafe_b64encode(digest)) for digest in digests])


def encrypt(value: Any) -> str:
    """Encrypt a JSON value; an empty one stays an empty string."""
    if value in ("", None, {}, []):
        return ""
    return _fernet(tuple(settings.ENCRYPTION_KEYS)).encrypt(json.dumps(value).encode()).decode()


def decrypt(token: str) -> Any:
    """The value behind `token`; an empty token is None. Raises NotConfigured when no key fits."""
    if not token:
        return None
    try:
        return json.loads(_fernet(tuple(settings.ENCRYPTION_KEYS)).decrypt(token.encode()))
    except InvalidToken as error:
        raise NotConfigured(
            "A stored secret cannot be decrypted. Add the key it was encrypted with to MAGNET_ENCRYPTION_KEYS, "
            "or enter the secret again."
        ) from error
