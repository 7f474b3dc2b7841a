"""What went wrong at a provider that speaks OpenAI's protocol, told as our errors in sentences that say what to do."""

from __future__ import annotations

import email.utils
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from magnet.errors import ProviderBusy, ProviderError, ProviderRefusedKey, ProviderTimedOut
from magnet.providers.base import Connection

if TYPE_CHECKING:
    import openai

BUSY = {429, 503, 529}


def translated(error: openai.OpenAIError, *, who: str, model: str, connection: Connection) -> ProviderError:
    """Our error for the client's. `upstream_status` tells the gateway whether asking again can help."""
    import openai

    if isinstance(error, openai.APITimeoutError):
        return ProviderTimedOut(
            f"{who} did not answer within {connection.timeout_seconds:g} seconds. "
            f"Try again, or raise the provider's time-out."
        )
    if isinstance(error, openai.APIStatusError):
        return refused(error, who=who, model=model, connection=connection)
    if isinstance(error, openai.APIConnectionError):
        return ProviderError(f"{who} cannot be reached. Check its base URL and the network.")
    return ProviderError(f"{who} failed: {without_key(str(error), connection)}")


def refused(error: openai.APIStatusError, *, who: str, model: str, connection: Connection) -> ProviderError:
    status = error.status_code
    said = without_key(words_of(error), connection)
    if status in (401, 403):
        return ProviderRefusedKey(
            f"{who} refused the key ({status}). Check the provider's API key. It said: {said}", upstream_status=status
        )
    if error.code == "insufficient_quota":
        return ProviderError(f"{who} has no credit left. Top up the account. It said: {said}", upstream_status=402)
    if status in BUSY:
        return ProviderBusy(
            f"{who} asks us to slow down ({status}). Try again later.",
            retry_after_seconds=retry_after(error.response.headers),
            upstream_status=status,
        )
    if status == 404:
        return ProviderError(
            f"{who} does not know “{model}”, or its base URL is wrong (404). It said: {said}", upstream_status=status
        )
    if 300 <= status < 400:
        return ProviderError(f"{who} wants to redirect us. Correct its base URL.", upstream_status=status)
    verb = "failed" if status >= 500 else "refused the request"
    return ProviderError(f"{who} {verb} ({status}). It said: {said}", upstream_status=status)


def words_of(error: openai.APIStatusError) -> str:
    """The provider's own message, short enough to show."""
    body = error.body
    message = body.get("message") if isinstance(body, Mapping) else None
    return str(message or error.message)[:300]


def without_key(text: str, connection: Connection) -> str:
    return text.replace(connection.api_key, "***") if connection.api_key else text


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds until the provider wants to hear from us again: `retry-after-ms`, or `Retry-After` as number or date."""
    milliseconds = headers.get("retry-after-ms", "")
    if milliseconds.replace(".", "", 1).isdecimal():
        return float(milliseconds) / 1000
    value = headers.get("retry-after", "")
    if value.replace(".", "", 1).isdecimal():
        return float(value)
    parsed = email.utils.parsedate_tz(value) if value else None
    return max(0.0, email.utils.mktime_tz(parsed) - time.time()) if parsed else None
