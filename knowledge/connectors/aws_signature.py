"""Signature Version 4, with which S3 and its likes know who asks.

Follows https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html (November 2026); the examples of
that page are the tests.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import quote, urlsplit

EMPTY_BODY = hashlib.sha256(b"").hexdigest()
ALGORITHM = "AWS4-HMAC-SHA256"


@dataclass(frozen=True)
class AwsKey:
    key_id: str
    secret: str = field(repr=False)
    session_token: str = field(default="", repr=False)


def signed_headers(
    url: str, *, key: AwsKey, region: str, at: datetime, headers: Mapping[str, str] | None = None, service: str = "s3"
) -> dict[str, str]:
    """The headers of a signed GET without a body. `url` is encoded as it is sent; `at` is in UTC."""
    moment = at.strftime("%Y%m%dT%H%M%SZ")
    sent = {**(headers or {}), "x-amz-content-sha256": EMPTY_BODY, "x-amz-date": moment}
    if key.session_token:
        sent["x-amz-security-token"] = key.session_token
    signed = sorted({"host": urlsplit(url).netloc, **{name.lower(): value for name, value in sent.items()}}.items())
    names = ";".join(name for name, _ in signed)
    scope = f"{moment[:8]}/{region}/{service}/aws4_request"
    request = hashlib.sha256(canonical_request(url, signed, names=names).encode()).hexdigest()
    signature = hmac.new(
        signing_key(key.secret, scope), f"{ALGORITHM}\n{moment}\n{scope}\n{request}".encode(), "sha256"
    )
    credential = f"Credential={key.key_id}/{scope}"
    sent["Authorization"] = f"{ALGORITHM} {credential},SignedHeaders={names},Signature={signature.hexdigest()}"
    return sent


def canonical_request(url: str, signed: list[tuple[str, str]], *, names: str) -> str:
    parts = urlsplit(url)
    query = "&".join(sorted(part if "=" in part else f"{part}=" for part in parts.query.split("&") if part))
    lines = [f"{name}:{' '.join(value.split())}" for name, value in signed]
    return "\n".join(["GET", parts.path or "/", query, *lines, "", names, EMPTY_BODY])


def signing_key(secret: str, scope: str) -> bytes:
    key = f"AWS4{secret}".encode()
    for part in scope.split("/"):
        key = hmac.new(key, part.encode(), "sha256").digest()
    return key


def encoded(value: str, *, keep: str = "") -> str:
    """Percent-encoded as the signature wants it: all but letters, digits and -._~ (RFC 3986)."""
    return quote(value, safe=f"-._~{keep}")
