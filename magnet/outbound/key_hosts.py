"""Where a key from the environment may be sent: it is the operator's secret, and whoever edits a provider is not."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlsplit

from django.conf import settings


def may_receive(variable: str, url: str, *, usual: Sequence[str]) -> bool:
    """Whether the value of `variable` may go to `url`; an empty URL is the usual one.

    `usual` are hosts, or domains that begin with a dot; they are called over https only.
    """
    if not url:
        return True
    parts = urlsplit(url)
    host = (parts.hostname or "").lower()
    if parts.scheme == "https" and any(host == name or (name[0] == "." and host.endswith(name)) for name in usual):
        return True
    return f"{variable}@{host}".lower() in {allowed.strip().lower() for allowed in settings.ENV_KEY_HOSTS}


def refusal(variable: str, url: str) -> str:
    host = urlsplit(url).hostname or url
    return (
        f"The value of {variable} is not sent to {host}: enter the key itself, or ask the operator to allow it with "
        f"MAGNET_ENV_KEY_HOSTS={variable}@{host}."
    )
