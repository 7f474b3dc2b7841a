"""Says what a refusing JSON API means to the person who set up the connector, while listing and while fetching."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import structlog

from magnet.errors import AddressRefused, FetchFailed, ListingFailed, SourceError
from magnet.outbound.http import Response

log = structlog.get_logger(__name__)

# Refusals whose body names the field, right or quota that the status alone hides.
EXPLAINED = (400, 401, 403, 404)
LONGEST_EXPLANATION = 300
# What reading JSON of an unforeseen shape raises.
ODD_SHAPES = (KeyError, TypeError, AttributeError, IndexError, ValueError)
# Where the public APIs put their sentence, most telling first.
SENTENCES = ("error_description", "message", "errorMessage", "detail", "description", "title", "msg", "error", "errors")


@contextmanager
def listing() -> Iterator[None]:
    """While it lasts, whatever the API refuses makes the listing incomplete, so nothing may be deleted."""
    try:
        yield
    except ListingFailed:
        raise
    except (SourceError, AddressRefused) as error:
        raise ListingFailed(
            f"{error.detail} Nothing was deleted.", retry_after_seconds=error.retry_after_seconds, **error.extra
        ) from error
    except ODD_SHAPES as error:
        raise ListingFailed(f"{odd_shape(error)} Nothing was deleted.") from error


@contextmanager
def fetching() -> Iterator[None]:
    """While it lasts, whatever goes wrong concerns one document."""
    try:
        yield
    except FetchFailed:
        raise
    except (SourceError, AddressRefused) as error:
        detail = error.detail.removesuffix(" Nothing was deleted.")
        raise FetchFailed(detail, retry_after_seconds=error.retry_after_seconds, **error.extra) from error
    except ODD_SHAPES as error:
        raise FetchFailed(odd_shape(error), reason="shape") from error


def odd_shape(error: Exception) -> str:
    log.warning("source_answered_oddly", exc_info=error)
    return (
        f"The source sent JSON of another shape than its documentation says ({type(error).__name__}: {error}). Check "
        "the address and the edition; the log shows where it was read."
    )


def told_by(name: str, path: str, error: FetchFailed) -> FetchFailed:
    """The failure of a request in the words of its API; what is no status (DNS, a time-out) is said well already."""
    status = error.extra.get("remote_status")
    if status is None:
        return error
    return refusal(name, path, status=status, explanation="", retry_after_seconds=error.retry_after_seconds)


def refusal(
    name: str, path: str, *, status: int, explanation: str, retry_after_seconds: float | None = None
) -> FetchFailed:
    said = f"{advice_for(name, path, status=status, retry_after_seconds=retry_after_seconds)}"
    if explanation:
        said = f"{said} It says: “{explanation.rstrip('.')}”."
    return FetchFailed(said, retry_after_seconds=retry_after_seconds, reason="status", remote_status=status)


def advice_for(name: str, path: str, *, status: int, retry_after_seconds: float | None) -> str:
    if status == 401:
        return f"The token was refused by {name} (status 401). Check it, or enter a new one."
    if status == 403:
        return f"The token was refused by {name} for {path} (status 403). Give it the right to read this."
    if status in (404, 410):
        return f"{name} knows no {path} (status {status}). Check the address and the settings."
    if status == 429:
        wait = f"in {retry_after_seconds:,.0f} seconds" if retry_after_seconds else "later"
        return f"{name} asks us to slow down (status 429). Try again {wait}."
    if status >= 500:
        return f"{name} has a fault (status {status} at {path}). Try again later."
    return f"{name} does not accept the request {path} (status {status})."


def explanation_of(response: Response) -> str:
    """The sentence in the body of a refusal, however the API wraps it."""
    try:
        said = sentence_in(json.loads(response.body))
    except ValueError:
        return ""
    return " ".join(said.split())[:LONGEST_EXPLANATION]


def sentence_in(value: Any, depth: int = 0) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return sentence_in(value[0], depth + 1) if value and depth < 4 else ""
    if not isinstance(value, dict) or depth >= 4:
        return ""
    found = (sentence_in(value[key], depth + 1) for key in SENTENCES if value.get(key))
    return next((said for said in found if said), "")
